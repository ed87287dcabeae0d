"""``telemetry-forward``: sends what the database holds to a time-series engine."""

from __future__ import annotations

import argparse
import functools
import logging
import os
import random
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from typing import Final

from forward import metrics
from forward.client import Answer, Client, authorization, target, trust
from forward.cursor import Cursor
from forward.delivery import Delivery, Stopped
from forward.listen import Listener, address, is_loopback
from forward.loop import Forwarder, Times
from forward.options import PROGRAM, cursor_path, database, parser
from forward.record import open_to_read
from forward.samples import Choice, waiting
from telemetry.command import printable, run, without_surrogates
from telemetry.database.reader import reading
from telemetry.errors import UsageError, UserError
from telemetry.notify import Supervisor
from telemetry.records import SCHEMA
from telemetry.service import StopSignal, start_log

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


def show_status(options: argparse.Namespace) -> int:
    """Print the destination, how much was sent, and how much waits."""
    with (
        reading(database(options), SCHEMA, PROGRAM) as connection,
        open_to_read(cursor_path(options)) as record,
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
    path = database(options)

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
    with Cursor(cursor_path(options), options.url) as cursor:
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
                lambda: reading(database(options), SCHEMA, PROGRAM),
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
