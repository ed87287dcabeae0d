-- The view over cpu_core, if that is a table.

-- One row per core of a sample: what it contributes to a bucket of core_hour. See system_sums in views.sql.
CREATE VIEW core_sums AS
SELECT s.ts,
       s.time,
       c.core,
       iif(c.usage BETWEEN 0 AND 100, 1, 0)                       AS samples,
       iif(c.usage BETWEEN 0 AND 100, ROUND(c.usage * 100), 0)      AS usage_sum,
       iif(c.usage BETWEEN 0 AND 100, c.usage, NULL)                AS usage_max
FROM system_sample AS s CROSS JOIN cpu_core AS c ON c.ts = s.ts
WHERE typeof(c.core) = 'integer';
