"""Makes the schema's own indexes again if a user dropped one: without them, samples cannot be stored."""

from __future__ import annotations

import functools
import sqlite3

from writer import schema
from writer.file.catalogue import Object, objects


@functools.cache
def _indexes() -> tuple[Object, ...]:
    with schema.model() as model:
        return tuple([it for it in objects(model) if it.kind == "index"])


def make_missing_indexes(database: sqlite3.Connection) -> list[str]:
    """Make the indexes that are missing, and return their names. Raises sqlite3.Error."""
    present = {it.name for it in objects(database)}
    missing = [it for it in _indexes() if it.name not in present and it.table in present]
    for it in missing:
        database.execute(it.sql)
    return [it.name for it in missing]
