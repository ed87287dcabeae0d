-- What is in a battery, beside its percent.

ALTER TABLE system_sample ADD COLUMN battery_level REAL;  -- in the unit of battery_health: Ah or Wh
ALTER TABLE battery_pack ADD COLUMN level REAL;           -- the same of one pack
