-- All sessions: the stored ones, and those that the query computes from the state and the newest rows
-- (:open_sessions, in the order of the columns of the table behind its key). The last of these is the current one.
every_session AS (
    SELECT kind, start, stop, awake_us, asleep_us, covered_us, drawn_uj, wh_from, pct_from, pct_to, pct_fallen, flips,
           0 AS is_current
    FROM session
    UNION ALL
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 8, value ->> 9,
           value ->> 10, value ->> 11, value ->> 12, value ->> 15, key + 1 = json_array_length(:open_sessions)
    FROM json_each(:open_sessions)
)
