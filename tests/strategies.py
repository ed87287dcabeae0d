"""Hypothesis strategies for samples, and the number of examples.

A property that benefits from more examples has two tests: one takes a second and tries the same examples
each time, and one marked ``slow`` tries new ones.
"""

from __future__ import annotations

from typing import Final, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from telemetry.sample import (
    END_OF_TIME,
    LARGEST,
    MAX_TEXT,
    Battery,
    BatteryPack,
    Cpu,
    Health,
    PowerSource,
    Process,
    Sample,
)

T = TypeVar("T")

_SLOW_TO_DRAW: Final = [HealthCheck.too_slow, HealthCheck.data_too_large]
QUICK: Final = settings(
    max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=_SLOW_TO_DRAW
)


def times(factor: int) -> settings:
    """Draw ``factor`` times the profile's examples (tests/conftest.py): for cheap properties."""
    return settings(max_examples=factor * settings().max_examples)


def at_most(examples: int) -> settings:
    """Draw at most this many examples in any profile: for properties that make a database each time."""
    return settings(max_examples=min(examples, settings().max_examples))


BIGGEST: Final = (1 << 63) - 1


def numbers(least: float, most: float) -> st.SearchStrategy[float]:
    """Finite floats, including the bounds."""
    return st.floats(least, most, allow_nan=False, allow_infinity=False)


def or_none(values: st.SearchStrategy[T]) -> st.SearchStrategy[T | None]:
    return st.none() | values


def texts(shortest: int = 0) -> st.SearchStrategy[str]:
    """Any text that UTF-8 can encode, sometimes of the maximum length."""
    return st.text(min_size=shortest, max_size=12) | st.sampled_from(["é" * MAX_TEXT, "\x00\n\"\\'/€🔋"])


counts: Final = st.integers(0, BIGGEST)
shares: Final = numbers(0.0, 400.0) | numbers(0.0, 1e12)
electrical: Final = numbers(-50.0, 50.0) | numbers(-LARGEST, LARGEST)
percents: Final = numbers(0.0, 100.0)
raw: Final = st.dictionaries(texts(), texts(), max_size=3)

packs: Final = st.builds(
    BatteryPack,
    name=texts(),
    status=or_none(texts()),
    voltage=or_none(electrical),
    current=or_none(electrical),
    power=or_none(electrical),
    pct=or_none(percents),
    raw=or_none(raw),
    level=or_none(numbers(0.0, LARGEST)),
)
healths: Final = st.builds(
    Health,
    full=or_none(numbers(0.0, LARGEST)),
    design=or_none(numbers(0.0, LARGEST)),
    unit=or_none(st.sampled_from(["Ah", "Wh"])),
    cycles=or_none(counts),
)
batteries: Final = st.builds(
    Battery,
    name=or_none(texts()),
    status=or_none(st.sampled_from(["Charging", "Discharging", "Full"]) | texts()),
    voltage=or_none(electrical),
    current=or_none(electrical),
    power=or_none(electrical),
    pct=or_none(percents),
    method=or_none(st.sampled_from(["power_now", "voltage*current", "slope"]) | texts()),
    raw=or_none(raw),
    packs=or_none(st.lists(packs, max_size=3, unique_by=lambda pack: pack.name).map(tuple)),
    health=or_none(healths),
    level=or_none(numbers(0.0, LARGEST)),
)
sources: Final = st.builds(
    PowerSource,
    name=texts(),
    power=electrical,
    voltage=or_none(electrical),
    current=or_none(electrical),
    estimate=st.booleans(),
)
cpus: Final = st.builds(
    Cpu,
    total=or_none(shares),
    cores=st.lists(or_none(shares), max_size=8).map(tuple),
    freq=or_none(shares),
    temp=or_none(numbers(-1e12, 1e12)),
    unowned=or_none(shares),
)
processes: Final = st.builds(
    Process,
    pid=counts,
    start=counts,
    name=texts(),
    cpu=shares,
    mem=or_none(shares),
    children=or_none(shares),
    app=or_none(texts(1)),
    user=or_none(texts(1)),
)
samples: Final = st.builds(
    Sample,
    host=texts(1),
    boot_id=texts(),
    run=texts(1),
    seq=st.integers(1, BIGGEST),
    ts=st.integers(0, int(END_OF_TIME) - 1),
    time=numbers(0.0, END_OF_TIME - 1),
    interval=numbers(1e-6, LARGEST),
    suspended=numbers(0.0, END_OF_TIME),
    battery=or_none(batteries),
    cpu=cpus,
    load=st.tuples(or_none(shares), or_none(shares), or_none(shares)),
    processes=st.lists(processes, max_size=4, unique_by=lambda process: process.pid).map(tuple),
    source=or_none(sources),
    on_ac=or_none(st.booleans()),
    governor=or_none(texts()),
    brightness=or_none(percents),
    radios=or_none(
        st.dictionaries(st.sampled_from(["wlan", "bluetooth"]) | texts(), st.booleans(), max_size=3)
    ),
    throttled=or_none(st.lists(texts(), max_size=3).map(tuple)),
)
"""Every sample that the contract allows, including the bounds; only the longest lists are left out."""


def sample(run: str = "run", seq: int = 1, *, interval: float = 5.0, name: str = "a") -> Sample:
    """Return an ordinary small sample."""
    return Sample(
        host="pi4",
        boot_id="boot",
        run=run,
        seq=seq,
        ts=1_800_000_000 + seq,
        time=1_800_000_000.25 + seq,
        interval=interval,
        suspended=0.0,
        battery=Battery("BAT0", "Discharging", 12.0, -0.5, -6.0, 50.0),
        cpu=Cpu(10.0, (5.0, 15.0)),
        load=(0.5, 0.25, 0.125),
        processes=(Process(1, 2, name, 1.5, 0.5),),
    )
