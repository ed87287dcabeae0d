-- The cores over the window, in pieces: see system_pieces.sql.
raw_span (since, until)  AS (VALUES (:start, :fine_start), (:fine_stop, :stop)),
hour_span (since, until) AS (VALUES (:fine_start, :fine_stop)),

piece AS (
    SELECT core, samples, usage_sum, usage_max
    FROM hour_span CROSS JOIN core_hour ON bucket >= since AND bucket < until

    UNION ALL

    SELECT core, usage IS NOT NULL, ROUND(usage * 100), usage
    FROM (
        SELECT core, iif(usage BETWEEN -1e12 AND 1e12, usage, NULL) AS usage
        FROM raw_span
             CROSS JOIN system_sample AS s ON s.time >= since AND s.time < until
             CROSS JOIN cpu_core AS c ON c.ts = s.ts
    )
)
