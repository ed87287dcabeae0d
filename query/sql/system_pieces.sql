-- The system figures of the window, in pieces: a row for each hour or minute that lies in one of its buckets, and for
-- each sample at the ends of a bucket. The buckets begin at :start and at :edges. The view system_sums has the columns
-- of a roll-up for a single sample.
span (since, until) AS (
    SELECT since, LEAD(since, 1, :stop) OVER (ORDER BY since)
    FROM (SELECT :start AS since UNION ALL SELECT value FROM json_each(:edges))
),
-- The cuts of each bucket, as query/window.py defines them for the window:
-- since <= fine_since <= coarse_since <= coarse_until <= fine_until <= until
cuts AS MATERIALIZED (
    SELECT *, max(coarse_since, min(CAST(fine_until AS INTEGER) / 3600 * 3600, :coarse_stop)) AS coarse_until
    FROM (SELECT *, min(fine_until, max((CAST(fine_since AS INTEGER) + 3599) / 3600 * 3600, :coarse_start)) AS coarse_since
    FROM (SELECT *, max(fine_since, min(CAST(until AS INTEGER) / 60 * 60, :fine_stop)) AS fine_until
    FROM (SELECT *, min(until, max((CAST(since AS INTEGER) + 59) / 60 * 60, :fine_start)) AS fine_since
    FROM span)))
),
raw_span (since, until, first, last) AS (
    SELECT since, until, since, fine_since FROM cuts WHERE since < fine_since
    UNION ALL
    SELECT since, until, fine_until, until FROM cuts WHERE fine_until < until
),
minute_span (since, until, first, last) AS (
    SELECT since, until, fine_since, coarse_since FROM cuts WHERE fine_since < coarse_since
    UNION ALL
    SELECT since, until, coarse_until, fine_until FROM cuts WHERE coarse_until < fine_until
),
hour_span (since, until, first, last) AS (
    SELECT since, until, coarse_since, coarse_until FROM cuts WHERE coarse_since < coarse_until
),

piece AS (
    SELECT since, until, {{columns}} FROM hour_span CROSS JOIN system_hour ON bucket >= first AND bucket < last
    UNION ALL
    SELECT since, until, {{columns}} FROM minute_span CROSS JOIN system_minute ON bucket >= first AND bucket < last
    UNION ALL
    SELECT since, until, {{columns}} FROM raw_span CROSS JOIN system_sums ON time >= first AND time < last
)
