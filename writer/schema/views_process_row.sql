-- The view over process_row, if that table exists: the same rows as views_process_sample.sql. A whole number is in
-- hundredths of a percent (memory: thousandths), so it has a different bound.

CREATE VIEW process_sums AS
SELECT ts,
       time,
       (SELECT n.name FROM process_name AS n WHERE n.name_id = number)                                AS name,
       (SELECT n.app FROM process_name AS n WHERE n.name_id = number)                                 AS app,
       (SELECT n.user FROM process_name AS n WHERE n.name_id = number)                                AS user,
       coalesce(number, 0)                                                                            AS name_id,
       1                                                                                              AS appearances,
       CASE typeof(cpu) WHEN 'integer' THEN iif(cpu BETWEEN 0 AND most, 1, 0)
            ELSE iif(cpu BETWEEN 0 AND most / 100, 1, 0) END                                         AS cpu_samples,
       CASE typeof(cpu) WHEN 'integer' THEN iif(cpu BETWEEN 0 AND most, cpu, 0)
            ELSE iif(cpu BETWEEN 0 AND most / 100, ROUND(cpu * 100), 0) END                          AS cpu_sum,
       CASE typeof(cpu) WHEN 'integer' THEN iif(cpu BETWEEN 0 AND most, cpu / 100.0, NULL)
            ELSE iif(cpu BETWEEN 0 AND most / 100, cpu, NULL) END                                    AS cpu_max,
       CASE typeof(mem) WHEN 'integer' THEN iif(mem BETWEEN 0 AND 100000, 1, 0)
            ELSE iif(mem BETWEEN 0 AND 100, 1, 0) END                                                 AS mem_samples,
       CASE typeof(mem) WHEN 'integer' THEN iif(mem BETWEEN 0 AND 100000, mem, 0)
            ELSE iif(mem BETWEEN 0 AND 100, ROUND(mem * 1000), 0) END                                 AS mem_sum,
       CASE typeof(children) WHEN 'integer' THEN iif(children BETWEEN 0 AND most, children, 0)
            ELSE iif(children BETWEEN 0 AND most / 100, ROUND(children * 100), 0) END                AS children_sum,
       -- computed only from whole numbers, so that both forms of the table give exactly the same
       (CAST(CASE typeof(cpu) WHEN 'integer' THEN iif(cpu BETWEEN 0 AND most, cpu, 0)
                  ELSE iif(cpu BETWEEN 0 AND most / 100, ROUND(cpu * 100), 0) END
             + CASE typeof(children) WHEN 'integer' THEN iif(children BETWEEN 0 AND most, children, 0)
                    ELSE iif(children BETWEEN 0 AND most / 100, ROUND(children * 100), 0) END AS INTEGER)
        * interval_us + 5000) / 10000                                                                AS cpu_us
FROM (
    -- The limit is what all cores of the sample provide, in hundredths; if the sample lists no cores, 4,096 cores, the
    -- most that it can list. Cores are counted only for the few values that may exceed one core.
    SELECT s.ts, s.time, p.name_id AS number, p.cpu, p.mem, p.children,
           iif(s.interval BETWEEN 0 AND 1e9, CAST(ROUND(s.interval * 1e6) AS INTEGER), 0) AS interval_us,
           iif(p.cpu > 10000 OR p.children > 10000 OR typeof(p.cpu) = 'real' OR typeof(p.children) = 'real',
               (SELECT 10000 * coalesce(MAX(c.core) + 1, 4096) FROM cpu_core AS c WHERE c.ts = s.ts), 10000) AS most
    FROM system_sample AS s CROSS JOIN process_row AS p ON p.ts = s.ts
    ORDER BY s.time
);
