-- CPU time of each program of one window, µs, in blocks of :block s.
WITH
{{include process_pieces: cpu_us}},
{{include whole_names: cut, name}},
busy AS (
    SELECT process, CAST(moment AS INTEGER) / :block AS block, TOTAL(cpu_us) AS cpu_us
    FROM piece
    GROUP BY process, block
),
named AS (
    SELECT iif(typeof(process) = 'integer', n.name, process) AS program, block, cpu_us
    FROM busy AS b LEFT JOIN process_name AS n ON typeof(process) = 'integer' AND n.name_id = process
)
SELECT 0 AS side, coalesce(w.name, program) AS name, block, SUM(cpu_us)
FROM named LEFT JOIN whole AS w ON w.cut = program
WHERE program IS NOT '(other names)' -- rare names of old days that were folded
GROUP BY 2, 3
ORDER BY 2, 3;
