"""Sweeps over real processes, where the kernel's behaviour matters, and over made-up trees."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from sampler.process_stat import Stat, parse_stat
from sampler.sweep import Changes, Sweep
from tests.sampler.proc import Tree

PROC = Path("/proc")


@contextmanager
def sweeping(procfs: Path = PROC, most_kept: int | None = None) -> Iterator[Sweep]:
    sweep = Sweep(procfs, most_kept)
    try:
        yield sweep
    finally:
        sweep.close()


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that prints a line when it is ready."""
    started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert started.stdout is not None
        assert started.stdout.readline() == b"ready\n"
        yield started
    finally:
        started.kill()
        started.communicate()


def python(code: str) -> tuple[str, ...]:
    return sys.executable, "-c", f"import os, sys, threading, time\n{code}"


IDLE = python("print('ready', flush=True); sys.stdin.read()")
BURN = "end = time.process_time() + 0.05\nwhile time.process_time() < end: pass\n"
ON_DEMAND = python(
    f"print('ready', flush=True)\nwhile sys.stdin.readline():\n  exec({BURN!r})\n  print('done', flush=True)"
)
THREADS = python(
    "def burn():\n  while sys.stdin.readline():\n"
    f"    exec({BURN!r})\n    print('done', flush=True)\n"
    "threading.Thread(target=burn).start()\nprint('ready', flush=True)"
)
"""Only the second thread uses CPU."""


def demand(burner: subprocess.Popen[bytes]) -> None:
    assert burner.stdin is not None
    assert burner.stdout is not None
    burner.stdin.write(b"burn\n")
    burner.stdin.flush()
    assert burner.stdout.readline() == b"done\n"


def then_and_now(changes: Changes, pid: int) -> tuple[Stat | None, Stat] | None:
    return next((pair for pair in changes.ran if pair[1].pid == pid), None)


def settle_down(sweep: Sweep, pid: int) -> None:
    """Sweep until a process that waits for input is seen as idle."""
    end = time.monotonic() + 30
    while (pair := then_and_now(sweep.read(), pid)) is not None and pair[0] != pair[1]:
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("most_kept", [None, 0], ids=["kept", "opened each time"])
@pytest.mark.parametrize("command", [ON_DEMAND, THREADS], ids=["one thread", "two threads"])
def test_all_cpu_time_of_a_process_is_found(most_kept: int | None, command: tuple[str, ...]) -> None:
    with sweeping(most_kept=most_kept) as sweep, process(*command) as burner:
        settle_down(sweep, burner.pid)
        before = sweep.find(burner.pid)
        for _ in range(3):
            demand(burner)
            settle_down(sweep, burner.pid)
        after = sweep.find(burner.pid)
        assert before is not None
        assert after is not None
        assert after == parse_stat((PROC / str(burner.pid) / "stat").read_bytes())
        assert after.used - before.used >= 3 * 0.04 * os.sysconf("SC_CLK_TCK")


def test_an_idle_process_is_not_read() -> None:
    with sweeping() as sweep, process(*IDLE) as idle:
        for _ in range(3):  # first it is new, then its descriptor is kept open
            settle_down(sweep, idle.pid)
        for _ in range(5):
            assert then_and_now(sweep.read(), idle.pid) is None


def test_a_process_that_ends_is_reported_once_and_its_descriptors_are_closed() -> None:
    with sweeping() as sweep:
        sweep.read()
        with process(*IDLE) as idle:
            settle_down(sweep, idle.pid)
            assert descriptors_of(idle.pid)
            last = sweep.find(idle.pid)
        gone = [stat for stat in sweep.read().gone if stat.pid == idle.pid]
        assert gone == [last]
        assert sweep.find(idle.pid) is None
        assert idle.pid not in {stat.pid for stat in sweep.read().gone}
        assert not descriptors_of(idle.pid)


def descriptors_of(pid: int) -> list[str]:
    """Return the files of a process that this process has open."""
    found = []
    for file in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # the descriptor of the listing itself
            found.append(os.readlink(f"/proc/self/fd/{file}"))
    return [name for name in found if f"/{pid}/" in name]


