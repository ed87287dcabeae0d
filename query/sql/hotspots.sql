SELECT p.name,
       COUNT(*)   AS appearances,
       AVG(p.cpu) AS avg_cpu,
       MAX(p.cpu) AS max_cpu,
       AVG(p.mem) AS avg_mem
FROM system_sample AS s CROSS JOIN process_sample AS p ON p.ts = s.ts
WHERE s.time >= coalesce(:since, -1e999) AND s.time < coalesce(:until, 1e999)
GROUP BY p.name
ORDER BY appearances DESC, avg_cpu DESC, p.name
LIMIT coalesce(:limit, -1);
