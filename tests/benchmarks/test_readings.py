"""The readings of a process from /proc match what the process did."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import readings
from benchmarks.crowd import crowd

ROLLUP = """\
55e62d707000-7ffdd17cf000 ---p 00000000 00:00 0                          [rollup]
Rss:                1672 kB
Pss:                 158 kB
Pss_Dirty:           112 kB
"""


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_counts_are_parsed_by_name() -> None:
    assert readings.counts(ROLLUP) == {"Rss": 1672, "Pss": 158, "Pss_Dirty": 112}
    assert readings.counts("write_bytes: 4096\nname: sh\n\nodd") == {"write_bytes": 4096}


def test_cpu_time_comes_from_the_process_clock() -> None:
    before, own = readings.cpu_seconds(os.getpid()), time.process_time()
    burn(0.05)
    burned = time.process_time() - own
    assert burned <= readings.cpu_seconds(os.getpid()) - before < burned + 0.02


def test_cpu_of_a_reaped_child_counts() -> None:
    before, own = readings.cpu_seconds(os.getpid()), time.process_time()
    code = "import time\nwhile time.process_time() < 0.2: pass"
    subprocess.run([sys.executable, "-c", code], check=True)
    own = time.process_time() - own
    assert readings.cpu_seconds(os.getpid()) - before - own == pytest.approx(0.2, abs=0.1)


def test_without_a_clock_the_ticks_of_stat_count(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: int) -> float:
        raise OSError

    with_clock = readings.cpu_seconds(os.getpid())
    monkeypatch.setattr(time, "clock_gettime", refused)
    assert readings.cpu_seconds(os.getpid()) == pytest.approx(with_clock, abs=0.05)


def test_touched_memory_is_resident() -> None:
    before = readings.memory(os.getpid())
    with mmap.mmap(-1, 8 << 20) as block:
        block.write(b"x" * (8 << 20))
        after = readings.memory(os.getpid())
    assert 7 << 20 < after.resident - before.resident < 12 << 20
    assert after.proportional <= after.resident


def test_bytes_written_to_a_disk_are_counted(tmp_path: Path) -> None:
    kind = subprocess.run(["stat", "-f", "-c", "%T", tmp_path], capture_output=True, text=True, check=True)
    if kind.stdout.strip() in {"tmpfs", "ramfs"}:
        pytest.skip("the directory is not on a disk")
    before = readings.written_bytes(os.getpid())
    with (tmp_path / "file").open("wb") as file:
        file.write(b"x" * (1 << 20))
        file.flush()
        os.fsync(file.fileno())
    assert 1 << 20 <= readings.written_bytes(os.getpid()) - before < 2 << 20


def test_a_crowd_exists_only_inside_its_block() -> None:
    with crowd(12) as pids:
        assert len(set(pids)) == 12
        assert all(Path(f"/proc/{pid}").exists() for pid in pids)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
