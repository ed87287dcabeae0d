"""The package in fresh Debians that are booted with systemd: ``make system-test``, as root."""
