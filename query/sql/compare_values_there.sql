-- The values of a column in the newest :most samples of the window.
SELECT DISTINCT {{by}} FROM (
    SELECT {{by}} FROM system_sample WHERE time >= :start AND time < :stop ORDER BY time DESC LIMIT :most
)
WHERE {{by}} IS NOT NULL
ORDER BY 1
LIMIT 9;
