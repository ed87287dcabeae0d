"""The reports on energy by program, as data: blame and model."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import Final

from query.columns import NAME, Column
from query.report import Option, Report, Variant, number
from query.rollups import SYSTEM


def _setting(text: str) -> float:
    """Return the percent of brightness=PERCENT."""
    name, _, value = text.partition("=")
    if name != "brightness":
        raise ArgumentTypeError(f"{text[:40]!r} is not brightness=PERCENT, the one setting that is known")
    return number(value, 0, 100)


BLAME: Final = Report(
    "blame",
    "which program took how much of the battery's energy, estimated",
    (
        NAME._replace(help="of the program; in brackets what is not a program"),
        Column("wh", "Wh", "taken out of the battery", 3, adds_up=True),
        Column("pm", "Wh", "plus or minus: nine in ten true values lie within", 3, rank=2),
        Column("share", "%", "of what was discharged", 1, adds_up=True, rank=1),
        Column("watts", "W", "mean over the time on battery", 2, adds_up=True, rank=3),
        Column("cpu_h", "h", "CPU time on battery with that of children; on mains, of the window", 3, rank=4),
        Column("rate", "", "cost of a second of CPU, against the machine's mean", 1, rank=5),
    ),
    limit=20,
    sums=SYSTEM,
    finds="query.blame:parts",
    limits_itself=True,
    options=(
        Option(
            "--by",
            "one row for each program (name), for each app, unit or container (app), or for each user",
            choices={by: Variant("blame", {"by": by}) for by in ("name", "app", "user")},
        ),
        Option(
            "--predict",
            "add what each would have drawn from the battery in the time on mains",
            switch=Variant(
                "blame_predicted",
                {"predict": 1},
                (Column("predicted_watts", "W", "mean over the time on mains: predicted", 2, rank=1),),
            ),
        ),
    ),
)
MODEL: Final = Report(
    "model",
    "what was learned of the machine's power, and how well it foretells",
    (
        Column("item", "", "what was learned; a program stands for a second of its CPU", kind="text"),
        Column("value", "", "in the unit of its line", 2),
        Column("pm", "", "plus or minus: nine in ten true values lie within", 2, rank=1),
        Column("unit", "", "of the line; J/s is J for a second of CPU", kind="text"),
    ),
    limit=10,
    nothing="nothing was discharged",
    finds="query.model:items",
    limits_itself=True,
    options=(
        Option(
            "--what-if",
            "add what a brightness of the screen, 0 to 100 %, would give in minutes of this battery",
            reads=_setting,
            metavar="brightness=PERCENT",
        ),
    ),
)
