-- What query/compare.py found, in its order: the arithmetic is no work for SQL.
SELECT value ->> 0 AS item, value ->> 1 AS unit, value ->> 2 AS a, value ->> 3 AS b, value ->> 4 AS diff, value ->> 5 AS pm,
       value ->> 6 AS differs
FROM json_each(:items);