def test_a_zombie_is_listed_until_it_is_reaped() -> None:
    with sweeping() as sweep:
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        sweep.read()
        found = sweep.find(pid)
        assert found is not None
        assert found.zombie
        os.waitpid(pid, 0)
        assert pid in {stat.pid for stat in sweep.read().gone}


def test_an_idle_orphan_gets_its_new_parent() -> None:
    code = (
        "child = os.fork()\n"
        "if not child:\n  time.sleep(1000)\n"
        "print('ready', flush=True); print(child, flush=True); sys.stdin.read()"
    )
    with sweeping() as sweep, process(*python(code)) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        settle_down(sweep, child)
        found = sweep.find(child)
        assert found is not None
        assert found.parent == parent.pid
        parent.kill()  # communicate() would wait for the child, which inherited the pipe
        parent.wait()
        try:
            sweep.read()
            found = sweep.find(child)
            assert found is not None
            assert found.parent not in {parent.pid, 0}
        finally:
            os.kill(child, signal.SIGKILL)


def test_parents_come_before_their_children() -> None:
    with sweeping() as sweep:
        sweep.read()
        place = {stat.pid: place for place, stat in enumerate(sweep.stats())}
        starts = [stat.start for stat in sweep.stats()]
        assert starts == sorted(starts)
        assert place[os.getppid()] < place[os.getpid()]


def test_every_process_is_found() -> None:
    """Also by sweeps that rely on the kernel's last pid to skip the listing."""
    with sweeping() as sweep:
        for _ in range(4):
            sweep.read()
        with process(*IDLE) as idle:
            sweep.read()
            assert sweep.find(idle.pid) is not None
        listed = {int(entry) for entry in os.listdir(PROC) if entry.isdecimal()}
        sweep.read()
        for pid in listed.symmetric_difference(stat.pid for stat in sweep.stats()):
            assert not _lasting(pid)


def _lasting(pid: int) -> bool:
    """Return whether a process is long-lived: other tests start and end processes."""
    with suppress(OSError):
        before = (PROC / str(pid) / "stat").read_bytes().rsplit(b")", 1)[1].split()[19]
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(before) / os.sysconf("SC_CLK_TCK")
        return age > 1
    return False


def test_descriptors_are_bounded() -> None:
    with sweeping(most_kept=5) as sweep:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            sweep.read()
        assert len(sweep.stats()) > 5
        assert len(os.listdir("/proc/self/fd")) == before + 5


def test_a_lack_of_descriptors_is_not_a_failure(tmp_path: Path) -> None:
    code = (
        "import resource\n"
        "from pathlib import Path\n"
        "from sampler.sweep import Sweep\n"
        "sweep = Sweep(Path('/proc'), 10_000)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (12, 12))\n"
        "for _ in range(4):\n"
        "    sweep.read()\n"
        "assert sweep.find(os.getpid()).used >= 0\n"
        "assert sweep.find(1) is not None\n"
    )
    subprocess.run(python(code), check=True)


def test_the_descriptor_limit_is_raised_only_as_far_as_needed() -> None:
    code = (
        "import resource\n"
        "from pathlib import Path\n"
        "from sampler.sweep import Sweep\n"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))\n"
        "Sweep(Path('/proc'))\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])\n"
    )
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    ran = subprocess.run(python(code), check=True, capture_output=True)
    assert int(ran.stdout) == (2048 + 256 if hard == resource.RLIM_INFINITY else min(2048 + 256, hard))


# --- made-up trees: states that no kernel can be made to show ------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def pids(stats: list[Stat]) -> list[int]:
    return [stat.pid for stat in stats]


def test_a_kernel_without_schedstat_is_read_by_stat(tree: Tree) -> None:
    with sweeping(tree.root) as sweep:
        tree.process(1)
        tree.process(2, parent=1)
        assert then_and_now(sweep.read(), 2) is not None
        sweep.read()
        assert sweep.read() == ([], [])
        tree.process(2, parent=1, used=3)
        (pair,) = sweep.read().ran
        assert pair[0] is not None
        assert (pair[0].used, pair[1].used) == (0, 3 * os.sysconf("SC_CLK_TCK"))


