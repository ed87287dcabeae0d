-- The result of query/blame.py, in its order: the arithmetic is done in Python.
SELECT value ->> 0 AS name, value ->> 1 AS wh, value ->> 2 AS pm, value ->> 3 AS share, value ->> 4 AS watts,
       value ->> 5 AS cpu_h, value ->> 6 AS rate
FROM json_each(:parts);
