-- The newest :most percents, up to :highest, at which a discharge ended because the machine went off: nothing was
-- recorded afterwards, and then the battery had been charged or was charging.
SELECT hole.pct_from
FROM session AS hole
JOIN session AS before ON before.session_id = hole.session_id - 1
LEFT JOIN session AS after ON after.session_id = hole.session_id + 1
WHERE hole.kind = 'hole' AND before.kind = 'discharge' AND hole.stop <= :moment AND hole.pack IS :pack
  AND hole.pct_from BETWEEN 0 AND :highest
  AND (hole.pct_to > hole.pct_from + 2 OR after.kind IN ('charge', 'rest'))
ORDER BY hole.session_id DESC
LIMIT :most;
