"""``telemetry-query``: canned reports over the database."""

from __future__ import annotations

import functools
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from query import arguments, database, render
from query.answer import ask
from query.choice import Choice
from query.report import function, variant_of
from query.reports import BY_NAME
from query.times import InvalidTimeError, between, parse_time, through
from telemetry.command import check_open_files, forget_output, run, say
from telemetry.errors import UsageError, UserError

if TYPE_CHECKING:
    from query.columns import Column
    from telemetry.stream.control import Committed

PROGRAM: Final = "telemetry-query"
_USUAL_WIDTH: Final = 80
"""Columns of a terminal that does not tell, such as a serial line"""
_PIECE: Final = 1 << 20
"""Characters that are collected before standard output is made to wait for: a report of less than that has
left the database before a pager or a slow line is fed, and so never holds up the writer's checkpoint."""


def main(argv: Sequence[str] | None = None, clock: Callable[[], float] = time.time) -> int:
    """Run the command and return its exit status."""
    return run(PROGRAM, functools.partial(_main, sys.argv[1:] if argv is None else argv, clock()))


def _main(argv: Sequence[str], now: float) -> int:
    if sys.stdout is None:
        raise UserError("standard output is closed")
    try:
        with suppress(SystemExit):  # argparse's, after --help and --version
            _run(argv, now)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:  # all else is explained where it is read: this is standard output
        forget_output()
        raise UserError(f"cannot write: {error.strerror or error}") from None
    return 0


def _run(argv: Sequence[str], now: float) -> None:
    given = vars(arguments.parser().parse_args(argv))
    check_open_files()
    if given["line"] and given["report"]:
        raise UsageError("--line goes without a report; see telemetry-query --help")
    if given["report"] is None:
        _overview(given, now)
    elif given["report"] == "live":
        _show_live(given)
    elif given["report"] == "alert":
        _alert(given)
    elif given["report"] == "sql":
        _own_query(given, now)
    elif given["report"] == "page":
        with _in_utc() if given["utc"] else nullcontext():
            _page(given, now)
    elif given["report"] == "snapshot":
        with _in_utc() if given["utc"] else nullcontext():
            _snapshot(given, now)
    else:
        with _in_utc() if given["utc"] else nullcontext():
            _report(given, now)


def _report(given: Mapping[str, Any], now: float) -> None:
    report = BY_NAME[given["report"]]
    form = given["format"] or report.format
    render.check_format(form)
    window = _window(given, now)
    asked = function(report.asks)(given, now) if report.asks else {}
    path: Path = given["db"] or _default_database()

    committed = _ask_writer("commit", given["control"], path)  # so that the report has the newest sample
    with _telling_of_damage(given["control"], path), database.reading(path) as connection:
        limits = database.limits(connection, path)
        parameters = {
            **window,
            **asked,
            **limits._asdict(),
            "limit": given["limit"],
            "now": now,
            "database": os.fsencode(path).decode("utf-8", "replace"),
            "bytes": database.size_on_disk(path),
        }
        choice = Choice(given["columns"], given["sort"], given["reverse"])
        answer = ask(connection, report, variant_of(report, given), parameters, choice)
        rest = ""
        if form == render.PARQUET:
            _write_parquet(answer.columns, answer.rows)
        else:
            pieces = render.rendered(
                answer.columns,
                answer.rows,
                form,
                _look(given, now),
                vertical=report.vertical,
                remarks=answer.remarks,
            )
            rest = _write_in_megabytes(pieces)
    sys.stdout.write(rest)
    sys.stdout.flush()  # remarks come behind the rows
    for remark in (*answer.remarks, *_silence(committed)):
        say(PROGRAM, remark)


def _own_query(given: Mapping[str, Any], now: float) -> None:
    from query import own_query  # noqa: PLC0415  (no report needs it)

    form = given["format"] or "table"
    render.check_format(form)
    query = own_query.statement(given["sql"])
    path: Path = given["db"] or _default_database()
    committed = _ask_writer("commit", given["control"], path)
    remarks: list[str] = []
    with own_query.spool() as kept:
        with _telling_of_damage(given["control"], path), database.reading(path) as connection:
            columns, rows = own_query.answer(connection, query, given["timeout"])
            if form == render.PARQUET:
                _write_parquet(columns, rows)
            else:
                kept.fill(render.rendered(columns, rows, form, _look(given, now), remarks=remarks))
        for piece in kept.pieces():
            sys.stdout.write(piece)
    sys.stdout.flush()
    for remark in (*remarks, *_silence(committed)):
        say(PROGRAM, remark)


def _page(given: Mapping[str, Any], now: float) -> None:
    from query.page import html, sections  # noqa: PLC0415  (no report needs it)

    window = _window(given, now)
    path: Path = given["db"] or _default_database()
    _ask_writer("commit", given["control"], path)
    with _telling_of_damage(given["control"], path), database.reading(path) as connection:
        limits = database.limits(connection, path)._asdict()
        parameters = {**limits, "now": now, "database": "", "bytes": 0}
        text = sections.made(connection, parameters, window["since"] or 0.0, window["until"])
    out: Path = given["out"]
    if str(out) == "-":
        sys.stdout.write(text)
        return
    html.write(text, out)
    print(f"{out}: {out.stat().st_size / 1e3:.0f} kB")


def _snapshot(given: Mapping[str, Any], now: float) -> None:
    from query import snapshot  # noqa: PLC0415  (no report needs it)

    window = _window(given, now)
    path: Path = given["db"] or _default_database()
    _ask_writer("commit", given["control"], path)
    with _telling_of_damage(given["control"], path), database.reading(path) as connection:
        span = (window["since"] or 0.0, window["until"])
        copied = snapshot.write(connection, given["out"], span, anonymous=given["anonymous"])
    print(snapshot.said(given["out"], copied))


