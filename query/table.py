"""A table laid out for a terminal: columns are left out, broken or cut so that no line is too wide.

Pure. The form is that of tabulate's ``simple``, which takes 300 ms for the 8,760 hours of a year.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import Final

from query.width import cut, display_width, padded, widest

_NARROW: Final = 7
"""Shortest piece of a broken header: shorter pieces save no room and read badly."""
_LEAST_TEXT: Final = 8
"""Shortest cut of a text while another column can still be left out."""
_BETWEEN: Final = 2
"""Spaces between two columns"""
_BOLD: Final = "\x1b[1m"
_DIM: Final = "\x1b[2m"
_RED: Final = "\x1b[31m"
_PLAIN: Final = "\x1b[0m"


@dataclass
class Strip:
    """A column of a table as text."""

    name: str
    head: str
    """The name with the unit; its lines are separated by newlines."""
    cells: Sequence[str]
    right: bool = False
    """Its cells are right-aligned."""
    rank: int = 0
    """As in query.columns"""
    is_text: bool = False
    """It may be cut."""
    red: frozenset[int] = frozenset()
    """Rows in which it is highlighted"""
    room: int = field(init=False)
    """Columns of the terminal that its cells need"""

    def __post_init__(self) -> None:
        self.room = widest(self.cells)

    @property
    def width(self) -> int:
        """Columns that it takes, with its header as it is."""
        return _needed(self.head, self.room)

    @property
    def least_width(self) -> int:
        """Columns that it takes if its header is broken."""
        return _needed(_broken(self.head, max(_NARROW, self.room)), self.room)


def shortened(text: str, columns: int) -> str:
    """Return ``text``, cut with an ellipsis if it takes more than ``columns``."""
    return text if display_width(text) <= columns else cut(text, columns - 1) + "…"


def across(strips: Sequence[Strip], width: int | None, *, color: bool = False) -> tuple[str, list[str]]:
    """Return the table, a line for each row, and the names of the columns that it leaves out.

    No line is wider than ``width``; None: as wide as it needs to be.
    """
    shown, left_out = (strips, []) if width is None else _fitted(strips, width)
    rooms = [strip.width for strip in shown]
    right = [strip.right for strip in shown]
    line = "  ".join(
        f"{{:{'>' if is_right else '<'}{room}}}" for is_right, room in zip(right, rooms, strict=True)
    )

    def text(row: Sequence[str]) -> str:
        if "".join(
            row
        ).isascii():  # For most rows: str.format is fast, but it counts each character as one column.
            return line.format(*row).rstrip()
        return "  ".join([padded(*of) for of in zip(row, rooms, right, strict=True)]).rstrip()

    heads = [text(row) for row in zip_longest(*(strip.head.split("\n") for strip in shown), fillvalue="")]
    rule = text(["-" * room for room in rooms])
    rows = list(zip(*(strip.cells for strip in shown), strict=True))
    body = [text(row) for row in rows]
    if color:
        heads = [f"{_BOLD}{head}{_PLAIN}" for head in heads]
        rule = f"{_DIM}{rule}{_PLAIN}"
        for at in frozenset().union(*(strip.red for strip in shown)):
            parts = zip(shown, rows[at], rooms, strict=True)
            body[at] = "  ".join(
                _painted(padded(cell, room, it.right), at in it.red) for it, cell, room in parts
            )
    return "".join(f"{each}\n" for each in chain(heads, [rule], body)), left_out


def down(strips: Sequence[Strip], width: int | None, *, color: bool = False) -> str:
    """Return the table with a line for each item of ``strips``, and a column for each of the few rows.

    Rows that do not fit beside each other are put below each other. A long text continues in the next line.
    """
    items = [strip.head for strip in strips]
    if width is not None:
        items = [shortened(item, max(1, width - _LEAST_TEXT - _BETWEEN)) for item in items]
    left = widest([*items, "item"])
    right = None if width is None else max(1, width - left - _BETWEEN)
    rows = [[strip.cells[at] for strip in strips] for at in range(len(strips[0].cells))]
    blocks: list[list[int]] = []
    taken = 0
    for at, row in enumerate(rows):
        room = widest([*row, "value"]) + _BETWEEN
        if not blocks or (right is not None and taken + room - _BETWEEN > right):
            blocks.append([])
            taken = 0
        blocks[-1].append(at)
        taken += room
    texts = []
    for block in blocks:
        lines, red = _folded(strips, items, block, right)
        parts = [
            Strip("item", "item", [line[0] for line in lines]),
            *(
                Strip("value", shortened("value", right or 5), column, red=frozenset(red))
                for column in list(zip(*(line[1:] for line in lines), strict=True))
            ),
        ]
        texts.append(across(parts, None, color=color)[0])
    return "\n".join(texts)


def _folded(
    strips: Sequence[Strip], items: Sequence[str], block: Sequence[int], room: int | None
) -> tuple[list[tuple[str, ...]], list[int]]:
    """Return the lines of a block, and which of them are highlighted."""
    lines: list[tuple[str, ...]] = []
    red: list[int] = []
    for item, strip in zip(items, strips, strict=True):
        values = [_pieces(strip.cells[at], room) for at in block]
        for name, *row in zip_longest([item], *values, fillvalue=""):
            if name and not strip.red.isdisjoint(block):
                red.append(len(lines))
            lines.append((name, *row))
    return lines, red


def _pieces(text: str, room: int | None) -> list[str]:
    """Return ``text`` in pieces of at most ``room`` columns."""
    if room is None or display_width(text) <= room:
        return [text]
    pieces = []
    while text:
        piece = cut(text, room) or text[0]
        pieces.append(piece)
        text = text[len(piece) :]
    return pieces


def _painted(text: str, is_red: bool) -> str:
    return f"{_RED}{text}{_PLAIN}" if is_red else text


# --- fitting ---------------------------------------------------------------------------------------


def _fitted(strips: Sequence[Strip], width: int) -> tuple[list[Strip], list[str]]:
    """Return the strips that fit into ``width``, and the names of the others."""
    shown = list(strips)
    while _least(shown) > width and len(shown) > 1 and any(strip.rank for strip in shown):
        # Of two with the same rank, the later one goes: a report begins with its subject.
        _, worst = max((strip.rank, at) for at, strip in enumerate(shown))
        del shown[worst]
    _cut_texts(shown, width, _LEAST_TEXT)
    while _least(shown) > width and len(shown) > 1:
        del shown[-1]
    _cut_texts(shown, width, 1)
    if _least(shown) > width:  # the last one left
        only = shown[0]
        only.cells = [shortened(cell, width) for cell in only.cells]
        only.head = shortened(only.head, width)
        only.room = widest(only.cells)
    _break_heads(shown, width)
    kept = {id(strip) for strip in shown}
    return shown, [strip.name for strip in strips if id(strip) not in kept]


def _cut_texts(shown: list[Strip], width: int, least: int) -> None:
    """Cut the widest texts, to ``least`` columns at most, until a line fits or no text is longer."""
    while (excess := _least(shown) - width) > 0:
        texts = [strip for strip in shown if strip.is_text and strip.room > least]
        if not texts:
            return
        longest = max(texts, key=lambda strip: strip.room)
        longest.room = max(least, longest.room - excess)
        longest.cells = [shortened(cell, longest.room) for cell in longest.cells]


def _break_heads(shown: Sequence[Strip], width: int) -> None:
    """Break headers between their words, beginning with those that save most."""
    for strip in sorted(shown, key=lambda strip: strip.width - strip.least_width, reverse=True):
        if _taken([it.width for it in shown]) <= width:
            return
        strip.head = _broken(strip.head, max(_NARROW, strip.room))


def _least(shown: Sequence[Strip]) -> int:
    return _taken([strip.least_width for strip in shown])


def _taken(widths: Sequence[int]) -> int:
    return sum(widths) + _BETWEEN * (len(widths) - 1)


def _needed(head: str, room: int) -> int:
    return max(room, *(display_width(line) for line in head.split("\n")))


def _broken(name: str, room: int) -> str:
    lines = [""]
    for part in re.findall(r"[^_ \n]*[_ \n]|[^_ \n]+", name):
        if lines[-1] and display_width(f"{lines[-1]}{part}".rstrip()) > room:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)
