-- The processes of the window, in pieces: see system_pieces.sql. `process` is the name_id in a piece of a roll-up, and
-- the name in one of a single sample: not every name has a number yet.
raw_span (since, until)  AS (VALUES (:start, :fine_start), (:fine_stop, :stop)),
hour_span (since, until) AS (VALUES (:fine_start, :coarse_start), (:coarse_stop, :fine_stop)),
day_span (since, until)  AS (VALUES (:coarse_start, :coarse_stop)),

piece AS (
    SELECT name_id AS process, {{columns}}
    FROM day_span CROSS JOIN process_day ON bucket >= since AND bucket < until
    UNION ALL
    SELECT name_id, {{columns}} FROM hour_span CROSS JOIN process_hour ON bucket >= since AND bucket < until
    UNION ALL
    SELECT name, {{columns}} FROM raw_span CROSS JOIN process_sums ON time >= since AND time < until
)
