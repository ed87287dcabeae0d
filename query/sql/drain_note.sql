-- Why there is no drain to tell of, although there is a battery.
SELECT CASE WHEN EXISTS (SELECT 1 FROM system_sample
                         WHERE time >= :since AND time <= :last AND energy_uj IS NOT NULL)
            THEN 'not discharging' ELSE 'no power reading' END
       || ' in that window: status ' || coalesce(status, 'unknown')
FROM system_sample
WHERE ts = :newest
  AND NOT EXISTS (SELECT 1 FROM system_sample WHERE time >= :since AND time <= :last AND energy_uj < 0);
