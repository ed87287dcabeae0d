"""The command line, made from the tables of reports and of other commands."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from query.choice import nearest
from query.columns import Column
from query.commands import COMMANDS
from query.options import PROGRAM, add_common, add_format, limit
from query.report import Report, function
from query.reports import REPORTS
from telemetry.command import ArgumentParser

_WIDTH: Final = 88


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
    ends_with: str | None = None
    """Function that makes the end of its help, as module:name"""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Suggests the nearest valid choice, also for the report."""
        if action.choices is not None and value not in action.choices:
            what = "report" if isinstance(action, argparse._SubParsersAction) else "such value"
            told = nearest(str(value)[:40], [str(choice) for choice in action.choices])
            raise argparse.ArgumentError(
                None if what == "report" else action, f"no {what} {str(value)[:40]!r}{told}"
            )

    def format_help(self) -> str:
        self.epilog = function(self.ends_with)(_WIDTH) if self.ends_with else _described(self.report)
        return super().format_help()


@cache
def parser() -> argparse.ArgumentParser:
    """Return the parser; its result has db, report, since, until, limit, format and the report's options.

    It is made only once, which takes most of the time of a short report. Parsing raises UsageError.
    """
    top = _Parser(
        prog=PROGRAM,
        description="Reports over what telemetry-writer recorded: battery, CPU and processes.\n"
        "Without REPORT: an overview of one screen.",
        formatter_class=_Help,
    )
    top.set_defaults(db=None, control=None, server_key=None, key=None)
    add_common(top)
    top.add_argument(
        "--line",
        action="store_true",
        help="without REPORT: the battery in one line, for a status bar or prompt",
    )
    reports = top.add_subparsers(dest="report", metavar="REPORT", title="reports", prog=PROGRAM)
    for report in REPORTS:
        one = reports.add_parser(
            report.name,
            help=report.help,
            description=f"{report.help[0].upper()}{report.help[1:]}.",
            formatter_class=_Help,
        )
        one.report = report
        _add_options(one, report)
        add_common(one)
    for command in COMMANDS:
        one = reports.add_parser(
            command.name, help=command.help, description=command.description, formatter_class=_Help
        )
        one.ends_with = command.epilog
        command.add(one)
    return top


def _add_options(to: argparse.ArgumentParser, report: Report) -> None:
    for name, told in report.words:
        to.add_argument(name.lower(), metavar=name, nargs="?", help=told.replace("%", "%%"))
    start = "the oldest sample"
    if report.window is not None:
        hours, minutes = divmod(report.window / 60, 60)
        span = f"{minutes:.0f} minutes" if minutes else f"{hours:.0f} hours"
        start = f"the last {span} up to the newest sample"
    to.add_argument("--since", metavar="T", help=f"start of the window, inclusive (default: {start})")
    end = to.add_mutually_exclusive_group()
    end.add_argument("--until", metavar="T", help="end of the window, exclusive (default: no end)")
    if report.takes_at:
        end.add_argument("--at", metavar="T", help="the newest sample at T (that second) or before it")
    to.add_argument(
        "--limit", metavar="N", type=limit, help=f"at most N rows (default: {report.limit or 'all'})"
    )
    to.add_argument("--columns", metavar="A,B", help="these columns, in this order (default: those below)")
    to.add_argument(
        "--sort", metavar="COLUMN", help="sort rows by this column (default: the report's own order)"
    )
    to.add_argument("-r", "--reverse", action="store_true", help="the last row first")
    add_format(to, report.format)
    to.add_argument("--utc", action="store_true", help="times, days and hours in UTC, not in local time")
    to.set_defaults(limit=report.limit)
    for option in report.options:
        told = option.help.replace("%", "%%")  # argparse formats the text with %
        if option.choices:
            names = list(option.choices)
            shown = f"{told} (default: {names[0]})"
            to.add_argument(option.flag, choices=names, default=names[0], help=shown)
        elif option.reads:
            to.add_argument(option.flag, metavar=option.metavar, type=option.reads, help=told)
        else:
            to.add_argument(option.flag, action="store_true", help=told)


# --- the end of --help -----------------------------------------------------------------------------


def _described(report: Report | None) -> str:
    """Return the columns of ``report`` with their units, wrapped, and the forms of a time."""
    from textwrap import fill  # noqa: PLC0415  (for --help alone)

    from query.help import times_described  # noqa: PLC0415

    def lines(columns: tuple[Column, ...]) -> Iterator[str]:
        for column in columns:
            text = column.help if column.in_table else f"{column.help} (json and csv only)"
            head = f"  {column.name:<21} {column.unit:<8} "
            yield fill(text, _WIDTH, initial_indent=head, subsequent_indent=" " * len(head))

    parts: list[str] = []
    if report is None:
        parts.append(f"{PROGRAM} REPORT --help shows a report's options, its columns and their units.")
    else:
        parts += ["columns:", *lines(report.columns)]
        for option in report.options:
            if option.columns:
                parts += [f"columns that {option.flag} adds:", *lines(option.columns)]
        if any(column.kind in ("time", "minute", "date") for column in report.columns):
            parts.append("Unix s: local date and time in tables, the number itself in json and csv.")
    return "\n".join([*parts, times_described(_WIDTH)])
