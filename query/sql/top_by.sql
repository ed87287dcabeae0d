SELECT s.ts, s.time,
       CASE :by WHEN 'app' THEN p.app WHEN 'user' THEN p.user ELSE p.name END AS name,
       COUNT(*)                             AS processes,
       SUM(ROUND(p.cpu * 100)) / 100        AS cpu, -- summed as whole numbers, to avoid 67.92999999999999
       SUM(ROUND(p.mem * 1000)) / 1000      AS mem,
       SUM(ROUND(p.children * 100)) / 100   AS children
FROM system_sample AS s CROSS JOIN process_sample AS p ON p.ts = s.ts
WHERE s.ts = :newest AND s.time >= :start
GROUP BY 3
ORDER BY TOTAL(p.cpu) + TOTAL(p.children) DESC, 5 DESC, 3
LIMIT coalesce(:limit, -1);
