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

from sampler.background import Background
from sampler.choice import ExplainedBattery, choose
from sampler.clock import DEFAULT_INTERVAL, Clock, next_deadline
from sampler.driver_sign import DriverSigns
from sampler.sensors import Sampler, Sensor, Settings, make_sensors, read_boot_id
from telemetry import __version__, places
from telemetry.command import ArgumentParser, check_open_files, run, say, seconds, take_all_open_files, whole
from telemetry.errors import UserError
from telemetry.fit import message
from telemetry.notify import Supervisor
from telemetry.service import StopSignal, start_log

if TYPE_CHECKING:
    from telemetry.sample import Battery

PROGRAM = "telemetry-sampler"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    return run(PROGRAM, functools.partial(_main, arguments))


def _main(arguments: Sequence[str] | None) -> int:
    options = parser().parse_args(arguments)
    if options.make_key is not None:
        return make_key(options.make_key)
    check_open_files()
    try:
        options.power = choose(options.sysfs, options.power_supply or ["auto"])
    except ValueError as error:
        parser().error(str(error))
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
        type=seconds(1, 3600),
        metavar="SECONDS",
        help="time between samples, 1 to 3600 (5; with --once 1)",
    )
    add(
        "--top-procs",
        type=whole(0, 1000),
        default=10,
        metavar="N",
        help="processes in a sample, 0 to 1000 (10)",
    )
    add(
        "--power-supply",
        action="append",
        metavar="auto|none|NAME",
        help="the battery to read (auto): a name in /sys/class/power_supply, or of a power monitor in "
        "/sys/class/hwmon (ina219, ina226, hwmon3); or, in addition, a source that reports the power "
        "of the machine: ina3221, pmic (Raspberry Pi 5), rapl (as root). May be given twice, for one of each",
    )
    add(
        "--reverse-current",
        action="store_true",
        help="the power monitor reports a discharge as positive, as on some HATs",
    )
    add(
        "--publish",
        action="append",
        metavar="ENDPOINT",
        help="endpoint of the live stream; may be given more than once (ipc://RUNTIME_DIRECTORY/samples)",
    )
    add(
        "--replay",
        action="append",
        metavar="ENDPOINT",
        help="endpoint for missed samples; may be given more than once (ipc://RUNTIME_DIRECTORY/replay)",
    )
    add(
        "--key",
        type=Path,
        metavar="FILE",
        help="the private key of this sampler, for tcp:// endpoints that other machines can reach",
    )
    add(
        "--clients",
        type=Path,
        metavar="FILE",
        help="the public keys of the clients that may use tcp://, one per line; reread when it changes",
    )
    add(
        "--make-key",
        type=Path,
        metavar="FILE",
        help="write a new key pair to FILE (private) and FILE.pub (public), print the public key, and exit",
    )
    add("--sysfs", type=Path, default=Path("/sys"), metavar="DIRECTORY", help="root of sysfs (/sys)")
    add("--procfs", type=Path, default=Path("/proc"), metavar="DIRECTORY", help="root of procfs (/proc)")
    add("--once", action="store_true", help="measure one interval, print the sample as JSON, and exit")
    add("--verbose", action="store_true", help="log every sample")
    add("--version", action="version", version=f"%(prog)s {__version__}")
    return result


def _make_sampler(
    options: argparse.Namespace, clock: Clock, interval: float, signs: DriverSigns
) -> tuple[Sampler, Sensor | None]:
    for root in (options.sysfs, options.procfs):
        if not root.is_dir():
            raise UserError(f"{root} is not a directory")
    settings = Settings(
        options.sysfs,
        options.procfs,
        options.top_procs,
        interval,
        options.power,
        options.reverse_current,
        signs,
    )
    sensors = make_sensors(settings, clock)
    return Sampler(sensors, clock, os.uname().nodename, read_boot_id(options.procfs)), sensors.get("battery")


def make_key(path: Path) -> int:
    """Make a key pair, and print the public key as a line for an allow-list."""
    from telemetry.stream.keys import make_keys  # noqa: PLC0415

    print(make_keys(path))
    say(
        PROGRAM,
        f"{path} is the private key: keep it secret; {path}.pub is the public key: copy it to your peers",
    )
    return 0


