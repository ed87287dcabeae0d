-- First by number or name, and only then by name: a year has a hundred times as many pieces as processes. An integer
-- is a number, also where a process calls itself 12.
WITH
{{include process_pieces: appearances, cpu_samples, cpu_sum, cpu_max, mem_samples, mem_sum, children_sum, cpu_us}},
{{include whole_names: cut, name}},
busy AS (
    SELECT process, app, user,
           SUM(appearances) AS appearances,
           SUM(cpu_samples) AS cpu_samples, TOTAL(cpu_sum) AS cpu_sum,
           MAX(iif(cpu_max <= 409600, cpu_max, NULL)) AS cpu_max, -- older roll-ups had no such bound
           SUM(mem_samples) AS mem_samples, TOTAL(mem_sum) AS mem_sum,
           TOTAL(children_sum) AS children_sum, TOTAL(cpu_us) AS cpu_us
    FROM piece
    GROUP BY process, app, user
),
owned AS (
    SELECT iif(typeof(process) = 'integer', n.name, process) AS program,
           iif(typeof(process) = 'integer', n.app, b.app)    AS app,
           iif(typeof(process) = 'integer', n.user, b.user)  AS user,
           appearances, cpu_samples, cpu_sum, cpu_max, mem_samples, mem_sum, children_sum, cpu_us
    FROM busy AS b LEFT JOIN process_name AS n ON typeof(process) = 'integer' AND n.name_id = process
)
SELECT CASE WHEN program = '(other names)' THEN program -- their owners are not known any more
            WHEN :by = 'app' THEN app
            WHEN :by = 'user' THEN user
            ELSE coalesce(w.name, program) END      AS name,
       TOTAL(cpu_us) / 3.6e9                        AS cpu_h,
       SUM(appearances)                             AS appearances,
       TOTAL(cpu_sum) / 100 / SUM(cpu_samples)      AS avg_cpu,
       MAX(cpu_max)                                 AS max_cpu,
       TOTAL(mem_sum) / 1000 / SUM(mem_samples)     AS avg_mem,
       TOTAL(children_sum) / 100 / SUM(appearances) AS avg_children
FROM owned LEFT JOIN whole AS w ON w.cut = program AND :by = 'name'
GROUP BY 1
-- Rare names of folded days are one row. It is not a process, so it comes last.
ORDER BY MAX(program IS '(other names)'), cpu_h DESC, appearances DESC, avg_cpu DESC, 1
LIMIT coalesce(:limit, -1);
