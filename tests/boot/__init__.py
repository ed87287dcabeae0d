"""Tests of the package in fresh Debian systems, booted with systemd: ``make system-test``, as root."""
