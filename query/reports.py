"""The table of reports. ``--help``, the arguments, the output and docs/reports.md all follow from it.

A new report is one entry in ``REPORTS`` and its SQL in ``sql/<name>.sql``. The SQL reads documented tables
and views, and may use these parameters, each of them NULL if it is not known:

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

from query.battery_reports import ENERGY, HEALTH, NO_BATTERY, SESSIONS
from query.columns import (
    APP,
    BATTERY_PCT,
    BRIGHTNESS,
    CHARGE,
    CHILDREN,
    COVERED,
    CPU,
    CPU_FREQ,
    CPU_TEMP,
    CPU_TOTAL,
    CYCLES,
    DESIGN,
    DRAIN,
    FULL,
    GOVERNOR,
    HEALTH_PCT,
    INTERVAL,
    LOAD1,
    LOAD5,
    LOAD15,
    MEM,
    NAME,
    PID,
    STATUS,
    TIME,
    TOLD,
    TS,
    UNIT,
    UNIX,
    USER,
    WATTS,
    Column,
    exported,
)
from query.comparisons import COMPARE, CORRELATE, NO_PROCESS
from query.energy_reports import BLAME, MODEL
from query.recording_reports import GAPS
from query.report import Option, Report, Variant
from query.rollups import CORE, PROCESS, SYSTEM

TEN_MINUTES: Final = 600.0
_OWNERS: Final = ("name", "app", "user")
"""What processes can be grouped by"""

REPORTS: Final = (
    Report(
        "recent",
        "the newest samples: battery, power, CPU, load and temperature",
        (
            *(TS._replace(in_table=False), TIME, BATTERY_PCT, STATUS),
            *(WATTS, DRAIN, CHARGE, CPU_TOTAL, CPU_FREQ, LOAD1, CPU_TEMP),
        ),
        limit=20,
        limit_first=True,
        tells_age=True,
    ),
    Report(
        "drain",
        "how fast the battery drains, and how long it lasts",
        (
            Column("avg_drain_mah_per_min", "mAh/min", "mean current while discharging", 2),
            Column("avg_watts", "W", "mean power while discharging", 2),
            Column(
                "pct_per_hour",
                "%/h",
                "slope of the charge, negative: falling; a gauge steps by whole percents, so this reaches "
                "back beyond the window, up to 3 % or 1 h of the same discharge",
                2,
            ),
            *(
                Column(name, "h", text, kind="duration")
                for name, text in (
                    ("hours_left", "time until the machine goes off, if the newest sample is discharging"),
                    (
                        "hours_left_low",
                        "four times in five, the battery lasts between this long and hours_left_high",
                    ),
                    ("hours_left_high", "the upper end of that range"),
                    ("hours_to_full", "time until 100 %, if the newest sample is charging"),
                )
            ),
            COVERED._replace(help="time awake and discharging within the window"),
            TIME._replace(help="wall clock when the newest sample was taken"),
        ),
        window=TEN_MINUTES,
        nothing=NO_BATTERY,
        sums=SYSTEM,
        note="drain_note",
        finds="query.time_left:ahead",
        tells_age=True,
        vertical=True,
    ),
    Report(
        "battery",
        "the battery now: its charge, its health, its packs",
        (
            Column("name", "", "name of the battery or of one of its packs", kind="text"),
            STATUS,
            BATTERY_PCT,
            WATTS,
            Column("voltage", "V", "of the battery", 2),
            *(FULL, DESIGN, UNIT._replace(help="unit of full, design and level: Ah or Wh")),
            *(HEALTH_PCT, CYCLES, TOLD),
            Column("level", "", "what is in the battery now, in the unit of that column", 2),
            TIME,
        ),
        nothing=NO_BATTERY,
        takes_at=True,
        tells_age=True,
        vertical=True,
    ),
    HEALTH,
    ENERGY,
    SESSIONS,
    BLAME,
    MODEL,
    Report(
        "hotspots",
        "the programs that used the most CPU time",
        (
            Column("name", "", "name of the program, or of the app or user with --by", kind="text"),
            Column("cpu_h", "h", "CPU time while it was listed, with that of its unseen children", 3),
            Column(
                "appearances",
                "",
                "rows in the process lists: two processes in one sample count twice",
                rank=6,
            ),
            Column("avg_cpu", "%", "mean CPU use in those rows, of one core", 1, rank=1),
            Column("max_cpu", "%", "highest CPU use in those rows, of one core", 1, rank=2),
            Column("avg_mem", "%", "mean resident memory in those rows, of RAM", 1, rank=3),
            Column("avg_children", "%", "mean CPU use of their unseen children, of one core", 1, rank=5),
        ),
        limit=20,
        nothing=NO_PROCESS,
        sums=PROCESS,
        options=(
            Option(
                "--by",
                "one row for each program (name), for each app, unit or container (app), or for each user",
                choices={by: Variant("hotspots", {"by": by}) for by in _OWNERS},
            ),
        ),
    ),
    Report(
        "top",
        "the busiest processes of the newest sample, or of one moment",
        (
            TS._replace(in_table=False),
            TIME._replace(rank=2),
            PID,
            NAME,
            CPU,
            MEM,
            CHILDREN,
            APP,
            USER._replace(in_table=False),
        ),
        nothing=NO_PROCESS,
        takes_at=True,
        tells_age=True,
        options=(
            Option(
                "--by",
                "one row for each process, or sums for each program (name), app or user",
                choices={"process": Variant("top")}
                | {
                    by: Variant(
                        "top_by",
                        {"by": by},
                        (Column("processes", "", "how many of its processes are listed", rank=3),),
                    )
                    for by in _OWNERS
                },
            ),
        ),
    ),
    Report(
        "cores",
        "CPU use of each core",
        (
            Column("core", "", "number of the core"),
            Column("usage", "%", "use in the newest sample", 1),
            Column("avg_usage", "%", "mean use over the window", 1, rank=1),
            Column("max_usage", "%", "highest use in the window", 1, rank=2),
            Column("samples", "", "samples with a reading of this core", rank=3),
        ),
        window=TEN_MINUTES,
        nothing="no core recorded",
        sums=CORE,
    ),
    COMPARE,
    CORRELATE,
    Report(
        "export",
        "every sample as a row of features and targets, oldest first",
        (
            *(
                TS._replace(rank=10),
                BATTERY_PCT,
                CPU_TOTAL,
                CPU_FREQ,
                LOAD1,
                LOAD5,
                LOAD15,
                WATTS,
                DRAIN,
                CHARGE,
                TIME,
            ),
            *(INTERVAL, STATUS, CPU_TEMP, GOVERNOR, BRIGHTNESS),
            Column("radios", "", "kinds of radio that are on", kind="text", in_table=False),
            Column("on_ac", "", "1: a supply from outside is online", in_table=False),
            *exported(),
        ),
        format="csv",
        in_pages=True,
        limit_first=True,
        options=(
            Option(
                "--with-processes",
                "add sums over the sample's list of processes",
                switch=Variant(
                    "export",
                    columns=(
                        Column(
                            "topn_cpu_sum",
                            "%",
                            "sum of the CPU use of the listed processes, of one core",
                            1,
                            rank=2,
                        ),
                        Column("top_cpu", "%", "highest CPU use of a listed process, of one core", 1, rank=2),
                        Column(
                            "topn_mem_sum",
                            "%",
                            "sum of the resident memory of the listed processes, of RAM",
                            1,
                            rank=2,
                        ),
                    ),
                    # Not a join with a grouped process_sample: SQLite would build that before the first row.
                    adds="".join(
                        f", (SELECT {of} FROM process_sample AS p WHERE p.ts = t.ts) AS {name}"
                        for name, of in (
                            ("topn_cpu_sum", "SUM(cpu)"),
                            ("top_cpu", "MAX(cpu)"),
                            ("topn_mem_sum", "SUM(mem)"),
                        )
                    ),
                ),
            ),
            Option(
                "--signed",
                "add the power with its sign: a mean of watts would mix charging with draining",
                switch=Variant(
                    "export",
                    columns=(Column("signed_watts", "W", "negative: out of the battery", 2, rank=1),),
                    adds=(
                        ", (SELECT iif(coalesce(energy_uj, current, power) < 0, -ABS(power), ABS(power)) "
                        "FROM system_sample AS s WHERE s.ts = t.ts) AS signed_watts"
                    ),
                ),
            ),
            Option(
                "--local-time",
                "add the time as text, ISO 8601 with its offset from UTC",
                switch=Variant(
                    "export",
                    columns=(
                        Column("local_time", "", "the time as local date and time", kind="text", rank=7),
                    ),
                    adds=", local_time(time) AS local_time",
                ),
            ),
        ),
    ),
    Report(
        "status",
        "what the database holds, and how fresh it is",
        (
            Column("database", "", "the file", kind="text"),
            Column("bytes", "B", "its size on disk, with its -wal", kind="size"),
            Column("schema", "", "version of the schema"),
            Column("runs", "", "starts of the sampler in the database"),
            Column("samples", "", "number of samples, within the window if one is given"),
            Column("oldest", UNIX, "time of the oldest sample", kind="time"),
            Column("newest", UNIX, "time of the newest sample", kind="time"),
            Column("newest_age_s", "s", "age of the newest sample", kind="duration"),
            Column("last_gap", UNIX, "when the newest gap began: see gaps", kind="time"),
            Column("last_gap_cause", "", "why nothing was recorded then", kind="text"),
            Column("gaps", "", "stretches of samples that were lost for good"),
            Column("samples_lost", "", "samples lost in those gaps"),
            Column("misdated", "", "samples dated by a wrong clock; no other figure includes them"),
            Column("rollup_differences", "", "hours and days whose sums disagree with their samples"),
            Column("losses", "", "stretches lost to a damaged file: see the table loss"),
            Column("rolled_up_until", UNIX, "how far the roll-ups reach", kind="time"),
            Column("raw_since", UNIX, "time of the oldest sample that was not dropped", kind="time"),
            Column("dropped_for", "", "why older samples were dropped; empty: none were", kind="text"),
            Column("days_fit", "d", "days of samples that fit, at the rate so far", 1),
            Column("on_ac", "", "1: a supply from outside is online"),
            Column("throttled", "", "what holds the CPU back; empty: nothing", kind="text"),
            HEALTH_PCT._replace(name="battery_health_pct"),
        ),
        sums=SYSTEM,
        note="status_note",
        finds="query.sessions:open_sessions",
        vertical=True,
    ),
    GAPS,
)

BY_NAME: Final = {report.name: report for report in REPORTS}
