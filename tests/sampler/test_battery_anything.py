"""Whatever the files contain, the sensor returns a battery that every reader accepts."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampler.battery import PowerSupplySensor
from tests.sampler.fakes import SetClock
from tests.sampler.supplies import over_the_wire

QUANTITIES = {
    "voltage": ("voltage_now", "voltage_avg"),
    "current": ("current_now", "current_avg"),
    "power": ("power_now", "power_avg"),
    "pct": ("capacity", "charge_now", "charge_avg", "energy_now", "energy_avg"),
}
NUMBERS = [
    *(name for names in QUANTITIES.values() for name in names),
    "charge_full",
    "energy_full",
    "present",
]
WORDS = {
    "type": [b"Battery\n", b"Unknown\n", b"Mains\n", b"battery"],
    "scope": [b"System\n", b"Device\n"],
    "status": [b"Discharging\n", b"Charging\n", b"Full\n", b"Not charging\n", b"Unknown\n"],
    "online": [b"0\n", b"1\n"],
}

ODD = [
    b"",
    b"\n",
    b"nan",
    b"inf",
    b"-Infinity",
    b"1e400",
    b"0x10",
    b"1_0",
    b"--1",
    b"+1",
    b"-",
    b"5\0",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    "٣".encode(),
    "²".encode(),
    b"<unknown>",
    str(10**30).encode(),
    str(-(10**30)).encode(),
    b"9" * 400,
    b"9" * 4096,
    b"7" * 5000,
    b"1" * (1 << 20),
]
FAULTS = ["missing", "directory", "fifo", "loop", "gone", "eio", "endless"]

numbers = (
    st.integers(-(1 << 70), 1 << 70)
    | st.integers(-100_000_000, 100_000_000)
    | st.integers(-2, 102)
    | st.sampled_from([0, 10**6, 12 * 10**6, 65535000, 1 << 31, 1 << 63])
).map(lambda number: b"%d\n" % number)
faults = st.sampled_from(FAULTS)
contents = st.binary(max_size=20) | st.sampled_from(ODD) | faults


def supplies(*, numeric: bool) -> st.SearchStrategy[dict[str, bytes | str]]:
    """Return the attributes of one supply, mostly a battery: bytes, or the name of a fault."""
    numbers_here = (
        (numbers | contents) if numeric else contents.filter(lambda content: not is_number(content))
    )
    words = {name: st.sampled_from(known) | contents for name, known in WORDS.items()}
    words["type"] = st.sampled_from([b"Battery\n"] * 9 + WORDS["type"]) | contents
    return st.fixed_dictionaries({}, optional=dict.fromkeys(NUMBERS, numbers_here) | words)


def is_number(content: bytes | str) -> bool:
    """Return whether it is a single decimal integer, by another method than the sensor's."""
    if isinstance(content, str) or len(content) > 4096:
        return False
    text = content.strip()
    return text.removeprefix(b"-").isdigit()


def spread(directory: Path, attributes: dict[str, bytes | str]) -> None:
    directory.mkdir(parents=True)
    for name, content in attributes.items():
        path = directory / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif content == "directory":
            path.mkdir()
        elif content == "fifo":
            os.mkfifo(path)
        elif content != "missing":
            target = {"loop": name, "gone": "gone", "eio": "/proc/self/mem", "endless": "/dev/zero"}
            path.symlink_to(target[content])


@pytest.fixture(autouse=True, scope="module")
def _nothing_hangs() -> Iterator[None]:
    def fail(_signal: int, _frame: FrameType | None) -> None:
        pytest.fail("a read blocked")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(3 * settings().max_examples)  # far more than necessary
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@given(machine=st.lists(supplies(numeric=True), max_size=3), forced=st.booleans())
def test_any_content_gives_a_battery_that_readers_accept(
    machine: list[dict[str, bytes | str]], forced: bool
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / "class" / "power_supply"
        for number, attributes in enumerate(machine):
            spread(root / f"BAT{number}", attributes)
        sensor = PowerSupplySensor(Path(directory), "BAT0" if forced and machine else "auto")
        battery = sensor.read()
        assert all(len(line.splitlines()) == 1 for line in sensor.explain())
    assert over_the_wire(battery) == battery
    if battery is None:
        return
    assert battery.name in {f"BAT{number}" for number in range(len(machine))}
    assert battery.voltage is None or 1 <= battery.voltage <= 100
    assert battery.power is None or abs(battery.power) <= 500
    assert battery.current is None or abs(battery.current) <= 500
    if len(machine) == 1:
        sign = {"Discharging": -1, "Charging": 1}.get(battery.status or "", 0)
        for value in (battery.current, battery.power):
            assert value is None or value * sign >= 0
            assert str(value) != "-0.0"
        if battery.current is not None and battery.power is not None:
            assert battery.voltage is not None or any(
                is_number(machine[0].get(name, b"")) for name in QUANTITIES["power"]
            )


@given(attributes=supplies(numeric=False))
def test_no_number_comes_without_a_source(attributes: dict[str, bytes | str]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        spread(Path(directory) / "class" / "power_supply" / "BAT0", {**attributes, "type": b"Battery"})
        battery = PowerSupplySensor(Path(directory), "BAT0").read()
    assert battery is not None
    assert battery[2:6] == (None, None, None, None)


@given(attributes=supplies(numeric=True), quantity=st.sampled_from(sorted(QUANTITIES)), data=st.data())
def test_each_quantity_needs_its_own_number(
    attributes: dict[str, bytes | str], quantity: str, data: st.DataObject
) -> None:
    spoiled = contents.filter(lambda content: not is_number(content))
    taken = {name: data.draw(spoiled) for name in QUANTITIES[quantity]}
    with tempfile.TemporaryDirectory() as directory:
        spread(Path(directory) / "class" / "power_supply" / "BAT0", attributes | taken)
        battery = PowerSupplySensor(Path(directory), "BAT0").read()
    if battery is not None:
        made_of = {
            "voltage": battery.voltage,
            "pct": battery.pct,
            # The other two may replace these.
            "current": None if battery.power is not None and battery.voltage is not None else battery.current,
            "power": None if battery.current is not None and battery.voltage is not None else battery.power,
        }
        assert made_of[quantity] is None


@given(
    states=st.lists(
        st.tuples(supplies(numeric=True), st.sampled_from([0.0, 5.0, 65.0, 4000.0]), st.booleans()),
        min_size=2,
        max_size=5,
    ),
    content=st.lists(st.integers(0, 60_000_000), min_size=5, max_size=5),
)
def test_any_content_over_time_gives_batteries_that_readers_accept(
    states: list[tuple[dict[str, bytes | str], float, bool]], content: list[int]
) -> None:
    """Slopes, signs and wear are remembered between readings, whatever these contain."""
    clock = SetClock()
    with tempfile.TemporaryDirectory() as directory:
        supply = Path(directory) / "class" / "power_supply" / "BAT0"
        sensor = PowerSupplySensor(Path(directory), clock=clock)
        for (attributes, seconds, asleep), energy in zip(states, content, strict=False):
            shutil.rmtree(supply, ignore_errors=True)
            spread(supply, {"energy_now": b"%d" % energy, **attributes, "type": b"Battery"})
            battery = sensor.read()
            assert over_the_wire(battery) == battery
            if battery is not None:
                assert battery.power is None or abs(battery.power) <= 500
                assert (battery.power is None) == (battery.method is None)
                assert battery.status != "Discharging" or (battery.power or 0) <= 0
            clock.go_on(seconds)
            clock.asleep += 100.0 * asleep
