"""The reports that compare figures, as data: compare and correlate."""

from __future__ import annotations

from typing import Final

from query.columns import CHILDREN, CPU, MEM, NAME, PID, TIME, TS, WATTS, Column
from query.pair import BY_WINDOW, NUMBERS, TEXTS, WINDOWS
from query.process_reports import NO_PROCESS
from query.report import Option, Report, Variant

COMPARE: Final = Report(
    "compare",
    "two windows, or two values of a column, side by side",
    (
        Column("item", "", "what is compared, and the programs with the most CPU time", kind="text"),
        Column(
            "unit", "", "unit of a, b, diff and pm; % core means percent of one core", kind="text", rank=1
        ),
        Column("a", "", "mean of A, or its hours", 2),
        Column("b", "", "the same for B", 2),
        Column("diff", "", "b minus a", 2),
        Column("pm", "", "the spread: twice the standard error of diff", 2, rank=2),
        Column(
            "differs",
            "",
            "whether diff is more than the spread: more, less, no, or too little to tell",
            kind="text",
        ),
    ),
    limit=5,
    nothing="no sample in A or B",
    finds="query.compare:items",
    asks="query.pair:asked",
    words=(
        ("A", f"a window: {WINDOWS} (default: yesterday); with --by COLUMN a value"),
        ("B", "another one (default: today)"),
    ),
    limits_itself=True,
    options=(
        Option(
            "--by",
            "compare windows, or values of this column; for a number, A or B may be a range such as 0-40",
            choices={by: Variant("compare", {"by": by}) for by in (BY_WINDOW, *TEXTS, *NUMBERS)},
        ),
    ),
)

CORRELATE: Final = Report(
    "correlate",
    "how each program's CPU use correlates with the power",
    (
        NAME._replace(help="name of the program; (all CPU) is all busy cores together"),
        Column(
            "r", "", "correlation with the watts on battery: 1: they rise together, 0: they are unrelated", 2
        ),
        Column("w_per_core", "W", "slope: additional power per additional busy core", 2),
        Column("pm", "W", "plus or minus: twice the standard error of the slope", 2),
        Column("avg_cpu", "%", "mean CPU use on battery, children included, of one core", 1),
        Column("blocks", "", "blocks of 12 samples in which it was listed", rank=1),
    ),
    window=86_400.0,
    nothing=f"nothing was discharged, or {NO_PROCESS}",
    finds="query.correlate:programs",
    options=(
        Option(
            "--rows",
            "list the samples of the last 10 minutes instead, with the busiest processes of each",
            switch=Variant(
                "correlate_rows",
                {"rows": 1},
                (
                    *(TIME, TS._replace(in_table=False), WATTS),
                    *(PID, CPU, MEM, CHILDREN),
                ),
                window=600.0,
            ),
        ),
    ),
)
