-- The system figures of the window by time: hours or minutes of roll-ups between, single samples at its ends.
-- `moment` is the start of the hour or minute, or the time of the sample.
piece AS (
    SELECT bucket AS moment, {{columns}} FROM system_hour WHERE bucket >= :coarse_start AND bucket < :coarse_stop
    UNION ALL
    SELECT bucket, {{columns}} FROM system_minute WHERE bucket >= :fine_start AND bucket < :coarse_start
    UNION ALL
    SELECT bucket, {{columns}} FROM system_minute WHERE bucket >= :coarse_stop AND bucket < :fine_stop
    UNION ALL
    SELECT time, {{columns}} FROM system_sums WHERE time >= :start AND time < :fine_start
    UNION ALL
    SELECT time, {{columns}} FROM system_sums WHERE time >= :fine_stop AND time < :stop
)
