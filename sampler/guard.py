"""A bug in one sensor, or in a library it uses, costs only that sensor's field.

Sensors return None for anything the machine cannot report, so an exception here is always a bug. It is
logged as one, and the sample is sent without the field.
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
        """Return what ``work`` returns. Raises only UserError."""
        try:
            return work()
        except UserError:
            raise
        except Exception as error:  # noqa: BLE001 the only place that may: see the module's docstring
            self._warn.warning(f"{self._field} is not available: this is a bug: {described(error)}")
            return self._nothing


def described(error: Exception) -> str:
    """Return the error and where it was raised, in one line of bounded length."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    text = f"{type(error).__name__}: {error}".encode(errors="replace").decode()
    line = " ".join(text.split())[:_LONGEST]
    return f"{line} ({Path(frame.filename).name}:{frame.lineno})"
