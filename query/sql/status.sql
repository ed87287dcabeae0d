SELECT :database                                                            AS database,
       :bytes                                                               AS bytes,
       (SELECT user_version FROM pragma_user_version)                       AS schema,
       (SELECT COUNT(*) FROM run)                                           AS runs,
       CASE WHEN :since IS NULL AND :until IS NULL                          -- counted by page, not by row
            THEN (SELECT COUNT(*) FROM system_sample)
            ELSE (SELECT COUNT(*) FROM system_sample
                  WHERE time >= coalesce(:since, -1e999) AND time < coalesce(:until, 1e999))
       END                                                                  AS samples,
       (SELECT MIN(time) FROM system_sample
        WHERE time >= coalesce(:since, -1e999) AND time < coalesce(:until, 1e999)) AS oldest,
       CASE WHEN :since IS NULL OR :last >= :since THEN :last END           AS newest,
       CASE WHEN :since IS NULL OR :last >= :since THEN :now - :last END    AS newest_age_s,
       (SELECT COUNT(*) FROM gap)                                           AS gaps,
       (SELECT coalesce(SUM(last_seq - first_seq + 1), 0) FROM gap)         AS samples_lost
LIMIT coalesce(:limit, -1);
