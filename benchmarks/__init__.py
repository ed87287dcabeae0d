"""What it costs, measured on this machine beside its peers: ``make bench``. See docs/benchmarks.md."""
