"""``telemetry-query live``: the stream on a screen of the terminal, as text blocks, or as JSON lines.

The newest sample of the ring is shown immediately, so nobody waits an interval for the first screen.
"""

from __future__ import annotations

import select
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from query.access import default_database, keys_of
from query.ahead import Ahead
from query.columns import (
    BATTERY_PCT,
    CHILDREN,
    CPU,
    CPU_FREQ,
    CPU_TEMP,
    CPU_TOTAL,
    LOAD1,
    MEM,
    NAME,
    PID,
    WATTS,
    Column,
)
from query.render import Look, rendered
from query.screen import Screen
from query.values import cell, shown_time
from query.width import cut, display_width
from telemetry.command import printable, say
from telemetry.sample import Battery, Sample, decode
from telemetry.service import StopSignal
from telemetry.stream.joiner import Gap, Start
from telemetry.stream.keys import ClientKeys, is_tcp
from telemetry.stream.subscriber import Subscriber

FORMATS = ("table", "json")
_SAY_THAT_IT_WAITS = 3.0
"""s without a sample after which standard error says so, if there is no screen"""
_LOOK_AT_OUTPUT = 1.0
"""s within which a closed reader or a resized terminal is noticed, without waiting for a sample"""


class _Published(Sample):
    """A sample and the message that it came in: JSON lines have the fields of newer samplers too."""

    body: bytes


def _published(body: bytes) -> _Published:
    sample = _Published(*decode(body))
    sample.body = body
    return sample


class View(NamedTuple):
    """What is shown of a sample."""

    form: str
    """table or json"""
    limit: int
    """Processes in the table"""
    ahead: Ahead

    def lines(self, sample: Sample, width: int) -> list[str]:
        """Return the lines of a table."""
        return [cut(line, width) for line in _lines(sample, self.limit, width, self.ahead)]


def run(given: Mapping[str, Any], now: float) -> None:
    """Run ``telemetry-query live`` with the system's clock."""
    subscribe, replay = default_endpoints()
    ahead = Ahead(given["db"] or default_database())
    endpoints = (given["subscribe"] or subscribe, given["replay"] or replay)
    show(endpoints, keys_of(given, endpoints), View(given["format"], given["limit"], ahead))


def show(endpoints: tuple[str, str], keys: ClientKeys | None, view: View) -> None:
    """Show samples until SIGINT, SIGTERM or SIGHUP, the key q, or until the reader has gone.

    ``endpoints``: of the live stream and of the replay; ``keys`` are for those of ``tcp://``. Raises
    UserError if this user may not read the stream, BrokenPipeError if the reader has gone.
    """
    with (
        StopSignal() as stop,
        Subscriber(*endpoints, Start.NEWEST, decode=_published, keys=keys) as subscriber,
    ):
        run = _on_screen if view.form == "table" and sys.stdout.isatty() else _as_lines
        run(subscriber, stop, endpoints[0], view)


def _as_lines(subscriber: Subscriber, stop: StopSignal, subscribe: str, view: View) -> None:
    begun = time.monotonic()
    is_told = False
    while not stop.requested:
        items = subscriber.receive(_LOOK_AT_OUTPUT, [stop])
        if not (items or is_told) and time.monotonic() - begun >= _SAY_THAT_IT_WAITS:
            say("telemetry-query", waiting(subscribe))
            is_told = True
        is_told = is_told or bool(items)
        for item in items:
            if isinstance(item, Gap):  # on standard error: JSON lines are samples
                say("telemetry-query", _lost(item))
            elif view.form == "json" and isinstance(item, _Published):
                # Another program's message may be laid out for people: a line end is never inside a text.
                sys.stdout.write(item.body.decode().replace("\r", " ").replace("\n", " ") + "\n")
            else:
                lines = view.lines(item, shutil.get_terminal_size().columns)
                sys.stdout.write("\n".join(lines) + "\n\n")
            sys.stdout.flush()
        if _nobody_reads():
            raise BrokenPipeError


