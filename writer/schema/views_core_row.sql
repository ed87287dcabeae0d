-- The view over core_row, if that table exists: the same rows as views_cpu_core.sql. A whole number is in hundredths of
-- a percent, so it has a different bound.

CREATE VIEW core_sums AS
SELECT s.ts,
       s.time,
       c.core,
       CASE typeof(c.usage) WHEN 'integer' THEN iif(c.usage BETWEEN 0 AND 10000, 1, 0)
            ELSE iif(c.usage BETWEEN 0 AND 100, 1, 0) END                                AS samples,
       CASE typeof(c.usage) WHEN 'integer' THEN iif(c.usage BETWEEN 0 AND 10000, c.usage, 0)
            ELSE iif(c.usage BETWEEN 0 AND 100, ROUND(c.usage * 100), 0) END               AS usage_sum,
       CASE typeof(c.usage) WHEN 'integer' THEN iif(c.usage BETWEEN 0 AND 10000, c.usage / 100.0, NULL)
            ELSE iif(c.usage BETWEEN 0 AND 100, c.usage, NULL) END                         AS usage_max
FROM system_sample AS s CROSS JOIN core_row AS c ON c.ts = s.ts
WHERE typeof(c.core) = 'integer';
