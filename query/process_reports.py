"""The reports on processes and cores, as data."""

from __future__ import annotations

from typing import Final

from query.columns import APP, CHILDREN, CPU, MEM, NAME, PID, TIME, TS, USER, Column
from query.report import TEN_MINUTES, Option, Report, Variant
from query.rollups import CORE, PROCESS

NO_PROCESS: Final = "no process recorded (does telemetry-sampler run with --top-procs 0?)"

_OWNERS: Final = ("name", "app", "user")
"""What processes can be grouped by"""


def by_owner(report: str) -> Option:
    """Return the option --by of a report that groups processes."""
    return Option(
        "--by",
        "one row for each program (name), for each app, unit or container (app), or for each user",
        choices={by: Variant(report, {"by": by}) for by in _OWNERS},
    )


HOTSPOTS: Final = Report(
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
    options=(by_owner("hotspots"),),
)

TOP: Final = Report(
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
)

CORES: Final = Report(
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
)
