"""Tests of telemetry-forward."""
