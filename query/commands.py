"""The commands of ``telemetry-query`` that are not reports, as data: their options and functions."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from query.limits import KINDS, Kind
from query.options import (
    add_common,
    add_database,
    add_format,
    add_look,
    add_stream,
    add_version,
    add_window,
    limit,
)
from query.plot_kinds import KINDS as PICTURES
from query.report import number

_TIMEOUT: Final = 10.0
"""s that SQLite may work on a user's own query"""


class Command(NamedTuple):
    """A command that is not a report."""

    name: str
    help: str
    """One line"""
    description: str
    add: Callable[[argparse.ArgumentParser], None]
    """Function that adds its options"""
    run: str
    """Function that runs it, as module:name, so that reports do not load it; takes the arguments by name, and
    now in Unix s"""
    epilog: str | None = None
    """Function that makes the end of its --help, as module:name"""


def _add_alert(to: argparse.ArgumentParser) -> None:
    for kind in KINDS:
        if kind.least is None:
            to.add_argument(f"--{kind.name}", dest=kind.name, action="store_true", help=kind.help)
        else:
            to.add_argument(
                f"--{kind.name}",
                dest=kind.name,
                metavar=kind.metavar,
                action="append",
                type=partial(_threshold, kind=kind),
                help=f"{kind.help}; may be given more than once",
            )
    act = to.add_mutually_exclusive_group()
    act.add_argument("--run", metavar="CMD", help="run CMD with sh; its environment describes the alert")
    act.add_argument("--notify", action="store_true", help="a notification on the desktop, by notify-send")
    add_stream(to)
    add_version(to)


def _threshold(text: str, kind: Kind) -> float:
    """Return the limit of an alert."""
    return number(text, kind.least or 0.0, kind.most)


def _add_sql(to: argparse.ArgumentParser) -> None:
    to.add_argument("sql", metavar="SELECT", help="the query; - reads it from standard input")
    add_format(to, "table")
    to.add_argument(
        "--timeout",
        metavar="S",
        type=partial(number, least=0.001, most=999),
        default=_TIMEOUT,
        help=f"stop the query when SQLite has worked on it for this long (default: {_TIMEOUT:g} s)",
    )
    add_common(to)


def _add_snapshot(to: argparse.ArgumentParser) -> None:
    to.add_argument("--out", metavar="FILE", type=Path, required=True, help="a new file")
    add_window(to, "7d")
    to.add_argument(
        "--anonymous",
        action="store_true",
        help="hash the names of programs; number users, the host and boots",
    )
    add_common(to)


def _add_page(to: argparse.ArgumentParser) -> None:
    to.add_argument(
        "--out", metavar="FILE", type=Path, required=True, help="the output file; - is standard output"
    )
    add_window(to, "30d")
    add_common(to)


def _add_at(to: argparse.ArgumentParser) -> None:
    to.add_argument("time", metavar="T", help="the moment, such as 14:32 or '11-24 14:32'")
    to.add_argument("--format", choices=("table", "json"), default="table", help="(default: table)")
    add_look(to)
    to.add_argument("--utc", action="store_true", help="times in UTC, not in local time")
    add_common(to)


def _add_plot(to: argparse.ArgumentParser) -> None:
    names = [kind.name for kind in PICTURES]
    to.add_argument(
        "kind", metavar="PICTURE", nargs="?", choices=names, default=names[0], help=", ".join(names)
    )
    to.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="a file that ends in .svg, .png or .pdf, made by matplotlib (default: the terminal)",
    )
    add_window(to, None, "see below")
    add_look(to)
    add_common(to)


def _add_live(to: argparse.ArgumentParser) -> None:
    add_stream(to)
    to.add_argument("--format", choices=("table", "json"), default="table", help="(default: table)")
    to.add_argument(
        "--limit", metavar="N", type=limit, default=10, help="at most N processes in the table (default: 10)"
    )
    add_database(to)
    add_version(to)


COMMANDS: Final = (
    Command(
        "at",
        "what happened at one moment: samples around it, cores, programs, events",
        "Show the samples around a moment, what ran then, and what changed before and after it.",
        _add_at,
        "query.at:run",
        epilog="query.help:times_described",
    ),
    Command(
        "live",
        "the newest sample, continuously, from the stream and not from the database",
        "The newest sample, continuously: a table in place, or a JSON object a line.",
        _add_live,
        "query.live:run",
    ),
    Command(
        "alert",
        "a line, a command or a notification each time a limit is crossed, from the stream",
        "Follow the stream; act once each time a limit is crossed.",
        _add_alert,
        "query.alert:run",
        epilog="query.hook:described",
    ),
    Command(
        "sql",
        "a query of your own, read-only",
        "Print the result of one SELECT; docs/database.md describes the tables.",
        _add_sql,
        "query.own_query:run",
    ),
    Command(
        "snapshot",
        "a small database of one window, which every report can read",
        "Write the days of a window into a new database.",
        _add_snapshot,
        "query.snapshot:run",
    ),
    Command(
        "plot",
        "a picture in the terminal, or as a file: battery, power, cpu, cores, energy ...",
        "Draw a picture of a window. Without --out it is drawn in the terminal.",
        _add_plot,
        "query.plot:run",
        epilog="query.plot_kinds:described",
    ),
    Command(
        "page",
        "a battery report as one file of HTML, to look at or to send",
        "Write an HTML page with the charts and tables of a window.",
        _add_page,
        "query.page.sections:run",
    ),
)

BY_NAME: Final = {command.name: command for command in COMMANDS}
