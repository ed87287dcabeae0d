"""``telemetry-query live``: the stream on the terminal, a table that refreshes in place, or JSON lines.

The newest sample of the ring comes at once, so nobody waits an interval for the first picture.
"""

from __future__ import annotations

import select
import shutil
import sys
import time
from collections.abc import Iterator

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
from query.render import rendered
from query.values import cell, shown_time
from query.width import cut
from telemetry.command import printable, say
from telemetry.sample import Battery, Sample, decode
from telemetry.service import StopSignal
from telemetry.stream.joiner import Gap, Start
from telemetry.stream.subscriber import Subscriber

FORMATS = ("table", "json")
_HOME_AND_CLEAR = "\x1b[H\x1b[J"
_SAY_THAT_IT_WAITS = 3.0
"""s without a sample after which standard error says so, where there is no screen to say it on"""
_LOOK_AT_OUTPUT = 1.0
"""s; a reader that has gone is noticed so soon, and not at the next sample"""


class _Published(Sample):
    """A sample and the message that it came in: JSON lines have the fields of newer samplers too."""

    body: bytes


def _published(body: bytes) -> _Published:
    sample = _Published(*decode(body))
    sample.body = body
    return sample


def show(subscribe: str, replay: str, form: str, limit: int) -> None:
    """Show samples until SIGINT, SIGTERM or SIGHUP, or until nobody reads; ``limit`` processes of each.

    Raises UserError where this user may not read the stream, BrokenPipeError where the reader has gone.
    """
    in_place = form == "table" and sys.stdout.isatty()
    begun = time.monotonic()
    with StopSignal() as stop, Subscriber(subscribe, replay, Start.NEWEST, decode=_published) as subscriber:
        if in_place:
            sys.stdout.write(f"{_HOME_AND_CLEAR}Waiting for the sampler at {printable(subscribe)}\n")
            sys.stdout.flush()
        is_told = in_place
        while not stop.requested:
            items = subscriber.receive(_LOOK_AT_OUTPUT, [stop])
            if not (items or is_told) and time.monotonic() - begun >= _SAY_THAT_IT_WAITS:
                say("telemetry-query", f"waiting for the sampler at {subscribe}")
                is_told = True
            is_told = is_told or bool(items)
            for item in items:
                sys.stdout.write(_text(item, form, limit, in_place=in_place))
                sys.stdout.flush()
            if _nobody_reads():
                raise BrokenPipeError


def _nobody_reads() -> bool:
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _text(item: Sample | Gap, form: str, limit: int, *, in_place: bool) -> str:
    if isinstance(item, Gap):  # on standard error: JSON lines are samples
        print(f"telemetry-query: lost: samples {item.first} to {item.last} of a run", file=sys.stderr)
        return ""
    if form == "json" and isinstance(item, _Published):
        # Another program's message may be laid out for people: a line end is never inside a text.
        return item.body.decode().replace("\r", " ").replace("\n", " ") + "\n"
    size = shutil.get_terminal_size()
    lines = [cut(line, size.columns) for line in _lines(item, limit, size.columns)]
    if in_place:
        return _HOME_AND_CLEAR + "\n".join(lines[: size.lines - 1]) + "\n"
    return "\n".join(lines) + "\n\n"


def _lines(sample: Sample, limit: int, width: int) -> Iterator[str]:
    """A screen for people: one line a part of the sample, and the table of its processes."""
    yield f"{printable(sample.host)}  {shown_time(sample.time)}  sample {sample.seq}"
    yield "  ".join(filter(None, ["battery", _battery(sample.battery), _supply(sample)]))
    cpu = sample.cpu
    figures = [_figure(cpu.total, CPU_TOTAL), _figure(cpu.freq, CPU_FREQ), _figure(cpu.temp, CPU_TEMP)]
    load = " ".join(cell(average, LOAD1) for average in sample.load)
    held_back = f"held back: {', '.join(map(printable, sample.throttled))}" if sample.throttled else ""
    yield "  ".join(filter(None, ["cpu     ", *figures, f"load {load}", held_back]))
    yield "  ".join(["cores   ", *(cell(usage, Column("", "%", "", 0)) for usage in sample.cpu.cores)])
    yield ""
    rows = [
        (process.pid, process.name, process.cpu, process.mem, process.children)
        for process in sample.processes[:limit]
    ]
    yield from "".join(rendered((PID, NAME, CPU, MEM, CHILDREN), rows, "table", width=width)).splitlines()


def _battery(battery: Battery | None) -> str:
    if battery is None:
        return "none"
    figures = [
        _figure(battery.pct, BATTERY_PCT),
        printable(battery.status or ""),
        _flow(battery.power, WATTS),
        _figure(battery.voltage, Column("", "V", "", 2)),
        _flow(battery.current, Column("", "A", "", 2)),
        *(f"{printable(pack.name)} {_figure(pack.pct, BATTERY_PCT) or '-'}" for pack in battery.packs or ()),
    ]
    return "  ".join(filter(None, figures))


def _flow(value: float | None, column: Column) -> str:
    """Power or current without its sign, as reports have it, and its direction."""
    if not value:
        return _figure(value, column)
    return f"{_figure(abs(value), column)} {'in' if value > 0 else 'out'}"


def _supply(sample: Sample) -> str:
    """What feeds the machine beside its battery."""
    parts = [] if sample.on_ac is None else ["mains" if sample.on_ac else "no mains"]
    if source := sample.source:
        more = " and more" if source.estimate else ""
        parts.append(f"{printable(source.name)} {_figure(source.power, WATTS)}{more}")
    return "  ".join(parts)


def _figure(value: float | None, column: Column) -> str:
    return "" if value is None else f"{cell(value, column)} {column.unit}"


def default_endpoints() -> tuple[str, str]:
    """Return where the sampler of this machine publishes and replays."""
    from telemetry import places  # noqa: PLC0415

    directory = places.readers_directory()
    return places.publish_endpoint(directory), places.replay_endpoint(directory)
