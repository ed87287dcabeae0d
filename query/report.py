"""What a report is, as data: a record for the report, for its options, and for what an option makes of it."""

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


class Variant(NamedTuple):
    """What an option makes of a report."""

    sql: str
    """Name of the file in ``sql/``, without its ending."""
    parameters: Mapping[str, float | str | None] = {}
    columns: tuple[Column, ...] = ()
    """Columns that the report has not."""
    by: By | None = None
    """What its rows are of: ``piece`` is cut there."""
    adds: str = ""
    """What comes in the place of ``{{added}}`` in the SQL: more columns, a comma before each"""
    window: float | None = None
    """Seconds up to the newest sample that it has in place of those of the report."""

    def combined(self, later: Variant) -> Variant:
        """Return what this and a later option make of a report; the SQL is that of the later one."""
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
    """An option that one report has beside those of all: a choice, a switch, or one that takes a value."""

    flag: str
    help: str
    choices: Mapping[str, Variant] | None = None
    """By what the user types; the first is the default."""
    switch: Variant | None = None
    reads: Callable[[str], float] | None = None
    """The value, as a parameter named as the option's key; raises argparse.ArgumentTypeError"""
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
    """Rows shown where --limit is not given; None: all."""
    window: float | None = None
    """Seconds up to the newest sample, where --since is not given; None: all samples."""
    format: str = "table"
    nothing: str = "no sample"
    """Why there is no row although the window holds samples."""
    newest_last: bool = False
    """Its rows end with the newest: where there are too many, the first ones are left out."""
    outlasts_samples: bool = False
    """It lists what stays when samples are dropped."""
    sums: RollUps | None = None
    """What it sums up; None: it lists samples."""
    in_pages: bool = False
    """Its rows are read page by page; the user's limit alone bounds them."""
    note: str | None = None
    """Name of SQL in ``sql/`` that gives one text for standard error, or no row."""
    finds: str | None = None
    """A function, as module:name, that finds more parameters for the SQL, and a remark or None. By name, so
    that no other report loads what it needs."""
    limit_first: bool = False
    """Its limit keeps certain rows, such as the newest: --sort puts those in order, and no others."""
    asks: str | None = None
    """A function, as module:name, that makes parameters of what the user typed and of now, before a database
    is opened. Raises UsageError."""
    words: tuple[tuple[str, str], ...] = ()
    """Arguments without a flag, which may be left out: name and help."""
    limits_itself: bool = False
    """What is beyond the limit is part of a row."""
    options: tuple[Option, ...] = ()
    takes_at: bool = False
    """--at T: --until T with T itself in the window."""
    tells_age: bool = False
    """It is about now: where the newest sample is old, standard error says how old."""
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
    """Return an argument from 0 to 999; digits alone, so that nan and 1e3 are refused.

    Raises argparse.ArgumentTypeError.
    """
    value = float(text) if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,9})?", text) else -1.0
    if least <= value <= most:
        return value
    raise ArgumentTypeError(f"{text[:40]!r} is not a number from {least:g} to {most:g}")


def variant_of(report: Report, arguments: Mapping[str, Any]) -> Variant:
    """Return what the given ``arguments`` make of ``report``; the plain report where they say nothing."""
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
