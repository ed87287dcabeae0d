"""The options of ``telemetry-forward``, and the paths that follow from them."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Final

from telemetry import __version__, places
from telemetry.command import ArgumentParser, seconds, whole

PROGRAM: Final = "telemetry-forward"


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    result = ArgumentParser(
        prog=PROGRAM,
        description="Send samples, energy by program, sessions and battery health from the database to "
        "VictoriaMetrics, InfluxDB, QuestDB or Telegraf, in Influx line protocol over HTTP. It remembers in "
        "a file what it sent, so it catches up after weeks without a network and also sends late samples.",
        epilog="docs/fleet.md lists the URL for each engine, and what is sent.",
    )
    add = result.add_argument
    add(
        "--url",
        metavar="URL",
        help="the URL to post lines to, with path and query: http://localhost:8428/write",
    )
    add(
        "--db",
        type=Path,
        metavar="PATH",
        help=places.DATABASE_HELP,
    )
    add(
        "--cursor",
        type=Path,
        metavar="PATH",
        help="the file that records what was sent ($STATE_DIRECTORY/cursor.db, else ./telemetry-forward.db)",
    )
    add(
        "--auth",
        type=Path,
        metavar="FILE",
        help="credentials, in a file that only its owner may read: one line, "
        '"Token …", "Bearer …" or "Basic USER:PASSWORD"',
    )
    add("--ca", type=Path, metavar="FILE", help="certificates to trust instead of the system's, PEM")
    add(
        "--host",
        metavar="NAME",
        help="value of the tag host (the name under which the samples were recorded)",
    )
    add(
        "--by",
        choices=("name", "app"),
        default="name",
        help="tag processes by name or by app (name)",
    )
    add("--top", type=whole(0, 100), default=5, metavar="N", help="processes per sample, 0 to 100 (5)")
    add(
        "--most-names",
        type=whole(1, 100_000),
        default=500,
        metavar="N",
        help="process names in total, 1 to 100000 (500); further ones are sent as (other names)",
    )
    add(
        "--interval",
        type=seconds(1, 3600),
        default=10.0,
        metavar="SECONDS",
        help="time between checks for new samples, 1 to 3600 (10)",
    )
    add(
        "--batch",
        type=whole(1, 5000),
        default=500,
        metavar="N",
        help="samples per request, 1 to 5000 (500)",
    )
    add(
        "--timeout",
        type=seconds(1, 60),
        default=30.0,
        metavar="SECONDS",
        help="how long each step of a request may take, 1 to 60 (30)",
    )
    add(
        "--no-gzip",
        action="store_true",
        help="do not compress requests, for an engine that does not support it",
    )
    add(
        "--listen",
        metavar="ADDRESS:PORT",
        help="serve the newest sample at /metrics, for Prometheus: 127.0.0.1:9101; needs prometheus-client, "
        "and does not need --url",
    )
    add(
        "--once",
        action="store_true",
        help="send everything that is unsent now, then exit; status 1 if the engine does not take it",
    )
    add("--status", action="store_true", help="print what was sent and how many samples wait, then exit")
    add("--verbose", action="store_true", help="log every batch")
    add("--version", action="version", version=f"%(prog)s {__version__}")
    return result


def database(options: argparse.Namespace) -> Path:
    """Return the path of the database."""
    return Path(options.db or places.default_database())


def cursor_path(options: argparse.Namespace) -> Path:
    """Return the path of the cursor's file, which records what was sent."""
    if options.cursor is not None:
        return Path(options.cursor)
    by_systemd = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    return Path(by_systemd) / "cursor.db" if by_systemd else Path("telemetry-forward.db")
