-- The view cpu_core, if its rows are in core_row. Like the other views, it is made again at each upgrade.

CREATE VIEW cpu_core AS
SELECT ts,
       core,
       iif(typeof(usage) = 'integer', usage / 100.0, usage) AS usage
FROM core_row;

CREATE TRIGGER cpu_core_insert INSTEAD OF INSERT ON cpu_core
BEGIN
    INSERT INTO core_row VALUES (
        NEW.ts,
        NEW.core,
        iif(round(NEW.usage * 100) / 100.0 = NEW.usage, CAST(round(NEW.usage * 100) AS INTEGER), NEW.usage)
    );
END;

CREATE TRIGGER cpu_core_delete INSTEAD OF DELETE ON cpu_core
BEGIN
    DELETE FROM core_row WHERE ts = OLD.ts AND core = OLD.core;
END;
