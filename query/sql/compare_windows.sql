-- One window in blocks, for query/compare.py. Roll-ups have no mean of the temperature: it counts as the middle between
-- its least and its greatest.
WITH
{{include moments:
  samples, interval_us, covered_us, discharged_uj, drain_us, drain_energy_us, battery_samples, cpu_samples, cpu_sum,
  temp_min, temp_max}}
SELECT {{include compare_sums: }}
FROM piece
GROUP BY block
ORDER BY block;
