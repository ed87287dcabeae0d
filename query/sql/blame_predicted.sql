-- Like blame.sql, plus what the model predicts for the time on mains.
SELECT value ->> 0 AS name, value ->> 1 AS wh, value ->> 2 AS pm, value ->> 3 AS share, value ->> 4 AS watts,
       value ->> 5 AS cpu_h, value ->> 6 AS rate, value ->> 7 AS predicted_watts
FROM json_each(:parts);
