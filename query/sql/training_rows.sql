-- The numeric columns of training_view except time and power; governor and radios are text.
SELECT ts, battery_pct, cpu_total, cpu_freq, load1, load5, load15, cpu_temp, brightness, on_ac
FROM training_view WHERE ts BETWEEN ? AND ?;
