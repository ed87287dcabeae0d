-- A database of the original logger, as `sqlite3 telemetry.db .dump` gives it: an unsigned battery driver, an
-- hour's hole, a percent that falls, rises and turns, and a user's own column, table, indexes, views and triggers.
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE system_sample (
            ts INTEGER PRIMARY KEY,
            voltage REAL,
            current REAL,
            power REAL,
            battery_pct REAL,
            cpu_total REAL,
            cpu_freq REAL,
            load1 REAL,
            load5 REAL,
            load15 REAL
        , room TEXT DEFAULT 'kitchen');
INSERT INTO system_sample VALUES(1730000000,4.0,0.5,2.0,50.0,12.30000000000000071,1500.0,0.5,0.25,0.1199999999999999956,'kitchen');
INSERT INTO system_sample VALUES(1730000005,4.0,0.5,2.0,50.0,7.5,1500.0,0.5,0.25,0.1199999999999999956,'kitchen');
INSERT INTO system_sample VALUES(1730000010,4.0,0.5,2.0,49.0,0.1000000000000000056,1500.0,0.4000000000000000222,0.25,0.1199999999999999956,'kitchen');
INSERT INTO system_sample VALUES(1730000015,4.0,0.5,2.0,49.0,99.90000000000000569,600.0,0.4000000000000000222,0.25,0.1199999999999999956,'hall');
INSERT INTO system_sample VALUES(1730000020,4.0,0.5,2.0,48.0,12.5,1500.0,0.4000000000000000222,0.25,0.1199999999999999956,'hall');
INSERT INTO system_sample VALUES(1730003620,4.099999999999999645,0.5,2.0,60.0,12.5,1500.0,0.0,0.0,0.0,'hall');
INSERT INTO system_sample VALUES(1730003625,4.099999999999999645,0.5,2.0,60.0,12.5,NULL,0.0,0.0,0.0,'hall');
INSERT INTO system_sample VALUES(1730003630,4.099999999999999645,0.5,2.0,61.0,12.5,NULL,0.0,0.0,0.0,'hall');
INSERT INTO system_sample VALUES(1730003635,4.099999999999999645,0.5,2.0,60.0,12.5,NULL,0.0,0.0,0.0,NULL);
INSERT INTO system_sample VALUES(1730003640,4.099999999999999645,0.5,2.0,60.0,12.5,NULL,0.0,0.0,0.0,'');
INSERT INTO system_sample VALUES(1730003645,NULL,NULL,NULL,NULL,12.5,1500.0,0.0,0.0,0.0,'hall');
CREATE TABLE cpu_core (
            ts INTEGER,
            core INTEGER,
            usage REAL,
            PRIMARY KEY (ts, core)
        );
INSERT INTO cpu_core VALUES(1730000000,0,20.0);
INSERT INTO cpu_core VALUES(1730000000,1,4.599999999999999645);
INSERT INTO cpu_core VALUES(1730003645,0,25.0);
INSERT INTO cpu_core VALUES(1730003645,1,0.0);
CREATE TABLE process_sample (
            ts INTEGER,
            pid INTEGER,
            name TEXT,
            cpu REAL,
            mem REAL,
            PRIMARY KEY (ts, pid)
        );
INSERT INTO process_sample VALUES(1730000000,812,'Xorg',20.19999999999999929,3.399999999999999912);
INSERT INTO process_sample VALUES(1730000000,4242,'python3',101.5,0.5);
INSERT INTO process_sample VALUES(1730003645,7,'it''s "ö"',0.0,0.0);
INSERT INTO process_sample VALUES(1730003645,4242,NULL,NULL,NULL);
CREATE TABLE note (ts INTEGER REFERENCES system_sample (ts), text TEXT);
INSERT INTO note VALUES(1730000010,'unplugged');
CREATE TABLE newest (id INTEGER PRIMARY KEY, ts INTEGER, power REAL);
INSERT INTO newest VALUES(1,1730003645,NULL);
CREATE INDEX by_name ON process_sample (name, cpu);
CREATE INDEX heavy ON system_sample (power) WHERE power > 5;
CREATE VIEW training_view AS
        SELECT
            ts,
            battery_pct,
            cpu_total,
            cpu_freq,
            load1,
            load5,
            load15,
            ABS(power) AS watts,
            CASE WHEN current IS NULL THEN NULL WHEN current < 0 THEN (-current * 1000.0) / 60.0 ELSE 0 END AS drain_mah_per_min,
            CASE WHEN current IS NULL THEN NULL WHEN current > 0 THEN ( current * 1000.0) / 60.0 ELSE 0 END AS charge_mah_per_min
        FROM system_sample;
CREATE VIEW by_room AS SELECT room, AVG(ABS(power)) AS watts FROM system_sample GROUP BY room;
CREATE VIEW daily AS SELECT date(ts, 'unixepoch') AS day, AVG(watts) AS watts FROM training_view GROUP BY day;
CREATE TRIGGER remember AFTER INSERT ON system_sample BEGIN
  INSERT OR REPLACE INTO newest VALUES (1, NEW.ts, NEW.power);
END;
CREATE TRIGGER annotate INSTEAD OF INSERT ON training_view BEGIN
  INSERT INTO note VALUES (NEW.ts, 'watts ' || NEW.watts);
END;
COMMIT;
