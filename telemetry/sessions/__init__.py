"""Sessions: discharges, charges, rests on mains, sleeps and holes, found in rows in order of time.

Pure: rows and facts about the battery go in, sessions come out, and the state between two rows can be written
as JSON and read back. The writer and the reports use the same rules, so that a stored session and one that is
computed again are exactly equal. The rules:

* The direction of a row is that of its power, if that is at least 0.05 W (but below 2 W at Full, the row is
  at rest). Otherwise it follows from the status, and otherwise from whether a supply is online.
* A new direction counts after 120 s awake. A shorter one belongs to the session and is one of its flips.
* Charging at 95 % or more within a rest is part of the rest.
* A suspend of 60 s (``sleep``) or a time of 10 min without rows (``hole``) is a session of its own.
* A discharge continues after a sleep unless the percentage rose by more than 2. Other sessions end there.
* A percentage that no power explains is left out (``telemetry.steady``). After a sleep, the percentage is
  that of the first sample that agrees with the later ones of the first minute awake.
"""

from telemetry.sessions.learned import Learned
from telemetry.sessions.machine import Sessions
from telemetry.sessions.records import KINDS, Known, Percent, Row, Session

__all__ = ["KINDS", "Known", "Learned", "Percent", "Row", "Session", "Sessions"]
