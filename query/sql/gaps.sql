-- One row for each gap that overlaps the window, the newest last: see gap_pieces.sql.
WITH
{{include gap_pieces: }},
newest AS (
    SELECT start, stop, cause, lost
    FROM found
    WHERE stop - start > 1 AND start < :stop AND stop > :start
    ORDER BY start DESC, stop DESC
    LIMIT coalesce(:limit, -1)
)
SELECT start, stop AS "end", stop - start AS seconds, cause, lost AS samples_lost
FROM newest
ORDER BY start, stop;
