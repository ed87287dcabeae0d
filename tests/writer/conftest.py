"""Fixtures: writers, databases, and file systems that need a mount."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.needs import is_root_with_capabilities, mount_tmpfs, unmount
from tests.system.processes import System
from tests.writer.fake_sampler import Feed
from tests.writer.samples import NOW, row_of
from writer.store import Store

MakeDisk = Callable[[int], Path]
"""Makes a file system of the given size in bytes."""


@pytest.fixture
def system() -> Iterator[System]:
    """A runtime directory and a database path; no process runs."""
    # A socket's path has at most 107 bytes: some tmp_path are too long.
    with tempfile.TemporaryDirectory(prefix="writer") as directory, System(Path(directory)) as system:
        yield system


@pytest.fixture
def options(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The writer's options: empty unless a test parametrizes them."""
    given: tuple[str, ...] = getattr(request, "param", ())
    return given


@pytest.fixture
def feed(system: System, options: tuple[str, ...]) -> Iterator[Feed]:
    """A writer that a fake sampler feeds."""
    with Feed(system, *options) as feed:
        yield feed


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty database, open: a copy, since making the schema takes 15 ms of CPU."""
    path = tmp_path / "telemetry.db"
    path.write_bytes(_empty())
    with Store(path) as store:
        yield store


@cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "telemetry.db")
        Store(path).close()
        return path.read_bytes()


@pytest.fixture
def make_disk(tmp_path: Path) -> Iterator[MakeDisk]:
    """A factory of small file systems."""
    at = tmp_path / "disk"
    at.mkdir()

    def make(size: int) -> Path:
        mount_tmpfs(at, f"size={size},mode=0700")
        return at

    yield make
    if os.path.ismount(at):
        unmount(at)


@pytest.fixture
def read_only_directory(tmp_path: Path) -> Iterator[Path]:
    """A directory that nobody can write to, not even root."""
    at = tmp_path / "read-only"
    at.mkdir()
    if is_root_with_capabilities():
        mount_tmpfs(at, "ro")
        yield at
        unmount(at)
    else:
        at.chmod(0o555)
        yield at
        at.chmod(0o755)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "telemetry.db"


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The original of ``recorded``."""
    path = tmp_path_factory.mktemp("recording") / "telemetry.db"
    with Store(path) as store:
        for first in range(1, 3001, 500):
            store.append(row_of(first, first + 499), NOW)
    return path


@pytest.fixture
def recorded(recording: Path, path: Path) -> Path:
    """3,000 samples, closed cleanly."""
    shutil.copytree(recording.parent, path.parent, dirs_exist_ok=True)
    return path
