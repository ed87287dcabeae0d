"""CPU temperature: the choice of the zone, parsing, and zones that disappear."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.thermal import TemperatureSensor, parse_temperature
from telemetry.sample import Cpu, Sample, decode, encode

RECORDED = Path(__file__).parent.parent / "data" / "sysfs"


def write_zone(sysfs: Path, number: int, kind: str, temp: str | int) -> Path:
    zone = sysfs / "class" / "thermal" / f"thermal_zone{number}"
    zone.mkdir(parents=True, exist_ok=True)
    (zone / "type").write_text(f"{kind}\n")
    (zone / "temp").write_text(f"{temp}\n")
    return zone


def test_the_recorded_raspberry_pi() -> None:
    assert TemperatureSensor(RECORDED).read() == 49.925


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("cpu-thermal", "x86_pkg_temp"),
        ("cpu_thermal", "soc_thermal"),
        ("bcm2835_thermal", "x86_pkg_temp"),
        ("x86_pkg_temp", "TCPU"),
        ("x86_pkg_temp", "acpitz"),
        ("cpu0-thermal", "soc-thermal"),
        ("cpu-1-0-usr", "acpitz"),
        ("bigcore0-thermal", "soc-thermal"),
        ("cluster1_thermal", "acpitz"),
        ("soc-thermal", "acpitz"),
        ("package-thermal", "acpitz"),
        ("B0D4", "acpitz"),
        ("acpitz", "iwlwifi_1"),
        ("acpitz", "battery"),
        ("cpu-thermal", "gpu-thermal"),
    ],
)
def test_the_zone_is_chosen_by_type(tmp_path: Path, better: str, worse: str) -> None:
    write_zone(tmp_path / "a", 0, better, 40000)
    write_zone(tmp_path / "a", 1, worse, 90000)
    write_zone(tmp_path / "b", 0, worse, 90000)
    write_zone(tmp_path / "b", 1, better, 40000)
    assert TemperatureSensor(tmp_path / "a").read() == 40
    assert TemperatureSensor(tmp_path / "b").read() == 40


@pytest.mark.parametrize("kind", ["iwlwifi_1", "battery", "gpu-thermal", "pch_skylake", "", "my-cpu-thermal"])
def test_no_zone_belongs_to_the_cpu(tmp_path: Path, kind: str) -> None:
    write_zone(tmp_path, 0, kind, 50000)
    assert TemperatureSensor(tmp_path).read() is None


def test_no_zone_at_all(tmp_path: Path) -> None:
    assert TemperatureSensor(tmp_path).read() is None


def test_of_zones_with_the_same_type_the_lowest_number_is_chosen(tmp_path: Path) -> None:
    write_zone(tmp_path, 10, "cpu0-thermal", 60000)
    write_zone(tmp_path, 9, "cpu1-thermal", 50000)
    assert TemperatureSensor(tmp_path).read() == 50


def test_a_zone_that_cannot_be_read_is_not_chosen(tmp_path: Path) -> None:
    zone = write_zone(tmp_path, 0, "cpu-thermal", "")
    write_zone(tmp_path, 1, "acpitz", 30000)
    sensor = TemperatureSensor(tmp_path)
    assert sensor.read() == 30
    (zone / "temp").write_text("50000\n")
    assert sensor.read() == 30  # one series, one zone
    assert TemperatureSensor(tmp_path).read() == 50


def test_a_zone_that_fails_sometimes_is_kept(tmp_path: Path) -> None:
    zone = write_zone(tmp_path, 0, "cpu-thermal", 50000)
    write_zone(tmp_path, 1, "acpitz", 30000)
    sensor = TemperatureSensor(tmp_path)
    assert sensor.read() == 50
    (zone / "temp").unlink()
    assert sensor.read() is None
    (zone / "temp").write_text("51000\n")
    assert sensor.read() == 51


def test_a_zone_that_disappears_is_searched_again(tmp_path: Path) -> None:
    zone = write_zone(tmp_path, 0, "cpu-thermal", 50000)
    write_zone(tmp_path, 1, "acpitz", 30000)
    sensor = TemperatureSensor(tmp_path)
    assert sensor.read() == 50
    zone.rename(zone.with_name("thermal_zone7"))
    assert sensor.read() == 50
    (tmp_path / "class/thermal/thermal_zone7").rename(tmp_path / "gone")
    assert sensor.read() == 30


def test_a_zone_number_that_now_belongs_to_another_zone(tmp_path: Path) -> None:
    write_zone(tmp_path, 0, "cpu-thermal", 50000)
    sensor = TemperatureSensor(tmp_path)
    assert sensor.read() == 50
    write_zone(tmp_path, 0, "iwlwifi_1", 70000)
    assert sensor.read() is None
    write_zone(tmp_path, 1, "cpu-thermal", 52000)
    assert sensor.read() == 52


def test_a_zone_that_appears_later(tmp_path: Path) -> None:
    sensor = TemperatureSensor(tmp_path)
    assert sensor.read() is None
    write_zone(tmp_path, 0, "x86_pkg_temp", 50000)
    assert sensor.read() == 50


@pytest.mark.parametrize(
    ("text", "celsius"),
    [
        ("49925", 49.925),
        ("-44000", -44),
        ("0", 0),
        ("-100000", -100),
        ("-100001", None),
        ("250000", 250),
        ("250001", None),
        ("-274000", None),  # the kernel's "no reading"
        ("-273150", None),  # 0 K of an ACPI firmware
        ("49.9", None),
        ("nan", None),
        ("1e400", None),
        ("1" * 5000, None),
        ("1_000", None),
        ("٣", None),
        ("50000\n40000", None),
        (None, None),
    ],
)
def test_millidegrees(text: str | None, celsius: float | None) -> None:
    assert parse_temperature(text) == celsius


def test_a_fifo_does_not_block(tmp_path: Path) -> None:
    zone = write_zone(tmp_path, 0, "cpu-thermal", 50000)
    (zone / "temp").unlink()
    os.mkfifo(zone / "temp")
    assert TemperatureSensor(tmp_path).read() is None


@given(
    kind=st.sampled_from([b"cpu-thermal\n", b"acpitz\n"]) | st.binary(max_size=20),
    temp=st.integers(-(1 << 70), 1 << 70).map(lambda number: b"%d" % number) | st.binary(max_size=20),
)
def test_any_content_gives_a_temperature_that_readers_accept(kind: bytes, temp: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        zone = write_zone(Path(directory), 0, "", "")
        (zone / "type").write_bytes(kind)
        (zone / "temp").write_bytes(temp)
        celsius = TemperatureSensor(Path(directory)).read()
    assert celsius is None or -100 <= celsius <= 250
    cpu = Cpu(None, (), temp=celsius)
    sample = Sample("host", "boot", "run", 1, 1, 1.0, 1.0, 0.0, None, cpu, (None, None, None), ())
    assert decode(encode(sample)) == sample
