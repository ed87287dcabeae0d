-- The result of query/compare.py, in its order: the arithmetic is done in Python.
SELECT value ->> 0 AS item, value ->> 1 AS unit, value ->> 2 AS a, value ->> 3 AS b, value ->> 4 AS diff, value ->> 5 AS pm,
       value ->> 6 AS differs
FROM json_each(:items);
