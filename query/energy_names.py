"""The names of programs, of their apps or of their users, by their number in process_name."""

from __future__ import annotations

import sqlite3
from typing import Final

from query.report import sql_text

_WHOLE: Final = (
    f"WITH {sql_text('whole_names').replace('{{columns}}', 'cut, name')} SELECT cut, name FROM whole"
)
_NAMES: Final = "SELECT name_id, {} FROM process_name"
_BY: Final = {"name": "name", "app": "app", "user": "user"}
_OTHER_NAMES: Final = "(other names)"
"""Stands for the rare names of old days that were folded because room was short"""


class Names:
    """What programs are called."""

    def __init__(self, connection: sqlite3.Connection, by: str) -> None:
        """``by``: name, app or user."""
        self._names: dict[int, str | None] = dict(connection.execute(_NAMES.format(_BY[by])))
        self._whole: dict[str | None, str] = dict(connection.execute(_WHOLE)) if by == "name" else {}
        find = "SELECT name_id FROM process_name WHERE name = ?"
        self._folded = {name_id for (name_id,) in connection.execute(find, (_OTHER_NAMES,))}

    def is_program(self, number: int) -> bool:
        """Return whether this is a single program; a folded row stands for many."""
        return number >= 0 and number not in self._folded

    def of(self, number: int) -> str | None:
        """Return its name; the whole name if an older sampler cut it."""
        name = self._names.get(number) or None
        return self._whole.get(name, name)
