-- Subqueries, not a join with a grouped process_sample: that would be built whole before the first row.
SELECT *,
       (SELECT SUM(cpu) FROM process_sample AS p WHERE p.ts = t.ts) AS topn_cpu_sum,
       (SELECT MAX(cpu) FROM process_sample AS p WHERE p.ts = t.ts) AS top_cpu,
       (SELECT SUM(mem) FROM process_sample AS p WHERE p.ts = t.ts) AS topn_mem_sum
FROM training_view AS t
WHERE (time, ts) > (:after_time, :after_ts) AND time < :stop
ORDER BY time, ts
LIMIT :page;
