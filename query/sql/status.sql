WITH
{{include gap_pieces: }},
last_gap AS (
    SELECT start, cause FROM found WHERE stop - start > 1 AND start < :stop ORDER BY start DESC LIMIT 1
),
{{include system_pieces: samples}},
held AS (
    SELECT coalesce(SUM(samples), 0) AS samples FROM piece
),
raw AS (
    SELECT since, :room / (:bytes / (:last - since)) AS seconds_fit
    FROM (SELECT MIN(time) AS since FROM system_sample WHERE time >= (SELECT raw_since FROM history))
),
health AS (
    SELECT 100.0 * full / design AS pct FROM battery_health WHERE time <= :last ORDER BY time DESC LIMIT 1
)
SELECT :database                                                            AS database,
       :bytes                                                               AS bytes,
       (SELECT user_version FROM pragma_user_version)                       AS schema,
       (SELECT COUNT(*) FROM run)                                           AS runs,
       samples,
       (SELECT MIN(oldest) FROM (
            SELECT MIN(time) AS oldest FROM system_sample WHERE time >= max(:start, raw_since) AND time < :stop
            UNION ALL
            SELECT MIN(bucket) FROM system_minute WHERE bucket >= :start AND bucket < min(:stop, raw_since)
            UNION ALL
            SELECT MIN(bucket) FROM system_hour WHERE bucket >= :start AND bucket < min(:stop, raw_since, minute_since)
        ))                                                                  AS oldest,
       CASE WHEN :last >= :start THEN :last END                             AS newest,
       CASE WHEN :last >= :start THEN :now - :last END                      AS newest_age_s,
       (SELECT start FROM last_gap)                                         AS last_gap,
       (SELECT cause FROM last_gap)                                         AS last_gap_cause,
       (SELECT COUNT(*) FROM gap)                                           AS gaps,
       (SELECT coalesce(SUM(last_seq - first_seq + 1), 0) FROM gap)         AS samples_lost,
       (SELECT COUNT(*) FROM system_sample
        WHERE time IS NULL AND clock_time IS NOT NULL)                      AS misdated,
       (SELECT COUNT(*) FROM rollup_difference)                             AS rollup_differences,
       (SELECT COUNT(*) FROM loss)                                          AS losses,
       nullif(minute_until, 0)                                              AS rolled_up_until,
       raw.since                                                            AS raw_since,
       (SELECT value FROM setting WHERE name = 'dropped_for')              AS dropped_for,
       -- Less than a day of samples does not show the size of a day.
       CASE WHEN :last - raw.since >= 86400
            THEN min(seconds_fit, coalesce(:retain, seconds_fit)) / 86400.0
       END                                                                  AS days_fit,
       (SELECT on_ac FROM system_sample WHERE ts = :newest)                 AS on_ac,
       (SELECT throttled FROM system_sample WHERE ts = :newest)             AS throttled,
       (SELECT pct FROM health)                                             AS battery_health_pct
FROM held, history, raw
LIMIT coalesce(:limit, -1);
