-- The whole name of each that the kernel cut to 15 bytes, where only one begins with it: older samplers did not complete
-- the names of scripts, and a program is one row all the same.
whole ({{columns}}) AS (
    SELECT CAST(substr(CAST(name AS BLOB), 1, 15) AS TEXT), MIN(name)
    FROM process_name
    WHERE length(CAST(name AS BLOB)) > 15
    GROUP BY 1
    HAVING MIN(name) = MAX(name)
)
