"""Name, app and user of a process: read once, from a tree like /proc and from the real one."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest

from sampler.process_stat import Stat
from sampler.processes import ProcessSensor
from sampler.programs import Programs, Users, name_in_passwd, whole_name
from tests.sampler.proc import Tree

CUT = b"fifteen-bytes-x"
WHOLE = b"fifteen-bytes-xyz"


@pytest.mark.parametrize(
    ("command_line", "executable", "name"),
    [
        (b"/usr/bin/fifteen-bytes-xyz\0--flag\0", b"", WHOLE),
        (b"fifteen-bytes-xyz\0", b"", WHOLE),
        (b"/opt/a/fifteen-bytes-xyz --type=renderer /tmp/x\0\0\0", b"", WHOLE),
        (b"/opt/My App/fifteen-bytes-xyz\0", b"", WHOLE),
        # A script: the interpreter's arguments have its path, after at most one option.
        (b"/usr/bin/python3\0/opt/bin/fifteen-bytes-xyz\0--token=secret\0", b"/usr/bin/python3.11", WHOLE),
        (b"/usr/bin/python3\0-I\0/opt/bin/fifteen-bytes-xyz\0", b"/usr/bin/python3.11", WHOLE),
        (b"/bin/sh\0./fifteen-bytes-xyz\0", b"/bin/dash", WHOLE),
        # The program's own arguments are left out.
        (b"python3\0-I\0-u\0/opt/bin/fifteen-bytes-xyz\0", b"", CUT),
        (b"other\0--fifteen-bytes-xyz-secret\0", b"", CUT),
        (b"other\0-fifteen-bytes-xyz\0", b"", CUT),
        # A program that overwrote its arguments.
        (b"worker: idle\0", b"/usr/lib/x/fifteen-bytes-xyz", WHOLE),
        (b"", b"/usr/lib/x/fifteen-bytes-xyz", WHOLE),
        (b"worker: idle\0", b"/usr/lib/x/another-program", CUT),
        (b"", b"", CUT),
        (b"\0\0", b"", CUT),
        (b"\xff/\xfe", b"", CUT),
    ],
)
def test_the_full_name_comes_from_the_command_line_or_the_executable(
    command_line: bytes, executable: bytes, name: bytes
) -> None:
    assert whole_name(CUT, command_line, executable) == name


class Machine(Tree):
    """Processes with a control group and a command line, and the sensor that lists them."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.sensor = ProcessSensor(root, 10, lambda: self.now, lambda: self.now)

    def tell(self, pid: int, **files: bytes) -> None:
        for name, content in files.items():
            (self.root / str(pid) / name).write_bytes(content)

    def listed(self) -> dict[int, tuple[str, str | None, str | None]]:
        self.now += 5
        return {it.pid: (it.name, it.app, it.user) for it in self.sensor.read().top}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


ME = name_in_passwd(os.getuid()) or str(os.getuid())


def test_a_process_has_a_name_an_app_and_a_user(machine: Machine) -> None:
    machine.process(1, b"init")
    machine.process(2, b"telemetry-sampl")
    machine.process(3, b"[other]")
    machine.tell(1, cgroup=b"0::/init.scope\n")
    machine.tell(
        2,
        cgroup=b"0::/system.slice/telemetry-sampler.service\n",
        cmdline=b"/usr/bin/python3\0/opt/telemetry-sampler\0--host\0secret\0",
    )
    machine.listed()
    assert machine.listed() == {
        1: ("init", None, ME),
        2: ("telemetry-sampler", "telemetry-sampler", ME),
        3: ("[other]", None, ME),
    }


def test_names_are_read_once_for_each_process(machine: Machine) -> None:
    """Later changes of its files do not matter, but its pid may be reused by another process."""
    machine.process(7, b"a", born=1)
    machine.tell(7, cgroup=b"0::/system.slice/first.service\n")
    machine.listed()
    assert machine.listed()[7] == ("a", "first", ME)
    machine.tell(7, cgroup=b"0::/system.slice/second.service\n")
    assert machine.listed()[7] == ("a", "first", ME)
    machine.process(7, b"a", born=106)
    machine.listed()
    assert machine.listed()[7] == ("a", "second", ME)


