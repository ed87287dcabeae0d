"""Pictures on a terminal: braille dots and blocks, or ASCII. Pure functions from records to lines of text.

A cell of a line chart has two dots side by side and four above each other (Unicode, Braille Patterns); in
ASCII it is one. All that lies between the least and the greatest sample of a step is filled: no peak is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from query.charts.pictures import Columns, Curves, Heat, Line, Picture, Rows, Span, Timeline
from query.charts.scale import Mark, Scale, marks, rounded_out, time_marks
from query.series import Point, stretches
from query.width import cut, display_width, padded
from telemetry.command import printable

LEAST_WIDTH: Final = 30
_HIGH: Final = 8
"""Lines of a panel"""
_LABEL: Final = 7
"""Columns before a panel, for the figures of its axis"""
_VALUE: Final = 9
_LONGEST_NAME: Final = 16
_BRAILLE: Final = 0x2800
_DOTS: Final = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_SPANS: Final = {"charge": "+", "sleep": "z", "hole": "x"}
_TOLD: Final = {"charge": "charging", "sleep": "asleep", "hole": "not recorded"}
_FILLS: Final = "█▒▓░▚▞#="
_ASCII_FILLS: Final = "#=o-+*%@"
_SHADES: Final = "·░▒▓█"
_ASCII_SHADES: Final = ".:+#@"
CHARACTERS: Final = f"{_FILLS}{_SHADES}⠁⣿"
"""Characters that drawing needs, unless it is in ASCII"""


def lines(picture: Picture, width: int, *, ascii_only: bool = False) -> Iterator[str]:
    """Yield the lines of a picture, each of at most ``width`` columns."""
    for line in _lines(picture, max(width, LEAST_WIDTH), ascii_only):
        text = printable(line).rstrip()
        if ascii_only:
            text = text.replace("°", "").encode("ascii", "backslashreplace").decode()
        yield cut(text, width)


def _lines(picture: Picture, width: int, ascii_only: bool) -> Iterator[str]:
    yield picture.head.title
    if isinstance(picture, Timeline):
        yield from _over_time(picture, width, ascii_only)
    elif isinstance(picture, Curves):
        yield from _curves(picture, width, ascii_only)
    elif isinstance(picture, Heat):
        yield from _heat(picture, width, ascii_only)
    else:
        yield from _bars(picture, width, ascii_only)
    if picture.head.note:
        yield picture.head.note


class _Canvas:
    """Dots of a panel, from its lower left corner."""

    def __init__(self, columns: int, ascii_only: bool) -> None:
        self._ascii = ascii_only
        self.across, self.up = (columns, _HIGH) if ascii_only else (columns * 2, _HIGH * 4)
        self._filled = [[False] * self.across for _ in range(self.up)]

    def fill(self, x: int, low: int, high: int) -> None:
        """Fill the dots of a column from ``low`` to ``high``, itself too."""
        for y in range(max(min(low, high), 0), min(max(low, high), self.up - 1) + 1):
            self._filled[y][x] = True

    def rows(self) -> Iterator[str]:
        """Yield the lines, the highest first."""
        if self._ascii:
            yield from ("".join("*" if dot else " " for dot in row) for row in reversed(self._filled))
            return
        for line in range(_HIGH):
            top = self.up - 1 - 4 * line
            cells = []
            for column in range(0, self.across, 2):
                bits = sum(
                    bit
                    for down, pair in enumerate(_DOTS)
                    for side, bit in enumerate(pair)
                    if self._filled[top - down][column + side]
                )
                cells.append(chr(_BRAILLE + bits) if bits else " ")
            yield "".join(cells)


def _over_time(it: Timeline, width: int, ascii_only: bool) -> Iterator[str]:
    columns = width - _LABEL
    for panel in it.panels:
        canvas = _Canvas(columns, ascii_only)
        low, high, step = rounded_out(*panel.range(it.points))
        across = Scale(*it.window, 0, canvas.across - 1)
        up = Scale(low, high, 0, canvas.up - 1)
        for line in panel.lines:
            for stretch in stretches(it.points):
                _draw(canvas, across, up, _ranges(line, stretch))
        yield panel.heading
        yield from _with_axis(canvas, marks(low, high, step), up)
    kinds = [kind for kind in _SPANS if any(span.kind == kind for span in it.spans)]
    if kinds:
        yield " " * _LABEL + _strip(it.spans, it.window, columns)
    yield _time_axis(it.window, columns)
    if kinds:
        yield "   ".join(f"{_SPANS[kind]} {_TOLD[kind]}" for kind in kinds)


_Range = tuple[float, float, float, float]
"""Horizontal start and end; the least and the greatest value"""


def _ranges(line: Line, stretch: Sequence[Point]) -> Iterator[_Range]:
    for point in stretch:
        middle = line.middle(point)
        low, high = line.low(point), line.high(point)
        if (low is None or high is None) and middle is None:
            continue
        values = [value for value in (low, middle, high) if value is not None]
        yield point.first, point.last, min(values), max(values)


def _draw(canvas: _Canvas, across: Scale, up: Scale, ranges: Iterable[_Range]) -> None:
    before: tuple[int, int, int] | None = None
    for start, stop, low, high in ranges:
        begin, end = round(across.place(start)), round(across.place(stop))
        bottom, top = round(up.place(low)), round(up.place(high))
        if before is not None:  # from the previous point to this one, without a hole
            last, under, over = before
            for x in range(last + 1, begin):
                canvas.fill(x, under, over)
            bottom_joined, top_joined = min(bottom, over), max(top, under)
        else:
            bottom_joined, top_joined = bottom, top
        canvas.fill(begin, bottom_joined, top_joined)
        for x in range(begin + 1, end + 1):
            canvas.fill(x, bottom, top)
        before = end, bottom, top


def _with_axis(canvas: _Canvas, told: Sequence[Mark], up: Scale) -> Iterator[str]:
    by_line = {_HIGH - 1 - int(up.place(value) * _HIGH / canvas.up): text for value, text in told}
    for number, row in enumerate(canvas.rows()):
        yield f"{by_line.get(number, ''):>{_LABEL - 2}} |{row}"


def _strip(spans: Sequence[Span], window: tuple[float, float], columns: int) -> str:
    across = Scale(*window, 0, columns - 1)
    cells = [" "] * columns
    for span in spans:
        if span.kind in _SPANS:
            for x in range(round(across.place(span.start)), round(across.place(span.stop)) + 1):
                cells[x] = _SPANS[span.kind]
    return "".join(cells)


def _time_axis(window: tuple[float, float], columns: int) -> str:
    return _axis(time_marks(*window, max(columns // 9, 2)), Scale(*window, 0, columns - 1), columns)


def _axis(told: Sequence[Mark], across: Scale, columns: int) -> str:
    """Return labels below their places; a label that would touch another is left out."""
    line = ""
    for value, text in told:
        at = min(max(round(across.place(value)) - len(text) // 2, 0), columns - len(text))
        if at > len(line) or not line:
            line = line.ljust(at) + text
    return " " * _LABEL + line


def _curves(it: Curves, width: int, ascii_only: bool) -> Iterator[str]:
    columns = width - _LABEL
    canvas = _Canvas(columns, ascii_only)
    low, high, step = rounded_out(*it.ends)
    longest = max(x for curve in it.curves for x, _ in curve.places)
    first, last, size = rounded_out(0.0, longest or 1.0)
    across, up = Scale(first, last, 0, canvas.across - 1), Scale(low, high, 0, canvas.up - 1)
    for curve in it.curves:
        _draw(canvas, across, up, ((x, x, y, y) for x, y in curve.places))
    yield it.up
    yield from _with_axis(canvas, marks(low, high, step), up)
    yield _axis(marks(first, last, size), Scale(first, last, 0, columns - 1), columns)
    yield it.across


def _heat(it: Heat, width: int, ascii_only: bool) -> Iterator[str]:
    shades = _ASCII_SHADES if ascii_only else _SHADES
    columns = width - _LABEL
    window = (it.edges[0], it.edges[-1])
    across = Scale(*window, 0, columns)
    yield it.unit
    for name, cells in zip(it.names, it.cells, strict=True):
        taken: list[list[float]] = [[] for _ in range(columns)]
        for number, value in enumerate(cells):
            if value is not None:
                begin, end = (int(across.place(it.edges[number + more])) for more in (0, 1))
                for x in range(begin, max(end, begin + 1)):
                    if x < columns:
                        taken[x].append(value)
        row = "".join(_shade(max(values), shades) if values else " " for values in taken)
        yield f"{cut(name, _LABEL - 2):>{_LABEL - 2}} |{row}"
    yield _time_axis(window, columns)
    step = 100 // len(shades)
    yield "  ".join(f"{shade} {number * step}" for number, shade in enumerate(shades)) + " % and more"


def _shade(value: float, shades: str) -> str:
    return shades[min(max(int(value / 100 * len(shades)), 0), len(shades) - 1)]


def _bars(it: Columns | Rows, width: int, ascii_only: bool) -> Iterator[str]:
    kinds = list(dict.fromkeys(kind for bar in it.bars for kind, _ in bar.parts))
    fills = _ASCII_FILLS if ascii_only else _FILLS
    fill = {kind: fills[number % len(fills)] for number, kind in enumerate(kinds)}
    named = min(max((display_width(printable(bar.name)) for bar in it.bars), default=0), _LONGEST_NAME)
    room = width - named - _VALUE - 2
    most = max((bar.total for bar in it.bars), default=0.0) or 1.0
    yield it.unit
    for bar in it.bars:
        name = padded(cut(printable(bar.name), named), named, right=False)
        cells, below = "", 0.0
        for kind, value in bar.parts:
            below += value
            cells += fill[kind] * (round(below / most * room) - len(cells))
        yield f"{name} {cells} {bar.total:.2f}"
    if len(kinds) > 1:
        key = ""
        for kind in kinds:
            told = f"{fill[kind]} {printable(kind)}"
            if key and display_width(f"{key}   {told}") > width:
                yield key
                key = told
            else:
                key = f"{key}   {told}" if key else told
        yield key
