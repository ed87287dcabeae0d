WITH
/* system_pieces */,
held AS (
    SELECT coalesce(SUM(samples), 0) AS samples FROM piece
)
SELECT :database                                                            AS database,
       :bytes                                                               AS bytes,
       (SELECT user_version FROM pragma_user_version)                       AS schema,
       (SELECT COUNT(*) FROM run)                                           AS runs,
       samples,
       (SELECT MIN(oldest) FROM (
            SELECT MIN(time) AS oldest FROM system_sample WHERE time >= max(:start, raw_since) AND time < :stop
            UNION ALL
            SELECT MIN(bucket) FROM system_minute WHERE bucket >= :start AND bucket < min(:stop, raw_since)
        ))                                                                  AS oldest,
       CASE WHEN :last >= :start THEN :last END                             AS newest,
       CASE WHEN :last >= :start THEN :now - :last END                      AS newest_age_s,
       (SELECT COUNT(*) FROM gap)                                           AS gaps,
       (SELECT coalesce(SUM(last_seq - first_seq + 1), 0) FROM gap)         AS samples_lost
FROM held, history
LIMIT coalesce(:limit, -1);