def test_a_new_process_is_read_again_in_the_next_sample(machine: Machine) -> None:
    """A desktop moves an app to its cgroup after the start."""
    machine.process(1)
    machine.listed()
    machine.process(7, b"a", used=1, born=107)
    machine.tell(7, cgroup=b"0::/user.slice/user-1000.slice/session-2.scope\n")
    assert machine.listed()[7] == ("a", None, ME)
    machine.tell(
        7, cgroup=b"0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-a-7.scope\n"
    )
    assert machine.listed()[7] == ("a", "a", ME)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"0::", b"0::/" + b"a/" * 40_000, b"\0" * 5000])
def test_hostile_text_costs_only_the_app(machine: Machine, content: bytes) -> None:
    machine.process(1, b"init")
    machine.tell(1, cgroup=content)
    machine.listed()
    assert machine.listed() == {1: ("init", None, ME)}


@pytest.mark.slow
def test_the_memory_for_names_is_bounded(tmp_path: Path) -> None:
    """Memory after 30,000 processes is the same as after 2,000."""
    asked: Counter[int] = Counter()
    (tmp_path / "1").mkdir()
    programs = Programs(tmp_path, lambda: 0.0, lambda uid: asked.update([uid]))

    def meet(starts: range) -> int:
        for start in starts:
            programs.of(Stat(1, start, b"a", False, 0, 0, 0, 1, 0), is_settled=True)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = meet(range(2_000))
        assert meet(range(2_000, 30_000)) < before + 100_000
    finally:
        tracemalloc.stop()
    assert asked == {os.getuid(): 1}  # a user without a name is looked up once a minute


def test_a_user_is_looked_up_once_and_shown_as_a_number_without_a_name(tmp_path: Path) -> None:
    now = 0.0
    names: dict[int, str | None] = {}
    asked = []

    def name_of(uid: int) -> str | None:
        asked.append(uid)
        return names.get(uid)

    users = Users(lambda: now, name_of)
    assert [users.owner(str(tmp_path)) for _ in range(3)] == [str(os.getuid())] * 3
    assert len(asked) == 1
    now = 61.0
    names = {os.getuid(): "ada"}
    assert [users.owner(str(tmp_path)) for _ in range(3)] == ["ada"] * 3
    now = 1e6
    assert users.owner(str(tmp_path)) == "ada"
    assert len(asked) == 2
    assert users.owner(str(tmp_path / "gone")) is None


def test_a_user_id_has_a_name_or_none() -> None:
    assert name_in_passwd(0) == pwd.getpwuid(0).pw_name
    unknown = next(
        uid for uid in range(3_000_000_000, 3_000_001_000) if uid not in {it.pw_uid for it in pwd.getpwall()}
    )
    assert name_in_passwd(unknown) is None
    assert name_in_passwd(2**70) is None


def test_a_real_script_has_its_own_name(tmp_path: Path) -> None:
    """It runs by its #! line, as the commands of this logger do."""
    script = tmp_path / "a-script-of-more-than-fifteen-bytes"
    script.write_text(f"#!{sys.executable} -I\nprint(flush=True)\nwhile True: pass\n")
    script.chmod(0o755)
    with subprocess.Popen([str(script), "--password", "secret"], stdout=subprocess.PIPE) as burning:
        assert burning.stdout is not None
        assert burning.stdout.readline() == b"\n"
        sensor = ProcessSensor(
            Path("/proc"), 1000, time.monotonic, lambda: time.clock_gettime(time.CLOCK_BOOTTIME)
        )
        sensor.read()
        found = {process.pid: process for process in sensor.read().top}[burning.pid]
        burning.kill()
        sensor.close()
    assert found.name == script.name
    assert found.user == ME
    assert "secret" not in repr(found)
