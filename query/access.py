"""How a command gets at the database: the writer commits what it has, and one read transaction is opened."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from query import database
from query.times import InvalidTimeError, between, parse_time, through
from telemetry.database.reader import DamagedError
from telemetry.errors import UsageError, UserError

if TYPE_CHECKING:
    import sqlite3

    from telemetry.stream.control import Committed
    from telemetry.stream.keys import ClientKeys


class Opened(NamedTuple):
    """The database, open for reading."""

    connection: sqlite3.Connection
    parameters: dict[str, Any]
    """Those of query.answer.ask but since, until and limit"""
    committed: Committed | None
    """What the writer answered; None: it did not"""


@contextmanager
def opened(given: Mapping[str, Any], now: float, *, commit: bool = True) -> Iterator[Opened]:
    """Yield the database that ``given`` names, or the default one; ``now`` in Unix s.

    ``commit``: the writer stores what it has first. Raises UserError.
    """
    path: Path = given["db"] or default_database()
    committed = ask_writer("commit", given, path) if commit else None
    with _telling_of_damage(given, path), database.reading(path) as connection:
        yield Opened(connection, parameters_of(connection, path, now), committed)


def parameters_of(connection: sqlite3.Connection, path: Path, now: float) -> dict[str, Any]:
    """Return what reports ask of a database beside a window and a limit; ``now`` in Unix s."""
    return {
        **database.limits(connection, path)._asdict(),
        "now": now,
        "database": os.fsencode(path).decode("utf-8", "replace"),
        "bytes": database.size_on_disk(path),
    }


def default_database() -> Path:
    """Return the database of the service, or what TELEMETRY_DB says."""
    from telemetry.places import default_database  # noqa: PLC0415  (not needed where --db is given)

    return default_database()


def ask_writer(op: str, given: Mapping[str, Any], path: Path) -> Committed | None:
    """Ask the writer of this database for ``op``; None: it did not agree. No writer, no wait."""
    from telemetry import places  # noqa: PLC0415
    from telemetry.stream.control import request  # noqa: PLC0415

    keys = keys_of(given, [given["control"] or ""])
    with suppress(UserError):  # somebody else's directory: no writer of ours is there, and reports need none
        endpoint = given["control"] or places.control_endpoint(places.readers_directory())
        return request(op, endpoint, path, keys=keys)
    return None


def keys_of(given: Mapping[str, Any], endpoints: Sequence[str]) -> ClientKeys | None:
    """Return the keys that are given for ``endpoints``; None: none are. Raises UserError."""
    if given["server_key"] is None and given["key"] is None:  # ZeroMQ need not be loaded
        return None
    from telemetry.stream.keys import client_keys  # noqa: PLC0415

    return client_keys(given["server_key"], given["key"], endpoints)


def silence(committed: Committed | None) -> Iterator[str]:
    """Say that the writer runs and gets nothing: the newest rows are old."""
    if committed is None or not committed.silent:
        return
    since = "since it started" if committed.received is None else f"for {committed.received:.0f} s"
    yield (
        f"telemetry-writer runs and has received nothing {since}: is telemetry-sampler running, "
        "with the same TELEMETRY_RUNTIME_DIR?"
    )


@contextmanager
def _telling_of_damage(given: Mapping[str, Any], path: Path) -> Iterator[None]:
    """Tell the writer of damage that a report met: it checks the database and saves what can be read."""
    try:
        yield
    except DamagedError as error:
        if ask_writer("check", given, path) is None:
            raise
        raise UserError(
            f"{error.found}; telemetry-writer is checking it and saves what can be read"
        ) from None


def window(given: Mapping[str, Any], now: float) -> dict[str, float | None]:
    """Return since and until, Unix s: since <= time < until; None where the window is open.

    Raises UsageError.
    """
    since, until = times(given, "since", now), times(given, "until", now)
    until = until or tuple(map(through, times(given, "at", now)))
    if not since or not until:
        return {"since": next(iter(since), None), "until": next(iter(until), None)}
    found = between(since, until)
    if found is None:
        raise UsageError("--since is not before the end of the window; give an earlier one")
    return {"since": found[0], "until": found[1]}


def times(given: Mapping[str, Any], flag: str, now: float) -> tuple[float, ...]:
    """Return what the time given with ``--flag`` can mean, Unix s; empty: not given. Raises UsageError."""
    if given.get(flag) is None:
        return ()
    try:
        return parse_time(given[flag], now)
    except InvalidTimeError as error:
        raise UsageError(f"--{flag}: {error}") from None


@contextmanager
def in_utc() -> Iterator[None]:
    """Make UTC the local time of this process: for what is typed, for days, and for what is shown."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC0"  # known to the C library also where there are no time zones
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()
