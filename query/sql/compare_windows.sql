-- One window in blocks, for query/compare.py. Roll-ups have no mean temperature: it is the midpoint between the
-- minimum and the maximum.
WITH
{{include moments:
  samples, interval_us, covered_us, discharged_uj, drain_us, drain_energy_us, battery_samples, cpu_samples, cpu_sum,
  temp_min, temp_max}}
SELECT {{include compare_sums: }}
FROM piece
GROUP BY block
ORDER BY block;
