-- For the hours from :since to :until that were on battery for half or more: mean power, W; the relative variance of
-- the hourly power; the number of these hours.
WITH hour AS (
    SELECT discharged_uj * 1.0 AS uj, drain_energy_us AS us
    FROM system_hour
    WHERE bucket >= :since AND bucket + 3600 <= :until AND drain_energy_us >= 1800000000
),
mean AS (SELECT SUM(uj) / SUM(us) AS watts, SUM(us) / 3.6e9 AS hours FROM hour)
SELECT watts, SUM(us * (uj / us / watts - 1) * (uj / us / watts - 1)) / SUM(us), hours
FROM hour, mean WHERE watts > 0
HAVING hours > 0;
