"""The sampler: measures this machine and publishes samples."""
