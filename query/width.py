"""The terminal columns that a text takes: East Asian characters take two, combining ones none.

Pure, by the tables of ``unicodedata``: East_Asian_Width (UAX #11) and the general category. Control and
format characters are escaped before (``telemetry.command.printable``).
"""

from __future__ import annotations

from collections.abc import Sequence
from unicodedata import category, east_asian_width

_EMOJI_STYLE = "\N{VARIATION SELECTOR-16}"
_WIDENED = "#*0123456789\u203c\u2049\u2139\u2194\u25fb\u25fc\u2934\u2935"
"""Non-symbols that it widens: the other narrow characters of Unicode's emoji-variation-sequences.txt."""
_JAMO = ((0x1160, 0x11FF), (0xD7B0, 0xD7FF))
"""Vowels and final consonants of Hangul, which join the syllable before them."""


def display_width(text: str) -> int:
    """Return the columns that ``text`` takes."""
    return len(text) if text.isascii() else sum(_widths(text))


def widest(texts: Sequence[str]) -> int:
    """Return the columns of the widest of one or more texts."""
    return max(map(len if "".join(texts).isascii() else display_width, texts))


def cut(text: str, columns: int) -> str:
    """Return as much of the beginning of ``text`` as fits into ``columns``, in whole characters."""
    if text.isascii():
        return text[:columns]
    taken = 0
    for index, more in enumerate(_widths(text)):
        taken += more
        if taken > columns:
            # A symbol that it widens is removed with it.
            return text[: index - 1] if text[index] == _EMOJI_STYLE else text[:index]
    return text


def padded(text: str, columns: int, right: bool) -> str:
    """Return ``text`` padded with spaces to ``columns``; on the left if ``right``."""
    spaces = " " * (columns - display_width(text))
    return spaces + text if right else text + spaces


def _widths(text: str) -> list[int]:
    widths: list[int] = []
    for index, character in enumerate(text):
        # U+FE0F asks for the picture, of two columns, in place of a symbol of one.
        widened = character == _EMOJI_STYLE and index and widths[-1] == 1 and _has_picture(text[index - 1])
        widths.append(1 if widened else _width(character))
    return widths


def _has_picture(character: str) -> bool:
    return category(character) == "So" or character in _WIDENED


def _width(character: str) -> int:
    if east_asian_width(character) in ("W", "F"):
        return 0 if category(character) == "Mn" else 2
    code = ord(character)
    joins = any(first <= code <= last for first, last in _JAMO)
    return 0 if joins or category(character) in ("Mn", "Me", "Cf") else 1
