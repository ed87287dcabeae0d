-- The time of the oldest of the newest :most samples, if the window holds more than :most.
SELECT time FROM system_sample WHERE time >= :start AND time < :stop ORDER BY time DESC LIMIT (
    SELECT iif(COUNT(*) > :most, 1, 0) FROM (
        SELECT 1 FROM system_sample WHERE time >= :start AND time < :stop LIMIT :most + 1)
) OFFSET :most - 1;