def scheduled(tree: Tree, pid: int | str, text: str) -> None:
    (tree.root / str(pid)).mkdir(exist_ok=True)
    (tree.root / str(pid) / "schedstat").write_text(text)


def test_a_process_that_was_not_scheduled_is_not_read(tree: Tree) -> None:
    scheduled(tree, "self", "5 5 5\n")
    tree.process(2)
    scheduled(tree, 2, "70 0 7\n")
    with sweeping(tree.root) as sweep:
        sweep.read()
        sweep.read()
        tree.process(2, used=3)  # which no kernel does
        assert sweep.read() == ([], [])
        scheduled(tree, 2, "70 0 8\n")
        assert pids([now for _, now in sweep.read().ran]) == [2]
        tree.process(2, used=3, threads=2)
        scheduled(tree, 2, "70 0 9\n")
        sweep.read()
        sweep.read()
        tree.process(2, used=9, threads=2)  # by a thread other than the first
        assert pids([now for _, now in sweep.read().ran]) == [2]
        tree.process(2, used=9)
        sweep.read()
        sweep.read()
        assert sweep.read() == ([], [])


def test_statistics_may_be_switched_off(tree: Tree) -> None:
    """After kernel.task_delayacct is set to 0, the file is 0 for all processes."""
    scheduled(tree, "self", "5 5 5\n")
    tree.process(2)
    scheduled(tree, 2, "70 0 7\n")
    with sweeping(tree.root) as sweep:
        for _ in range(3):
            sweep.read()
        scheduled(tree, 2, "0 0 0\n")
        sweep.read()
        for seconds in (3, 4, 5):
            tree.process(2, used=seconds)
            ((_, now),) = sweep.read().ran
            assert now.used == seconds * os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("most_kept", [100, 0])
def test_a_reused_pid_is_another_process(tree: Tree, most_kept: int) -> None:
    with sweeping(tree.root, most_kept) as sweep:
        tree.process(5, b"old", used=9, born=1)
        sweep.read()
        sweep.read()
        tree.process(5, b"new", used=1, born=50)
        changes = sweep.read()
        assert [stat.comm for stat in changes.gone] == [b"old"]
        ((before, now),) = changes.ran
        assert before is None
        assert now.comm == b"new"


def test_a_process_that_cannot_be_read_is_left_out(tree: Tree) -> None:
    with sweeping(tree.root) as sweep:
        tree.process(1)
        (tree.root / "2").mkdir()
        (tree.root / "3").mkdir()
        (tree.root / "3" / "stat").write_bytes(b"no such line")
        (tree.root / "4" / "stat").mkdir(parents=True)
        (tree.root / "5").mkdir()
        os.mkfifo(tree.root / "5" / "stat")
        for _ in range(3):
            assert sweep.read().gone == []
            assert pids(sweep.stats()) == [1]


def test_the_listing_is_repeated_after_a_new_pid(tree: Tree) -> None:
    loadavg = tree.root / "loadavg"
    loadavg.write_text("0.0 0.0 0.0 1/2 41\n")
    with sweeping(tree.root) as sweep:
        tree.process(1)
        sweep.read()
        tree.process(40)  # a fork that already had its pid at the first listing, but was not listed yet
        sweep.read()
        assert sweep.find(40) is not None
        tree.process(41)  # which no kernel does
        sweep.read()
        assert sweep.find(41) is None
        loadavg.write_text("0.0 0.0 0.0 1/2 42\n")
        sweep.read()
        assert sweep.find(41) is not None


def test_resident_memory_is_current(tree: Tree) -> None:
    with sweeping(tree.root) as sweep:
        tree.process(1, rss=500)
        sweep.read()
        (stat,) = sweep.stats()
        tree.process(1, rss=20)
        assert sweep.resident(stat) == 20
        tree.process(1, rss=70, born=9)  # another process
        assert sweep.resident(stat) == 500
        tree.end(1)
        assert sweep.resident(stat) == 500
