"""How a command opens the database: it asks the writer to commit, then starts one read transaction."""

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
    """Parameters of query.answer.ask, without since, until and limit"""
    committed: Committed | None
    """The writer's answer; None: no answer"""


@contextmanager
def opened(given: Mapping[str, Any], now: float, *, commit: bool = True) -> Iterator[Opened]:
    """Yield the database that ``given`` names, or the default one; ``now`` in Unix s.

    ``commit``: ask the writer to commit first. Raises UserError.
    """
    path: Path = given["db"] or default_database()
    committed = ask_writer("commit", given, path) if commit else None
    with _telling_of_damage(given, path), database.reading(path) as connection:
        yield Opened(connection, parameters_of(connection, path, now), committed)


def parameters_of(connection: sqlite3.Connection, path: Path, now: float) -> dict[str, Any]:
    """Return the parameters of reports, without the window and the limit; ``now`` in Unix s."""
    return {
        **database.limits(connection, path)._asdict(),
        "now": now,
        "database": os.fsencode(path).decode("utf-8", "replace"),
        "bytes": database.size_on_disk(path),
    }


def default_database() -> Path:
    """Return the path in TELEMETRY_DB, or else the database of the service."""
    from telemetry.places import default_database  # noqa: PLC0415  (not needed where --db is given)

    return default_database()


def ask_writer(op: str, given: Mapping[str, Any], path: Path) -> Committed | None:
    """Ask the writer of this database for ``op``; None: it refused, or no writer runs (known at once)."""
    from telemetry import places  # noqa: PLC0415
    from telemetry.stream.control import request  # noqa: PLC0415

    keys = keys_of(given, [given["control"] or ""])
    # The directory may belong to another user: our writer is not there, and reports do not need it.
    with suppress(UserError):
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
    """Report that the writer runs but receives nothing: the newest rows are old."""
    if committed is None or not committed.silent:
        return
    since = "since it started" if committed.received is None else f"for {committed.received:.0f} s"
    yield (
        f"telemetry-writer runs and has received nothing {since}: is telemetry-sampler running, "
        "with the same TELEMETRY_RUNTIME_DIR?"
    )


@contextmanager
def _telling_of_damage(given: Mapping[str, Any], path: Path) -> Iterator[None]:
    """Tell the writer that a report found damage: it checks the database and recovers what can be read."""
    try:
        yield
    except DamagedError as error:
        if ask_writer("check", given, path) is None:
            raise
        raise UserError(
            f"{error.found}; telemetry-writer is checking it and recovers what can be read"
        ) from None


def window(given: Mapping[str, Any], now: float) -> dict[str, float | None]:
    """Return since and until, Unix s: since <= time < until; None: no bound.

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
    """Return the Unix times, s, that ``--flag`` can mean; empty: not given. Raises UsageError."""
    if given.get(flag) is None:
        return ()
    try:
        return parse_time(given[flag], now)
    except InvalidTimeError as error:
        raise UsageError(f"--{flag}: {error}") from None


@contextmanager
def in_utc() -> Iterator[None]:
    """Make UTC the local time of this process: for typed times, for days, and for shown times."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC0"  # The C library knows it even without a time zone database.
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()
