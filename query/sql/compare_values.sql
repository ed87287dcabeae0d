-- Samples of two values of a column in blocks, each side separately. It joins in a subquery that ends with LIMIT -1: see
-- docs/database.md.
WITH
{{include compare_sides: }},
piece AS (
    SELECT held.side, held.time AS moment, s.samples, s.interval_us, s.covered_us, s.discharged_uj, s.drain_us,
           s.drain_energy_us, s.battery_samples, s.cpu_samples, s.cpu_sum, s.temp_min, s.temp_max
    FROM held CROSS JOIN system_sums AS s ON s.ts = held.ts
    WHERE held.side IS NOT NULL
    LIMIT -1
)
SELECT side, {{include compare_sums: }}
FROM piece
GROUP BY side, block
ORDER BY side, block;
