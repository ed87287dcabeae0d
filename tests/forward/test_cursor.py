"""The cursor survives a kill, a full disk, a damaged file and a replaced database."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forward.cursor import OTHER_NAMES, Cursor, Mark
from forward.record import LAST_SEQ, CursorError, open_to_read
from telemetry.errors import TakenOver
from tests.strategies import times

URL = "http://localhost:8428/write"


def marks(run: str, seqs: Sequence[int]) -> list[Mark]:
    return [Mark(run, seq, seq, 1_795_262_400 + seq, 1_795_262_400.25 + seq) for seq in seqs]


def sent(cursor: Cursor, run: str, up_to: int) -> set[int]:
    """Return the seqs up to ``up_to`` that are recorded as sent."""
    missing = {seq for first, last in cursor.holes(run) for seq in range(first, min(last, up_to) + 1)}
    return set(range(up_to + 1)) - missing


@times(1)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sets(st.integers(0, 40))), max_size=12))
def test_ranges_contain_what_was_marked_in_any_order(batches: list[tuple[str, set[int]]]) -> None:
    import tempfile

    truth: dict[str, set[int]] = {"a": set(), "b": set()}
    with tempfile.TemporaryDirectory() as directory, Cursor(Path(directory) / "cursor", URL) as cursor:
        for run, seqs in batches:
            cursor.mark(marks(run, sorted(seqs)), 0)
            truth[run] |= seqs
        for run, seqs in truth.items():
            assert sent(cursor, run, 41) == seqs
            holes = list(cursor.holes(run))
            assert holes[-1][1] == LAST_SEQ
            assert all(left[1] + 1 < right[0] for left, right in pairwise(holes))
        assert cursor.counts.samples == sum(len(seqs) for _, seqs in batches)


def test_the_cursor_survives_a_restart(tmp_path: Path) -> None:
    with Cursor(tmp_path / "cursor", URL) as cursor:
        cursor.mark(marks("a", [1, 2, 5]), 3)
        assert cursor.admit("firefox", 1) == "firefox"
        cursor.save_days([("session", 0, {("m", (("host", "pi4"),), 7): {"x": 1, "y": 2.0}})], 1)
    with Cursor(tmp_path / "cursor", URL) as cursor:
        assert sent(cursor, "a", 6) == {1, 2, 5}
        assert (cursor.counts.samples, cursor.counts.refused) == (3, 4)
        assert cursor.counts.newest == 1_795_262_405.25
        assert (cursor.admit("firefox", 1), cursor.admit("vim", 1)) == ("firefox", OTHER_NAMES)
        cells, is_same = cursor.day("session", 0)
        assert is_same
        assert cells == {("m", (("host", "pi4"),), 7): {"x": 1, "y": 2.0}}
        assert [type(value) for value in next(iter(cells.values())).values()] == [int, float]


def test_only_its_owner_can_read_it_and_only_one_process_can_use_it(tmp_path: Path) -> None:
    import os

    mask = os.umask(0o077)
    try:
        with (
            Cursor(tmp_path / "cursor", URL),
            pytest.raises(TakenOver, match="another telemetry-forward uses"),
        ):
            Cursor(tmp_path / "cursor", URL)
    finally:
        os.umask(mask)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    with Cursor(tmp_path / "cursor", URL) as cursor:
        cursor.mark(marks("a", [1]), 0)
        with open_to_read(tmp_path / "cursor") as record:  # while another process writes it
            assert record.counts.samples == 1


def test_a_cursor_belongs_to_one_engine(tmp_path: Path) -> None:
    with Cursor(tmp_path / "cursor", URL):
        pass
    with pytest.raises(CursorError, match=r"belongs to http://localhost:8428/write; .*--cursor PATH"):
        Cursor(tmp_path / "cursor", "http://elsewhere/write")


@pytest.mark.parametrize("damage", ["no database", "a page", "cut off"])
def test_a_damaged_file_is_moved_aside(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "cursor"
    with Cursor(path, URL) as cursor:
        cursor.mark(marks("a", range(0, 4000, 2)), 0)
    whole = path.read_bytes()
    broken = {
        "no database": b"x" * len(whole),
        "a page": whole[:8192] + b"\xff" * 4096 + whole[12288:],
        "cut off": whole[: len(whole) // 2],
    }[damage]
    path.write_bytes(broken)
    with Cursor(path, URL) as cursor:
        assert cursor.set_aside == tmp_path / "cursor.corrupt"
        assert cursor.set_aside.read_bytes() == broken
        assert cursor.counts.samples == 0
        cursor.mark(marks("a", [1]), 0)


def test_a_file_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "mine")
    database.execute("CREATE TABLE mine (x)")
    database.close()
    with pytest.raises(CursorError, match="not a cursor"):
        Cursor(tmp_path / "mine", URL)
    with pytest.raises(CursorError, match="No such file or directory"):
        Cursor(tmp_path / "nowhere" / "cursor", URL)
    with pytest.raises(CursorError, match="--cursor"), open_to_read(tmp_path / "none"):
        pass


def test_a_full_disk_keeps_what_was_recorded_before(tmp_path: Path) -> None:
    with Cursor(tmp_path / "cursor", URL) as cursor:
        cursor.mark(marks("a", [1]), 0)
        cursor._database.execute("PRAGMA max_page_count = 1")  # simulates a full disk
        with pytest.raises(CursorError, match="full"):
            cursor.mark(marks("a", range(3, 4000, 2)), 0)
        assert sent(cursor, "a", 9) == {1}
        cursor._database.execute("PRAGMA max_page_count = 100000")
        cursor.mark(marks("a", range(3, 4000, 2)), 0)
        assert sent(cursor, "a", 9) == {1, 3, 5, 7, 9}


def test_it_notices_a_replaced_database_and_a_restored_older_copy(tmp_path: Path) -> None:
    with Cursor(tmp_path / "cursor", URL) as cursor:
        assert cursor.notice_database(17, 0) is None
        cursor.mark(marks("a", [1, 2, 3]), 0)
        newest = 1_795_262_403
        assert cursor.notice_database(17, newest) is None
        assert cursor.notice_database(17, newest + 5) is None
        restored = cursor.notice_database(17, newest - 1)
        assert restored is not None
        assert "an older copy" in restored
        assert cursor.notice_database(17, newest - 1) is None  # reported only once
        another = cursor.notice_database(18, newest)
        assert another is not None
        assert "replaced by another" in another
        assert cursor.generation == 2
        assert sent(cursor, "a", 4) == {1, 2, 3}
