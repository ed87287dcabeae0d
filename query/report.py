"""The records that define a report: the report, its options, and the variants that options make of it."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

from query.columns import Column
from query.rollups import By, RollUps

_SQL: Final = Path(__file__).parent / "sql"
_INCLUDE: Final = re.compile(r"\{\{include (\w+):\s+([^{}]*)\}\}")

TEN_MINUTES: Final = 600.0
"""s; the window of reports on now"""


class Variant(NamedTuple):
    """How an option changes a report."""

    sql: str
    """Name of the file in ``sql/``, without its ending."""
    parameters: Mapping[str, float | str | None] = {}
    columns: tuple[Column, ...] = ()
    """Columns that it adds."""
    by: By | None = None
    """The unit of its rows, such as days: ``piece`` is cut at their starts."""
    adds: str = ""
    """Replaces ``{{added}}`` in the SQL: more columns, each with a comma before it"""
    window: float | None = None
    """Replaces the report's ``window``: seconds up to the newest sample."""

    def combined(self, later: Variant) -> Variant:
        """Return the combination of this and a later variant; the SQL is that of the later one."""
        parameters = {**self.parameters, **later.parameters}
        columns = self.columns + later.columns
        return Variant(
            later.sql,
            parameters,
            columns,
            later.by or self.by,
            self.adds + later.adds,
            later.window or self.window,
        )


class Option(NamedTuple):
    """An option of a single report: a choice, a switch, or an option with a value."""

    flag: str
    help: str
    choices: Mapping[str, Variant] | None = None
    """Variants by what the user types; the first is the default."""
    switch: Variant | None = None
    reads: Callable[[str], float] | None = None
    """Parses the value of the parameter that has the option's key; raises argparse.ArgumentTypeError"""
    metavar: str = ""

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns that it may add."""
        variants = self.choices.values() if self.choices else filter(None, [self.switch])
        return tuple(dict.fromkeys(column for variant in variants for column in variant.columns))

    @property
    def key(self) -> str:
        """Its name among the parsed arguments."""
        return self.flag.removeprefix("--").replace("-", "_")


class Report(NamedTuple):
    """One report, as data."""

    name: str
    help: str
    """One line."""
    columns: tuple[Column, ...]
    limit: int | None = None
    """Rows shown if --limit is not given; None: all."""
    window: float | None = None
    """Seconds up to the newest sample if --since is not given; None: all samples."""
    format: str = "table"
    nothing: str = "no sample"
    """Reason if there are no rows although the window holds samples."""
    newest_last: bool = False
    """Its newest row is the last: if there are too many rows, the first ones are left out."""
    outlasts_samples: bool = False
    """It lists rows that stay when samples are dropped."""
    sums: RollUps | None = None
    """The roll-ups that it sums; None: it lists samples."""
    in_pages: bool = False
    """Its rows are read page by page; only the user's limit bounds them."""
    note: str | None = None
    """Name of SQL in ``sql/`` that returns one text for standard error, or no row."""
    finds: str | None = None
    """A function, as module:name, that finds more parameters for the SQL, and a remark or None. By name, so
    that no other report loads what it needs."""
    limit_first: bool = False
    """Its limit keeps certain rows, such as the newest; --sort orders only those."""
    asks: str | None = None
    """A function, as module:name, that makes parameters of what the user typed and of now, before a database
    is opened. Raises UsageError."""
    words: tuple[tuple[str, str], ...] = ()
    """Optional positional arguments: name and help."""
    limits_itself: bool = False
    """The items beyond the limit are summed in a row."""
    options: tuple[Option, ...] = ()
    takes_at: bool = False
    """It has --at T, which is --until T with T itself in the window."""
    tells_age: bool = False
    """It is about now: if the newest sample is old, standard error says how old."""
    vertical: bool = False
    """Shown in tables as lines of item and value: a column for each of the few rows."""


def sql_text(name: str) -> str:
    """Return the SQL of that file in ``sql/``.

    ``{{include other: a, b}}`` in it is ``sql/other.sql``, in which ``{{columns}}`` stands for a, b.
    """
    text = (_SQL / f"{name}.sql").read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda found: sql_text(found[1]).replace("{{columns}}", found[2]), text)


def function(path: str) -> Callable[..., Any]:
    """Return a function of a report, given as module:name."""
    module, _, name = path.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found


def number(text: str, least: float, most: float) -> float:
    """Return an argument from 0 to 999; only digits, so nan and 1e3 are refused.

    Raises argparse.ArgumentTypeError.
    """
    value = float(text) if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,9})?", text) else -1.0
    if least <= value <= most:
        return value
    raise ArgumentTypeError(f"{text[:40]!r} is not a number from {least:g} to {most:g}")


def variant_of(report: Report, arguments: Mapping[str, Any]) -> Variant:
    """Return the variant of ``report`` that the ``arguments`` ask for; by default the plain report."""
    found: Variant | None = None
    for option in report.options:
        given = arguments.get(option.key)
        chosen = option.switch if given else None
        if option.reads and given is not None:
            chosen = Variant(report.name, {option.key: given})
        if option.choices:
            chosen = option.choices[given or next(iter(option.choices))]
        if chosen:
            found = found.combined(chosen) if found else chosen
    return found or Variant(report.name)
