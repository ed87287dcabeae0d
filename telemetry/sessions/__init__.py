"""Sessions: discharges, charges, rests on mains, sleeps and holes, found in rows in the order of their time.

Pure: rows and what is known of the battery go in, sessions come out, and the state between two rows can be
written as JSON and read back. The writer and the reports use the same rules, so that a session that is stored
and one that is worked out again are equal to the last digit. The rules:

* The direction of a row is that of its power where that is at least 0.05 W, but below 2 W at Full it is at
  rest; else it is what the status says; else what tells whether a supply is online.
* A new direction counts after 120 s awake. A shorter one belongs to the session and is one of its flips.
* Charging at 95 % and more within a rest is rest.
* A suspend of 60 s (``sleep``) or a hole of 10 min (``hole``) is a session of its own.
* A discharge goes on after a sleep unless the percent rose by more than 2. All else ends there.
* A percent that no power explains is left out (``telemetry.steady``). After a sleep the percent is that of
  the first sample whose gauge agrees with those behind it, of one minute.
"""

from telemetry.sessions.learned import Learned
from telemetry.sessions.machine import Sessions
from telemetry.sessions.records import KINDS, Known, Percent, Row, Session

__all__ = ["KINDS", "Known", "Learned", "Percent", "Row", "Session", "Sessions"]
