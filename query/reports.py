"""The table of reports. ``--help``, the arguments, the output and docs/reports.md all follow from it.

A new report is a ``Report``, its name in ``REPORTS``, and its SQL in ``sql/<name>.sql``. The SQL reads
documented tables and views, and may use these parameters, each of them NULL if it is not known:

    :since  :until   the window asked for: since <= time < until, Unix s; NULL: open
    :start  :stop    the same, never NULL
    :limit           the most rows to show
    :newest :last    ts and time of the newest sample before :until
    :now             Unix s
    :database :bytes the file and its size with its -wal
    :room            bytes that it may have, by the writer's --max-size and by its disk
    :retain          s that the writer keeps samples

and those of its options. A report with a ``window`` always gets a :since: that many seconds before :last,
if the user gave none. It then ends at :last, even if a clock that stepped back left later times.

A report that sums up says of what (``sums``), and its WITH has ``{{include system_pieces: COLUMNS}}``, or the
pieces of cores or processes: the table ``piece`` has these columns of the window, of roll-ups in its middle
and of single samples at its ends. For the system it also has ``since`` and ``until`` of its bucket: the
window is cut where the hours, days, weeks or months of ``Variant.by`` begin.
A report that lists rows without end is ``in_pages``: its SQL gives :page rows after (:after_time, :after_ts).
"""

from __future__ import annotations

from typing import Final

from query.battery_reports import BATTERY, DRAIN, ENERGY, HEALTH, SESSIONS
from query.comparisons import COMPARE, CORRELATE
from query.energy_reports import BLAME, MODEL
from query.process_reports import CORES, HOTSPOTS, TOP
from query.recording_reports import GAPS, STATUS
from query.sample_reports import EXPORT, RECENT

REPORTS: Final = (
    RECENT,
    DRAIN,
    BATTERY,
    HEALTH,
    ENERGY,
    SESSIONS,
    BLAME,
    MODEL,
    HOTSPOTS,
    TOP,
    CORES,
    COMPARE,
    CORRELATE,
    EXPORT,
    STATUS,
    GAPS,
)

BY_NAME: Final = {report.name: report for report in REPORTS}
