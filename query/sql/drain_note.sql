-- Why there is no drain to report, although there is a battery.
WITH {{include system_pieces: covered_us, discharged_uj}}
SELECT CASE WHEN TOTAL(covered_us) > 0 THEN 'not discharging' ELSE 'no power reading' END
       || ' in that window: status ' || coalesce((SELECT status FROM system_sample WHERE ts = :newest), 'unknown')
FROM piece
HAVING TOTAL(discharged_uj) = 0;
