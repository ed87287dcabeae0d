-- Samples of :start <= time < :stop whose machine state differs from that of the sample before.
WITH told AS (
    SELECT time, ts, run_id, status, on_ac, governor, brightness, radios, throttled,
           lag(run_id)     OVER before AS run_before,
           lag(status)     OVER before AS status_before,
           lag(on_ac)      OVER before AS on_ac_before,
           lag(governor)   OVER before AS governor_before,
           lag(brightness) OVER before AS brightness_before,
           lag(radios)     OVER before AS radios_before,
           lag(throttled)  OVER before AS throttled_before
    FROM system_sample
    WHERE time >= :start AND time < :stop
    WINDOW before AS (ORDER BY time, ts)
)
SELECT time,
       iif(status <> status_before, status, NULL)             AS status,
       iif(on_ac <> on_ac_before, on_ac, NULL)                AS on_ac,
       iif(governor <> governor_before, governor, NULL)       AS governor,
       iif(brightness <> brightness_before, brightness, NULL) AS brightness,
       iif(radios <> radios_before, radios, NULL)             AS radios,
       iif(throttled <> throttled_before, throttled, NULL)    AS throttled,
       run_id <> run_before                                   AS starts
FROM told
WHERE status <> status_before OR on_ac <> on_ac_before OR governor <> governor_before
   OR brightness <> brightness_before OR radios <> radios_before OR throttled <> throttled_before
   OR run_id <> run_before
ORDER BY time, ts;
