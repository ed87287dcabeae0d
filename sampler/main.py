"""``telemetry-sampler``: measures this machine and publishes a sample at every interval."""

from __future__ import annotations

import argparse
import functools
import json
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from sampler.battery import PowerSupplySensor
from sampler.clock import Clock, next_deadline
from sampler.tick import Sampler, Settings, make_sensors, read_boot_id
from telemetry import __version__, places
from telemetry.command import ArgumentParser, run
from telemetry.errors import UserError
from telemetry.notify import Supervisor
from telemetry.sample import encode
from telemetry.service import StopSignal, start_log

if TYPE_CHECKING:
    from telemetry.stream.ring import Ring

PROGRAM = "telemetry-sampler"
DEFAULT_INTERVAL = 5.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    return run(PROGRAM, functools.partial(_main, arguments))


def _main(arguments: Sequence[str] | None) -> int:
    options = parser().parse_args(arguments)
    command = sample_once if options.once else sample_forever
    return command(options, start_log(PROGRAM, options.verbose))


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    result = ArgumentParser(
        prog=PROGRAM,
        description="Measure battery, CPU and processes, and publish a JSON sample at every interval. "
        "telemetry-writer stores what is published; telemetry-query shows it.",
        epilog="Try it: telemetry-sampler --once",
    )
    add = result.add_argument
    add(
        "--interval",
        type=_interval,
        metavar="SECONDS",
        help="time between samples, 1 to 3600 (5; with --once 1)",
    )
    add(
        "--top-procs",
        type=_process_count,
        default=10,
        metavar="N",
        help="processes in a sample, 0 to 1000 (10)",
    )
    add(
        "--power-supply",
        default="auto",
        metavar="auto|none|NAME",
        help="the battery to read (auto); the names are those in /sys/class/power_supply",
    )
    add(
        "--publish",
        action="append",
        metavar="ENDPOINT",
        help="where the live stream is published; may be "
        "given more than once (ipc://RUNTIME_DIRECTORY/samples)",
    )
    add(
        "--replay",
        metavar="ENDPOINT",
        help="where missed samples are served (ipc://RUNTIME_DIRECTORY/replay)",
    )
    add("--sysfs", type=Path, default=Path("/sys"), metavar="DIRECTORY", help="root of sysfs (/sys)")
    add("--procfs", type=Path, default=Path("/proc"), metavar="DIRECTORY", help="root of procfs (/proc)")
    add("--once", action="store_true", help="measure one interval, print the sample as JSON, and end")
    add("--verbose", action="store_true", help="log every sample")
    add("--version", action="version", version=f"%(prog)s {__version__}")
    return result


def _interval(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1.0 <= seconds <= 3600.0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 1 to 3600")
    return seconds


def _process_count(text: str) -> int:
    if not (text.isdecimal() and int(text) <= 1000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a count from 0 to 1000")
    return int(text)


def _make_sampler(options: argparse.Namespace, clock: Clock) -> tuple[Sampler, PowerSupplySensor | None]:
    for root in (options.sysfs, options.procfs):
        if not root.is_dir():
            raise UserError(f"{root} is no directory")
    settings = Settings(options.sysfs, options.procfs, options.power_supply, options.top_procs)
    sensors = make_sensors(settings, clock)
    battery = sensors["battery"]
    sampler = Sampler(sensors, clock, os.uname().nodename, read_boot_id(options.procfs))
    return sampler, battery if isinstance(battery, PowerSupplySensor) else None


def sample_once(options: argparse.Namespace, log: logging.Logger) -> int:
    """Print one sample, and why there is no battery where there is none."""
    with StopSignal() as stop:
        sampler, battery = _make_sampler(options, Clock())
        if stop.wait(options.interval or 1.0):
            return 1
        sample = sampler.sample()
    print(json.dumps(json.loads(encode(sample)), indent=2, ensure_ascii=False))
    if sample.battery is None and battery is not None:
        print("\n".join(battery.explain()), file=sys.stderr)
    return 0


def _open_ring(options: argparse.Namespace, log: logging.Logger) -> Ring:
    """Open the ring in the runtime directory; without one, where no socket needs it either, in memory."""
    from telemetry.stream.ring import Ring  # noqa: PLC0415

    try:
        directory = places.make_runtime_directory()
    except UserError as error:
        if not (options.publish and options.replay):
            raise
        log.warning("%s: the ring is in memory, and what it holds ends with this process", error)
        return Ring(None)
    return Ring(places.ring_file(directory))


def sample_forever(options: argparse.Namespace, log: logging.Logger) -> int:
    """Publish samples until SIGTERM or SIGINT."""
    # Late, so that --once does not load ZeroMQ.
    from telemetry.stream.publisher import Publisher  # noqa: PLC0415

    clock = Clock()
    interval = options.interval or DEFAULT_INTERVAL
    with StopSignal() as stop, closing(Supervisor()) as supervisor, closing(_open_ring(options, log)) as ring:
        sampler, _ = _make_sampler(options, clock)
        directory = places.runtime_directory()
        publish = options.publish or [places.publish_endpoint(directory)]
        replay = options.replay or places.replay_endpoint(directory)
        with closing(Publisher(publish, replay, ring, sampler.run)) as publisher:
            log.info("run %s: a sample every %g s", sampler.run, interval)
            supervisor.ready(f"a sample every {interval:g} s")
            deadline = clock.monotonic()
            while True:
                deadline = next_deadline(deadline, interval, clock.monotonic())
                while not stop.requested and (now := clock.monotonic()) < deadline:
                    publisher.serve(min(deadline, now + supervisor.beat), stop)
                    supervisor.alive()
                if stop.requested:
                    supervisor.stopping()
                    return 0
                sample = sampler.sample()
                body = encode(sample)
                publisher.publish(sample.topic, sample.seq, body)
                log.debug("seq %d: %d bytes", sample.seq, len(body))


if __name__ == "__main__":
    sys.exit(main())
