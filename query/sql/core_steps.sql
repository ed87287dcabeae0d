-- CPU use of each core in steps of :size s from :first on: from roll-ups before :until, from single rows after it.
WITH sums AS (
    SELECT core, CAST((bucket - :first) / :size AS INTEGER) AS step, samples, usage_sum
    FROM core_hour
    WHERE bucket >= :first AND bucket < min(:until, :stop)
    UNION ALL
    SELECT core, CAST((time - :first) / :size AS INTEGER), samples, usage_sum
    FROM core_sums
    WHERE time >= max(:first, :until) AND time < :stop
)
SELECT core, step, TOTAL(usage_sum) / 100 / nullif(SUM(samples), 0) AS usage
FROM sums
GROUP BY core, step
ORDER BY core, step;
