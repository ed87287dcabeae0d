-- What the report energy says about the window of blame: samples, what was discharged, for how long, and the extent of
-- the samples.
WITH
{{include system_pieces: samples, first_start, last_time, discharged_uj, drain_energy_us}}
SELECT SUM(samples), CAST(TOTAL(discharged_uj) AS INTEGER), TOTAL(drain_energy_us) / 1e6, MIN(first_start), MAX(last_time)
FROM piece;
