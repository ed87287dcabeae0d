SELECT s.ts, s.time, p.pid, p.name, p.cpu, p.mem, p.children, p.app, p.user
FROM system_sample AS s CROSS JOIN process_sample AS p ON p.ts = s.ts
WHERE s.ts = :newest AND s.time >= :start
ORDER BY p.cpu + coalesce(p.children, 0) DESC, p.cpu DESC, p.pid
LIMIT coalesce(:limit, -1);
