"""Whether the writer hears from a sampler: if they use different endpoints, both seem to work."""

from __future__ import annotations

import logging

PATIENCE = 30.0
"""s without a message from a sampler after which the writer warns"""


class Contact:
    """Detects silence, and logs once that nothing came since the start. ``now`` is monotonic time, s."""

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
            self._log.info("now receiving from a sampler")
        elif not self._said and quiet_for is None and now - self._since >= PATIENCE:
            self._said = True
            self._log.warning(
                "received nothing in %.0f s, listening at %s: is telemetry-sampler running, and does it "
                "publish there (the same user, TELEMETRY_RUNTIME_DIR, --publish and --replay)?",
                PATIENCE,
                self._where,
            )
