WITH {{include core_pieces: core, samples, usage_sum, usage_max}}
SELECT core,
       (SELECT usage FROM cpu_core AS c WHERE c.ts = :newest AND c.core = piece.core) AS usage,
       TOTAL(usage_sum) / 100 / SUM(samples)                                          AS avg_usage,
       MAX(usage_max)                                                                 AS max_usage,
       SUM(samples)                                                                   AS samples
FROM piece
GROUP BY core
ORDER BY core
LIMIT coalesce(:limit, -1);
