"""If a running service's runtime directory is removed, the service recreates everything."""

from __future__ import annotations

import logging
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from telemetry.errors import TakenOver, UserError
from telemetry.stream.control_server import ControlServer
from telemetry.stream.presence import Presence
from telemetry.stream.publisher import Publisher
from telemetry.stream.ring import Held, Ring
from tests.telemetry.streams import Station, all_of, listening, samples

LOG = logging.getLogger("telemetry-test")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    directory = tmp_path / "run"
    directory.mkdir(mode=0o700)
    return directory


def presence(directory: Path) -> Presence:
    def make() -> None:
        directory.mkdir(mode=0o700, exist_ok=True)

    return Presence(directory, LOG, make=make, what=", all of it")


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records]
    caplog.clear()
    return found


@pytest.mark.parametrize(
    "gone",
    [
        "",
        "ring",
        "samples",
        "replay",
        "samples.lock",
        "replay.lock",
        "samples samples.lock",
        "ring replay.lock",
    ],
)
def test_removed_files_are_recreated_with_the_content_of_the_ring(
    run: Path, gone: str, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = presence(run)
    with Station(run, "a") as station:
        station.publish(5)
        keeper.keep(station.publisher.parts)
        assert lines(caplog) == [], "nothing was removed"
        if gone:
            for name in gone.split():
                (run / name).unlink()
        else:
            shutil.rmtree(run)
        keeper.keep(station.publisher.parts)
        assert lines(caplog) == [f"recreated what was removed from {run}, all of it"]
        keeper.keep(station.publisher.parts)
        assert lines(caplog) == []
        station.publish(2)
        assert {path.name for path in run.iterdir()} == {
            "ring",
            "samples",
            "replay",
            "samples.lock",
            "replay.lock",
        }
        with listening(run) as listener:
            all_of(listener, station)
            assert listener.items == samples("a", 1, 7)
        # It still owns the directory.
        with pytest.raises(UserError, match="another telemetry-sampler"):
            Station(run, "b")
        with pytest.raises(TakenOver, match="another telemetry-sampler"):
            Publisher([f"ipc://{run}/samples"], f"ipc://{run}/other", station.ring, "b")
    with closing(Ring(run / "ring", 1 << 20)) as ring:
        assert ring.runs == [Held("a", 1, 7)]


@pytest.mark.parametrize("by", ["ring", "samples", "replay"])
def test_a_process_that_was_replaced_raises_taken_over(run: Path, by: str) -> None:
    keeper = presence(run)
    with Station(run, "a") as station:
        station.publish(3)
        shutil.rmtree(run)
        run.mkdir(mode=0o700)
        if by == "ring":
            with Station(run, "b") as second:
                inodes = {path.name: path.stat().st_ino for path in run.iterdir()}
                with pytest.raises(TakenOver, match="another telemetry-sampler"):
                    keeper.keep(station.publisher.parts)
                assert {path.name: path.stat().st_ino for path in run.iterdir()} == inodes
                second.publish(2)
                with listening(run) as listener:
                    all_of(listener, second)
                    assert listener.items == samples("b", 1, 2)
        else:
            other = Ring(None, 1 << 16)
            endpoints = [f"ipc://{run}/{name}" for name in ("samples", "replay")]
            if by == "replay":
                endpoints[0] += "2"
            with (
                closing(other),
                closing(Publisher(endpoints[:1], endpoints[1], other, "b")),
                pytest.raises(TakenOver, match="belongs to another telemetry-sampler"),
            ):
                keeper.keep(station.publisher.parts)


def test_a_failure_to_recreate_is_logged_once_and_retried(
    run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    can = False

    def make() -> None:
        if not can:
            raise UserError("cannot make the runtime directory: Read-only file system")
        run.mkdir(mode=0o700)

    keeper = Presence(run, LOG, make=make)
    with Station(run, "a") as station:
        station.publish(2)
        shutil.rmtree(run)
        for _ in range(3):
            keeper.keep(station.publisher.parts)
        (said,) = lines(caplog)
        assert "cannot recreate" in said
        assert "Read-only file system" in said
        station.ring.append("a", 3, b"more")  # the ring continues in memory
        can = True
        keeper.keep(station.publisher.parts)
        assert lines(caplog) == [f"recreated what was removed from {run}"]
    with closing(Ring(run / "ring", 1 << 20)) as ring:
        assert ring.runs == [Held("a", 1, 3)]


def test_a_directory_that_another_user_created_is_checked(run: Path) -> None:
    """Its owner is checked again: in /tmp another user may have created it."""
    made: list[int] = []
    keeper = Presence(run, LOG, make=lambda: made.append(1))
    keeper.keep([])
    assert made == []
    run.with_name("other").mkdir()  # while the first one exists, so that it gets another inode
    shutil.rmtree(run)
    run.with_name("other").rename(run)
    keeper.keep([])
    assert made == [1]


def test_the_writers_socket_too(run: Path) -> None:
    with closing(ControlServer(f"ipc://{run}/writer", presence(run))) as server:
        shutil.rmtree(run)
        server.keep()
        assert (run / "writer").is_socket()
        shutil.rmtree(run)
        run.mkdir()
        with closing(ControlServer(f"ipc://{run}/writer")):
            with pytest.raises(TakenOver, match="belongs to another telemetry-writer"):
                server.keep()
            assert (run / "writer").is_socket()