def _overview(given: Mapping[str, Any], now: float) -> None:
    from query import overview  # noqa: PLC0415  (no report needs it)

    path: Path = given["db"] or _default_database()
    brief: bool = given["line"]
    # A status bar asks often: each commit wears an SD card, so that the writer is asked only on request.
    committed = _ask_writer("commit", given["control"], path) if given["control"] or not brief else None
    writer = None if committed is None else not committed.silent
    with _telling_of_damage(given["control"], path):
        facts = overview.read(path, now, writer, brief=brief)
    if brief:
        print(overview.line(facts))
        return
    width = _look({}, now).width or overview.WIDTH
    for line in overview.lines(
        facts, min(width, overview.WIDTH), ascii_only=not overview.can_draw(sys.stdout.encoding)
    ):
        print(line)


@contextmanager
def _in_utc() -> Iterator[None]:
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


def _show_live(given: Mapping[str, Any]) -> None:
    from query import live  # noqa: PLC0415  (ZeroMQ takes 40 ms, and no report needs it)

    subscribe, replay = live.default_endpoints()
    ahead = live.Ahead(given["db"] or _default_database())
    endpoints = (given["subscribe"] or subscribe, given["replay"] or replay)
    live.show(endpoints, live.View(given["format"], given["limit"], ahead))


def _alert(given: Mapping[str, Any]) -> None:
    rules = arguments.rules(given)
    from query import alert, hook  # noqa: PLC0415

    command: str | None = given["run"]
    action = None if command is None else hook.run_action(command)
    if given["notify"]:
        action = alert.notification()
    alert.follow(rules, action, given["subscribe"], given["replay"])


def _ask_writer(op: str, endpoint: str | None, path: Path) -> Committed | None:
    """Ask the writer of this database for ``op``; None: it did not agree. No writer, no wait."""
    from telemetry import places  # noqa: PLC0415
    from telemetry.stream.control import request  # noqa: PLC0415

    with suppress(UserError):  # somebody else's directory: no writer of ours is there, and reports need none
        return request(op, endpoint or places.control_endpoint(places.readers_directory()), path)
    return None


def _silence(committed: Committed | None) -> Iterator[str]:
    """Say that the writer runs and gets nothing: the newest rows are old."""
    if committed is None or not committed.silent:
        return
    since = "since it started" if committed.received is None else f"for {committed.received:.0f} s"
    yield (
        f"telemetry-writer runs and has received nothing {since}: is telemetry-sampler running, "
        "with the same TELEMETRY_RUNTIME_DIR?"
    )


@contextmanager
def _telling_of_damage(endpoint: str | None, path: Path) -> Iterator[None]:
    """Tell the writer of damage that a report met: it checks the database and saves what can be read."""
    try:
        yield
    except database.DamagedError as error:
        if _ask_writer("check", endpoint, path) is None:
            raise
        raise UserError(
            f"{error.found}; telemetry-writer is checking it and saves what can be read"
        ) from None


def _default_database() -> Path:
    from telemetry.places import default_database  # noqa: PLC0415  (not needed where --db is given)

    return default_database()


def _window(given: Mapping[str, Any], now: float) -> dict[str, float | None]:
    """Return since and until, Unix s: since <= time < until; None where the window is open."""
    found: dict[str, tuple[float, ...]] = {}
    for flag in ("since", "until", "at"):
        try:
            found[flag] = parse_time(given[flag], now) if given.get(flag) is not None else ()
        except InvalidTimeError as error:
            raise UsageError(f"--{flag}: {error}") from None
    since, until = found["since"], found["until"] or tuple(map(through, found["at"]))
    if not since or not until:
        return {"since": next(iter(since), None), "until": next(iter(until), None)}
    window = between(since, until)
    if window is None:
        raise UsageError("--since is not before the end of the window; give an earlier one")
    return {"since": window[0], "until": window[1]}


# --- output ----------------------------------------------------------------------------------------


def _look(given: Mapping[str, Any], now: float) -> render.Look:
    """What tables are shown on: as wide as --width, else $COLUMNS, else the terminal; elsewhere any width."""
    if isinstance(sys.stdout, TextIOWrapper):  # a character that the locale's encoding lacks is no failure
        sys.stdout.reconfigure(errors="backslashreplace")
    told = os.environ.get("COLUMNS", "")
    width: int | None = given.get("width") or (int(told) if re.fullmatch("[0-9]{1,4}", told) else 0) or None
    try:
        columns = os.get_terminal_size(sys.stdout.fileno()).columns
        terminal = True
    except (OSError, ValueError):
        columns, terminal = 0, False
    if width is None and terminal:
        width = columns or _USUAL_WIDTH
    # https://no-color.org: any value but the empty one
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    color = given.get("color", "auto")
    return render.Look(
        width, now, terminal, color == "always" or (color == "auto" and terminal and not plain)
    )


def _write_parquet(columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> None:
    from query import parquet  # noqa: PLC0415

    parquet.write(columns, rows, sys.stdout.buffer)


def _write_in_megabytes(pieces: Iterable[str]) -> str:
    """Write ``pieces`` but for the last of them, which are returned: less than a megabyte."""
    held: list[str] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= _PIECE:
            sys.stdout.write("".join(held))
            held.clear()
            size = 0
    return "".join(held)


if __name__ == "__main__":
    sys.exit(main())
