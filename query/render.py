"""Turns rows into text: the one place that knows formats, and the only user of tabulate.

Modules that only some formats need are imported where used: tabulate takes 30 ms, json and csv 5 each. The
default format is laid out in query/table.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from math import floor, isfinite
from typing import Any, Final, NamedTuple

from query.columns import Column
from query.table import Strip, across, down, shortened
from query.values import TIMES, cell, plain, stands_out
from query.width import display_width
from telemetry.command import printable
from telemetry.errors import UsageError, UserError

Row = Sequence[Any]

TABLE_ROWS: Final = 20_000
"""Most rows of a table: it is measured before its first line is printed, so it is held in memory."""
_LONGEST_TEXT: Final = 32


class Look(NamedTuple):
    """The display on which a table is shown."""

    width: int | None = None
    """Columns that it must fit into; None: any number"""
    now: float | None = None
    """Now, Unix s: times of today or this year are shown without their date or year; None: all in full"""
    terminal: bool = False
    """The output goes to a terminal: no control character may pass, not even in csv."""
    color: bool = False


ANYWHERE: Final = Look()


OWN_FORMATS: Final = ("table", "json", "csv", "jsonl")
"""The formats that are laid out here; tabulate has more."""
PARQUET: Final = "parquet"
"""The only format that is not text: see query.parquet."""


class TooLongError(UserError):
    """More rows than a table may have; the text says what to do instead."""


def check_format(name: str) -> None:
    """Raise UsageError if ``name`` is not an output format."""
    if name in OWN_FORMATS:
        return
    if name == PARQUET:
        from query import parquet  # noqa: PLC0415

        parquet.check()
        return
    from tabulate import tabulate_formats  # noqa: PLC0415

    if name not in tabulate_formats:
        known = ", ".join([*OWN_FORMATS, PARQUET, *sorted(tabulate_formats)])
        raise UsageError(f"--format: no format {name[:40]!r}; there are {known}")


def rendered(
    columns: Sequence[Column],
    rows: Iterable[Row],
    form: str,
    look: Look = ANYWHERE,
    *,
    vertical: bool = False,
    remarks: list[str] | None = None,
) -> Iterator[str]:
    """Yield the text of ``rows`` in ``form``, piece by piece; json, jsonl and csv hold one row at a time.

    Columns that a table leaves out are added to ``remarks``. Raises TooLongError for a table of more than
    ``TABLE_ROWS`` rows.
    """
    if form == "json":
        return _json_list(columns, rows)
    if form == "jsonl":
        return (f"{line}\n" for line in _json(columns, rows))
    if form == "csv":
        return _csv(columns, rows, look.terminal)
    return _table(columns, rows, form, look, vertical=vertical, remarks=[] if remarks is None else remarks)


# --- data formats ----------------------------------------------------------------------------------


def _json(columns: Sequence[Column], rows: Iterable[Row]) -> Iterator[str]:
    """Yield an object for each row. It is pure ASCII, so it works in every locale and on every terminal."""
    import json  # noqa: PLC0415

    names = [column.name for column in columns]
    for row in rows:
        values = [None if isinstance(value, float) and not isfinite(value) else plain(value) for value in row]
        text = json.dumps(dict(zip(names, values, strict=True)), allow_nan=False)
        yield text.replace("\x7f", "\\u007f")


def _json_list(columns: Sequence[Column], rows: Iterable[Row]) -> Iterator[str]:
    """Yield a list with one object a line."""
    before = "[\n"
    for text in _json(columns, rows):
        yield before + text
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


class _Echo:
    """A file whose write returns the text, because csv.writer returns the result of write."""

    def write(self, text: str) -> str:
        return text


def _csv(columns: Sequence[Column], rows: Iterable[Row], terminal: bool) -> Iterator[str]:
    """RFC 4180 with the line ends of Unix."""
    import csv  # noqa: PLC0415

    # csv quotes a \r in a field only if lines end in \r\n: that \r is removed below.
    row_text: Any = csv.writer(_Echo(), lineterminator="\r\n").writerow

    def line(values: Sequence[Any]) -> str:
        text: str = row_text(values)
        return text[:-2] + "\n"

    yield line([column.name for column in columns])
    for row in rows:
        values = [plain(value) for value in row]
        if terminal:
            values = [printable(value) if isinstance(value, str) else value for value in values]
        yield line(values)


# --- tables ----------------------------------------------------------------------------------------


def _table(
    columns: Sequence[Column],
    rows: Iterable[Row],
    form: str,
    look: Look,
    *,
    vertical: bool,
    remarks: list[str],
) -> Iterator[str]:
    held = list(islice(rows, TABLE_ROWS + 1))
    if len(held) > TABLE_ROWS:
        raise TooLongError(f"more than {TABLE_ROWS} rows for a table; use --format csv, or ask for fewer")
    if not held:
        return
    for index, column in enumerate(columns):
        if column.adds_up:
            rounded = _adding_up([row[index] for row in held], column.digits)
            held = [
                (*row[:index], value, *row[index + 1 :]) for row, value in zip(held, rounded, strict=True)
            ]
    shown = [(index, column) for index, column in enumerate(columns) if vertical or column.in_table]
    strips = [
        Strip(
            name=column.name,
            head=column.name if vertical else column.header,
            cells=[_with_unit(text, column) for text in texts] if vertical else _shortened(texts),
            right=column.kind != "text",
            rank=column.rank,
            is_text=column.kind == "text",
            red=_red([row[index] for row in held], column) if look.color else frozenset(),
        )
        for (index, column), texts in zip(shown, _texts(held, shown, look.now), strict=True)
    ]
    if not strips:
        return
    if form != "table":
        yield _tabulated(strips, form, vertical)
    elif vertical:
        yield down(strips, look.width, color=look.color)
    else:
        text, left_out = across(strips, look.width, color=look.color)
        yield text
        if left_out:
            remarks.append(
                f"left out to fit {look.width} columns: {', '.join(left_out)}; "
                "--columns chooses, --format json has all"
            )


def _with_unit(text: str, column: Column) -> str:
    is_figure = column.kind == "number" and column.unit and text != "-"
    return f"{text} {column.unit}" if is_figure else text


def _red(values: Sequence[Any], column: Column) -> frozenset[int]:
    return frozenset(at for at, value in enumerate(values) if stands_out(value, column))


def _texts(
    rows: Sequence[Row], shown: Sequence[tuple[int, Column]], now: float | None
) -> Iterator[list[str]]:
    """Yield the texts of each column. Spans share their ends, so each time is formatted only once."""
    known: dict[tuple[str, Any], str] = {}

    def time_text(value: Any, column: Column) -> str:
        key = (column.kind, value)
        if key not in known:
            known[key] = cell(value, column, now)
        return known[key]

    for index, column in shown:
        text = time_text if column.kind in TIMES else cell
        yield [text(row[index], column) for row in rows]


def _adding_up(values: Sequence[Any], digits: int) -> list[Any]:
    """Round values so that they sum to the rounded sum: the largest remainders are rounded up."""
    scale = 10**digits
    known = [at for at, value in enumerate(values) if isinstance(value, (int, float))]
    whole = {at: floor(values[at] * scale) for at in known}
    left = round(sum(values[at] for at in known) * scale) - sum(whole.values())
    for at in sorted(known, key=lambda at: whole[at] - values[at] * scale)[: max(0, left)]:
        whole[at] += 1
    return [whole[at] / scale if at in whole else value for at, value in enumerate(values)]


def _shortened(texts: list[str]) -> list[str]:
    return [shortened(text, _LONGEST_TEXT) for text in texts]


def _tabulated(strips: Sequence[Strip], form: str, vertical: bool) -> str:
    names = [strip.head for strip in strips]
    cells = [list(row) for row in zip(*(strip.cells for strip in strips), strict=True)]
    right = [strip.right for strip in strips]
    if vertical:
        cells = [[name, *values] for name, *values in zip(names, *cells, strict=True)]
        names = ["item", *["value"] * (len(cells[0]) - 1)]
        right = [False] * len(names)
    import tabulate  # noqa: PLC0415

    tabulate.MIN_PADDING = 0  # else each header takes two columns more than it has letters
    # It uses wcwidth if that is installed, and otherwise counts one column for each character.
    vars(tabulate).update(wcwidth=_Measure, WIDE_CHARS_MODE=True)
    # disable_numparse: else a process named 1e5 is shown as 100000. colalign: else it decides by the content.
    text = tabulate.tabulate(
        cells,
        headers=names,
        tablefmt=form,
        disable_numparse=True,
        colalign=["right" if is_right else "left" for is_right in right],
    )
    return text + "\n"


class _Measure:
    """Replaces the module wcwidth, of which tabulate uses these two functions."""

    wcswidth = staticmethod(display_width)
    wcwidth = staticmethod(display_width)
