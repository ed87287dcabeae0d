"""Gaps: recorded for lost samples, never where a sample is stored, and removed if one arrives after all."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.stream.joiner import Gap
from tests.writer.reading import rows
from tests.writer.samples import NOW, row_of, sample
from writer.ingest import Item
from writer.store import Store


def gaps(path: Path) -> list[tuple[str, int, int]]:
    found = rows(path, "SELECT run, first_seq, last_seq FROM gap JOIN run USING (run_id) ORDER BY 1, 2")
    return [(run, first, last) for run, first, last in found]


def test_a_gap_is_recorded(store: Store) -> None:
    store.append([sample(1), Gap("run-a", 2, 4), sample(5)], NOW + 0.5)
    assert gaps(store.path) == [("run-a", 2, 4)]
    assert rows(store.path, "SELECT noticed FROM gap") == [(NOW + 0.5,)]


def test_stored_samples_are_not_a_gap(store: Store) -> None:
    store.append([*row_of(1, 3), *row_of(6, 6)], NOW)
    store.append([Gap("run-a", 1, 9)], NOW)
    assert gaps(store.path) == [("run-a", 4, 5), ("run-a", 7, 9)]
    store.append([Gap("run-a", 1, 3), Gap("run-a", 6, 6)], NOW)
    assert gaps(store.path) == [("run-a", 4, 5), ("run-a", 7, 9)]


@pytest.mark.parametrize("again", [(4, 9), (4, 6), (5, 6), (1, 20), (1, 5), (8, 20)])
def test_a_loss_is_recorded_once(store: Store, again: tuple[int, int]) -> None:
    """A restarted writer may get the same gap again, or a part of it, or a larger one."""
    store.append([Gap("run-a", 4, 9)], NOW)
    store.append([Gap("run-a", *again)], NOW + 1)
    lost = set(range(4, 10)) | set(range(again[0], again[1] + 1))
    noted = [seq for _, first, last in gaps(store.path) for seq in range(first, last + 1)]
    assert sorted(noted) == sorted(lost)
    assert (4, 9, NOW) in rows(store.path, "SELECT first_seq, last_seq, noticed FROM gap")


@pytest.mark.parametrize("live", [True, False], ids=["live", "imported"])
@pytest.mark.parametrize(
    ("seq", "left"),
    [(4, [(5, 9)]), (9, [(4, 8)]), (6, [(4, 5), (7, 9)]), (3, [(4, 9)]), (10, [(4, 9)])],
)
def test_a_late_sample_splits_a_gap(store: Store, live: bool, seq: int, left: list[tuple[int, int]]) -> None:
    store.append([Gap("run-a", 4, 9), Gap("run-b", 1, 99)], NOW)
    if live:
        store.append([sample(seq)], NOW + 9)
    else:
        store.import_samples([sample(seq)])
    assert gaps(store.path) == [*(("run-a", *rest) for rest in left), ("run-b", 1, 99)]
    assert {row[0] for row in rows(store.path, "SELECT noticed FROM gap")} == {NOW}


def test_a_gap_of_one_sample_is_removed(store: Store) -> None:
    store.append([Gap("run-a", 4, 4)], NOW)
    store.import_samples([sample(4)])
    assert gaps(store.path) == []


def test_a_known_sample_fills_no_gap(store: Store) -> None:
    """The sample is stored, so there is no gap to fill, and other gaps must not change."""
    store.append([sample(5), Gap("run-a", 1, 4), Gap("run-a", 6, 9)], NOW)
    store.import_samples([sample(5)])
    assert gaps(store.path) == [("run-a", 1, 4), ("run-a", 6, 9)]


# --- against a set ---


class Step(NamedTuple):
    """Items that arrive together. An import has only samples."""

    items: list[Item]
    imported: bool


RUNS = ["run-a", "run-b"]
_samples = st.builds(sample, st.integers(1, 14), st.sampled_from(RUNS))
_gaps = st.builds(
    lambda run, first, length: Gap(run, first, first + length),
    st.sampled_from(RUNS),
    st.integers(1, 10),
    st.integers(0, 6),
)
histories = st.lists(
    st.builds(Step, st.lists(_samples | _gaps, max_size=6), st.just(False))
    | st.builds(Step, st.lists(_samples, max_size=6), st.just(True)),
    max_size=8,
)


@given(histories, st.booleans())
def test_gaps_against_a_set(history: list[Step], reopen: bool) -> None:
    """The gaps are the samples that were reported lost and never arrived, each once."""
    have: set[tuple[str, int]] = set()
    lost: set[tuple[str, int]] = set()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "telemetry.db"
        store = Store(path)
        for items, imported in history:
            came = 0
            for item in items:
                if isinstance(item, Gap):
                    lost |= {(item.run, seq) for seq in range(item.first, item.last + 1)} - have
                else:
                    came += (item.run, item.seq) not in have
                    have.add((item.run, item.seq))
                    lost.discard((item.run, item.seq))
            done = (
                store.import_samples([item for item in items if not isinstance(item, Gap)])
                if imported
                else store.append(items, NOW)
            )
            assert done.stored == came
            noted = [(run, seq) for run, first, last in gaps(path) for seq in range(first, last + 1)]
            assert len(noted) == len(set(noted))
            assert set(noted) == lost
            if reopen:
                store.close()
                store = Store(path)
        assert set(rows(path, "SELECT run, seq FROM system_sample JOIN run USING (run_id)")) == have
        store.close()
