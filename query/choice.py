"""What a user chooses of a report's rows: which columns, in which order, and how they are sorted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from query.columns import Column
from telemetry.errors import UsageError, UserError

Row = tuple[Any, ...]

MOST_SORTED: Final = 200_000
"""Rows are held in memory to be sorted."""


class Choice(NamedTuple):
    """What a user wants of a report's rows."""

    columns: str | None = None
    """Names of columns, parted by commas"""
    sort: str | None = None
    """Name of the column that rows are sorted by"""
    reverse: bool = False

    @property
    def sorts(self) -> bool:
        """Rows are not in the order of the report."""
        return self.sort is not None or self.reverse


AS_THEY_ARE: Final = Choice()


def nearest(name: str, known: Sequence[str]) -> str:
    """Return a hint: the one of ``known`` that ``name`` may have meant, and the list of all."""
    from difflib import get_close_matches  # noqa: PLC0415  (for an error alone)

    close = get_close_matches(name, known, 1)
    meant = f"; did you mean {close[0]}?" if close else ""
    return f"{meant} There are {', '.join(known)}" if close else f"; there are {', '.join(known)}"


def names_in(text: str) -> list[str]:
    """Return the names in a list separated by commas, each once."""
    return list(dict.fromkeys(filter(None, map(str.strip, text.split(",")))))


def position(name: str, columns: Sequence[Column], flag: str) -> int:
    """Return the index of the column ``name``. Raises UsageError if there is none."""
    names = [column.name for column in columns]
    if name not in names:
        raise UsageError(f"{flag}: no column {name[:40]!r}{nearest(name[:40], names)}")
    return names.index(name)


def places_of(wanted: str, columns: Sequence[Column]) -> list[int]:
    """Return the indexes of the ``wanted`` columns, in that order. Raises UsageError."""
    places = [position(name, columns, "--columns") for name in names_in(wanted)]
    if not places:
        raise UsageError(f"--columns: no name in {wanted[:40]!r}{nearest('', [it.name for it in columns])}")
    return places


def chosen(
    columns: Sequence[Column], rows: Iterable[Row], places: Sequence[int]
) -> tuple[tuple[Column, ...], Iterator[Row]]:
    """Return the columns at ``places``, and the rows reduced to them."""
    # The user wants all of them: if they do not fit, the last one is dropped first.
    shown = tuple(columns[at]._replace(in_table=True, rank=rank) for rank, at in enumerate(places))
    return shown, (tuple(row[at] for at in places) for row in rows)


def ordered(rows: Iterable[Row], at: int | None, *, reverse: bool) -> Iterator[Row]:
    """Yield ``rows`` sorted by their value at ``at``, or in their own order; ``reverse``: the last first.

    Missing values come last in both directions; numbers come before texts. Raises UserError if
    there are more than ``MOST_SORTED``.
    """
    held = list(islice(rows, MOST_SORTED + 1))
    if len(held) > MOST_SORTED:
        raise UserError(f"more than {MOST_SORTED} rows to sort; give --limit or a later --since")
    if at is None:
        yield from reversed(held) if reverse else held
        return
    known = [row for row in held if row[at] is not None]
    yield from sorted(known, key=lambda row: _key(row[at]), reverse=reverse)
    yield from (row for row in held if row[at] is None)


def _key(value: Any) -> tuple[int, Any]:
    if isinstance(value, (int, float)):
        return 0, value
    return (1, value) if isinstance(value, str) else (2, bytes(value))
