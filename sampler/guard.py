"""A bug in one sensor, or in a library it uses, costs only that sensor's field.

Sensors return None for what they find, so nothing is caught here in a program that is right. What is, is
logged as the bug that it is, and the sample goes on without the field.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from telemetry.errors import UserError
from telemetry.service import RateLimited

_LOG: Final = logging.getLogger("telemetry-sampler.sensors")
_LOG_EVERY: Final = 3600.0
"""s between two lines about one field."""
_LONGEST: Final = 200


class Guard:
    """The work for ``field`` of the sample; the field holds ``nothing`` where the work fails."""

    def __init__(self, field: str, nothing: object = None) -> None:
        self._field = field
        self._nothing = nothing
        self._warn = RateLimited(_LOG, _LOG_EVERY)

    def call(self, work: Callable[[], Any]) -> Any:
        """Return what ``work`` returns. Raises nothing but UserError."""
        try:
            return work()
        except UserError:
            raise
        except Exception as error:  # noqa: BLE001 the one place that may: see above
            self._warn.warning(f"{self._field} is not available: this is a bug: {described(error)}")
            return self._nothing


def described(error: Exception) -> str:
    """Return the error and where it was raised, in one line of bounded length."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    text = f"{type(error).__name__}: {error}".encode(errors="replace").decode()
    line = " ".join(text.split())[:_LONGEST]
    return f"{line} ({Path(frame.filename).name}:{frame.lineno})"
