"""Roll-ups: sums of raw rows by minute, hour and day; and retention, which drops raw rows that they cover."""
