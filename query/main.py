"""``telemetry-query``: canned reports over the database."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from typing import Any

from query import access, arguments, output, render
from query.answer import ask
from query.choice import Choice
from query.commands import BY_NAME as COMMANDS
from query.options import PROGRAM
from query.report import function, variant_of
from query.reports import BY_NAME as REPORTS
from telemetry.command import check_open_files, forget_output, run, say
from telemetry.errors import UsageError, UserError


def main(argv: Sequence[str] | None = None, clock: Callable[[], float] = time.time) -> int:
    """Run the command and return its exit status."""
    return run(PROGRAM, functools.partial(_main, sys.argv[1:] if argv is None else argv, clock()))


def _main(argv: Sequence[str], now: float) -> int:
    if sys.stdout is None:
        raise UserError("standard output is closed")
    try:
        with suppress(SystemExit):  # argparse raises it after --help and --version
            _run(argv, now)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:  # Other files report their own errors, so this one is of standard output.
        forget_output()
        raise UserError(f"cannot write: {error.strerror or error}") from None
    return 0


def _run(argv: Sequence[str], now: float) -> None:
    given = vars(arguments.parser().parse_args(argv))
    check_open_files()
    name: str | None = given["report"]
    if given["line"] and name:
        raise UsageError("--line cannot be used with a report; see telemetry-query --help")
    with access.in_utc() if given.get("utc") else nullcontext():
        if name in REPORTS:
            _report(given, now)
        else:
            function(COMMANDS[name].run if name else "query.overview:run")(given, now)


def _report(given: Mapping[str, Any], now: float) -> None:
    report = REPORTS[given["report"]]
    form = given["format"] or report.format
    render.check_format(form)
    window = access.window(given, now)
    asked = function(report.asks)(given, now) if report.asks else {}
    with access.opened(given, now) as source:  # after a commit, so that the newest sample is there
        parameters = {**window, **asked, **source.parameters, "limit": given["limit"]}
        choice = Choice(given["columns"], given["sort"], given["reverse"])
        answer = ask(source.connection, report, variant_of(report, given), parameters, choice)
        rest = ""
        if form == render.PARQUET:
            output.write_parquet(answer.columns, answer.rows)
        else:
            pieces = render.rendered(
                answer.columns,
                answer.rows,
                form,
                output.look(given, now),
                vertical=report.vertical,
                remarks=answer.remarks,
            )
            rest = output.write_in_megabytes(pieces)
    sys.stdout.write(rest)
    sys.stdout.flush()  # remarks follow the rows
    for remark in (*answer.remarks, *access.silence(source.committed)):
        say(PROGRAM, remark)


if __name__ == "__main__":
    sys.exit(main())
