-- The result of query/correlate.py, in its order.
SELECT value ->> 0 AS name, value ->> 1 AS r, value ->> 2 AS w_per_core, value ->> 3 AS pm, value ->> 4 AS avg_cpu, value ->> 5 AS blocks
FROM json_each(:programs)
LIMIT coalesce(:limit, -1);
