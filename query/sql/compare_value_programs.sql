-- CPU time of each program for two values of a column, each side separately, in every :every-th block.
WITH
{{include compare_sides: }},
{{include whole_names: cut, name}},
piece AS (
    SELECT held.side, held.time, iif(p.name_id, p.name_id, p.name) AS process, p.cpu_us
    FROM held CROSS JOIN process_sums AS p ON p.ts = held.ts
    WHERE held.side IS NOT NULL AND CAST(held.time AS INTEGER) / :block % :every = 0
    LIMIT -1
),
busy AS (
    SELECT side, process, CAST(time AS INTEGER) / :block AS block, TOTAL(cpu_us) AS cpu_us
    FROM piece
    GROUP BY side, process, block
),
named AS (
    SELECT side, iif(typeof(process) = 'integer', n.name, process) AS program, block, cpu_us
    FROM busy AS b LEFT JOIN process_name AS n ON typeof(process) = 'integer' AND n.name_id = process
)
SELECT side, coalesce(w.name, program) AS name, block, SUM(cpu_us)
FROM named LEFT JOIN whole AS w ON w.cut = program
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3;
