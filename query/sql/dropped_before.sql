-- The time of the newest dropped sample before a moment, from roll-ups; the moment itself if samples go on past it; NULL
-- if none was dropped. Minutes say it exactly, and hours where the minutes were folded.
(SELECT min(last_time, {{columns}}) FROM (
    SELECT * FROM (
        SELECT bucket, last_time FROM system_minute
        WHERE bucket <= {{columns}} AND bucket < (SELECT raw_since FROM history) AND first_start < {{columns}} - 1
        ORDER BY bucket DESC LIMIT 1)
    UNION ALL
    SELECT * FROM (
        SELECT bucket, last_time FROM system_hour
        WHERE bucket <= {{columns}} AND bucket < (SELECT min(raw_since, minute_since) FROM history)
          AND first_start < {{columns}} - 1
        ORDER BY bucket DESC LIMIT 1)
) ORDER BY bucket DESC LIMIT 1)
