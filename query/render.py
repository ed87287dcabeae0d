"""From rows to text: the one place that knows formats, and the only user of tabulate.

What only some formats need is imported where it is used: tabulate takes 30 ms, json and csv 5 each. The
default format is laid out here: a table of 8,760 hours takes tabulate 300 ms.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, zip_longest
from math import floor, isfinite
from typing import Any, Final

from query.columns import Column
from query.values import TIMES, cell, plain
from query.width import cut, display_width, padded, widest
from telemetry.command import printable
from telemetry.errors import UsageError, UserError

Row = Sequence[Any]

WIDTH: Final = 90
"""Characters that a 720-pixel screen shows beside each other, where no terminal says otherwise."""
TABLE_ROWS: Final = 20_000
"""A table is measured before its first line is printed, so it is held in memory; data formats are not."""
_LONGEST_TEXT: Final = 32
_NARROW: Final = 7
"""A header is not broken into less: shorter pieces save no room and read badly."""


OWN_FORMATS: Final = ("table", "json", "csv", "jsonl")
"""Those that are laid out here; tabulate has more."""
PARQUET: Final = "parquet"
"""The one that is not text: see query.parquet."""


class TooLongError(UserError):
    """More rows than a table may have; the text says what to do instead."""


def check_format(name: str) -> None:
    """Raise UsageError where ``name`` is no output format."""
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
    *,
    vertical: bool = False,
    width: int = WIDTH,
    terminal: bool = False,
) -> Iterator[str]:
    """Yield the text of ``rows`` in ``form``, piece by piece; json, jsonl and csv hold one row at a time.

    ``terminal``: a person's terminal reads this, so that no control character may pass, not even in csv.
    Raises TooLongError for a table of more than ``TABLE_ROWS`` rows.
    """
    if form == "json":
        return _json_list(columns, rows)
    if form == "jsonl":
        return (f"{line}\n" for line in _json(columns, rows))
    if form == "csv":
        return _csv(columns, rows, terminal)
    return _table(columns, rows, form, vertical, width)


# --- data formats ----------------------------------------------------------------------------------


def _json(columns: Sequence[Column], rows: Iterable[Row]) -> Iterator[str]:
    """An object for each row. Pure ASCII: no locale can harm it, and it can harm no terminal."""
    import json  # noqa: PLC0415

    names = [column.name for column in columns]
    for row in rows:
        values = [None if isinstance(value, float) and not isfinite(value) else plain(value) for value in row]
        text = json.dumps(dict(zip(names, values, strict=True)), allow_nan=False)
        yield text.replace("\x7f", "\\u007f")


def _json_list(columns: Sequence[Column], rows: Iterable[Row]) -> Iterator[str]:
    """A list, one object a line."""
    before = "[\n"
    for text in _json(columns, rows):
        yield before + text
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


class _Echo:
    """A file whose write hands the text back: csv.writer returns what that returns."""

    def write(self, text: str) -> str:
        return text


def _csv(columns: Sequence[Column], rows: Iterable[Row], terminal: bool) -> Iterator[str]:
    """RFC 4180 with the line ends of Unix."""
    import csv  # noqa: PLC0415

    # The module quotes a \r in a field only where \r ends lines: so it does, and is taken off again.
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
    columns: Sequence[Column], rows: Iterable[Row], form: str, vertical: bool, width: int
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
    if vertical:
        names = ["item", *["value"] * len(held)]
        cells = [
            [column.name, *(cell(value, column) for value in values)]
            for column, *values in zip(columns, *held, strict=True)
        ]
        right = [False] * len(names)
    else:
        shown = [(index, column) for index, column in enumerate(columns) if column.in_table]
        names = [column.name for _, column in shown]
        by_column = [_shortened(texts) for texts in _texts(held, shown)]
        cells = [list(row) for row in zip(*by_column, strict=True)]
        right = [column.kind == "number" for _, column in shown]
    if form != "table":
        yield _tabulated(names, cells, right, form)
        return
    rooms = [widest(texts) for texts in zip(*cells, strict=True)]
    if not vertical:
        names = _fitted(names, rooms, width)
        wide = [column.wide for _, column in shown]
        while _taken(names, rooms) > width and any(wide):
            _leave_out(wide.index(max(wide)), wide, names, right, rooms, *cells)
    yield _laid_out(names, cells, right, rooms)


def _texts(rows: Sequence[Row], shown: Sequence[tuple[int, Column]]) -> Iterator[list[str]]:
    """Yield the texts of each column. A span begins where another ended: each time is worked out once."""
    known: dict[tuple[str, Any], str] = {}

    def time_text(value: Any, column: Column) -> str:
        key = (column.kind, value)
        if key not in known:
            known[key] = cell(value, column)
        return known[key]

    for index, column in shown:
        text = time_text if column.kind in TIMES else cell
        yield [text(row[index], column) for row in rows]


def _adding_up(values: Sequence[Any], digits: int) -> list[Any]:
    """Round values so that their sum is that of the values, rounded: the largest remainders go up."""
    scale = 10**digits
    known = [at for at, value in enumerate(values) if isinstance(value, (int, float))]
    whole = {at: floor(values[at] * scale) for at in known}
    left = round(sum(values[at] for at in known) * scale) - sum(whole.values())
    for at in sorted(known, key=lambda at: whole[at] - values[at] * scale)[: max(0, left)]:
        whole[at] += 1
    return [whole[at] / scale if at in whole else value for at, value in enumerate(values)]


def _shortened(texts: list[str]) -> list[str]:
    if widest(texts) <= _LONGEST_TEXT:
        return texts
    return [
        text if display_width(text) <= _LONGEST_TEXT else cut(text, _LONGEST_TEXT - 1) + "…" for text in texts
    ]


def _tabulated(names: list[str], cells: list[list[str]], right: list[bool], form: str) -> str:
    import tabulate  # noqa: PLC0415

    tabulate.MIN_PADDING = 0  # else each header asks for two columns more than it has letters
    # It asks wcwidth where that is installed, and else takes each character for one column.
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
    """What tabulate uses of the module wcwidth."""

    wcswidth = staticmethod(display_width)
    wcwidth = staticmethod(display_width)


def _laid_out(names: list[str], cells: list[list[str]], right: list[bool], needed: list[int]) -> str:
    """What tabulate calls simple: names, of several lines from the top, a dashed line, and the rows."""
    rooms = list(map(_needed, names, needed))
    line = "  ".join(
        f"{{:{'>' if is_right else '<'}{room}}}" for is_right, room in zip(right, rooms, strict=True)
    )
    heads = zip_longest(*(name.split("\n") for name in names), fillvalue="")
    rows = chain(heads, [["-" * room for room in rooms]], cells)
    return "".join([f"{_line(line, row, rooms, right).rstrip()}\n" for row in rows])


def _line(line: str, row: Sequence[str], rooms: list[int], right: list[bool]) -> str:
    if "".join(row).isascii():  # most rows, and str.format is fast, but it takes a character for a column
        return line.format(*row)
    return "  ".join([padded(*of) for of in zip(row, rooms, right, strict=True)])


def _fitted(names: list[str], rooms: list[int], width: int) -> list[str]:
    """The names; where the table would be wider than ``width``, some broken at underscores, longest first."""
    broken = [_broken(name, max(_NARROW, room)) for name, room in zip(names, rooms, strict=True)]
    fitted = list(names)

    def saving(index: int) -> int:
        return _needed(names[index], rooms[index]) - _needed(broken[index], rooms[index])

    for index in sorted(range(len(names)), key=saving, reverse=True):
        if _taken(fitted, rooms) <= width or saving(index) == 0:
            break
        fitted[index] = broken[index]
    return fitted


def _taken(names: list[str], rooms: list[int]) -> int:
    """Return the characters of a line; ``rooms`` is what the cells of each column need."""
    return sum(map(_needed, names, rooms)) + 2 * (len(rooms) - 1)


def _leave_out(column: int, *lines: list[Any]) -> None:
    for line in lines:
        del line[column]


def _needed(head: str, room: int) -> int:
    return max(room, *(len(line) for line in head.split("\n")))


def _broken(name: str, room: int) -> str:
    lines = [""]
    for part in name.replace("_", "_ ").split():
        if lines[-1] and len(lines[-1] + part) > room:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)
