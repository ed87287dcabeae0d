SELECT s.time, s.ts, ABS(s.power) AS watts, p.pid, p.name, p.cpu, p.mem, p.children
FROM system_sample AS s CROSS JOIN process_sample AS p ON p.ts = s.ts
WHERE s.time >= :start AND s.time < :stop
ORDER BY s.time DESC, s.ts DESC, p.cpu + coalesce(p.children, 0) DESC, p.cpu DESC, p.pid
LIMIT coalesce(:limit, -1);
