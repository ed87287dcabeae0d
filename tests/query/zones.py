"""Time zones for tests, which set the zone of the process temporarily."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

ZONES = [
    "UTC",
    "Europe/Berlin",
    "Asia/Kolkata",  # five and a half hours ahead of UTC
    "Asia/Kathmandu",  # five and three quarters
    "America/St_Johns",  # three and a half hours behind, with daylight saving
    "America/Havana",  # clocks go forward at midnight, and back to it
    "Australia/Lord_Howe",  # daylight saving of half an hour
]


@contextmanager
def zone(name: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", name)
        time.tzset()
        yield
    time.tzset()
