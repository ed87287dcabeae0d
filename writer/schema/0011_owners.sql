-- The owners of a process: what it belongs to (a systemd unit, an app, a container), and its user. A name_id stands for
-- a name with its owners, so that every table of processes, also roll-ups, has them without more space per row.

ALTER TABLE process_sample ADD COLUMN app TEXT;   -- only if process_sample is a table, not a view over process_row
ALTER TABLE process_sample ADD COLUMN user TEXT;

CREATE TEMP TABLE name_of_process AS SELECT name_id, name FROM process_name;
DROP TABLE process_name;                          -- names were unique in it
CREATE TABLE process_name (
    name_id INTEGER PRIMARY KEY,
    name    TEXT NOT NULL,
    app     TEXT,
    user    TEXT
);
INSERT INTO process_name (name_id, name) SELECT name_id, name FROM temp.name_of_process;
DROP TABLE temp.name_of_process;
CREATE UNIQUE INDEX process_name_identity ON process_name (name, coalesce(app, ''), coalesce(user, ''));
