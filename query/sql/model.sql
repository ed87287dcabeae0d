-- The result of query/model.py, in its order.
SELECT value ->> 0 AS item, value ->> 1 AS value, value ->> 2 AS pm, value ->> 3 AS unit FROM json_each(:items);
