"""Pieces of SVG, as text. All text is escaped; numbers have one digit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from telemetry.command import printable


def escaped(value: str) -> str:
    """Return text for a document: control characters are shown as escapes, marks of SVG as entities."""
    return escape(printable(value), quote=True)


def element(name: str, attributes: Mapping[str, object], *inside: str) -> str:
    """Return an element; numbers of its attributes are rounded."""
    told = "".join(
        f' {key}="{value:.1f}"' if isinstance(value, float) else f' {key}="{escaped(str(value))}"'
        for key, value in attributes.items()
    )
    return f"<{name}{told}>{''.join(inside)}</{name}>" if inside else f"<{name}{told}/>"


def label(x: float, y: float, text: str, kind: str = "label", anchor: str = "start") -> str:
    """Return a line of text whose baseline begins, ends or has its middle at a place."""
    return element("text", {"x": x, "y": y, "class": kind, "text-anchor": anchor}, escaped(text))


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """Return a straight line."""
    return element("line", {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "class": kind})


def rectangle(x: float, y: float, size: tuple[float, float], kind: str, title: str = "") -> str:
    """Return a rectangle; ``title`` is its tooltip."""
    inside = [element("title", {}, escaped(title))] if title else []
    box = {"x": x, "y": y, "width": max(size[0], 0.0), "height": max(size[1], 0.0), "class": kind}
    return element("rect", box, *inside)


def path(places: Sequence[tuple[float, float]], kind: str) -> str:
    """Return a line through places; a single place is a dot."""
    if len(places) == 1:
        return element("circle", {"cx": places[0][0], "cy": places[0][1], "r": 1.5, "class": f"{kind} dot"})
    return element("path", {"d": _through(places), "class": kind})


def band(upper: Sequence[tuple[float, float]], lower: Sequence[tuple[float, float]], kind: str) -> str:
    """Return the area between two lines."""
    return element("path", {"d": f"{_through([*upper, *reversed(lower)])}Z", "class": kind})


def _through(places: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)


def picture(key: str, size: tuple[float, float], title: str, about: str, parts: Iterable[str]) -> str:
    """Return a picture that scales to the width of the page. ``about`` describes it in words."""
    width, height = size
    head = element("title", {"id": f"{key}-title"}, escaped(title))
    head += element("desc", {"id": f"{key}-about"}, escaped(about))
    attributes = {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": f"0 0 {width:g} {height:g}",
        "role": "img",
        "aria-labelledby": f"{key}-title {key}-about",
        "class": "chart",
    }
    return element("svg", attributes, head, *parts)
