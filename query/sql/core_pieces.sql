-- The cores over the window, in pieces: see system_pieces.sql.
raw_span (since, until)  AS (VALUES (:start, :fine_start), (:fine_stop, :stop)),
hour_span (since, until) AS (VALUES (:fine_start, :fine_stop)),

piece AS (
    SELECT {{columns}} FROM hour_span CROSS JOIN core_hour ON bucket >= since AND bucket < until
    UNION ALL
    SELECT {{columns}} FROM raw_span CROSS JOIN core_sums ON time >= since AND time < until
)
