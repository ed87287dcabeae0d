"""Power cuts may truncate the WAL anywhere: what is left is a prefix of the commits."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.writer.reading import is_whole, rows, value
from tests.writer.samples import NOW, row_of
from writer.store import Store


class Cut(NamedTuple):
    """A copy of database and WAL, taken between two commits."""

    path: Path
    committed: int
    """The samples committed by then."""
    synced: int
    """Bytes of the WAL that were certainly on the disk: a checkpoint syncs it before it writes the file."""

    @property
    def wal(self) -> Path:
        return self.path.with_name(f"{self.path.name}-wal")


def record_cuts(directory: Path, moments: random.Random, *, durable: bool) -> list[Cut]:
    live = directory / "telemetry.db"
    wal = directory / "telemetry.db-wal"
    cuts: list[Cut] = []
    committed, synced, generation = 0, 0, b""
    with Store(live) as store:
        store._database.execute("PRAGMA wal_autocheckpoint = 0")  # the test checkpoints itself, to know when
        for index in range(60):
            count = moments.randint(1, 12)
            store.append(row_of(committed + 1, committed + count), NOW, durable=durable)
            committed += count
            content = wal.read_bytes()
            if content[16:24] != generation:  # new salts: the WAL was restarted, and its header was synced
                generation, synced = content[16:24], 32
            if durable:
                synced = len(content)
            copy = directory / str(index)
            copy.mkdir()
            cuts.append(Cut(copy / "telemetry.db", committed, synced))
            shutil.copy(live, cuts[-1].path)
            cuts[-1].wal.write_bytes(content)
            if moments.random() < 0.2:
                store._database.execute("PRAGMA wal_checkpoint(PASSIVE)")
                synced = len(content)
    return cuts


@pytest.mark.parametrize("durable", [False, True], ids=["NORMAL", "FULL"])
@pytest.mark.fast_cases(1)
def test_a_power_cut_leaves_a_prefix_of_the_commits(tmp_path: Path, durable: bool) -> None:
    """The kernel may have written any part of the unsynced bytes; with FULL nothing is missing."""
    moments = random.Random(12)
    missing = 0
    for path, committed, synced in record_cuts(tmp_path, moments, durable=durable):
        wal = path.with_name("telemetry.db-wal")
        with wal.open("r+b") as file:
            file.truncate(moments.randint(synced, max(synced, wal.stat().st_size)))
        assert is_whole(path)
        if value(path, "PRAGMA user_version") == 0:  # cut before the tables were created
            missing += committed
            continue
        seqs = [seq for (seq,) in rows(path, "SELECT seq FROM system_sample ORDER BY ts")]
        assert seqs == list(range(1, len(seqs) + 1))
        assert len(seqs) <= committed
        assert value(path, "SELECT COUNT(*) FROM cpu_core") == 2 * len(seqs)
        assert value(path, "SELECT COUNT(*) FROM process_sample") == 2 * len(seqs)
        with Store(path) as store:  # the writer continues from there
            store.append(row_of(len(seqs) + 1, committed + 1), NOW)
        assert value(path, "SELECT COUNT(*) FROM system_sample") == committed + 1
        missing += committed - len(seqs)
    assert (missing == 0) == durable
