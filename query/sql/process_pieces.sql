-- The processes of the window, in pieces: see system_pieces.sql. `process` is the name_id, with which process_name has
-- the name and its owners; in a piece of a single sample whose name has no number yet it is the name, and its owners
-- are beside it. `moment` is the start of the hour or day, or the time of the sample.
raw_span (since, until)  AS (VALUES (:start, :fine_start), (:fine_stop, :stop)),
hour_span (since, until) AS (VALUES (:fine_start, :coarse_start), (:coarse_stop, :fine_stop)),
day_span (since, until)  AS (VALUES (:coarse_start, :coarse_stop)),

piece AS (
    SELECT bucket AS moment, name_id AS process, NULL AS app, NULL AS user, {{columns}}
    FROM day_span CROSS JOIN process_day ON bucket >= since AND bucket < until
    UNION ALL
    SELECT bucket, name_id, NULL, NULL, {{columns}}
    FROM hour_span CROSS JOIN process_hour ON bucket >= since AND bucket < until
    UNION ALL
    SELECT time, iif(name_id, name_id, name), iif(name_id, NULL, app), iif(name_id, NULL, user), {{columns}}
    FROM raw_span CROSS JOIN process_sums ON time >= since AND time < until
)
