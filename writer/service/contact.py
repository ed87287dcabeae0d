"""Whether a sampler is heard: a writer and a sampler that never meet look like two that work."""

from __future__ import annotations

import logging

PATIENCE = 30.0
"""s without anything from a sampler after which it is missed"""


class Contact:
    """Judges the silence, and says once that nothing came since the start. ``now`` is monotonic time, s."""

    def __init__(self, now: float, log: logging.Logger, where: str) -> None:
        """``where``: the endpoints at which the writer listens."""
        self._since = now
        self._log = log
        self._where = where
        self._said = False

    def is_silent(self, now: float, quiet_for: float | None, interval: float) -> bool:
        """Return whether a sampler should have been heard by now.

        ``quiet_for``: s since the last sign of one, None: never; ``interval``: s between its samples.
        """
        if quiet_for is None:
            return now - self._since >= PATIENCE
        return quiet_for >= max(PATIENCE, 3 * interval)

    def look(self, now: float, quiet_for: float | None) -> None:
        """Log the first silence, and its end."""
        if self._said and quiet_for is not None:
            self._said = False
            self._log.info("a sampler is heard now")
        elif not self._said and quiet_for is None and now - self._since >= PATIENCE:
            self._said = True
            self._log.warning(
                "received nothing in %.0f s, listening at %s: is telemetry-sampler running, and does it "
                "publish there (the same user, TELEMETRY_RUNTIME_DIR, --publish and --replay)?",
                PATIENCE,
                self._where,
            )