def _on_screen(subscriber: Subscriber, stop: StopSignal, subscribe: str, view: View) -> None:
    newest: Sample | None = None
    items: list[Sample | Gap] = []
    lost = ""
    before = None
    with Screen() as screen:
        while not stop.requested:
            size = screen.size
            for item in items:
                newest, lost = (newest, _lost(item)) if isinstance(item, Gap) else (item, lost)
            if items or size != before:
                told = [cut(f"Waiting for the sampler at {printable(subscribe)}", size.columns)]
                lines = view.lines(newest, size.columns) if newest else told
                screen.show([*lines[: size.lines - 2], cut(lost or "q ends this", size.columns)])
                before = size
            items = subscriber.receive(_LOOK_AT_OUTPUT, [stop, *screen.keyboard()])
            if screen.key().lower().startswith("q"):
                return
            if _nobody_reads():
                raise BrokenPipeError


def waiting(where: str) -> str:
    """Return what is said while nothing comes from the sampler at ``where``."""
    hint = "; it sends only to keys that its --clients lists" if is_tcp(where) else ""
    return f"waiting for the sampler at {where}{hint}"


def _lost(gap: Gap) -> str:
    return f"lost: samples {gap.first} to {gap.last} of a run"


def _nobody_reads() -> bool:
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _lines(sample: Sample, limit: int, width: int, ahead: Ahead) -> Iterator[str]:
    """A screen for people: one line a part of the sample, and the table of its processes."""
    yield f"{printable(sample.host)}  {shown_time(sample.time)}  sample {sample.seq}"
    yield _fitted(["battery", *_battery(sample.battery), *_supply(sample)], width)
    yield from ahead.lines(sample.battery)
    cpu = sample.cpu
    figures = [_figure(cpu.total, CPU_TOTAL), _figure(cpu.freq, CPU_FREQ), _figure(cpu.temp, CPU_TEMP)]
    load = " ".join(cell(average, LOAD1) for average in sample.load)
    held_back = f"held back: {', '.join(map(printable, sample.throttled))}" if sample.throttled else ""
    yield _fitted(["cpu     ", *figures, held_back, f"load {load}"], width)
    yield _fitted(["cores   ", *(cell(usage, Column("", "%", "", 0)) for usage in sample.cpu.cores)], width)
    yield ""
    rows = [
        (process.pid, process.name, process.cpu, process.mem, process.children)
        for process in sample.processes[:limit]
    ]
    table = rendered((PID, NAME, CPU, MEM, CHILDREN), rows, "table", Look(width))
    yield from "".join(table).splitlines()


def _fitted(parts: Iterable[str], width: int) -> str:
    """Return a line of parts. Parts that do not fit are left out whole: half a number misleads."""
    line = ""
    for part in filter(None, parts):
        longer = f"{line}  {part}" if line else part
        if display_width(longer) > width:
            break
        line = longer
    return line


def _battery(battery: Battery | None) -> Iterator[str]:
    """Yield what is known of the battery, what matters most first."""
    if battery is None:
        yield "none"
        return
    yield _figure(battery.pct, BATTERY_PCT)
    yield printable(battery.status or "")
    yield _flow(battery.power, WATTS)
    yield _figure(battery.voltage, Column("", "V", "", 2))
    yield _flow(battery.current, Column("", "A", "", 2))
    for pack in battery.packs or ():
        yield f"{printable(pack.name)} {_figure(pack.pct, BATTERY_PCT) or '-'}"


def _flow(value: float | None, column: Column) -> str:
    """Power or current without its sign, as reports have it, and its direction."""
    if not value:
        return _figure(value, column)
    return f"{_figure(abs(value), column)} {'in' if value > 0 else 'out'}"


def _supply(sample: Sample) -> Iterator[str]:
    """Yield the power sources other than the battery."""
    if sample.on_ac is not None:
        yield "mains" if sample.on_ac else "no mains"
    if source := sample.source:
        more = " and more" if source.estimate else ""
        yield f"{printable(source.name)} {_figure(source.power, WATTS)}{more}"


def _figure(value: float | None, column: Column) -> str:
    return "" if value is None else f"{cell(value, column)} {column.unit}"


def default_endpoints() -> tuple[str, str]:
    """Return the endpoints at which this machine's sampler publishes and replays."""
    from telemetry import places  # noqa: PLC0415

    directory = places.readers_directory()
    return places.publish_endpoint(directory), places.replay_endpoint(directory)
