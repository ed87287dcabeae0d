"""Knowledge about a driver's sign, within a run and across runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sampler.battery import PowerSupplySensor
from sampler.driver_sign import DriverSigns
from tests.sampler.supplies import ABSENT, pack


def set_to(directory: Path, status: str, microamps: int) -> None:
    (directory / "status").write_text(f"{status}\n")
    (directory / "current_now").write_text(f"{microamps}\n")


def power(sensor: PowerSupplySensor) -> float | None:
    battery = sensor.read()
    assert battery is not None
    return battery.power


def test_a_driver_that_reported_a_negative_discharge_is_believed_while_charging(tmp_path: Path) -> None:
    """A weak charger: the status says Charging, and the pack drains."""
    directory = pack(tmp_path)
    sensor = PowerSupplySensor(tmp_path)
    set_to(directory, "Charging", -500_000)
    assert power(sensor) == 6  # Retroid: nothing is known yet, so the status is believed
    set_to(directory, "Discharging", -1_000_000)
    assert power(sensor) == -12
    set_to(directory, "Charging", -500_000)
    assert power(sensor) == -6
    set_to(directory, "Charging", 2_000_000)
    assert power(sensor) == 24


def test_a_driver_without_a_sign_is_never_believed(tmp_path: Path) -> None:
    directory = pack(tmp_path)
    sensor = PowerSupplySensor(tmp_path)
    for status, sign in (("Discharging", -1), ("Charging", 1)) * 2:
        set_to(directory, status, 1_000_000)
        assert power(sensor) == sign * 12


def test_the_sign_of_the_current_counts_for_power_too(tmp_path: Path) -> None:
    directory = pack(tmp_path, power_now=6_000_000)
    sensor = PowerSupplySensor(tmp_path)
    set_to(directory, "Discharging", -500_000)
    power(sensor)
    set_to(directory, "Charging", -500_000)
    assert power(sensor) == -6


@pytest.mark.parametrize("before", [0, 20])
@pytest.mark.parametrize("after", [0, 20])
def test_one_negative_discharge_is_enough(tmp_path: Path, before: int, after: int) -> None:
    """However many discharges had no sign, because a status lags behind the cable."""
    directory = pack(tmp_path)
    sensor = PowerSupplySensor(tmp_path)
    for microamps in (*[1_000_000] * before, -2_000_000, *[1_000_000] * after):
        set_to(directory, "Discharging", microamps)
        assert (power(sensor) or 0) < 0
    set_to(directory, "Charging", -500_000)
    assert power(sensor) == -6


@pytest.mark.parametrize(
    "changes", [{"voltage_now": 500_000_000}, {"voltage_now": 0, "capacity": 0}], ids=["absurd", "refused"]
)
def test_nothing_is_learned_from_a_rejected_reading(tmp_path: Path, changes: dict[str, int]) -> None:
    directory = pack(tmp_path, **changes)
    sensor = PowerSupplySensor(tmp_path)
    set_to(directory, "Discharging", -500_000)
    assert power(sensor) is None
    (directory / "voltage_now").write_text("12000000\n")
    set_to(directory, "Charging", -500_000)
    assert power(sensor) == 6


def test_each_pack_has_its_own_driver(tmp_path: Path) -> None:
    signed, unsigned = pack(tmp_path, "BAT0"), pack(tmp_path, "BAT1")
    sensor = PowerSupplySensor(tmp_path)
    set_to(signed, "Discharging", -1_000_000)
    set_to(unsigned, "Discharging", 1_000_000)
    assert power(sensor) == -24
    set_to(signed, "Charging", -500_000)
    set_to(unsigned, "Charging", -500_000)
    battery = sensor.read()
    assert battery is not None
    assert battery.packs is not None
    assert [it.power for it in battery.packs] == [-6, 6]


# --- stored knowledge ------------------------------------------------------------------------------


def believes(tree: Path, file: Path | None) -> bool:
    """Return whether a newly started sampler believes the driver's sign while charging."""
    set_to(tree / "class/power_supply/BAT0", "Charging", -500_000)
    return power(PowerSupplySensor(tree, signs=DriverSigns(file))) == -6


def learn(tree: Path, file: Path | None) -> None:
    set_to(tree / "class/power_supply/BAT0", "Discharging", -500_000)
    power(PowerSupplySensor(tree, signs=DriverSigns(file)))


def test_the_next_run_knows_the_sign(tmp_path: Path) -> None:
    pack(tmp_path, model_name="DELL M7R9677")
    file = tmp_path / "signs"
    assert not believes(tmp_path, file)
    learn(tmp_path, file)
    assert believes(tmp_path, file)
    (tmp_path / "class/power_supply/BAT0/model_name").write_text("another pack\n")
    assert not believes(tmp_path, file)


def test_the_file_is_written_only_if_something_new_is_known(tmp_path: Path) -> None:
    file = tmp_path / "signs"
    signs = DriverSigns(file)
    signs.learn("a", 0)
    signs.learn("a", 1)
    assert not file.exists()
    signs.learn("a", -1)
    written = file.stat().st_ino
    for _ in range(100):
        signs.learn("a", -1)
        signs.learn("a", 1)
    assert file.stat().st_ino == written
    assert json.loads(file.read_text()) == ["a"]
    assert os.listdir(tmp_path) == ["signs"]


@pytest.mark.slow
def test_the_file_is_bounded(tmp_path: Path) -> None:
    file = tmp_path / "signs"
    signs = DriverSigns(file)
    for number in range(1000):
        signs.learn(f"{number}" + "x" * 1000, -1)
    assert file.stat().st_size < 64 * 600
    assert DriverSigns(file).follows_abi("999" + "x" * 1000)
    assert not DriverSigns(file).follows_abi("0" + "x" * 1000)


@pytest.mark.parametrize("place", ["missing/signs", "directory", "/dev/full/signs"])
def test_without_a_file_the_sign_is_known_in_this_run(tmp_path: Path, place: str) -> None:
    (tmp_path / "directory").mkdir()
    signs = DriverSigns(tmp_path / place)
    signs.learn("a", -1)
    assert signs.follows_abi("a")
    assert os.listdir(tmp_path) == ["directory"]


def test_a_fifo_or_a_link_instead_of_the_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "target").write_text('["a"]')
    (tmp_path / "link").symlink_to("target")
    for name in ("fifo", "link"):
        assert not DriverSigns(tmp_path / name).follows_abi("a")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=50)
    | st.sampled_from([b"[" * 100_000, b'{"a":1}', b'[1,null,["a"],"a"]', b"NaN"])
)
def test_any_content_of_the_file_is_accepted(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "signs"
    file.write_bytes(content)
    assert DriverSigns(file).follows_abi("a") == (content == b'[1,null,["a"],"a"]')


def test_absent_status_teaches_nothing(tmp_path: Path) -> None:
    pack(tmp_path, status=ABSENT, current_now=-500_000)
    file = tmp_path / "signs"
    assert power(PowerSupplySensor(tmp_path, signs=DriverSigns(file))) == -6
    assert not file.exists()
