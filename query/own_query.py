"""A user's own SELECT: read-only, bounded in time and memory, and printed like a report."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from tempfile import SpooledTemporaryFile, gettempdir
from typing import Any, Final

from query import access, output, render
from query.columns import Column
from query.options import PROGRAM
from telemetry.command import say
from telemetry.errors import UsageError, UserError

_STEPS: Final = 10_000
"""Steps of SQLite's virtual machine between two checks of the clock: well below a millisecond"""
_PAGE: Final = 100
"""Rows that are read at a time; the first ones decide how a table shows each column"""
_LARGEST_VALUE: Final = 16 << 20
"""Bytes of a value, and of a row"""
_IN_MEMORY: Final = 1 << 20
"""Bytes of the result that are kept in memory"""
_LONGEST_STATEMENT: Final = 1_000_000
_MOST_DIGITS: Final = 9

_ALLOWED: Final = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}
_PRAGMAS: Final = {
    "application_id",
    "collation_list",
    "compile_options",
    "freelist_count",
    "function_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "page_count",
    "page_size",
    "table_info",
    "table_list",
    "table_xinfo",
    "user_version",
}
"""PRAGMAs that only read; their only allowed argument is the name of a table or an index."""
_OF_THE_DATABASE: Final = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}
"""Errors that are not the query's fault: telemetry.database.reader explains them."""


def run(given: Mapping[str, Any], now: float) -> None:
    """Print the result of the user's own query. Raises UserError."""
    form = given["format"] or "table"
    render.check_format(form)
    query = statement(given["sql"])
    remarks: list[str] = []
    with spool() as kept:
        with access.opened(given, now) as source:
            columns, rows = answer(source.connection, query, given["timeout"])
            if form == render.PARQUET:
                output.write_parquet(columns, rows)
            else:
                kept.fill(render.rendered(columns, rows, form, output.look(given, now), remarks=remarks))
        for piece in kept.pieces():
            sys.stdout.write(piece)
    sys.stdout.flush()
    for remark in (*remarks, *access.silence(source.committed)):
        say(PROGRAM, remark)


def statement(text: str) -> str:
    """Return the query that was typed; ``-`` reads it from standard input. Raises UsageError."""
    if text == "-":
        if sys.stdin is None:
            raise UserError("sql: standard input is closed")
        try:
            text = sys.stdin.read(_LONGEST_STATEMENT + 1)
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"sql: standard input cannot be read: {error}") from None
    if len(text) > _LONGEST_STATEMENT:
        raise UsageError(f"sql: the query has more than {_LONGEST_STATEMENT:,} characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError("sql: the query is not UTF-8") from None
    if "\0" in text:
        raise UsageError("sql: the query holds a NUL character")
    return text


def answer(
    connection: sqlite3.Connection,
    query: str,
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[tuple[Column, ...], Iterator[tuple[Any, ...]]]:
    """Run one SELECT; return its columns, and its rows as they are taken.

    SQLite may work for ``timeout`` s in all; the time between two rows, in which they are printed, does not
    count. Raises UserError, also while rows are taken, and sqlite3.Error if the database is at fault.
    """
    left = timeout
    begun = clock()
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_VALUE)
    connection.set_authorizer(_authorize)
    connection.set_progress_handler(lambda: clock() - begun > left, _STEPS)

    @contextmanager
    def working() -> Iterator[None]:
        nonlocal left, begun
        begun = clock()
        with _explained(timeout):
            yield
        left -= clock() - begun

    def page() -> list[tuple[Any, ...]]:
        with working():
            return cursor.fetchmany(_PAGE)

    with working():
        cursor = connection.execute(query)
    first = page()
    if cursor.description is None:
        raise UserError("sql: the statement returns no rows; give a SELECT")
    names = _told_apart([name for name, *_ in cursor.description])
    columns = tuple(_column(name, [row[at] for row in first]) for at, name in enumerate(names))
    return columns, chain(first, (row for rows in iter(page, []) for row in rows))


class Spool:
    """Text that is kept until the database is closed: in memory, or in a temporary file if it is long.

    A pager may take hours to read it, and a read transaction that stays open makes the writer's WAL grow.
    """

    def __init__(self, file: SpooledTemporaryFile[str]) -> None:
        self._file = file

    def fill(self, pieces: Iterable[str]) -> None:
        """Keep ``pieces``. Raises UserError if there is no room."""
        for piece in pieces:
            try:
                self._file.write(piece)
            except OSError as error:
                raise UserError(f"sql: no room for the result in {gettempdir()}: {error.strerror}") from None

    def pieces(self) -> Iterator[str]:
        """Yield what was kept, in megabytes."""
        self._file.seek(0)
        return iter(lambda: self._file.read(_IN_MEMORY), "")


@contextmanager
def spool() -> Iterator[Spool]:
    """Yield a spool; its file is gone at the end."""
    with SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8", newline="") as file:
        yield Spool(file)


def _authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    if action == sqlite3.SQLITE_UPDATE and first == "sqlite_master":
        return sqlite3.SQLITE_OK  # how SQLite declares json_each and pragma_table_info; it changes nothing
    if action in _ALLOWED and not (action == sqlite3.SQLITE_FUNCTION and second == "load_extension"):
        return sqlite3.SQLITE_OK
    is_known = action == sqlite3.SQLITE_PRAGMA and (first or "").lower() in _PRAGMAS
    takes_name = is_known and (first or "").lower().startswith(("table_", "index_"))
    return sqlite3.SQLITE_OK if is_known and (second is None or takes_name) else sqlite3.SQLITE_DENY


@contextmanager
def _explained(timeout: float) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning) as error:  # of Python 3.11, a second statement is a Warning
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _OF_THE_DATABASE:
            raise
        if code == sqlite3.SQLITE_INTERRUPT:
            said = f"it took more than {timeout:g} s; --timeout S allows more, a WHERE on ts reads less"
        elif code == sqlite3.SQLITE_AUTH or "not authorized" in str(error):
            said = "only a SELECT is possible: the database is the writer's"
        elif "one statement at a time" in str(error):
            said = "more than one statement; give one SELECT"
        elif "binding" in str(error):
            said = "parameters such as ? and :name have no value here"
        else:
            said = str(error)
        raise UserError(f"sql: {said}") from None
    except MemoryError:
        raise UserError("sql: not enough memory") from None


def _told_apart(names: Sequence[str]) -> list[str]:
    """Return the names; a repeated one gets a number, as in the sqlite3 shell: ``ts``, ``ts:1``."""
    seen: Counter[str] = Counter()
    found: list[str] = []
    for name in names:
        other = name
        while other in found:
            seen[name] += 1
            other = f"{name}:{seen[name]}"
        found.append(other)
    return found


def _column(name: str, values: Sequence[Any]) -> Column:
    """Return how a table shows a column, by its first values: numbers right-aligned."""
    known = [value for value in values if value is not None]
    is_text = not all(isinstance(value, (int, float)) for value in known)
    digits = max((_digits(value) for value in known if isinstance(value, float)), default=0)
    return Column(name, "", "", digits, "text" if is_text else "number")


def _digits(value: float) -> int:
    """Return the digits after the point that show six significant ones, without zeros at the end."""
    mantissa, _, exponent = f"{value:.5e}".partition("e")
    fraction = mantissa.partition(".")[2].rstrip("0")
    return min(max(len(fraction) - int(exponent), 0), _MOST_DIGITS) if exponent else 0
