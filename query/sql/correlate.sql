SELECT s.time, s.ts, ABS(s.power) AS watts, p.pid, p.name, p.cpu, p.mem
FROM system_sample AS s CROSS JOIN process_sample AS p ON p.ts = s.ts
WHERE s.time >= :since AND s.time <= :last
ORDER BY s.time DESC, s.ts DESC, p.cpu DESC, p.pid
LIMIT coalesce(:limit, -1);
