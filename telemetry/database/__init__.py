"""Reading the database of telemetry-writer."""
