-- The view over process_sample where that is a table.

-- One row a process of a sample: what it contributes to a bucket of process_hour. See system_sums in views.sql. A name
-- that has no number yet has the number 0, as a row without a name has.
CREATE VIEW process_sums AS
SELECT s.ts,
       s.time,
       p.name,
       coalesce((SELECT n.name_id FROM process_name AS n WHERE n.name = p.name), 0) AS name_id,
       1                                                                            AS appearances,
       iif(p.cpu BETWEEN 0 AND 409600, 1, 0)                                    AS cpu_samples,
       iif(p.cpu BETWEEN 0 AND 409600, ROUND(p.cpu * 100), 0)                     AS cpu_sum,
       iif(p.cpu BETWEEN 0 AND 409600, p.cpu, NULL)                               AS cpu_max,
       iif(p.mem BETWEEN 0 AND 100, 1, 0)                                    AS mem_samples,
       iif(p.mem BETWEEN 0 AND 100, ROUND(p.mem * 1000), 0)                    AS mem_sum,
       iif(p.children BETWEEN 0 AND 409600, ROUND(p.children * 100), 0)           AS children_sum
FROM system_sample AS s CROSS JOIN process_sample AS p ON p.ts = s.ts;
