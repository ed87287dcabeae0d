"""``telemetry-forward``: sends what the database holds to a time-series engine."""

from __future__ import annotations

import argparse
import functools
import logging
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from forward import metrics
from forward.client import Answer, Client, authorization, target, trust
from forward.cursor import Cursor
from forward.delivery import Delivery, Stopped
from forward.listen import Listener, address, is_loopback
from forward.loop import Forwarder, Times
from forward.record import open_to_read
from forward.samples import Choice, waiting
from telemetry import __version__, places
from telemetry.command import ArgumentParser, printable, run, without_surrogates
from telemetry.database.reader import reading
from telemetry.errors import UsageError, UserError
from telemetry.notify import Supervisor
from telemetry.records import SCHEMA
from telemetry.service import StopSignal, start_log

PROGRAM: Final = "telemetry-forward"
_ATTEMPTS_OF_ONCE: Final = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    return run(PROGRAM, functools.partial(_main, arguments))


def _main(arguments: Sequence[str] | None) -> int:
    options = parser().parse_args(arguments)
    os.umask(0o077)
    if options.status:
        return show_status(options)
    return forward(options, start_log(PROGRAM, options.verbose))


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
        help="the database ($TELEMETRY_DB, else "
        "/var/lib/telemetry-logger/telemetry.db where that directory exists, else ./telemetry.db)",
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
    add("--top", type=_whole(0, 100), default=5, metavar="N", help="processes per sample, 0 to 100 (5)")
    add(
        "--most-names",
        type=_whole(1, 100_000),
        default=500,
        metavar="N",
        help="process names in total, 1 to 100000 (500); further ones are sent as (other names)",
    )
    add(
        "--interval",
        type=_seconds(1.0, 3600.0),
        default=10.0,
        metavar="SECONDS",
        help="time between checks for new samples, 1 to 3600 (10)",
    )
    add(
        "--batch",
        type=_whole(1, 5000),
        default=500,
        metavar="N",
        help="samples per request, 1 to 5000 (500)",
    )
    add(
        "--timeout",
        type=_seconds(1.0, 60.0),
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


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return number

    return parse


def _seconds(least: float, most: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            seconds = float(text)
        except ValueError:
            seconds = -1.0
        if not least <= seconds <= most:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a number of seconds from {least:g} to {most:g}"
            )
        return seconds

    return parse


def _database(options: argparse.Namespace) -> Path:
    return Path(options.db or places.default_database())


def _cursor(options: argparse.Namespace) -> Path:
    if options.cursor is not None:
        return Path(options.cursor)
    by_systemd = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    return Path(by_systemd) / "cursor.db" if by_systemd else Path("telemetry-forward.db")


def show_status(options: argparse.Namespace) -> int:
    """Print the destination, how much was sent, and how much waits."""
    with (
        reading(_database(options), SCHEMA, PROGRAM) as connection,
        open_to_read(_cursor(options)) as record,
    ):
        url, counts = record.note("url"), record.counts
        count = waiting(connection, record, time.time())
    newest = (
        "none"
        if counts.newest is None
        else f"{datetime.fromtimestamp(counts.newest, UTC):%Y-%m-%d %H:%M:%S} UTC"
    )
    print(f"to       {printable(url)}")
    print(f"sent     {counts.samples:,} samples, the newest of {newest}")
    print(f"waiting  {count:,} samples")
    print(f"refused  {counts.refused:,} points")
    return 0


def forward(options: argparse.Namespace, log: logging.Logger) -> int:
    """Forward until SIGTERM, SIGINT or SIGHUP, or once."""
    if options.host is not None:
        options.host = without_surrogates(options.host)
        if not options.host:
            raise UsageError("--host is empty")
    if options.url is None and (options.listen is None or options.once):
        raise UsageError(f"--url is required: the URL to post to; see {PROGRAM} --help")
    with StopSignal() as stop, ExitStack() as stack:
        supervisor = stack.enter_context(closing(Supervisor()))
        if options.listen is not None:
            stack.enter_context(_listener(options, log))
        if options.url is None:
            _only_listen(stop, supervisor)
        else:
            _send(options, log, stop, supervisor)
        supervisor.stopping()
    return 0


def _listener(options: argparse.Namespace, log: logging.Logger) -> Listener:
    where = address(options.listen)
    metrics.prometheus()
    if not is_loopback(where[0]):
        log.warning("--listen %s: anyone who can connect can read the names of processes", options.listen)
    path = _database(options)

    def render(accept: str) -> tuple[bytes, str]:
        with reading(path, SCHEMA, PROGRAM) as connection:
            found = metrics.read(connection, options.by, options.top)
        return metrics.rendered(found, accept)

    return Listener(where, render)


def _only_listen(stop: StopSignal, supervisor: Supervisor) -> None:
    supervisor.ready("listening")
    while not stop.requested:
        supervisor.alive()
        stop.wait(min(supervisor.beat, 3600.0))


def _send(options: argparse.Namespace, log: logging.Logger, stop: StopSignal, supervisor: Supervisor) -> None:
    where = target(options.url)
    credentials = None if options.auth is None else authorization(options.auth)
    tls = trust(options.ca) if where.is_https else None
    if credentials and not where.is_https and where.host not in ("localhost", "127.0.0.1", "::1"):
        log.warning("credentials go to %s as plain text, since --url is not https", where.host)
    choice = Choice(options.host, options.by, options.top, options.most_names)
    with Cursor(_cursor(options), options.url) as cursor:
        if cursor.set_aside is not None:
            log.error(
                "the cursor was damaged and was moved to %s: everything is sent again", cursor.set_aside
            )

        def wait(seconds: float) -> bool:
            end = time.monotonic() + seconds
            while not stop.requested and (left := end - time.monotonic()) > 0:
                supervisor.alive()
                stop.wait(min(left, supervisor.beat))
            return stop.requested

        def post(body: bytes) -> Answer:
            if stop.requested:
                raise Stopped
            supervisor.alive()
            answer = client.post(body)
            log.debug("%d bytes of lines: %d", len(body), answer.status)
            return answer

        times = Times(time.time, time.monotonic, wait, random.random)
        with closing(
            Client(
                where,
                authorization=credentials,
                tls=tls,
                timeout=options.timeout,
                compress=not options.no_gzip,
            )
        ) as client:
            forwarder = Forwarder(
                lambda: reading(_database(options), SCHEMA, PROGRAM),
                cursor,
                Delivery(
                    post,
                    where=printable(options.url),
                    wait=wait,
                    random=random.random,
                    log=log,
                    clock=time.monotonic,
                    most_attempts=_ATTEMPTS_OF_ONCE if options.once else None,
                ),
                choice,
                times=times,
                log=log,
                size=options.batch,
                is_patient=not options.once,
            )
            try:
                if options.once:
                    forwarder.run_once()
                else:
                    log.info("sending to %s", printable(options.url))
                    supervisor.ready(forwarder.status)
                    forwarder.run(options.interval, supervisor.alive)
            except Stopped:
                if options.once:
                    raise UserError("stopped before everything was sent") from None


if __name__ == "__main__":
    sys.exit(main())
