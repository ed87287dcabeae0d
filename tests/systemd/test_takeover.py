"""Taking over the original logger's database and giving it back, with a systemctl that records its calls."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from tests.needs import is_root_with_capabilities

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.skipif(
    not is_root_with_capabilities(), reason="only root can give files to another user"
)

SYSTEMCTL = """#!/bin/sh
echo "$*" >>CALLS
case "$1" in
cat) [ -e UNIT ] ;;
is-enabled) echo enabled ;;
is-active) echo active ;;
esac
"""


class Place:
    """A state directory of the original logger's user 1234, and the script, changed to use this directory."""

    def __init__(self, directory: Path) -> None:
        self.state = directory / "state"
        self.record = directory / "state.taken-over"
        self.calls = directory / "calls"
        self.unit = directory / "unit"
        script = (
            (ROOT / "systemd/takeover.sh").read_text().replace("/var/lib/telemetry-logger", str(self.state))
        )
        # No account is created for this: "daemon" exists on every Debian.
        self._script = script.replace(":telemetry", ":daemon").replace("-g telemetry", "-g daemon")
        (directory / "bin").mkdir()
        systemctl = directory / "bin/systemctl"
        systemctl.write_text(SYSTEMCTL.replace("CALLS", str(self.calls)).replace("UNIT", str(self.unit)))
        systemctl.chmod(0o755)
        self._path = f"{directory / 'bin'}:{os.environ['PATH']}"

    def original(self, *names: str) -> None:
        self.state.mkdir(mode=0o755)
        for name in names:
            (self.state / name).write_text("x")
            (self.state / name).chmod(0o644)
            os.chown(self.state / name, 1234, 1234)
        os.chown(self.state, 1234, 1234)

    def run(self, call: str) -> str:
        done = subprocess.run(
            ["sh", "-euc", f"{self._script}\n{call}"],
            env={"PATH": self._path},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stderr

    def owner(self, name: str = "") -> tuple[int, int]:
        found = (self.state / name).stat()
        return found.st_uid, stat.S_IMODE(found.st_mode)


FILES = ("telemetry.db", "telemetry.db-wal", "telemetry.db-shm")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_taken_over_and_given_back(place: Place) -> None:
    place.original(*FILES)
    place.unit.touch()
    said = place.run("take_over daemon")
    assert "took over the database of user" in said
    assert [place.owner(name) for name in FILES] == [(1, 0o640)] * 3
    assert place.owner() == (1, 0o750)
    assert "disable --now telemetry-logger.service" in place.calls.read_text()
    (place.state / "telemetry.db.lock").touch()
    said = place.run("give_back")
    assert "gave" in said
    assert [place.owner(name) for name in FILES] == [(1234, 0o644)] * 3
    assert place.owner() == (1234, 0o755)
    assert not (place.state / "telemetry.db.lock").exists()
    assert not place.record.exists()
    assert place.calls.read_text().endswith(
        "enable telemetry-logger.service\nstart telemetry-logger.service\n"
    )


def test_a_database_without_its_unit(place: Place) -> None:
    place.original("telemetry.db")
    place.run("take_over daemon")
    assert place.owner("telemetry.db") == (1, 0o640)
    place.run("give_back")
    assert place.owner("telemetry.db") == (1234, 0o644)
    assert "start" not in place.calls.read_text()


def test_without_an_original_logger_nothing_is_done(place: Place) -> None:
    assert place.run("take_over daemon; give_back") == ""
    assert not place.record.exists()
    assert not place.state.exists()


def test_a_database_of_this_logger_is_not_taken_over(place: Place) -> None:
    place.original("telemetry.db")
    os.chown(place.state / "telemetry.db", 1, 1)
    assert place.run("take_over daemon") == ""
    assert not place.record.exists()


def test_a_second_takeover_keeps_the_former_owner(place: Place) -> None:
    place.original("telemetry.db")
    place.run("take_over daemon")
    assert place.run("take_over daemon") == ""
    place.run("give_back")
    assert place.owner("telemetry.db") == (1234, 0o644)


def test_a_symbolic_link_instead_of_a_file_is_not_followed(place: Place, tmp_path: Path) -> None:
    """Otherwise root could be tricked into giving away a system file."""
    secret = tmp_path / "shadow"
    secret.write_text("x")
    secret.chmod(0o600)
    place.original("telemetry.db")
    (place.state / "telemetry.db-wal").symlink_to(secret)
    place.run("take_over daemon")
    place.run("give_back")
    assert (secret.stat().st_uid, stat.S_IMODE(secret.stat().st_mode)) == (0, 0o600)
