-- The processes of the window by name, in pieces: see system_pieces.sql.
raw_span (since, until)  AS (VALUES (:start, :fine_start), (:fine_stop, :stop)),
hour_span (since, until) AS (VALUES (:fine_start, :coarse_start), (:coarse_stop, :fine_stop)),
day_span (since, until)  AS (VALUES (:coarse_start, :coarse_stop)),

rolled_up AS (
    SELECT name_id,
           SUM(appearances) AS appearances,
           SUM(cpu_samples) AS cpu_samples, TOTAL(cpu_sum) AS cpu_sum, MAX(cpu_max) AS cpu_max,
           SUM(mem_samples) AS mem_samples, TOTAL(mem_sum) AS mem_sum,
           TOTAL(children_sum) AS children_sum
    FROM (
        SELECT d.* FROM day_span CROSS JOIN process_day AS d ON bucket >= since AND bucket < until
        UNION ALL
        SELECT h.* FROM hour_span CROSS JOIN process_hour AS h ON bucket >= since AND bucket < until
    )
    GROUP BY name_id
),

piece AS (
    SELECT name, appearances, cpu_samples, cpu_sum, cpu_max, mem_samples, mem_sum, children_sum
    FROM rolled_up LEFT JOIN process_name USING (name_id)

    UNION ALL

    SELECT name, 1, cpu IS NOT NULL, ROUND(cpu * 100), cpu, mem IS NOT NULL, ROUND(mem * 1000),
           coalesce(ROUND(children * 100), 0)
    FROM (
        SELECT name,
               iif(cpu BETWEEN -1e12 AND 1e12, cpu, NULL)           AS cpu,
               iif(mem BETWEEN -1e12 AND 1e12, mem, NULL)           AS mem,
               iif(children BETWEEN -1e12 AND 1e12, children, NULL) AS children
        FROM raw_span
             CROSS JOIN system_sample AS s ON s.time >= since AND s.time < until
             CROSS JOIN process_sample AS p ON p.ts = s.ts
    )
)
