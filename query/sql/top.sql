SELECT s.ts, s.time, p.pid, p.name, p.cpu, p.mem
FROM system_sample AS s CROSS JOIN process_sample AS p ON p.ts = s.ts
WHERE s.ts = :newest AND (:since IS NULL OR s.time >= :since)
ORDER BY p.cpu DESC, p.pid
LIMIT coalesce(:limit, -1);
