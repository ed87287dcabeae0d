-- What query/blame.py found, in its order: the arithmetic is no work for SQL.
SELECT value ->> 0 AS name, value ->> 1 AS wh, value ->> 2 AS pm, value ->> 3 AS share, value ->> 4 AS watts,
       value ->> 5 AS cpu_h, value ->> 6 AS rate
FROM json_each(:parts);
