-- The view process_sample, if its rows are in process_row. Like the other views, it is made again at each upgrade.

CREATE VIEW process_sample AS
SELECT r.ts,
       r.pid,
       n.name,
       iif(typeof(r.cpu) = 'integer', r.cpu / 100.0, r.cpu)                AS cpu,
       iif(typeof(r.mem) = 'integer', r.mem / 1000.0, r.mem)               AS mem,
       r.start,
       iif(typeof(r.children) = 'integer', r.children / 100.0, r.children) AS children,
       n.app,
       n.user
FROM process_row AS r LEFT JOIN process_name AS n ON n.name_id = r.name_id;

CREATE TRIGGER process_sample_insert INSTEAD OF INSERT ON process_sample
BEGIN
    INSERT INTO process_name (name, app, user)
    SELECT NEW.name, nullif(NEW.app, ''), nullif(NEW.user, '')
    WHERE NEW.name IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM process_name
        WHERE name = NEW.name
          AND coalesce(app, '') = coalesce(NEW.app, '') AND coalesce(user, '') = coalesce(NEW.user, '')
    );

    INSERT INTO process_row VALUES (
        NEW.ts,
        NEW.pid,
        (SELECT name_id FROM process_name
         WHERE name = NEW.name
           AND coalesce(app, '') = coalesce(NEW.app, '') AND coalesce(user, '') = coalesce(NEW.user, '')),
        iif(round(NEW.cpu * 100) / 100.0 = NEW.cpu, CAST(round(NEW.cpu * 100) AS INTEGER), NEW.cpu),
        iif(round(NEW.mem * 1000) / 1000.0 = NEW.mem, CAST(round(NEW.mem * 1000) AS INTEGER), NEW.mem),
        NEW.start,
        iif(round(NEW.children * 100) / 100.0 = NEW.children,
            CAST(round(NEW.children * 100) AS INTEGER), NEW.children)
    );
END;

CREATE TRIGGER process_sample_delete INSTEAD OF DELETE ON process_sample
BEGIN
    DELETE FROM process_row WHERE ts = OLD.ts AND pid = OLD.pid;
END;
