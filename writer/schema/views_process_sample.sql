-- The view over process_sample, if that is a table.

-- One row per process of a sample: what it contributes to a bucket of process_hour. See system_sums in views.sql. A
-- name without a number gets the number 0, like a row without a name.
CREATE VIEW process_sums AS
SELECT ts,
       time,
       called                                                                          AS name,
       whose_app                                                                       AS app,
       whose_user                                                                      AS user,
       coalesce((SELECT n.name_id FROM process_name AS n
                 WHERE n.name = called
                   AND coalesce(n.app, '') = coalesce(whose_app, '')
                   AND coalesce(n.user, '') = coalesce(whose_user, '')), 0)            AS name_id,
       1                                                                               AS appearances,
       iif(cpu BETWEEN 0 AND 100 * cores, 1, 0)                                        AS cpu_samples,
       iif(cpu BETWEEN 0 AND 100 * cores, ROUND(cpu * 100), 0)                         AS cpu_sum,
       iif(cpu BETWEEN 0 AND 100 * cores, cpu, NULL)                                   AS cpu_max,
       iif(mem BETWEEN 0 AND 100, 1, 0)                                                AS mem_samples,
       iif(mem BETWEEN 0 AND 100, ROUND(mem * 1000), 0)                                AS mem_sum,
       iif(children BETWEEN 0 AND 100 * cores, ROUND(children * 100), 0)               AS children_sum,
       (CAST(iif(cpu BETWEEN 0 AND 100 * cores, ROUND(cpu * 100), 0)
             + iif(children BETWEEN 0 AND 100 * cores, ROUND(children * 100), 0) AS INTEGER)
        * interval_us + 5000) / 10000                                                  AS cpu_us
FROM (
    -- As in views_process_row.sql.
    SELECT s.ts, s.time, p.name AS called, p.app AS whose_app, p.user AS whose_user, p.cpu, p.mem, p.children,
           iif(s.interval BETWEEN 0 AND 1e9, CAST(ROUND(s.interval * 1e6) AS INTEGER), 0) AS interval_us,
           iif(p.cpu > 100 OR p.children > 100,
               (SELECT coalesce(MAX(c.core) + 1, 4096) FROM cpu_core AS c WHERE c.ts = s.ts), 1) AS cores
    FROM system_sample AS s CROSS JOIN process_sample AS p ON p.ts = s.ts
    ORDER BY s.time
);
