-- The system figures of the window, in pieces: a row for each hour or minute that lies in it, and for each sample at
-- its ends. The view system_sums has the columns of a bucket for a single sample.
raw_span (since, until)    AS (VALUES (:start, :fine_start), (:fine_stop, :stop)),
minute_span (since, until) AS (VALUES (:fine_start, :coarse_start), (:coarse_stop, :fine_stop)),
hour_span (since, until)   AS (VALUES (:coarse_start, :coarse_stop)),

piece AS (
    SELECT bucket AS moment, {{columns}} FROM hour_span CROSS JOIN system_hour ON bucket >= since AND bucket < until
    UNION ALL
    SELECT bucket, {{columns}} FROM minute_span CROSS JOIN system_minute ON bucket >= since AND bucket < until
    UNION ALL
    SELECT time, {{columns}} FROM raw_span CROSS JOIN system_sums ON time >= since AND time < until
)
