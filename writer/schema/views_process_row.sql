-- The view over process_row where there is that table: the rows of views_process_sample.sql. A whole number is in
-- hundredths of a percent (of memory: thousandths), and so has a bound of its own.

CREATE VIEW process_sums AS
SELECT s.ts,
       s.time,
       (SELECT n.name FROM process_name AS n WHERE n.name_id = p.name_id)                     AS name,
       coalesce(p.name_id, 0)                                                                 AS name_id,
       1                                                                                      AS appearances,
       CASE typeof(p.cpu) WHEN 'integer' THEN iif(p.cpu BETWEEN 0 AND 40960000, 1, 0)
            ELSE iif(p.cpu BETWEEN 0 AND 409600, 1, 0) END                                AS cpu_samples,
       CASE typeof(p.cpu) WHEN 'integer' THEN iif(p.cpu BETWEEN 0 AND 40960000, p.cpu, 0)
            ELSE iif(p.cpu BETWEEN 0 AND 409600, ROUND(p.cpu * 100), 0) END                 AS cpu_sum,
       CASE typeof(p.cpu) WHEN 'integer' THEN iif(p.cpu BETWEEN 0 AND 40960000, p.cpu / 100.0, NULL)
            ELSE iif(p.cpu BETWEEN 0 AND 409600, p.cpu, NULL) END                           AS cpu_max,
       CASE typeof(p.mem) WHEN 'integer' THEN iif(p.mem BETWEEN 0 AND 100000, 1, 0)
            ELSE iif(p.mem BETWEEN 0 AND 100, 1, 0) END                                AS mem_samples,
       CASE typeof(p.mem) WHEN 'integer' THEN iif(p.mem BETWEEN 0 AND 100000, p.mem, 0)
            ELSE iif(p.mem BETWEEN 0 AND 100, ROUND(p.mem * 1000), 0) END                AS mem_sum,
       CASE typeof(p.children) WHEN 'integer' THEN iif(p.children BETWEEN 0 AND 40960000, p.children, 0)
            ELSE iif(p.children BETWEEN 0 AND 409600, ROUND(p.children * 100), 0) END       AS children_sum
FROM system_sample AS s CROSS JOIN process_row AS p ON p.ts = s.ts;
