-- At most :most of the newest rows up to a sample and not older than :since, newest first.
SELECT {{fields}}
FROM (SELECT ts FROM system_sample WHERE ts <= :newest ORDER BY ts DESC LIMIT :most) AS newest
CROSS JOIN session_row AS row ON row.ts = newest.ts
WHERE row.time >= :since
ORDER BY newest.ts DESC;
