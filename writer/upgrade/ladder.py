"""Upgrades an older schema of this writer to the latest one: columns and tables are added, no row is moved.

If a user's table or view has a name that a later version needs, the upgrade is refused. If a user's column
has such a name, it is renamed to ``original_<name>``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager

from writer import schema
from writer.file.catalogue import attached, columns, objects, quoted
from writer.file.transaction import transaction


def names_in_the_way(database: sqlite3.Connection, known: Container[str]) -> list[str]:
    """Return the user's own objects whose names the schema needs, such as ``table run``.

    ``known`` are the names that belong to the database's current schema.
    """
    with schema.model() as model:
        ours = {it.name for it in objects(model) if it.name not in known}
    found = objects(database)
    views = {it.name for it in found if it.kind == "view"}
    ours -= {table for view, table in schema.COMPACT.items() if view in views}
    return [f"{it.kind} {it.name}" for it in found if it.kind != "trigger" and it.name.lower() in ours]


def names_of(version: int) -> set[str]:
    """Return the names that belong to ``version`` of the schema, for ``names_in_the_way``."""
    with schema.plain_model(version) as model:
        names = {it.name for it in objects(model)}
    return names | {view for view, since in schema.VIEWS.items() if since <= version}


def version_of_tables(database: sqlite3.Connection) -> int:
    """Return the schema version that the tables have; 0 if they are not ours.

    A database restored with sqlite3's .dump and .read needs this: they do not keep the version.
    """
    if not {"run_id", "seq"} <= columns(database, "system_sample").keys() or not columns(database, "run"):
        return 0
    for version in range(schema.LATEST, 0, -1):
        # The first version's view may be missing: it is recreated. A later version may add only views.
        names = {view for view, since in schema.VIEWS.items() if 1 < since <= version}
        with schema.plain_model(version) as model:
            tables = {it.name: columns(model, it.name).keys() for it in objects(model) if it.kind == "table"}
        # A version may add only columns.
        is_whole = all(ours <= columns(database, name).keys() for name, ours in tables.items())
        if is_whole and all(columns(database, name) for name in names):
            return version
    return 0


def climb(database: sqlite3.Connection, version: int) -> None:
    """Upgrade from ``version``, in one transaction. Raises sqlite3.Error, with nothing changed."""
    with schema.plain_model(version) as before:
        known = {it.name: columns(before, it.name).keys() for it in objects(before) if it.kind == "table"}
    # A view over a compact table is recreated too, and one migration recreates the table of names.
    made_anew = {*schema.VIEWS, *(name for name in schema.COMPACT if schema.is_view(database, name))}
    with replacing_views(database, known, {*made_anew, "process_name"}):
        schema.make_tables(database, above=version)


@contextmanager
def replacing_views(
    database: sqlite3.Connection, known: Mapping[str, Container[str]], tables: Container[str]
) -> Iterator[None]:
    """Run the block in a transaction; drop our views before it and make the latest ones after it.

    The user's own indexes and triggers on ``tables`` are dropped and recreated too. ``known`` are the
    columns of each table that are ours already; other columns whose names we need are renamed.
    """
    with transaction(database):
        _rename_users_columns(database, known)
        own = [it for it in attached(database, tables) if it.name not in schema.OUR_TRIGGERS]
        for it in own:
            database.execute(f"DROP {it.kind} {quoted(it.name)}")
        for view in schema.VIEWS:
            database.execute(f"DROP VIEW IF EXISTS {view}")
        yield
        schema.make_views(database)
        for it in own:
            database.execute(it.sql)


def _rename_users_columns(database: sqlite3.Connection, known: Mapping[str, Container[str]]) -> None:
    """Rename the user's columns whose names we need; SQLite updates the user's views and indexes."""
    with schema.plain_model(schema.LATEST) as model:
        for table, names in known.items():
            ours = {name for name in columns(model, table) if name not in names}
            have = columns(database, table)
            for name in have:
                if name.lower() in ours:
                    kept = f"original_{name}"
                    while kept in have:
                        kept = f"original_{kept}"
                    database.execute(f"ALTER TABLE {table} RENAME COLUMN {quoted(name)} TO {quoted(kept)}")
