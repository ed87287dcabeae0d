CAST(moment AS INTEGER) / :block AS block, -- of :block s
       SUM(samples),
       TOTAL(interval_us),
       TOTAL(covered_us),
       TOTAL(discharged_uj),
       TOTAL(drain_us),
       TOTAL(drain_energy_us),
       SUM(battery_samples),
       SUM(cpu_samples),
       TOTAL(cpu_sum),
       TOTAL(iif(temp_min IS NULL, 0, samples)),
       TOTAL((temp_min + temp_max) / 2 * samples)
