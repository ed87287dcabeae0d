"""``telemetry-writer --import`` as a command: output, errors and memory."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from telemetry.sample import Process, Sample, encode
from tests.needs import open_terminal
from tests.system.processes import System, stop, wait_until
from tests.writer.reading import is_whole, value
from tests.writer.samples import ORDINARY, row_of, sample


def lines(samples: Sequence[Sample]) -> bytes:
    return b"".join(encode(one) + b"\n" for one in samples)


def run_import(directory: Path, source: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "writer.main", "--db", str(directory / "telemetry.db"), "--import", source],
        input=data,
        env={**os.environ, "PYTHONWARNINGS": "error"},
        capture_output=True,
        timeout=120,
        check=False,
    )


def test_a_pipe_with_a_name_is_read_to_its_end(tmp_path: Path) -> None:
    """It must be opened only once, because a second opening would cut off the writing program."""
    past = [one._replace(ts=one.seq, time=float(one.seq)) for one in row_of(1, 500)]
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writing = threading.Thread(target=pipe.write_bytes, args=[lines(past)])
    writing.start()
    ran = run_import(tmp_path, str(pipe))
    writing.join()
    assert ran.returncode == 0
    assert value(tmp_path / "telemetry.db", "SELECT COUNT(*) FROM system_sample") == 500


def test_the_database_is_readable_by_owner_and_group_only(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        assert run_import(tmp_path, "-", lines(row_of(1, 5))).returncode == 0
    finally:
        os.umask(before)
    assert (tmp_path / "telemetry.db").stat().st_mode & 0o777 == 0o640


def test_a_missing_source_creates_no_database(tmp_path: Path) -> None:
    ran = run_import(tmp_path, str(tmp_path / "nothing"))
    assert ran.returncode == 1
    assert list(tmp_path.iterdir()) == []


def test_standard_input_can_be_imported(tmp_path: Path) -> None:
    past = [one._replace(ts=one.seq, time=float(one.seq)) for one in row_of(1, 5)]
    ran = run_import(tmp_path, "-", lines(past) + b"nonsense\n" + lines(past[:2]) + lines([future()]))
    assert (ran.returncode, ran.stdout) == (0, b"")
    complaint, summary = ran.stderr.decode().splitlines()
    assert (
        complaint == "telemetry-writer: skipped line 6: not JSON: Expecting value: line 1 column 1 (char 0)"
    )
    assert summary == (
        "telemetry-writer: imported 5; skipped: 2 already stored, 1 invalid, "
        "1 more than a day ahead of the clock"
    )
    assert value(tmp_path / "telemetry.db", "SELECT COUNT(*) FROM system_sample") == 5


def future() -> Sample:
    return ORDINARY._replace(seq=77, ts=250_000_000_000)


def test_a_source_that_cannot_be_read_gives_a_one_line_error(tmp_path: Path) -> None:
    for source, why in [
        (tmp_path / "missing", "No such file or directory"),
        (tmp_path, "Is a directory"),
    ]:
        ran = run_import(tmp_path, str(source))
        assert ran.returncode == 1
        assert ran.stderr.decode() == f"telemetry-writer: cannot read {source}: {why}\n"
    ran = run_import(tmp_path, "")
    assert ran.returncode == 1
    assert ran.stderr.startswith(b"telemetry-writer: cannot read ")


def test_an_import_is_refused_while_a_writer_runs(tmp_path: Path) -> None:
    with System(tmp_path) as system:
        writer = system.writer()
        wait_until(lambda: system.database.exists() and value(system.database, "PRAGMA user_version"))
        ran = run_import(tmp_path, "-", lines([sample(1)]))
        assert ran.returncode == 1
        assert ran.stderr.decode() == (
            f"telemetry-writer: another telemetry-writer is using {system.database}: "
            "stop it first (systemctl stop telemetry-writer)\n"
        )
        assert stop(writer)[0] == 0
        assert value(system.database, "SELECT COUNT(*) FROM system_sample") == 0


def test_an_interrupted_import_keeps_what_was_committed(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.db"
    content = lines([sample(seq, ts=seq) for seq in range(1, 2501)])
    process = subprocess.Popen(
        [sys.executable, "-m", "writer.main", "--db", str(path), "--import", "-"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(content)
    process.stdin.flush()
    wait_until(lambda: path.exists() and has_rows(path, 2000))
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in error
    assert is_whole(path)
    assert has_rows(path, 2000)
    assert run_import(tmp_path, "-", content).returncode == 0
    assert value(path, "SELECT COUNT(*) FROM system_sample") == 2500


def has_rows(path: Path, least: int) -> bool:
    try:
        return bool(value(path, "SELECT COUNT(*) FROM system_sample") >= least)
    except sqlite3.OperationalError:  # the table does not exist yet
        return False


@pytest.mark.parametrize("through_a_pipe", [False, True])
def test_a_terminal_shows_the_progress(tmp_path: Path, through_a_pipe: bool) -> None:
    content = lines([sample(seq, ts=seq) for seq in range(1, 1201)])
    file = tmp_path / "samples.jsonl"
    file.write_bytes(content)
    ours, theirs = open_terminal()
    command = [sys.executable, "-m", "writer.main", "--db", str(tmp_path / "telemetry.db"), "--import"]
    if through_a_pipe:
        subprocess.run([*command, "-"], input=content, stderr=theirs, check=True, timeout=60)
    else:
        subprocess.run([*command, str(file)], stderr=theirs, check=True, timeout=60)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert ("%" in shown) is not through_a_pipe
    assert "\r" in shown
    assert "samples" in shown
    assert shown.endswith("more than a day ahead of the clock\r\n")


def test_it_does_not_load_zeromq(tmp_path: Path) -> None:
    code = (
        "import sys, writer.main; assert writer.main.main(sys.argv[1:]) == 0; assert 'zmq' not in sys.modules"
    )
    options = ["--db", str(tmp_path / "telemetry.db"), "--import", "/dev/null"]
    subprocess.run([sys.executable, "-c", code, *options], check=True, capture_output=True, timeout=60)


def largest_memory(directory: Path, content: Iterable[bytes]) -> int:
    """Return the peak memory of an import of these lines, kB."""
    file = directory / "samples.jsonl"
    with file.open("wb") as out:
        out.writelines(content)
    code = (
        "import sys; from writer.main import main; assert main(sys.argv[1:]) == 0\n"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    )
    options = ["--db", str(directory / "telemetry.db"), "--import", str(file)]
    ran = subprocess.run([sys.executable, "-c", code, *options], check=True, capture_output=True, timeout=120)
    return int(ran.stdout)


@pytest.mark.slow
def test_memory_is_bounded(tmp_path: Path) -> None:
    """Long lines, long files and samples of the largest size do not need more memory."""
    process = ORDINARY.processes[0]
    many = tuple(process._replace(pid=pid, name="x" * 100) for pid in range(4000))
    small = largest_memory(tmp_path, [line_of(seq) for seq in range(1, 11)])
    assert largest_memory(tmp_path, (b"x" * (1 << 20) for _ in range(40))) < small + 20_000
    assert largest_memory(tmp_path, (line_of(seq) for seq in range(1, 6001))) < small + 20_000
    large = (line_of(seq, many) for seq in range(6001, 6061))
    assert largest_memory(tmp_path, large) < small + 40_000


def line_of(seq: int, processes: tuple[Process, ...] = ()) -> bytes:
    return encode(sample(seq, ts=seq)._replace(processes=processes)) + b"\n"
