-- What the report energy says about the window of blame: samples, when the first one begins, what was discharged, and for how long.
WITH
{{include system_pieces: samples, first_start, discharged_uj, drain_energy_us}}
SELECT SUM(samples), MIN(first_start), CAST(TOTAL(discharged_uj) AS INTEGER), TOTAL(drain_energy_us) / 1e6 FROM piece;
