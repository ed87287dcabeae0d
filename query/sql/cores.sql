SELECT c.core,
       MAX(c.usage) FILTER (WHERE c.ts = :newest) AS usage,
       AVG(c.usage)                               AS avg_usage,
       MAX(c.usage)                               AS max_usage,
       COUNT(c.usage)                             AS samples
FROM system_sample AS s CROSS JOIN cpu_core AS c ON c.ts = s.ts
WHERE s.time >= :since AND s.time <= :last
GROUP BY c.core
ORDER BY c.core
LIMIT coalesce(:limit, -1);
