SELECT 'database is empty: is telemetry-writer running?'
WHERE NOT EXISTS (SELECT 1 FROM system_sample);
