"""Write the man page of each command into a directory, made from its argument parser.

python3 scripts/manual.py DIRECTORY
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from query.help import GROUPS
from scripts.commands import Command, Option, commands
from telemetry import __version__

FILES = (
    ("/var/lib/telemetry-logger/telemetry.db", "the database, readable for members of group telemetry"),
    ("/run/telemetry-logger", "sockets and the replay ring; members of group telemetry may read the stream"),
    ("/var/lib/telemetry-forward/cursor.db", "what telemetry-forward has sent"),
    ("/etc/default/telemetry-logger", "options of the services"),
)


def page(command: Command) -> str:
    """Return the page, in man(7) macros."""
    return "\n".join([*_head(command), *_body(command), *_foot(command), ""])


def _head(command: Command) -> Iterator[str]:
    yield f'.TH {command.name.upper()} 1 "" "telemetry-logger {__version__}" "User Commands"'
    yield ".SH NAME"
    yield f"{_plain(command.name)} \\- {_plain(command.help)}"
    yield ".SH SYNOPSIS"
    yield f".B {_plain(command.name)}"
    if command.reports:
        yield "[\\fIOPTION\\fR ...] [\\fIREPORT\\fR [\\fIOPTION\\fR ...]]"
    else:
        yield "[\\fIOPTION\\fR ...]"


def _body(command: Command) -> Iterator[str]:
    yield ".SH DESCRIPTION"
    yield _plain(command.description)
    if command.epilog:
        yield ".PP"
        yield _plain(command.epilog)
    yield ".SH OPTIONS"
    yield from _options(command.options)
    if command.reports:
        yield ".SH REPORTS"
        common = {option.flags for option in command.options}
        for report in command.reports:
            yield f".SS {_plain(report.name)}"
            yield _plain(report.description)
            yield from _options(tuple(option for option in report.options if option.flags not in common))
            yield from _columns(report.epilog)
        yield ".SH EXAMPLES"
        for group in GROUPS:
            yield from (".TP", f"{_plain(group.title)}:", f".B {_plain(group.example)}")


def _columns(epilog: str) -> Iterator[str]:
    """Return the columns of a report, laid out as in --help; the page explains times only once."""
    lines = epilog.partition("A time T is")[0].rstrip().splitlines()
    if lines:
        yield from (".PP", ".nf", *(_plain(line) for line in lines), ".fi")


def _options(options: tuple[Option, ...]) -> Iterator[str]:
    for option in options:
        value = f" \\fI{_plain(option.metavar)}\\fR" if option.metavar else ""
        yield ".TP"
        yield ", ".join(f"\\fB{_plain(flag)}\\fR{value}" for flag in option.flags)
        yield _plain(option.help)


def _foot(command: Command) -> Iterator[str]:
    yield ".SH FILES"
    for path, what in FILES:
        yield from (".TP", f".I {_plain(path)}", _plain(what))
    yield ".SH EXIT STATUS"
    yield "0 done, 1 failed, 2 wrong usage."
    yield ".SH SEE ALSO"
    others = [other.name for other in commands() if other.name != command.name]
    yield ",\n".join(f".BR {_plain(other)} (1)" for other in others).replace(",\n", " ,\n")


def _plain(text: str) -> str:
    """Return text for troff: ASCII, with special characters escaped and no line that looks like a request."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    escaped = re.sub(r"[^\x00-\x7f]", lambda sign: f"\\[u{ord(sign[0]):04X}]", escaped)
    return re.sub(r"^([.'])", r"\\&\1", escaped, flags=re.MULTILINE)


def main(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for command in commands():
        (directory / f"{command.name}.1").write_text(page(command), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
