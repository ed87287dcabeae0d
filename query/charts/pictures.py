"""What a picture shows, as data: SVG, matplotlib and the terminal draw the same records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from query.series import Point


class Span(NamedTuple):
    """A session: Unix s."""

    kind: str
    """charge, sleep, hole ..."""
    start: float
    stop: float


class Bar(NamedTuple):
    """A bar of parts, each of a kind, from 0 upwards or to the right."""

    name: str
    parts: Sequence[tuple[str, float]]
    """Kind and value"""
    pm: float | None = None
    """Plus or minus of the whole"""

    @property
    def total(self) -> float:
        """Return the sum of its parts."""
        return sum(value for _, value in self.parts)


Pick = Callable[[Point], float | None]


class Line(NamedTuple):
    """What a panel draws: a line, and the band in which it lies."""

    kind: str
    middle: Pick
    low: Pick
    high: Pick


class Head(NamedTuple):
    """The title of a picture, and a description in words."""

    key: str
    """Unique in its page"""
    title: str
    about: str
    """A description for readers who cannot see it"""
    note: str = ""
    """What a reader must know about its figures"""


class Panel(NamedTuple):
    """Lines over one axis of figures."""

    heading: str
    """With its unit"""
    lines: Sequence[Line]
    ends: tuple[float, float] | None = None
    """Ends of the axis; None: the extremes of its figures and 0"""

    def range(self, found: Sequence[Point]) -> tuple[float, float]:
        """Return the range that the axis must contain."""
        picks = [pick for it in self.lines for pick in it[1:]]
        values = [value for pick in picks for point in found if (value := pick(point)) is not None]
        return self.ends or (min([0.0, *values]), max([1.0, *values]))


class Timeline(NamedTuple):
    """Panels one above the other over one axis of local time."""

    head: Head
    window: tuple[float, float]
    """Unix s"""
    points: Sequence[Point]
    panels: Sequence[Panel]
    spans: Sequence[Span] = ()
    """Marked below the last panel; holes through all of them"""


class Columns(NamedTuple):
    """Bars side by side, such as one a day, each of parts one above the other."""

    head: Head
    unit: str
    bars: Sequence[Bar]


class Rows(NamedTuple):
    """Bars one below the other, with their names before them and their values behind."""

    head: Head
    unit: str
    bars: Sequence[Bar]


class Heat(NamedTuple):
    """Rows of cells over local time, the darker the greater."""

    head: Head
    unit: str
    edges: Sequence[float]
    """Unix s: the start of each cell, and the end of the last one"""
    names: Sequence[str]
    """Names of the rows"""
    cells: Sequence[Sequence[float | None]]
    """By row, then by time: 0 to 100"""


class Curve(NamedTuple):
    """A line through points; the last points are the newest."""

    name: str
    places: Sequence[tuple[float, float]]


class Curves(NamedTuple):
    """Lines laid over each other, the newest last."""

    head: Head
    across: str
    """Label of the horizontal axis, with its unit"""
    up: str
    curves: Sequence[Curve]
    ends: tuple[float, float]
    """Label of the vertical axis"""


Picture = Timeline | Columns | Rows | Heat | Curves
