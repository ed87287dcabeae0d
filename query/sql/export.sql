SELECT *
FROM training_view
WHERE (time, ts) > (:after_time, :after_ts) AND time < :stop
ORDER BY time, ts
LIMIT :page;
