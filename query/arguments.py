"""The command line, made from the table of reports."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from query.choice import nearest
from query.columns import Column
from query.limits import DEGREES_MARGIN, KINDS, PERCENT_MARGIN, Kind
from query.report import Report, number
from query.reports import REPORTS
from query.times import FORMS
from telemetry import __version__
from telemetry.command import ArgumentParser
from telemetry.errors import UsageError

if TYPE_CHECKING:
    from query.crossings import Rule

_PROG: Final = "telemetry-query"
_WIDTH: Final = 88
_LEAST_WIDTH: Final = 20
"""Columns of a table"""
_TIMEOUT: Final = 10.0
"""s that SQLite may work on a user's own query"""


class _Help(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        # A width of its own: asking the terminal imports shutil and three compression libraries.
        super().__init__(prog, max_help_position=22, width=_WIDTH)

    def _format_action(self, action: argparse.Action) -> str:
        if not isinstance(action, argparse._SubParsersAction):
            return super()._format_action(action)
        from query.help import listed  # noqa: PLC0415  (for --help alone)

        return listed({it.dest: it.help or "" for it in action._choices_actions}, _WIDTH, 16)


class _Parser(ArgumentParser):
    """Describes the columns of its report."""

    report: Report | None = None
    is_alert = False

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Suggest the nearest of the choices, of a report too."""
        if action.choices is not None and value not in action.choices:
            what = "report" if isinstance(action, argparse._SubParsersAction) else "such value"
            told = nearest(str(value)[:40], [str(choice) for choice in action.choices])
            raise argparse.ArgumentError(
                None if what == "report" else action, f"no {what} {str(value)[:40]!r}{told}"
            )

    def format_help(self) -> str:
        self.epilog = _alert_described() if self.is_alert else _described(self.report)
        return super().format_help()


@cache
def parser() -> argparse.ArgumentParser:
    """Return the parser; its result holds db, report, since, until, limit, format and the report's options.

    It is made once: that takes most of the time of a short report. Raises UsageError when it parses.
    """
    top = _Parser(
        prog=_PROG,
        description="Reports over what telemetry-writer recorded: battery, CPU and processes.\n"
        "Without REPORT: an overview of one screen.",
        formatter_class=_Help,
    )
    top.set_defaults(db=None, control=None)
    _add_common(top)
    top.add_argument(
        "--line",
        action="store_true",
        help="without REPORT: the battery in one line, for a status bar or prompt",
    )
    reports = top.add_subparsers(dest="report", metavar="REPORT", title="reports", prog=_PROG)
    for report in REPORTS:
        one = reports.add_parser(
            report.name,
            help=report.help,
            description=f"{report.help[0].upper()}{report.help[1:]}.",
            formatter_class=_Help,
        )
        one.report = report
        _add_options(one, report)
        _add_common(one)
    _add_live(
        reports.add_parser(
            "live",
            help="the newest sample, on and on, from the stream and not from the database",
            description="The newest sample, on and on: a table in place, or a JSON object a line.",
            formatter_class=_Help,
        )
    )
    alert = reports.add_parser(
        "alert",
        help="a line, a command or a notification each time a limit is crossed, from the stream",
        description="Follow the stream; act once each time a limit is crossed.",
        formatter_class=_Help,
    )
    alert.is_alert = True
    _add_alert(alert)
    _add_sql(
        reports.add_parser(
            "sql",
            help="a query of your own, read-only",
            description="Print what one SELECT gives; docs/database.md has the tables.",
            formatter_class=_Help,
        )
    )
    _add_snapshot(
        reports.add_parser(
            "snapshot",
            help="a small database of one window, which every report reads",
            description="Write the days of a window into a new database.",
            formatter_class=_Help,
        )
    )
    _add_page(
        reports.add_parser(
            "page",
            help="a battery report as one file of HTML, to look at or to send",
            description="Write a page with charts and tables on a window.",
            formatter_class=_Help,
        )
    )
    return top


def rules(given: Mapping[str, Any]) -> list[Rule]:
    """Return what ``alert`` watches for. Raises UsageError where that is nothing."""
    from query.crossings import Rule  # noqa: PLC0415  (no report needs it)

    found: list[Rule] = []
    for kind in KINDS:
        value = given[kind.name]
        if kind.least is not None:
            found += [Rule(kind, limit) for limit in dict.fromkeys(value or ())]
        elif value:
            found.append(Rule(kind))
    if not found:
        options = [f"--{kind.name}{f' {kind.metavar}' if kind.metavar else ''}" for kind in KINDS]
        raise UsageError(f"alert: give at least one of {', '.join(options)}; see {_PROG} alert --help")
    return found


def _add_stream(to: argparse.ArgumentParser) -> None:
    to.add_argument("--subscribe", metavar="ENDPOINT", help="(default: ipc://RUNTIME_DIRECTORY/samples)")
    to.add_argument("--replay", metavar="ENDPOINT", help="(default: ipc://RUNTIME_DIRECTORY/replay)")


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
    act.add_argument("--run", metavar="CMD", help="a command for sh, with the facts in its environment")
    act.add_argument("--notify", action="store_true", help="a notification on the desktop, by notify-send")
    _add_stream(to)
    _add_version(to)


def _threshold(text: str, kind: Kind) -> float:
    """Return the limit of an alert."""
    return number(text, kind.least or 0.0, kind.most)


def _add_sql(to: argparse.ArgumentParser) -> None:
    to.add_argument("sql", metavar="SELECT", help="the query; - reads it from standard input")
    _add_format(to, "table")
    to.add_argument(
        "--timeout",
        metavar="S",
        type=partial(number, least=0.001, most=999),
        default=_TIMEOUT,
        help=f"end it when SQLite has worked on it for so long (default: {_TIMEOUT:g} s)",
    )
    _add_common(to)


def _add_snapshot(to: argparse.ArgumentParser) -> None:
    to.add_argument("--out", metavar="FILE", type=Path, required=True, help="a new file")
    to.add_argument("--since", metavar="T", default="7d", help="start of the window (default: 7d)")
    to.add_argument("--until", metavar="T", help="end of the window (default: no end)")
    to.add_argument("--utc", action="store_true", help="times that are typed are in UTC")
    to.add_argument(
        "--anonymous",
        action="store_true",
        help="names of programs are hashed; users, the host and boots are numbered",
    )
    _add_common(to)


def _add_page(to: argparse.ArgumentParser) -> None:
    to.add_argument("--out", metavar="FILE", type=Path, required=True, help="the file; - is standard output")
    to.add_argument("--since", metavar="T", default="30d", help="start of the window (default: 30d)")
    to.add_argument("--until", metavar="T", help="end of the window (default: no end)")
    to.add_argument("--utc", action="store_true", help="times and days in UTC, not in local time")
    _add_common(to)


def _add_live(to: argparse.ArgumentParser) -> None:
    _add_stream(to)
    to.add_argument("--format", choices=("table", "json"), default="table", help="(default: table)")
    to.add_argument(
        "--limit", metavar="N", type=_limit, default=10, help="at most N processes in the table (default: 10)"
    )
    _add_database(to)
    _add_version(to)


def _add_common(to: argparse.ArgumentParser) -> None:
    """Options that stand before or after REPORT. SUPPRESS: the second place does not undo the first."""
    _add_database(to)
    to.add_argument(
        "--control",
        metavar="ENDPOINT",
        default=argparse.SUPPRESS,
        help="where the writer is asked to commit first (default: ipc://RUNTIME_DIRECTORY/writer)",
    )
    _add_version(to)


def _add_version(to: argparse.ArgumentParser) -> None:
    to.add_argument("--version", action="version", version=f"{_PROG} {__version__}")


def _add_database(to: argparse.ArgumentParser) -> None:
    to.add_argument(
        "--db",
        metavar="PATH",
        type=Path,
        default=argparse.SUPPRESS,
        help="the database (default: $TELEMETRY_DB, else that of the service, else ./telemetry.db)",
    )


def _add_options(to: argparse.ArgumentParser, report: Report) -> None:
    for name, told in report.words:
        to.add_argument(name.lower(), metavar=name, nargs="?", help=told.replace("%", "%%"))
    start = "the oldest sample"
    if report.window is not None:
        start = f"the last {report.window / 60:.0f} minutes up to the newest sample"
    to.add_argument("--since", metavar="T", help=f"start of the window, itself in it (default: {start})")
    end = to.add_mutually_exclusive_group()
    end.add_argument("--until", metavar="T", help="end of the window, itself not in it (default: no end)")
    if report.takes_at:
        end.add_argument("--at", metavar="T", help="the newest sample at T (that second) or before it")
    to.add_argument(
        "--limit", metavar="N", type=_limit, help=f"at most N rows (default: {report.limit or 'all'})"
    )
    to.add_argument("--columns", metavar="A,B", help="these columns, in this order (default: those below)")
    to.add_argument("--sort", metavar="COLUMN", help="sort rows by this column (default: see the report)")
    to.add_argument("-r", "--reverse", action="store_true", help="the last row first")
    _add_format(to, report.format)
    to.add_argument("--utc", action="store_true", help="times, days and hours in UTC, not in local time")
    to.set_defaults(limit=report.limit)
    for option in report.options:
        told = option.help.replace("%", "%%")  # argparse has a format of its own
        if option.choices:
            names = list(option.choices)
            shown = f"{told} (default: {names[0]})"
            to.add_argument(option.flag, choices=names, default=names[0], help=shown)
        elif option.reads:
            to.add_argument(option.flag, metavar=option.metavar, type=option.reads, help=told)
        else:
            to.add_argument(option.flag, action="store_true", help=told)


def _add_format(to: argparse.ArgumentParser, default: str) -> None:
    to.add_argument(
        "--format",
        metavar="F",
        help="table, json, jsonl, csv, parquet, or one of tabulate's: github, html, tsv, ... "
        f"(default: {default})",
    )
    to.add_argument(
        "--width",
        metavar="N",
        type=_width,
        help="fit tables into N columns (default: $COLUMNS, else the terminal; in a pipe or file: no limit)",
    )
    to.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="colored tables (default: auto: on a terminal where $NO_COLOR is not set)",
    )


def _width(text: str) -> int:
    if re.fullmatch("[0-9]{1,4}", text) and int(text) >= _LEAST_WIDTH:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number from {_LEAST_WIDTH} to 9999")


def _limit(text: str) -> int:
    if re.fullmatch("[0-9]{1,18}", text) and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number from 1")


# --- the end of --help -----------------------------------------------------------------------------


def _described(report: Report | None) -> str:
    """The columns of ``report`` with their units, wrapped, and what a time may look like."""
    from textwrap import fill  # noqa: PLC0415  (for --help alone)

    def lines(columns: tuple[Column, ...]) -> Iterator[str]:
        for column in columns:
            text = column.help if column.in_table else f"{column.help} (json and csv only)"
            head = f"  {column.name:<21} {column.unit:<8} "
            yield fill(text, _WIDTH, initial_indent=head, subsequent_indent=" " * len(head))

    parts: list[str] = []
    if report is None:
        parts.append(f"{_PROG} REPORT --help tells a report's options, its columns and their units.")
    else:
        parts += ["columns:", *lines(report.columns)]
        for option in report.options:
            if option.columns:
                parts += [f"columns that {option.flag} adds:", *lines(option.columns)]
        if any(column.kind in ("time", "minute", "date") for column in report.columns):
            parts.append("Unix s: local date and time in tables, the number itself in json and csv.")
    return "\n".join([*parts, fill(f"A time T is {FORMS}, in the local time zone (--utc: in UTC).", _WIDTH)])


def _alert_described() -> str:
    """What an alert does, and the environment of its command."""
    from textwrap import fill  # noqa: PLC0415

    from query.hook import FACTS, TIMEOUT  # noqa: PLC0415

    rule = (
        f"An alert is given once. It is armed again {PERCENT_MARGIN:g} % or {DEGREES_MARGIN:g} °C on the "
        "other side of its limit. A step of percent that no power explains gives none unless it lasts for "
        "30 s; nor does a sample that comes late."
    )
    command = (
        f"One command runs at a time, for {TIMEOUT:.0f} s at most. In its environment, where the empty "
        'text is "not available":'
    )
    lines = [f"  {fact.name:<18} {fact.help}" for fact in FACTS]
    return "\n".join([fill(rule, _WIDTH), fill(command, _WIDTH), *lines])
