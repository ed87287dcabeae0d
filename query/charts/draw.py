"""Pictures as SVG: pure functions from records to text, without another package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from query.charts.pictures import Columns, Curves, Line, Panel, Picture, Rows, Span, Timeline
from query.charts.scale import Scale, marks, rounded_out, time_marks
from query.charts.svg import band, element, escaped, label, line, path, picture, rectangle
from query.series import Point, stretches
from query.width import cut, display_width

WIDTH: Final = 640.0
_LEFT: Final = 44.0
_RIGHT: Final = 12.0
_TOP: Final = 22.0
_BOTTOM: Final = 24.0
_PANEL: Final = 150.0
_STRIP: Final = 12.0
_STRIP_PARTS: Final = {"discharge": 0.65, "sleep": 0.3}
"""Share of the strip's height, so that kinds differ in black and white; other kinds fill it"""
_TIME_MARKS: Final = 8
_BAR: Final = 24.0
_WIDEST_BAR: Final = 48.0
_NAMES: Final = 160.0
"""Room for the names before bars, in which so many characters fit:"""
_NAME: Final = 18


def drawn(picture: Picture) -> str:
    """Return the SVG of a picture; the empty text if there is nothing to show."""
    if isinstance(picture, Timeline):
        return _over_time(picture)
    if isinstance(picture, Columns | Rows) and picture.bars:
        return _columns(picture) if isinstance(picture, Columns) else _rows(picture)
    return _curves(picture) if isinstance(picture, Curves) else ""


def _over_time(told: Timeline) -> str:
    head, window, found, panels, spans = told
    across = Scale(*window, _LEFT, WIDTH - _RIGHT)
    parts: list[str] = []
    y = 0.0
    for panel in panels:
        top = y + _TOP
        parts += [_block(across, it, top, _PANEL, "hole") for it in spans if it.kind == "hole"]
        parts += _panel(across, top, panel, found)
        y = top + _PANEL + 8
    if spans:
        for it in spans:
            if it.kind != "rest":
                high = _STRIP * _STRIP_PARTS.get(it.kind, 1.0)
                parts.append(_block(across, it, y + _STRIP - high, high, it.kind))
        y += _STRIP + 2
    for moment, text in time_marks(*window, _TIME_MARKS):
        x = across.place(moment)
        parts += [line(x, y, x, y + 4, "axis"), label(x, y + 16, text, anchor="middle")]
    return picture(head.key, (WIDTH, y + _BOTTOM), head.title, head.about, parts)


def _block(across: Scale, span: Span, y: float, height: float, kind: str) -> str:
    x = across.place(span.start)
    size = (max(across.place(span.stop) - x, 0.5), height)
    return rectangle(x, y, size, f"span {kind}", span.kind)


def _panel(across: Scale, top: float, panel: Panel, found: Sequence[Point]) -> Iterator[str]:
    yield label(4.0, top - 8, panel.heading, "heading")
    low, high, step = rounded_out(*panel.range(found))
    up = Scale(low, high, top + _PANEL, top)
    for value, text in marks(low, high, step):
        y = up.place(value)
        yield line(across.at, y, across.end, y, "zero" if value == 0 else "grid")
        yield label(across.at - 6, y + 4, text, anchor="end")
    for it in panel.lines:
        for stretch in stretches(found):
            yield from _drawn(across, up, it, stretch)


def _drawn(across: Scale, up: Scale, it: Line, stretch: Sequence[Point]) -> Iterator[str]:
    ranges = [
        (across.place(point.middle), up.place(high), up.place(low))
        for point in stretch
        if (low := it.low(point)) is not None and (high := it.high(point)) is not None
    ]
    if len(ranges) > 1:
        yield band([(x, top) for x, top, _ in ranges], [(x, end) for x, _, end in ranges], f"band {it.kind}")
    known = [
        (across.place(point.middle), up.place(value))
        for point in stretch
        if (value := it.middle(point)) is not None
    ]
    if known:
        yield path(known, f"line {it.kind}")


