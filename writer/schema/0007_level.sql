-- The energy or charge in a battery, in addition to its percentage.

ALTER TABLE system_sample ADD COLUMN battery_level REAL;  -- in the unit of battery_health: Ah or Wh
ALTER TABLE battery_pack ADD COLUMN level REAL;           -- the same for one pack
