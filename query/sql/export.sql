SELECT *
FROM training_view
WHERE time >= coalesce(:since, -1e999) AND time < coalesce(:until, 1e999)
ORDER BY time, ts
LIMIT coalesce(:limit, -1);