def sample_once(options: argparse.Namespace, log: logging.Logger) -> int:
    """Print one sample; if it has no battery, print the reason too."""
    with StopSignal() as stop:
        interval = options.interval or 1.0
        sampler, battery = _make_sampler(options, Clock(), interval, _known_signs())
        if stop.wait(interval):
            return 1
        sample = sampler.sample()
    print(json.dumps(json.loads(message(sample).body), indent=2, ensure_ascii=False))
    if sample.battery is None and isinstance(battery, Background):
        print("\n".join(_explanation(battery)), file=sys.stderr)
    return 0


def _explanation(battery: Background[Battery | None]) -> list[str]:
    """Return what was examined to find a battery, and why each was rejected."""
    if not isinstance(battery.sensor, ExplainedBattery):
        return []
    return battery.ask(battery.sensor.explain) or ["battery: it did not respond in time"]


def _known_signs() -> DriverSigns:
    """Return the services' stored knowledge about battery drivers, read-only."""
    try:
        return DriverSigns(places.signs_file(places.readers_directory()), keep=False)
    except UserError:
        return DriverSigns()


def _runtime_directory(options: argparse.Namespace, log: logging.Logger) -> Path | None:
    """Make the runtime directory; None if that fails and no socket needs it."""
    try:
        return places.make_runtime_directory()
    except UserError as error:
        if not (options.publish and options.replay) or options.key:
            raise
        log.warning("%s: keeping the replay ring in memory, so it is lost when this process ends", error)
        return None


def sample_forever(options: argparse.Namespace, log: logging.Logger) -> int:
    """Publish samples until SIGTERM, SIGINT or SIGHUP."""
    # Late, so that --once does not load ZeroMQ.
    from telemetry.stream.keys import server_keys  # noqa: PLC0415
    from telemetry.stream.presence import LOOK_AGAIN, Presence  # noqa: PLC0415
    from telemetry.stream.publisher import Publisher  # noqa: PLC0415
    from telemetry.stream.ring import Ring  # noqa: PLC0415

    take_all_open_files()
    clock = Clock()
    interval = options.interval or DEFAULT_INTERVAL
    own = _runtime_directory(options, log)
    ring_file = own and places.ring_file(own)
    with StopSignal() as stop, closing(Supervisor()) as supervisor, closing(Ring(ring_file)) as ring:
        directory = places.runtime_directory()
        signs = DriverSigns(own and places.signs_file(own))
        sampler, _ = _make_sampler(options, clock, interval, signs)
        publish = options.publish or [places.publish_endpoint(directory)]
        replay = options.replay or [places.replay_endpoint(directory)]
        keys = server_keys(options.key, options.clients, [*publish, *replay], directory, log)
        presence = Presence(own, log, make=places.make_runtime_directory, what=", with the ring's samples")
        with closing(Publisher(publish, replay, ring, sampler.run, keys)) as publisher:
            log.info("run %s: a sample every %g s", sampler.run, interval)
            supervisor.ready(f"a sample every {interval:g} s")
            told: set[str] = set()
            deadline = clock.monotonic()
            while True:
                deadline = next_deadline(deadline, interval, clock.monotonic())
                while not stop.requested and (now := clock.monotonic()) < deadline:
                    presence.keep(publisher.parts)
                    publisher.serve(min(deadline, now + min(supervisor.beat, LOOK_AGAIN)), stop)
                    supervisor.alive()
                if stop.requested:
                    supervisor.stopping()
                    return 0
                # Check this before taking a sample: a sample that cannot be published must not use up a seq.
                presence.keep(publisher.parts)
                sample, body, changed = message(sampler.sample())
                for field in changed:
                    if field not in told:
                        log.warning("%s: replaced or left out a value that readers would refuse", field)
                        told.add(field)
                publisher.publish(sample.topic, sample.seq, body)
                log.debug("seq %d: %d bytes", sample.seq, len(body))


if __name__ == "__main__":
    sys.exit(main())
