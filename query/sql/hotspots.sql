WITH /* process_pieces */
SELECT name,
       SUM(appearances)                             AS appearances,
       TOTAL(cpu_sum) / 100 / SUM(cpu_samples)      AS avg_cpu,
       MAX(cpu_max)                                 AS max_cpu,
       TOTAL(mem_sum) / 1000 / SUM(mem_samples)     AS avg_mem,
       TOTAL(children_sum) / 100 / SUM(appearances) AS avg_children
FROM piece
GROUP BY name
ORDER BY appearances DESC, avg_cpu DESC, name
LIMIT coalesce(:limit, -1);
