"""The smaller sensors with arbitrary file contents: no exception, and no number without a source."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.backlight import BrightnessSensor
from sampler.governor import GovernorSensor
from sampler.hwmon import HwmonBattery, NoSuchChip, RailSource
from sampler.mains import MainsSensor
from sampler.rapl import NoRapl, RaplSource
from sampler.rfkill import RadioSensor
from sampler.throttling import ThrottlingSensor
from telemetry.sample import Sample, decode, encode
from tests.sampler.fakes import SetClock
from tests.sampler.test_battery_anything import contents, is_number, numbers, spread
from tests.strategies import sample

Files = dict[str, bytes | str]


class Kind:
    """One sensor: where its files are, their contents, and which of them its reading requires."""

    def __init__(
        self,
        field: str,
        directory: str,
        make: Callable[[Path, SetClock], Any],
        words: dict[str, list[bytes]],
        numeric: tuple[str, ...],
    ) -> None:
        self.field = field
        self.directory = directory
        self.make = make
        self.words = words
        self.numeric = numeric

    def files(self, *, with_numbers: bool) -> st.SearchStrategy[Files]:
        spoiled = contents.filter(lambda content: not is_number(content))
        anything = (numbers | contents) if with_numbers else spoiled
        return st.fixed_dictionaries(
            {},
            optional={word: st.sampled_from(known) | anything for word, known in self.words.items()}
            | dict.fromkeys(self.numeric, anything),
        )


KINDS: Final = [
    Kind(
        "battery",
        "class/hwmon/hwmon0",
        lambda sysfs, clock: HwmonBattery(sysfs, monotonic=clock.monotonic),
        {"name": [b"ina219\n", b"ina226\n"]},
        ("in1_input", "curr1_input", "power1_input"),
    ),
    Kind(
        "source",
        "class/hwmon/hwmon0",
        lambda sysfs, clock: RailSource(sysfs),
        {"name": [b"ina3221\n"], "in2_label": [b"VDD_IN\n"]},
        ("in1_input", "curr1_input", "in2_input", "curr2_input"),
    ),
    Kind(
        "source",
        "class/powercap/intel-rapl:0",
        RaplSource,
        {"name": [b"package-0\n", b"psys\n"]},
        ("energy_uj", "max_energy_range_uj"),
    ),
    Kind(
        "on_ac",
        "class/power_supply/AC",
        lambda sysfs, clock: MainsSensor(sysfs),
        {"type": [b"Mains\n", b"USB\n"]},
        ("online",),
    ),
    Kind(
        "brightness",
        "class/backlight/screen",
        lambda sysfs, clock: BrightnessSensor(sysfs),
        {"type": [b"raw\n"]},
        ("brightness", "max_brightness", "bl_power"),
    ),
    Kind(
        "radios",
        "class/rfkill/rfkill0",
        lambda sysfs, clock: RadioSensor(sysfs),
        {"type": [b"wlan\n"]},
        ("state", "soft", "hard"),
    ),
    Kind(
        "throttled",
        "class/hwmon/hwmon0",
        lambda sysfs, clock: ThrottlingSensor(sysfs, clock.monotonic),
        {"name": [b"rpi_volt\n"]},
        ("in0_lcrit_alarm",),
    ),
    Kind(
        "governor",
        "devices/system/cpu/cpufreq/policy0",
        lambda sysfs, clock: GovernorSensor(sysfs),
        {"scaling_governor": [b"schedutil\n"]},
        (),
    ),
]


def name(kind: Kind) -> str:
    return f"{kind.field}-{kind.directory.split('/')[1]}"


@contextlib.contextmanager
def machine(kind: Kind, files: Files) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        spread(Path(directory) / kind.directory, files)
        yield Path(directory)


def readings(kind: Kind, sysfs: Path, later: Files) -> list[Any]:
    """Return two readings, the second from other files; none if a requested sensor is missing."""
    clock = SetClock()
    try:
        sensor = kind.make(sysfs, clock)
    except (NoSuchChip, NoRapl) as refused:
        assert len(str(refused).splitlines()) == 1  # noqa: PT017
        return []
    seen = [sensor.read()]
    clock.go_on(5)
    for file, content in later.items():
        path = sysfs / kind.directory / file
        if isinstance(content, bytes) and path.is_file() and not path.is_symlink():
            path.write_bytes(content)
    return [*seen, sensor.read()]


@pytest.mark.parametrize("kind", KINDS, ids=name)
@given(data=st.data())
def test_any_content_gives_a_reading_that_readers_accept(kind: Kind, data: st.DataObject) -> None:
    strategy = kind.files(with_numbers=True)
    with machine(kind, data.draw(strategy)) as sysfs:
        for reading in readings(kind, sysfs, data.draw(strategy)):
            it: Sample = sample()._replace(**{kind.field: reading})
            assert decode(encode(it)) == it


@pytest.mark.parametrize("kind", KINDS[:-1], ids=name)
@given(data=st.data())
def test_no_number_comes_without_a_source(kind: Kind, data: st.DataObject) -> None:
    strategy = kind.files(with_numbers=False)
    with machine(kind, data.draw(strategy)) as sysfs:
        for reading in readings(kind, sysfs, data.draw(strategy)):
            assert reading is None or (kind.field == "battery" and reading[1:6] == (None,) * 5)
