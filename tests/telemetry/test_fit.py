"""Every reader accepts what the sampler publishes, whatever values the sensors and the system gave."""

from __future__ import annotations

import math
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.fit import message
from telemetry.sample import (
    MAX_BYTES,
    Battery,
    BatteryPack,
    Cpu,
    Health,
    PowerSource,
    Process,
    Sample,
    decode,
)
from tests.strategies import sample, samples

WILD_NUMBER: Final[st.SearchStrategy[Any]] = st.one_of(
    st.floats(), st.integers(), st.sampled_from([math.nan, math.inf, -math.inf, 1e300, -1e-9, 10**400])
)
WILD_TEXT: Final = st.one_of(
    st.text(st.characters(), max_size=8),  # with lone surrogates
    st.sampled_from(["", "caf\udce9", "\ud800", "é" * 5000, "\x00" * 4097]),
)


def or_none(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


def long_too(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Short tuples, and sometimes one that is longer than a list may be."""
    return st.lists(values, max_size=5).map(tuple) | values.map(lambda value: (value,) * 4097)


NUMBER: Final = or_none(WILD_NUMBER)
TEXT: Final = or_none(WILD_TEXT)
RAW: Final = or_none(st.dictionaries(WILD_TEXT, WILD_TEXT, max_size=3))
INTEGER: Final = st.integers()
PACK: Final = st.builds(BatteryPack, WILD_TEXT, TEXT, NUMBER, NUMBER, NUMBER, NUMBER, RAW, NUMBER)
HEALTH: Final = st.builds(Health, NUMBER, NUMBER, TEXT, or_none(INTEGER))
BATTERY: Final = st.builds(
    Battery,
    *(TEXT, TEXT, NUMBER, NUMBER, NUMBER, NUMBER),
    method=TEXT,
    raw=RAW,
    packs=or_none(st.lists(PACK, max_size=4).map(tuple)),
    health=or_none(HEALTH),
    level=NUMBER,
)
PROCESS: Final = st.builds(Process, INTEGER, INTEGER, WILD_TEXT, WILD_NUMBER, NUMBER, NUMBER)
WILD: Final = st.builds(
    Sample,
    host=WILD_TEXT,
    boot_id=WILD_TEXT,
    run=WILD_TEXT,
    seq=INTEGER,
    ts=INTEGER,
    time=WILD_NUMBER,
    interval=WILD_NUMBER,
    suspended=WILD_NUMBER,
    battery=or_none(BATTERY),
    cpu=st.builds(Cpu, NUMBER, long_too(NUMBER), NUMBER, NUMBER, NUMBER),
    load=st.tuples(NUMBER, NUMBER, NUMBER),
    processes=st.lists(PROCESS, max_size=5).map(tuple),
    source=or_none(st.builds(PowerSource, WILD_TEXT, WILD_NUMBER, NUMBER, NUMBER, st.booleans())),
    on_ac=or_none(st.booleans()),
    governor=TEXT,
    brightness=NUMBER,
    radios=or_none(st.dictionaries(WILD_TEXT, st.booleans(), max_size=3)),
    throttled=or_none(st.lists(WILD_TEXT, max_size=4).map(tuple)),
)
"""Samples in which each field may have a value that readers refuse or one that they accept."""


@given(WILD)
def test_any_sensor_values_are_published_and_accepted(it: Sample) -> None:
    made = message(it)
    taken = decode(made.body)
    assert taken == made.sample
    assert len(made.body) <= MAX_BYTES
    assert made.sample.topic.encode().startswith(b"sample/")
    assert message(taken).changed == ()


@given(samples)
def test_values_that_readers_accept_are_not_changed(it: Sample) -> None:
    made = message(it)
    assert (made.sample, made.changed) == (it, ())
    assert decode(made.body) == it


def changed(**fields: Any) -> tuple[Sample, tuple[str, ...]]:
    made = message(sample()._replace(**fields))
    assert decode(made.body) == made.sample
    return made.sample, made.changed


@pytest.mark.parametrize(
    ("host", "published"),
    [("", "unknown"), ("caf\udce9", "caf\ufffd"), ("x" * 5000, "x" * 4096), ("\udcff", "\ufffd")],
)
def test_a_host_name_that_is_empty_long_or_not_utf8_is_replaced(host: str, published: str) -> None:
    it, fields = changed(host=host)
    assert (it.host, fields) == (published, ("host",))
    assert it.topic == f"sample/{published}/"


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.5, 100.5])
def test_only_a_number_out_of_bounds_becomes_not_available(value: float) -> None:
    before = sample()
    assert before.battery
    it, fields = changed(battery=before.battery._replace(pct=value))
    assert fields == ("battery.pct",)
    assert it == before._replace(battery=before.battery._replace(pct=None))


def test_a_process_or_source_without_a_required_value_is_left_out() -> None:
    good, bad = Process(1, 2, "a", 1.5, 0.5), Process(2, 2, "b", math.nan, 0.5)
    it, fields = changed(processes=(good, bad, good), source=PowerSource("rapl", math.inf))
    assert (it.processes, it.source) == ((good,), None)
    assert set(fields) == {"processes.cpu", "processes", "source.power"}


def test_more_cores_than_a_list_may_have_are_cut() -> None:
    it, fields = changed(cpu=Cpu(1.0, (0.5,) * 4097))
    assert (it.cpu, fields) == (Cpu(1.0, (0.5,) * 4096), ("cpu.cores",))


def test_required_numbers_are_clamped_to_their_bounds() -> None:
    it, _ = changed(interval=0.0, suspended=math.inf, time=math.nan, seq=0, ts=-1)
    assert (it.interval, it.suspended, it.time, it.seq, it.ts) == (1e-6, 253402300800.0, 0.0, 1, 0)


def test_a_message_that_is_too_long_is_cut_until_it_fits() -> None:
    processes = tuple(Process(pid, 2, "\x01" * 4096, 1.5, 0.5) for pid in range(1000))
    it, fields = changed(processes=processes)
    assert "processes.name" in fields
    assert len(it.processes) >= 100
    assert it.cpu == sample().cpu
