-- The newest :most samples of the window, each with the side that its value of the column belongs to; NULL: neither.
held AS (
    SELECT ts, time,
           CASE WHEN {{by}} BETWEEN :a_from AND :a_to THEN 0
                WHEN {{by}} BETWEEN :b_from AND :b_to THEN 1 END AS side
    FROM (
        SELECT ts, time, {{by}} FROM system_sample
        WHERE time >= :start AND time < :stop
        ORDER BY time DESC LIMIT :most
    )
)