def _columns(it: Columns) -> str:
    head, unit, bars = it
    tallest = max((bar.total for bar in bars), default=0.0)
    low, high, step = rounded_out(0.0, tallest or 1.0)
    up = Scale(low, high, _TOP + _PANEL, _TOP)
    room = (WIDTH - _RIGHT - _LEFT) / max(len(bars), 1)
    wide = min(room * 0.76, _WIDEST_BAR)
    parts = [label(4.0, _TOP - 8, unit, "heading")]
    for value, text in marks(low, high, step):
        y = up.place(value)
        parts += [line(_LEFT, y, WIDTH - _RIGHT, y, "grid"), label(_LEFT - 6, y + 4, text, anchor="end")]
    every = -(-len(bars) * 64 // int(WIDTH - _RIGHT - _LEFT))
    for number, bar in enumerate(bars):
        x, below = _LEFT + number * room, 0.0
        for kind, value in bar.parts:
            y, end = up.place(below + value), up.place(below)
            told = f"{bar.name}: {kind} {value:.2f}"
            parts.append(rectangle(x + (room - wide) / 2, y, (wide, end - y), f"bar {kind}", told))
            below += value
        if number % max(every, 1) == 0:
            parts.append(label(x + room / 2, _TOP + _PANEL + 16, bar.name, anchor="middle"))
    return picture(head.key, (WIDTH, _TOP + _PANEL + _BOTTOM), head.title, head.about, parts)


def _curves(it: Curves) -> str:
    longest = max(x for curve in it.curves for x, _ in curve.places)
    first, last, size = rounded_out(0.0, longest or 1.0, 8)
    low, high, step = rounded_out(*it.ends)
    across, up = Scale(first, last, _LEFT, WIDTH - _RIGHT), Scale(low, high, _TOP + _PANEL, _TOP)
    parts = [label(4.0, _TOP - 8, it.up, "heading"), label(WIDTH - _RIGHT, _TOP - 8, it.across, anchor="end")]
    for value, text in marks(low, high, step):
        y = up.place(value)
        parts += [line(across.at, y, across.end, y, "grid"), label(across.at - 6, y + 4, text, anchor="end")]
    for value, text in marks(first, last, size):
        parts.append(label(across.place(value), _TOP + _PANEL + 16, text, anchor="middle"))
    for number, curve in enumerate(it.curves, 1):
        places = [(across.place(x), up.place(y)) for x, y in curve.places]
        kind = "newest" if number == len(it.curves) else "older"
        parts.append(
            element("g", {}, element("title", {}, escaped(curve.name)), path(places, f"line {kind}"))
        )
    return picture(it.head.key, (WIDTH, _TOP + _PANEL + _BOTTOM), it.head.title, it.head.about, parts)


def _rows(it: Rows) -> str:
    head, unit, bars = it
    totals = [bar.total for bar in bars]
    # A whisker longer than its bar means "not known": it may end at the edge.
    most = max(
        (total + min(bar.pm or 0.0, total) for total, bar in zip(totals, bars, strict=True)), default=0.0
    )
    across = Scale(0.0, most or 1.0, _NAMES, WIDTH - 110.0)
    parts = [label(4.0, _TOP - 8, unit, "heading")]
    for number, (bar, total) in enumerate(zip(bars, totals, strict=True)):
        y = _TOP + number * _BAR
        name = bar.name if display_width(bar.name) <= _NAME else cut(bar.name, _NAME - 1) + "…"
        parts.append(label(_NAMES - 8, y + 15, name, anchor="end"))
        left = 0.0
        for kind, value in bar.parts:
            x = across.place(left)
            parts.append(
                rectangle(x, y + 3, (across.place(left + value) - x, _BAR - 8), f"bar {kind}", bar.name)
            )
            left += value
        end = across.place(total)
        if bar.pm:
            low, end = across.place(max(total - bar.pm, 0.0)), across.place(total + bar.pm)
            middle = y + 3 + (_BAR - 8) / 2
            parts += [
                line(low, middle, end, middle, "whisker"),
                line(end, middle - 3, end, middle + 3, "whisker"),
            ]
        told = f"{total:.2f}" + (f" ± {bar.pm:.2f}" if bar.pm else "")
        parts.append(label(end + 6, y + 15, told))
    return picture(head.key, (WIDTH, _TOP + len(bars) * _BAR + 8), head.title, head.about, parts)
