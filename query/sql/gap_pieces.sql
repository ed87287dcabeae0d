-- When nothing was recorded. If a run begins after the newest earlier sample, the sampler was stopped, or the machine was
-- off if the boot is a different one. The table gap has samples that were published and lost. Sessions have the sleeps, and
-- the holes in rows without a run (from the original logger). A clock that was set back leaves no span.
{{include session_pieces: }},
begun AS (
    SELECT run_id, boot_id, first_ts, started,
           (SELECT MAX(ts) FROM system_sample AS s WHERE s.ts < run.first_ts) AS before_ts
    FROM run
    WHERE started > :start
),
-- The sample before each run, and its run. Where it was dropped, roll-ups have its time, and its run is the run before.
-- Where it was not copied, as in a snapshot, the hole between them has its time.
led AS (
    SELECT begun.boot_id, started, s.time, s.run_id
    FROM begun JOIN system_sample AS s ON s.ts = before_ts
    WHERE s.time >= (SELECT raw_since FROM history)
    UNION ALL
    SELECT begun.boot_id, begun.started,
           coalesce(max(coalesce(s.time, dropped), coalesce(dropped, s.time)), (
               SELECT MAX(start) FROM every_session
               WHERE kind = 'hole' AND stop BETWEEN begun.started - 1 AND begun.started + 1
                 AND NOT EXISTS (SELECT 1 FROM system_sample WHERE time = every_session.start))),
           iif(s.ts IS NULL OR dropped > s.time, earlier.run_id, s.run_id)
    FROM (SELECT *, {{include dropped_before: started}} AS dropped FROM begun) AS begun
    LEFT JOIN system_sample AS s ON s.ts = before_ts
    LEFT JOIN run AS earlier
        ON earlier.run_id = (SELECT run_id FROM run WHERE first_ts < begun.first_ts ORDER BY first_ts DESC LIMIT 1)
    WHERE before_ts IS NULL OR s.time < (SELECT raw_since FROM history)
),
found (start, stop, cause, lost) AS (
    SELECT time, led.started, iif(b.boot_id IS NULL, 'unknown', iif(b.boot_id = led.boot_id, 'sampler stopped', 'off')), NULL
    FROM led LEFT JOIN run AS b USING (run_id)
    WHERE time IS NOT NULL

    UNION ALL

    SELECT start, stop, 'asleep', NULL FROM every_session WHERE kind = 'sleep'

    UNION ALL

    SELECT start, stop, 'unknown', NULL
    FROM every_session
    WHERE kind = 'hole'
      AND NOT EXISTS (SELECT 1 FROM run WHERE started > every_session.start AND started <= every_session.stop + 1)
      AND NOT EXISTS (SELECT 1 FROM gap JOIN system_sample AS s USING (run_id)
                      WHERE s.seq = gap.last_seq + 1 AND s.time BETWEEN every_session.start AND every_session.stop + 3600)

    UNION ALL

    SELECT coalesce(before.time, {{include dropped_before: (after.time - after.interval)}}, run.started),
           coalesce(after.time - after.interval, gap.noticed), 'lost', last_seq - first_seq + 1
    FROM gap
    JOIN run USING (run_id)
    LEFT JOIN system_sample AS before
        ON before.run_id = gap.run_id
       AND before.seq = (SELECT MAX(seq) FROM system_sample AS s WHERE s.run_id = gap.run_id AND s.seq < gap.first_seq)
    LEFT JOIN system_sample AS after ON after.run_id = gap.run_id AND after.seq = gap.last_seq + 1
)
