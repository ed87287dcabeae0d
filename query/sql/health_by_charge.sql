-- One row for each discharge of 5 % or more, the newest last, with the values that the battery had reported by its end.
WITH RECURSIVE
{{include health_pieces: *}}
SELECT start,
       stop                          AS "end",
       name,
       full,
       design,
       unit,
       100.0 * full / design         AS health_pct,
       cycles,
       told,
       run_wh IS NOT NULL            AS full_runs,
       run_wh,
       fallen_wh / pct_fallen        AS wh_per_pct,
       pct_from,
       pct_to
FROM discharge JOIN in_order USING (session_id) LEFT JOIN told USING (number)
WHERE pct_fallen IS NOT NULL
ORDER BY start
LIMIT coalesce(:limit, -1);
