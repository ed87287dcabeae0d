"""The reader: a failing attribute costs only itself, nothing blocks, and nothing unnecessary is read."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from unittest import mock

import pytest

from sampler import power_supply
from sampler.battery import PowerSupplySensor
from sampler.sysfs import read_attribute
from telemetry.sample import Battery
from tests.sampler.supplies import LAPTOP, plain, read, write_supply

PAGE = 4096


@pytest.fixture(autouse=True)
def _nothing_hangs() -> Iterator[None]:
    def fail(_signal: int, _frame: FrameType | None) -> None:
        pytest.fail("a read blocked")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _fifo_that_is_open(path: Path) -> None:
    os.mkfifo(path)
    _KEPT_OPEN.append(os.open(path, os.O_RDWR))  # with a writer that has written nothing: EAGAIN


_KEPT_OPEN: list[int] = []


def _socket(path: Path) -> None:
    # By a relative path, because a socket's path has at most 107 bytes.
    with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)


SPOILED: dict[str, Callable[[Path], object]] = {
    "missing": lambda _: None,
    "directory": lambda path: path.mkdir(),
    "empty": lambda path: path.write_bytes(b""),
    "blank": lambda path: path.write_bytes(b" \n"),
    "not UTF-8": lambda path: path.write_bytes(b"5\xff\n"),
    "longer than a page": lambda path: path.write_bytes(b"5" + b" " * PAGE),
    "a megabyte": lambda path: path.write_bytes(b"5" * (1 << 20)),
    "never ends": lambda path: path.symlink_to("/dev/zero"),
    "EIO": lambda path: path.symlink_to("/proc/self/mem"),
    "fifo": os.mkfifo,
    "EAGAIN": _fifo_that_is_open,
    "socket": _socket,
    "vanished": lambda path: path.symlink_to("gone"),
    "loop": lambda path: path.symlink_to(path.name),
}


@pytest.fixture(params=SPOILED)
def spoil(request: pytest.FixtureRequest) -> Iterator[Callable[[Path], None]]:
    def spoil(path: Path) -> None:
        path.unlink(missing_ok=True)
        SPOILED[request.param](path)

    yield spoil
    while _KEPT_OPEN:
        os.close(_KEPT_OPEN.pop())


def test_an_attribute_that_cannot_be_read_is_none(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    spoil(tmp_path / "attribute")
    assert read_attribute(f"{tmp_path}/attribute") is None


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ("status", Battery("BAT0", None, 12, None, None, 50)),
        ("present", Battery("BAT0", "Discharging", 12, -1, -12, 50)),
        ("scope", Battery("BAT0", "Discharging", 12, -1, -12, 50)),
        ("voltage_now", Battery("BAT0", "Discharging", None, -1, None, 50)),
        ("current_now", Battery("BAT0", "Discharging", 12, None, None, 50)),
        ("power_now", Battery("BAT0", "Discharging", 12, -1, -12, 50)),
        ("capacity", Battery("BAT0", "Discharging", 12, -1, -12, 25)),
        ("charge_now", Battery("BAT0", "Discharging", 12, -1, -12, 50)),
        ("type", None),
    ],
)
def test_one_bad_file_costs_only_itself(
    tmp_path: Path, spoil: Callable[[Path], None], attribute: str, expected: Battery | None
) -> None:
    directory = write_supply(tmp_path, "BAT0", **(LAPTOP | {"charge_now": "1000000"}))
    spoil(directory / attribute)
    assert plain(read(tmp_path)) == expected


def test_a_full_page_is_read(tmp_path: Path) -> None:
    (tmp_path / "attribute").write_bytes(b"5" + b" " * (PAGE - 1))
    assert read_attribute(f"{tmp_path}/attribute") == "5"


def test_no_descriptor_is_left_open(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    spoil(tmp_path / "attribute")
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        read_attribute(f"{tmp_path}/attribute")
    assert os.listdir("/proc/self/fd") == before


def _names_read(sysfs: Path) -> list[str]:
    """Return the attributes that a second reading reads."""
    sensor = PowerSupplySensor(sysfs)
    sensor.read()
    with mock.patch.object(power_supply, "read_attribute", wraps=read_attribute) as spied:
        sensor.read()
    return [call.args[0].rpartition("/")[2] for call in spied.call_args_list]


IDENTITY = ["type", "scope", "present"]
MEASURED = ["status", "capacity", "voltage_now", "current_now", "power_now", "power_avg"]
LEVELS = ["charge_now", "charge_full", "energy_now", "energy_avg", "energy_full"]


@pytest.mark.parametrize("other", [{"type": "Mains"}, {"scope": "Device"}, {"present": "0"}])
def test_supplies_that_are_not_batteries_are_not_measured(tmp_path: Path, other: dict[str, str]) -> None:
    """A mouse's gauge would be read by radio, an adapter's `online` by firmware."""
    write_supply(tmp_path, "supply", **(LAPTOP | other))
    assert _names_read(tmp_path) == IDENTITY


def test_only_needed_attributes_are_read(tmp_path: Path) -> None:
    directory = write_supply(tmp_path, "BAT0", **LAPTOP)
    assert _names_read(tmp_path) == [*IDENTITY, *MEASURED, "charge_now"]
    (directory / "capacity").unlink()
    assert _names_read(tmp_path) == IDENTITY + MEASURED + LEVELS
    write_supply(tmp_path, "BAT1", **LAPTOP)
    assert sorted(_names_read(tmp_path)) == sorted(2 * (IDENTITY + MEASURED + LEVELS))  # each once per pack
