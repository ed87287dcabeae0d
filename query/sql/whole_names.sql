-- The whole name for each name that the kernel cut to 15 bytes, if exactly one begins with it: older samplers did not
-- complete the names of scripts, but a program shall be one row.
whole ({{columns}}) AS (
    SELECT CAST(substr(CAST(name AS BLOB), 1, 15) AS TEXT), MIN(name)
    FROM process_name
    WHERE length(CAST(name AS BLOB)) > 15
    GROUP BY 1
    HAVING MIN(name) = MAX(name)
)
