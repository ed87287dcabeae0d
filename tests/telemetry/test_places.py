"""Paths of files and sockets, with the environment passed in."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from telemetry import places
from telemetry.errors import UserError


@pytest.fixture(autouse=True)
def nothing_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the system's directories, so that the machine that runs the tests does not matter."""
    monkeypatch.setattr(places, "SYSTEM_RUNTIME_DIRECTORY", tmp_path / "system" / "run")
    monkeypatch.setattr(places, "SYSTEM_STATE_DIRECTORY", tmp_path / "system" / "state")


@pytest.fixture
def system_run(tmp_path: Path) -> Path:
    directory = tmp_path / "system" / "run"
    directory.mkdir(parents=True)
    return directory


# --- the runtime directory -------------------------------------------------------------------------


def test_the_order_of_the_places(system_run: Path) -> None:
    environ = {
        "TELEMETRY_RUNTIME_DIR": "/given",
        "RUNTIME_DIRECTORY": "/run/by-systemd:/run/second",
        "XDG_RUNTIME_DIR": "/run/user/7",
    }
    assert places.runtime_directory(environ) == Path("/given")
    del environ["TELEMETRY_RUNTIME_DIR"]
    assert places.runtime_directory(environ) == Path("/run/by-systemd")
    del environ["RUNTIME_DIRECTORY"]
    assert places.runtime_directory(environ) == system_run
    system_run.rmdir()
    assert places.runtime_directory(environ) == Path("/run/user/7/telemetry-logger")
    del environ["XDG_RUNTIME_DIR"]
    assert places.runtime_directory(environ) == Path(f"/tmp/telemetry-logger-{os.getuid()}")


def test_an_empty_variable_counts_as_unset(system_run: Path) -> None:
    environ = {"TELEMETRY_RUNTIME_DIR": "", "RUNTIME_DIRECTORY": "", "XDG_RUNTIME_DIR": ""}
    assert places.runtime_directory(environ) == system_run
    system_run.rmdir()
    assert places.runtime_directory(environ) == Path(f"/tmp/telemetry-logger-{os.getuid()}")


