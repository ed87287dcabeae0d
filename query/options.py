"""Options that several commands have, each declared once."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Final

from telemetry import __version__

PROGRAM: Final = "telemetry-query"
_LEAST_WIDTH: Final = 20
"""The least width of a table, in columns"""


def add_common(to: argparse.ArgumentParser) -> None:
    """Add options that may come before or after REPORT. SUPPRESS keeps the values given before REPORT."""
    add_database(to)
    to.add_argument(
        "--control",
        metavar="ENDPOINT",
        default=argparse.SUPPRESS,
        help="the endpoint at which the writer is asked to commit first "
        "(default: ipc://RUNTIME_DIRECTORY/writer)",
    )
    _add_keys(to)
    add_version(to)


def _add_keys(to: argparse.ArgumentParser) -> None:
    """Add the options for keys of ``tcp://``, which may also come before REPORT."""
    for flag, told in (
        ("--server-key", "the public key of the sampler or writer at a tcp:// endpoint"),
        ("--key", "your private key for it (telemetry-sampler --make-key FILE makes one)"),
    ):
        to.add_argument(flag, metavar="FILE", type=Path, default=argparse.SUPPRESS, help=told)


def add_version(to: argparse.ArgumentParser) -> None:
    """Add --version."""
    to.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")


def add_database(to: argparse.ArgumentParser) -> None:
    """Add --db."""
    to.add_argument(
        "--db",
        metavar="PATH",
        type=Path,
        default=argparse.SUPPRESS,
        help="the database (default: $TELEMETRY_DB, else the service's, else ./telemetry.db)",
    )


def add_format(to: argparse.ArgumentParser, default: str) -> None:
    """Add the option for the output format."""
    to.add_argument(
        "--format",
        metavar="F",
        help="table, json, jsonl, csv, parquet, or a format of tabulate: github, html, tsv, ... "
        f"(default: {default})",
    )
    add_look(to)


def add_look(to: argparse.ArgumentParser) -> None:
    """Add the options for the width and the colors of tables."""
    to.add_argument(
        "--width",
        metavar="N",
        type=_width,
        help="fit the output into N columns (default: $COLUMNS, else the terminal; without limit in a pipe)",
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


def limit(text: str) -> int:
    """Parse a number of rows. Raises argparse.ArgumentTypeError."""
    if re.fullmatch("[0-9]{1,18}", text) and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number from 1")


def add_stream(to: argparse.ArgumentParser) -> None:
    """Add the options for the endpoints at which the sampler publishes and replays."""
    to.add_argument("--subscribe", metavar="ENDPOINT", help="(default: ipc://RUNTIME_DIRECTORY/samples)")
    to.add_argument("--replay", metavar="ENDPOINT", help="(default: ipc://RUNTIME_DIRECTORY/replay)")
    _add_keys(to)


def add_window(to: argparse.ArgumentParser, since: str | None, told: str | None = None) -> None:
    """Add --since, --until and --utc to a command whose window always has a start.

    ``since`` is the default, and ``told`` is how --help describes it.
    """
    shown = f"start of the window (default: {told or since})"
    to.add_argument("--since", metavar="T", default=since, help=shown)
    to.add_argument("--until", metavar="T", help="end of the window (default: no end)")
    to.add_argument("--utc", action="store_true", help="times and days in UTC, not in local time")
