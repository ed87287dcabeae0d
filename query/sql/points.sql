-- The system figures of the window, added up in equal steps of time, as pictures draw them: the extremes of each step
-- are kept. A step without a sample has no row.
WITH
{{include system_pieces:
  first_start, last_time, interval_us, covered_us, discharged_uj, charged_uj, cpu_samples, cpu_sum, cpu_max, power_min,
  power_max, pct_min, pct_max, temp_min, temp_max}}
SELECT MIN(first_start)                                             AS first,
       MAX(last_time)                                               AS last,
       (TOTAL(charged_uj) - TOTAL(discharged_uj)) / nullif(TOTAL(covered_us), 0) AS watts,
       MIN(power_min)                                               AS watts_min,
       MAX(power_max)                                               AS watts_max,
       MIN(pct_min)                                                 AS pct_min,
       MAX(pct_max)                                                 AS pct_max,
       TOTAL(cpu_sum) / 100 / nullif(SUM(cpu_samples), 0)           AS cpu,
       MAX(cpu_max)                                                 AS cpu_max,
       MIN(temp_min)                                                AS temp_min,
       MAX(temp_max)                                                AS temp_max
FROM piece
GROUP BY since
ORDER BY first;
