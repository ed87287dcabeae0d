-- The newest percent in each of :slots equal spans between :start and :stop that has one.
WITH RECURSIVE slot (number) AS (
    SELECT 0 UNION ALL SELECT number + 1 FROM slot WHERE number + 1 < :slots
)
SELECT number,
       (SELECT battery_pct FROM system_sample
        WHERE time >= :start + number * (:stop - :start) / :slots
          AND time < :start + (number + 1) * (:stop - :start) / :slots
          AND battery_pct IS NOT NULL
        ORDER BY time DESC LIMIT 1) AS battery_pct
FROM slot;
