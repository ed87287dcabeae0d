-- What the newest :most discharges of a battery that ended by :moment drew in visits of each percent, µJ, and the number
-- of visits.
SELECT percent, SUM(drawn_uj), SUM(visits)
FROM (
    SELECT session_id FROM session
    WHERE kind = 'discharge' AND stop <= :moment AND pack IS :pack
    ORDER BY session_id DESC LIMIT :most
)
JOIN session_percent USING (session_id)
WHERE typeof(visits) = 'integer' AND visits BETWEEN 1 AND 1000000 AND drawn_uj BETWEEN 0 AND 1e15
GROUP BY percent;