def test_a_given_directory_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes may have different working directories, and an endpoint needs an absolute path."""
    monkeypatch.chdir(tmp_path)
    assert places.runtime_directory({"TELEMETRY_RUNTIME_DIR": "run"}) == tmp_path / "run"


def test_a_relative_xdg_directory_is_ignored() -> None:
    """The XDG base directory specification says so: each process would resolve it differently."""
    assert places.runtime_directory({"XDG_RUNTIME_DIR": "run/user/7"}) == Path(
        f"/tmp/telemetry-logger-{os.getuid()}"
    )


def test_looking_up_a_path_creates_nothing(tmp_path: Path) -> None:
    places.runtime_directory({"TELEMETRY_RUNTIME_DIR": str(tmp_path / "run")})
    places.runtime_directory({"XDG_RUNTIME_DIR": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []


def test_a_users_directory_is_created_for_that_user_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = places.make_runtime_directory({"XDG_RUNTIME_DIR": str(tmp_path)})
    finally:
        os.umask(before)
    assert made == tmp_path / "telemetry-logger"
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert places.make_runtime_directory({"XDG_RUNTIME_DIR": str(tmp_path)}) == made


def test_the_directory_in_tmp_is_created_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / f"telemetry-logger-{os.getuid()}"
    monkeypatch.setattr(places, "_own_directory", lambda environ: own)
    assert places.make_runtime_directory({}) == own
    assert stat.S_IMODE(own.stat().st_mode) == 0o700
    own.chmod(0o777)
    with pytest.raises(UserError, match="only you can write to"):
        places.make_runtime_directory({})


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702, 0o720])
def test_a_directory_that_others_can_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    own = tmp_path / "telemetry-logger"
    own.mkdir()
    own.chmod(mode)
    with pytest.raises(UserError) as caught:
        places.make_runtime_directory({"XDG_RUNTIME_DIR": str(tmp_path)})
    assert str(caught.value) == (
        f"{own} is not a directory that only you can write to; "
        "remove it, or name another one in TELEMETRY_RUNTIME_DIR"
    )
    own.chmod(0o755)
    assert places.make_runtime_directory({"XDG_RUNTIME_DIR": str(tmp_path)}) == own


def test_a_symbolic_link_is_refused_whatever_its_target(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir(mode=0o700)
    (tmp_path / "telemetry-logger").symlink_to(mine)
    with pytest.raises(UserError, match="only you can write to"):
        places.make_runtime_directory({"XDG_RUNTIME_DIR": str(tmp_path)})


def test_a_directory_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "telemetry-logger"
    own.mkdir(mode=0o700)
    places.check_owner(own)
    monkeypatch.setattr(os, "getuid", lambda: own.stat().st_uid + 1)
    with pytest.raises(UserError, match="only you can write to"):
        places.check_owner(own)


@pytest.mark.parametrize("kind", ["file", "dangling link", "no parent", "a file for a parent"])
def test_a_directory_that_cannot_be_created_gives_a_one_line_error(tmp_path: Path, kind: str) -> None:
    directory = tmp_path / "run"
    match kind:
        case "file":
            directory.write_text("mine")
        case "dangling link":
            directory.symlink_to(tmp_path / "gone")
        case "no parent":
            directory = tmp_path / "gone" / "run"
        case "a file for a parent":
            (tmp_path / "file").write_text("mine")
            directory = tmp_path / "file" / "run"
    with pytest.raises(UserError) as caught:
        places.make_runtime_directory({"TELEMETRY_RUNTIME_DIR": str(directory)})
    assert str(caught.value).startswith(f"cannot make the runtime directory {directory}: ")
    assert str(caught.value).endswith("; name another one in TELEMETRY_RUNTIME_DIR")


def test_a_subscriber_creates_nothing_and_refuses_a_directory_of_another_user(tmp_path: Path) -> None:
    own = tmp_path / "telemetry-logger"
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    assert places.readers_directory(environ) == own
    assert not own.exists()
    own.symlink_to(tmp_path / "gone")
    with pytest.raises(UserError, match="only you can write to"):
        places.readers_directory(environ)
    own.unlink()
    own.mkdir()
    own.chmod(0o770)
    with pytest.raises(UserError, match="only you can write to"):
        places.readers_directory(environ)
    assert (
        places.readers_directory({"TELEMETRY_RUNTIME_DIR": str(own / "of" / "another")})
        == own / "of" / "another"
    )
    own.chmod(0o700)
    assert places.readers_directory(environ) == own


def test_a_given_directory_may_be_writable_by_the_group(tmp_path: Path) -> None:
    """systemd's runtime directory is: whoever names a directory is responsible for it."""
    given = tmp_path / "run"
    given.mkdir()
    given.chmod(0o770)
    assert places.make_runtime_directory({"RUNTIME_DIRECTORY": str(given)}) == given
    assert places.make_runtime_directory({"TELEMETRY_RUNTIME_DIR": str(given)}) == given
    assert stat.S_IMODE(given.stat().st_mode) == 0o770


# --- what is in it ---------------------------------------------------------------------------------


def test_the_endpoints() -> None:
    directory = Path("/run/telemetry-logger")
    assert places.publish_endpoint(directory) == "ipc:///run/telemetry-logger/samples"
    assert places.replay_endpoint(directory) == "ipc:///run/telemetry-logger/replay"
    assert places.control_endpoint(directory) == "ipc:///run/telemetry-logger/writer"
    assert places.ring_file(directory) == directory / "ring"


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        ("ipc:///run/telemetry-logger/samples", Path("/run/telemetry-logger/samples")),
        ("ipc://samples", Path("samples")),
        ("ipc://@abstract", None),
        ("tcp://127.0.0.1:5555", None),
        ("inproc://x", None),
        ("/run/x", None),
        ("", None),
    ],
)
def test_the_file_of_an_endpoint(endpoint: str, path: Path | None) -> None:
    assert places.ipc_path(endpoint) == path


# --- the database ----------------------------------------------------------------------------------


def test_the_default_database(tmp_path: Path) -> None:
    assert places.default_database({}) == Path("telemetry.db")
    assert places.default_database({"TELEMETRY_DB": ""}) == Path("telemetry.db")
    assert places.default_database({"TELEMETRY_DB": "/x/y.db"}) == Path("/x/y.db")
    state = tmp_path / "system" / "state"
    state.mkdir(parents=True)
    assert places.default_database({}) == state / "telemetry.db"
    assert places.default_database({"TELEMETRY_DB": "y.db"}) == Path("y.db")


def test_the_places_of_an_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert Path("/run/telemetry-logger") == places.SYSTEM_RUNTIME_DIRECTORY
    assert Path("/var/lib/telemetry-logger") == places.SYSTEM_STATE_DIRECTORY
