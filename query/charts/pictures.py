"""Pictures as data: SVG, matplotlib and the terminal draw the same records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from query.series import Point


class Span(NamedTuple):
    """The time of a session, Unix s."""

    kind: str
    """charge, sleep, hole ..."""
    start: float
    stop: float


class Bar(NamedTuple):
    """A bar that starts at 0 and is made of parts, each with its kind."""

    name: str
    parts: Sequence[tuple[str, float]]
    """Kind and value"""
    pm: float | None = None
    """Plus or minus, for the sum of the parts"""

    @property
    def total(self) -> float:
        """Return the sum of its parts."""
        return sum(value for _, value in self.parts)


Pick = Callable[[Point], float | None]


class Line(NamedTuple):
    """A line of a panel, and the band around it."""

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
    """A remark on its figures"""


class Panel(NamedTuple):
    """Lines that share a vertical axis."""

    heading: str
    """What the axis shows, with its unit"""
    lines: Sequence[Line]
    ends: tuple[float, float] | None = None
    """Ends of the axis; None: the lowest and highest value, and 0"""

    def range(self, found: Sequence[Point]) -> tuple[float, float]:
        """Return the range that the axis must contain."""
        picks = [pick for it in self.lines for pick in it[1:]]
        values = [value for pick in picks for point in found if (value := pick(point)) is not None]
        return self.ends or (min([0.0, *values]), max([1.0, *values]))


class Timeline(NamedTuple):
    """Panels one above the other, with a common axis of local time."""

    head: Head
    window: tuple[float, float]
    """Unix s"""
    points: Sequence[Point]
    panels: Sequence[Panel]
    spans: Sequence[Span] = ()
    """Marked below the last panel; holes are marked in all panels"""


class Columns(NamedTuple):
    """Vertical bars, such as one for each day; their parts are stacked."""

    head: Head
    unit: str
    bars: Sequence[Bar]


class Rows(NamedTuple):
    """Horizontal bars, with their names on the left and their values on the right."""

    head: Head
    unit: str
    bars: Sequence[Bar]


class Heat(NamedTuple):
    """Rows of cells over local time; a darker cell has a greater value."""

    head: Head
    unit: str
    edges: Sequence[float]
    """Unix s: the start of each cell, and the end of the last one"""
    names: Sequence[str]
    """Names of the rows"""
    cells: Sequence[Sequence[float | None]]
    """By row, then by time: 0 to 100"""


class Curve(NamedTuple):
    """A line through points, oldest first."""

    name: str
    places: Sequence[tuple[float, float]]


class Curves(NamedTuple):
    """Lines in one coordinate system, the newest last."""

    head: Head
    across: str
    """Label of the horizontal axis, with its unit"""
    up: str
    curves: Sequence[Curve]
    ends: tuple[float, float]
    """Label of the vertical axis"""


Picture = Timeline | Columns | Rows | Heat | Curves
