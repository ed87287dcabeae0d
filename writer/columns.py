"""The columns of the tables and how a record fills them: both follow from ``telemetry.records``.

A field that is declared with a ``column`` is stored under that name. Columns that are not fields of the
stream (the unique ``ts``, ``run_id``, ``energy_uj``) are added by ``writer.ingest``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from telemetry.fields import Field, Kind, fields_of


def _numbers(values: tuple[float | None, ...]) -> list[object]:
    """Return the numbers of a row, which has a column for each."""
    return list(values)


def _words(texts: tuple[str, ...] | None) -> list[object]:
    return [None if texts is None else " ".join(texts)]


def _that_are_on(switches: dict[str, bool] | None) -> list[object]:
    return [None if switches is None else " ".join(sorted(name for name, on in switches.items() if on))]


_STORED: Final[dict[Kind, Callable[[Any], list[object]]]] = {
    "row": _numbers,
    "list": _words,
    "entries": _that_are_on,
}
"""How a value with several parts is stored."""


class Columns:
    """The stored fields of one record."""

    def __init__(self, record: Any) -> None:
        self.fields: Final[tuple[Field, ...]] = tuple(field for field in fields_of(record) if field.columns)
        self.names: Final[tuple[str, ...]] = tuple(name for field in self.fields for name in field.columns)
        self._values = [(field.name, _STORED.get(field.shape.kind)) for field in self.fields]

    def of(self, record: Any) -> list[object]:
        """Return the values for ``names``, all None if the record is not available."""
        if record is None:
            return [None] * len(self.names)
        values: list[object] = []
        for name, stored in self._values:
            value = getattr(record, name)
            if stored is None:
                values.append(value)
            else:
                values += stored(value)
        return values


def listed(*names: str) -> str:
    """Return column names as a list in SQL."""
    return ", ".join(names)
