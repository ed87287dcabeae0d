"""``telemetry-writer``: receives samples and stores them in the database."""

from __future__ import annotations

import argparse
import functools
import gc
import logging
import os
import re
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from telemetry import __version__, places
from telemetry.command import ArgumentParser, check_open_files, run, seconds, take_all_open_files
from telemetry.errors import UsageError
from telemetry.notify import Supervisor
from telemetry.sample import InvalidSample
from telemetry.service import RateLimited, StopSignal, start_log
from writer import mending
from writer.importing import import_lines, reading
from writer.limits import Limits
from writer.rollups.marks import day
from writer.store import Store

PROGRAM = "telemetry-writer"
DEFAULT_COMMIT_INTERVAL = 60.0
DEFAULT_MAX_SIZE = 4 << 30
LEAST_MAX_SIZE = 1 << 20
"""Bytes; the current day is kept even if it is larger"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    return run(PROGRAM, functools.partial(_main, arguments))


def _main(arguments: Sequence[str] | None) -> int:
    options = parser().parse_args(arguments)
    check_open_files()
    os.umask(os.umask(0o077) | 0o027)  # files are readable by owner and group only
    command = store_stream
    if options.source is not None:
        command = import_samples
    elif options.drop_misdated:
        command = drop_misdated
    elif options.rebuild_rollups:
        command = rebuild_rollups
    return command(options, start_log(PROGRAM, options.verbose))


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    result = ArgumentParser(
        prog=PROGRAM,
        description="Store the samples of telemetry-sampler in a SQLite database, which is created or "
        "upgraded if necessary. telemetry-query shows it.",
        epilog="A database of the original logger is upgraded in place: stop that logger, then start this.",
    )
    add = result.add_argument
    add(
        "--db",
        type=Path,
        metavar="PATH",
        help=places.DATABASE_HELP,
    )
    add(
        "--subscribe",
        metavar="ENDPOINT",
        help="endpoint of the live stream (ipc://RUNTIME_DIRECTORY/samples)",
    )
    add(
        "--replay",
        metavar="ENDPOINT",
        help="endpoint that serves missed samples (ipc://RUNTIME_DIRECTORY/replay)",
    )
    add(
        "--control",
        metavar="ENDPOINT",
        help="endpoint at which telemetry-query requests a commit (ipc://RUNTIME_DIRECTORY/writer)",
    )
    add(
        "--server-key",
        type=Path,
        metavar="FILE",
        help="the public key of a sampler on another machine, at tcp:// endpoints",
    )
    add("--key", type=Path, metavar="FILE", help="the private key of this writer, for tcp:// endpoints")
    add(
        "--clients",
        type=Path,
        metavar="FILE",
        help="the public keys of the clients that may use --control tcp://, one per line; reread when it "
        "changes",
    )
    add(
        "--commit-interval",
        type=seconds(0, 3600),
        default=DEFAULT_COMMIT_INTERVAL,
        metavar="SECONDS",
        help="time between commits, 0 to 3600 (60); 0 commits each sample. Reports show the newest sample "
        "in any case. While the battery discharges at 10 %% or less, it is 0",
    )
    add(
        "--max-size",
        type=_size,
        action=_Given,
        default=DEFAULT_MAX_SIZE,
        metavar="SIZE",
        help="the largest size of the database (4GiB; 500M, 2GiB): at this size, or if less than "
        "5 %% or 256 MiB of the disk is free, the oldest days of raw samples are dropped; their roll-ups "
        "stay. Rows of the original logger or of an import are dropped only if you give this option",
    )
    add(
        "--retain",
        type=_age,
        metavar="AGE",
        help="drop raw samples older than this (90d, 12w, 2y; off); imported samples and roll-ups stay",
    )
    add(
        "--drop-misdated",
        action="store_true",
        help="delete samples that were dated by a wrong clock (no report includes them), then exit",
    )
    add(
        "--rebuild-rollups",
        action="store_true",
        help="recompute the sums by minute, hour and day from the stored samples, then exit; "
        "use it after you deleted samples by hand",
    )
    result.set_defaults(is_size_given=False)
    add(
        "--import",
        dest="source",
        metavar="FILE|-",
        help="import samples, one JSON object per line, then exit",
    )
    add("--verbose", action="store_true", help="log every commit")
    add("--version", action="version", version=f"%(prog)s {__version__}")
    return result


class _Given(argparse.Action):
    """Stores the size and that the user gave it: a size that was given also drops imported rows."""

    def __call__(
        self, parser: object, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        namespace.max_size, namespace.is_size_given = values, True


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?", text.strip(), re.IGNORECASE)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size: 4GiB, 500M, or a number of bytes")
    number, prefix, is_binary = match.groups()
    size = float(number) * (1024 if is_binary else 1000) ** " KMGT".index(prefix.upper() or " ")
    if not LEAST_MAX_SIZE <= size < 1 << 62:
        raise argparse.ArgumentTypeError(f"{text!r} is less than {LEAST_MAX_SIZE >> 20} MiB, or too large")
    return int(size)


def _age(text: str) -> float:
    match = re.fullmatch(r"(\d+)\s*([dwy])", text.strip(), re.IGNORECASE)
    days = int(match[1]) * {"d": 1, "w": 7, "y": 365}[match[2].lower()] if match else 0
    if not 1 <= days < 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not an age of at least a day: 90d, 12w, 2y")
    return days * 86400.0


def _open_store(options: argparse.Namespace, log: logging.Logger) -> Store:
    return Store(options.db or places.default_database(), announce=log.info)


def import_samples(options: argparse.Namespace, log: logging.Logger) -> int:
    """Import a file and report how many lines were imported or skipped."""
    gc.disable()  # samples have no reference cycles, and searching for them would take a tenth of the time
    # Open the source first: a wrong name must not create a database.
    with reading(options.source) as lines, _open_store(options, log) as store:
        counts = import_lines(store, lines, log, time.time())
    print(
        f"{PROGRAM}: imported {counts.imported:,}; skipped: {counts.known:,} already stored, "
        f"{counts.invalid:,} invalid, {counts.ahead:,} more than a day ahead of the clock",
        file=sys.stderr,
    )
    return 0


def drop_misdated(options: argparse.Namespace, log: logging.Logger) -> int:
    """Delete samples that were dated by a wrong clock, and report how many."""
    with _open_store(options, log) as store:
        dropped = mending.drop_misdated(store)
    print(f"{PROGRAM}: deleted {dropped:,} samples that a wrong clock dated", file=sys.stderr)
    return 0


def rebuild_rollups(options: argparse.Namespace, log: logging.Logger) -> int:
    """Recompute the roll-ups, and report progress. It can be stopped and restarted."""
    with StopSignal() as stop, _open_store(options, log) as store:
        for hours, until in enumerate(mending.rebuild_rollups(store), 1):
            if hours % 1000 == 0:
                log.info("rebuilt until %s", day(until))
            if stop.requested:
                log.info("stopped: the hours before %s are rebuilt", day(until))
                return 1
    log.info("all roll-ups are rebuilt")
    return 0


def store_stream(options: argparse.Namespace, log: logging.Logger) -> int:
    """Store the stream until SIGTERM, SIGINT or SIGHUP; commit all received samples before the end."""
    # Late, so that --import does not load ZeroMQ.
    from telemetry.stream.control_server import ControlServer  # noqa: PLC0415
    from telemetry.stream.joiner import Start  # noqa: PLC0415
    from telemetry.stream.keys import client_keys, server_keys  # noqa: PLC0415
    from telemetry.stream.presence import Presence  # noqa: PLC0415
    from telemetry.stream.subscriber import Subscriber  # noqa: PLC0415
    from writer.recovery.guarded_store import GuardedStore  # noqa: PLC0415
    from writer.service.loop import Loop  # noqa: PLC0415
    from writer.service.maintenance import Maintenance  # noqa: PLC0415

    take_all_open_files()
    refused = RateLimited(log)

    def skip(invalid: InvalidSample) -> None:
        refused.warning(f"skipped a message: {invalid}")

    directory = places.make_runtime_directory()
    at = options.control or places.control_endpoint(directory)
    endpoints = (
        options.subscribe or places.publish_endpoint(directory),
        options.replay or places.replay_endpoint(directory),
    )
    if options.key and not (options.server_key or options.clients):
        raise UsageError("--key goes with --server-key, --clients, or both")
    of_sampler = client_keys(options.server_key, options.key, endpoints) if options.server_key else None
    of_clients = server_keys(options.key, options.clients, [at], directory, log) if options.clients else None
    with (
        StopSignal() as stop,
        closing(Supervisor()) as supervisor,
        GuardedStore(options.db or places.default_database(), log) as guarded,
    ):
        presence = Presence(directory, log, make=places.make_runtime_directory)
        control = ControlServer(at, presence, of_clients)
        with (
            closing(control),
            Subscriber(
                *endpoints, guarded.store.position or Start.OLDEST, on_invalid=skip, keys=of_sampler
            ) as subscriber,
        ):
            log.info("storing into %s", guarded.store.path)
            limits = Limits(options.max_size, options.retain, is_default=not options.is_size_given)
            maintenance = Maintenance(limits, log)
            Loop(guarded, subscriber, control, maintenance, options.commit_interval, log=log).run(
                stop, supervisor
            )
    if refused.count:
        log.info("skipped %d messages that were not samples", refused.count)
    return 0


if __name__ == "__main__":
    sys.exit(main())
