"""The reports on energy by program, as data: blame and model."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import Final

from query.columns import NAME, Column
from query.process_reports import by_owner
from query.report import Option, Report, Variant, number
from query.rollups import SYSTEM


def _setting(text: str) -> float:
    """Return the percent of brightness=PERCENT."""
    name, _, value = text.partition("=")
    if name != "brightness":
        raise ArgumentTypeError(f"{text[:40]!r} is not brightness=PERCENT, the only known setting")
    return number(value, 0, 100)


BLAME: Final = Report(
    "blame",
    "which program took how much of the battery's energy, estimated",
    (
        NAME._replace(help="name of the program; brackets mark what is not a program"),
        Column("wh", "Wh", "taken out of the battery", 3, adds_up=True),
        Column("pm", "Wh", "margin of error: nine in ten true values are within ± this", 3, rank=2),
        Column("share", "%", "share of what was discharged", 1, adds_up=True, rank=1),
        Column("watts", "W", "mean over the time on battery", 2, adds_up=True, rank=3),
        Column(
            "cpu_h",
            "h",
            "CPU time on battery, children included; if always on mains, in the whole window",
            3,
            rank=4,
        ),
        Column("rate", "", "cost of a CPU second, relative to the machine's mean", 1, rank=5),
    ),
    limit=20,
    sums=SYSTEM,
    finds="query.blame:parts",
    limits_itself=True,
    options=(
        by_owner("blame"),
        Option(
            "--predict",
            "add what each would have drawn from the battery during the time on mains",
            switch=Variant(
                "blame_predicted",
                {"predict": 1},
                (Column("predicted_watts", "W", "predicted mean over the time on mains", 2, rank=1),),
            ),
        ),
    ),
)
MODEL: Final = Report(
    "model",
    "what was learned about the machine's power, and how well it predicts",
    (
        Column(
            "item",
            "",
            "what was learned; for a program: the energy of one second of its CPU time",
            kind="text",
        ),
        Column("value", "", "in the unit of its row", 2),
        Column("pm", "", "margin of error: nine in ten true values are within ± this", 2, rank=1),
        Column("unit", "", "unit of the row; J/s is J per CPU second", kind="text"),
    ),
    limit=10,
    nothing="nothing was discharged",
    finds="query.model:items",
    limits_itself=True,
    options=(
        Option(
            "--what-if",
            "add how many minutes of battery a screen brightness of 0 to 100 % would give",
            reads=_setting,
            metavar="brightness=PERCENT",
        ),
    ),
)
