SELECT t.*{{added}}
FROM training_view AS t
WHERE (time, ts) > (:after_time, :after_ts) AND time < :stop
ORDER BY time, ts
LIMIT :page;
