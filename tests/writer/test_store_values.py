"""The key of a sample, and every value is stored unchanged."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.sample import END_OF_TIME, BatteryPack, Health, Sample, decode, encode
from tests.strategies import samples
from tests.writer.reading import expected_rows, rows, stored, stored_rows, value
from tests.writer.samples import BATTERY, NOW, sample
from writer.store import Store


@contextmanager
def fresh_store() -> Iterator[Store]:
    """Return a new store for one hypothesis example."""
    with tempfile.TemporaryDirectory() as directory, Store(Path(directory) / "telemetry.db") as store:
        yield store


# --- every value ---


@given(samples)
def test_every_value_is_stored_as_in_the_message(sampled: Sample) -> None:
    sent = decode(encode(sampled))
    with fresh_store() as store:
        assert store.append([sent], NOW) == (1, 0)
        ts = max(sent.ts, 1)
        assert stored_rows(store.path, ts) == expected_rows(sent, ts)
        assert rows(store.path, "SELECT * FROM battery_pack ORDER BY name") == sorted(
            (ts, p.name, p.status, p.voltage, p.current, p.power, p.pct, p.level)
            for p in (sent.battery and sent.battery.packs) or ()
        )
        assert value(store.path, "SELECT COUNT(*) FROM cpu_core WHERE ts <> ?", ts) == 0
        assert value(store.path, "SELECT COUNT(*) FROM process_sample WHERE ts <> ?", ts) == 0


def test_health_is_stored_if_it_changed_and_at_most_once_an_hour(store: Store) -> None:
    def reported(at: int, full: float | None, name: str = "BAT0") -> Sample:
        health = Health(full, 50.0, "Wh", 210)
        it = sample(at + 1, ts=NOW + at)
        return it._replace(battery=BATTERY._replace(name=name, health=health))

    store.append([reported(0, 40.0), reported(5, 40.0), reported(10, 39.5), reported(15, 40.0, "BAT1")], NOW)
    store.append(
        [reported(3700, 39.5), reported(3705, 39.0), reported(8000, 39.5), reported(8005, 39.5)], NOW
    )
    assert rows(
        store.path, "SELECT name, time, full, design, unit, cycles FROM battery_health ORDER BY time"
    ) == [
        ("BAT0", NOW + 0.25, 40.0, 50.0, "Wh", 210),
        ("BAT1", NOW + 15.25, 40.0, 50.0, "Wh", 210),
        ("BAT0", NOW + 3700.25, 39.5, 50.0, "Wh", 210),
    ]


@pytest.mark.parametrize(("later", "stored"), [(3599, [40.0]), (3601, [40.0, 39.5])])
def test_health_is_stored_again_after_an_hour(store: Store, later: int, stored: list[float]) -> None:
    for at, full in ((0, 40.0), (later, 39.5)):
        store.append([of_pack(at, "BAT0", Health(full, 50.0, "Wh", 210))], NOW)
    assert rows(store.path, "SELECT full FROM battery_health ORDER BY time") == [(it,) for it in stored]


def of_pack(at: int, name: str, health: Health) -> Sample:
    return sample(at + 1, ts=NOW + at)._replace(battery=BATTERY._replace(name=name, health=health))


A, B = Health(40.0, 50.0, "Wh", 210), Health(30.0, 48.0, "Wh", 12)
THREE = list(enumerate([A, B, A]))


@pytest.mark.parametrize("step", [5, 600, 4000])
@pytest.mark.parametrize(
    ("name", "other"),
    [
        pytest.param("BAT1", A, id="another-name"),
        pytest.param("BAT0", B, id="another-pack-in-one-bay"),
        pytest.param("BAT0", A._replace(full=30.0), id="another-full"),
        pytest.param("BAT0", A._replace(design=None), id="no-design"),
        pytest.param("BAT0", Health(3.0, 4.0, "Ah", 210), id="another-unit"),
        pytest.param("BAT0", A._replace(cycles=12), id="another-of-the-same-model"),
    ],
)
def test_the_newest_health_belongs_to_the_inserted_pack(
    store: Store, step: int, name: str, other: Health
) -> None:
    """Packs A, B, A with ten samples each."""
    packs = [("BAT0", A)] * 10 + [(name, other)] * 10 + [("BAT0", A)] * 10
    store.append([of_pack(step * number, *it) for number, it in enumerate(packs)], NOW)
    found = rows(store.path, "SELECT name, full, design, unit, cycles FROM battery_health ORDER BY time")
    assert found == [("BAT0", *A), (name, *other), ("BAT0", *A)]


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
@pytest.mark.parametrize("batch", [1, 10])
@pytest.mark.fast_cases(4)
def test_the_order_of_arrival_makes_no_difference(store: Store, order: tuple[int, ...], batch: int) -> None:
    """Ten samples each of packs A, B and A. An older recording may be imported after a newer one."""
    packs = [[of_pack(600 * (10 * part + number), "BAT0", it) for number in range(10)] for part, it in THREE]
    for part in order:
        for first in range(0, 10, batch):
            store.append(packs[part][first : first + batch], NOW)
    held = [
        value(
            store.path,
            "SELECT full FROM battery_health WHERE time <= ? ORDER BY time DESC LIMIT 1",
            NOW + 600 * number + 0.25,
        )
        for number in range(30)
    ]
    assert held == [A.full] * 10 + [B.full] * 10 + [A.full] * 10
    store.append([of_pack(600 * 30, "BAT0", B)], NOW)
    assert value(store.path, "SELECT full FROM battery_health ORDER BY time DESC LIMIT 1") == B.full


def test_packs_that_always_change_do_not_fill_the_database(store: Store) -> None:
    store.append([of_pack(5 * number, "BAT0", [A, B][number % 2]) for number in range(1440)], NOW)
    found = rows(store.path, "SELECT full, time FROM battery_health ORDER BY time")
    assert len(found) <= 2 * 12 + 2
    assert found[-1][0] == B.full


def test_several_packs_are_stored_under_one_name(store: Store) -> None:
    """Whichever of them supplies the machine."""
    packs = tuple(BatteryPack(name, "Discharging", 12.0, None, None, 50.0) for name in ("BAT0", "BAT1"))
    samples = [of_pack(5 * number, f"BAT{number % 2}", A) for number in range(20)]
    store.append(
        [it._replace(battery=it.battery and it.battery._replace(packs=packs)) for it in samples], NOW
    )
    assert rows(store.path, "SELECT name FROM battery_health") == [("BAT0+BAT1",)]


def test_only_none_becomes_null(store: Store) -> None:
    bare = sample(1)._replace(battery=None, load=(None, 0.0, None), processes=())
    store.append([bare], NOW)
    names = "voltage, current, power, battery_pct, status, energy_uj, load1, load5, load15"
    assert rows(store.path, f"SELECT {names} FROM system_sample") == [(*(None,) * 7, 0.0, None)]
    assert rows(store.path, "SELECT * FROM process_sample") == []


@pytest.mark.parametrize(
    ("power", "interval", "expected"),
    [
        (-2.0, 5.0, -10_000_000),
        (3.5, 0.1, 350_000),
        (1e-7, 4.0, 0),
        (-1.2345678e-6, 1.0, -1),
        (1.6e-6, 1.0, 2),
        (1e6, 1e6, 10**18),
        (-1e6, 1e6, -(10**18)),
        (0.0, 5.0, 0),
        (None, 5.0, None),
    ],
)
def test_energy_is_stored_as_an_integer(
    store: Store, power: float | None, interval: float, expected: int | None
) -> None:
    store.append([sample(1)._replace(battery=BATTERY._replace(power=power), interval=interval)], NOW)
    assert rows(store.path, "SELECT energy_uj, typeof(energy_uj) FROM system_sample") == [
        (expected, "null" if expected is None else "integer")
    ]


# --- ts ---

clocks = st.integers(0, int(END_OF_TIME) - 1) | st.integers(NOW - 3, NOW + 3)
batches = st.lists(st.lists(clocks, min_size=1, max_size=4), max_size=5)


@given(batches, st.booleans())
@pytest.mark.slow
def test_ts_rises_whatever_the_clock_does(batches: list[list[int]], reopen: bool) -> None:
    """Across batches and across restarts of the writer."""
    expected: list[tuple[str, int, int]] = []
    newest = seq = 0
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "telemetry.db"
        store = Store(path)
        for clock in batches:
            batch = []
            for ts in clock:
                seq += 1
                newest = max(ts, newest + 1)
                expected.append(("run-a", seq, newest))
                batch.append(sample(seq, ts=ts))
            assert store.append(batch, NOW) == (len(batch), 0)
            assert store.position == ("run-a", seq)
            if reopen:
                store.close()
                store = Store(path)
        assert stored(store) == expected
        store.close()


def test_time_is_the_unmodified_clock(store: Store) -> None:
    store.append([sample(1, ts=NOW), sample(2, ts=NOW - 3600)], NOW)
    assert rows(store.path, "SELECT ts, time FROM system_sample ORDER BY ts") == [
        (NOW, NOW + 0.25),
        (NOW + 1, NOW - 3600 + 0.25),
    ]


def test_an_import_keeps_a_free_ts_and_replaces_a_taken_one_by_the_next(store: Store) -> None:
    store.append([sample(seq, ts=NOW + seq) for seq in (1, 2, 4)], NOW)
    imported = [sample(9, "old", ts=NOW - 100), *(sample(seq, "old", ts=NOW + 1) for seq in (1, 2, 3))]
    assert store.import_samples(imported) == (4, 0)
    assert [(run, seq, ts - NOW) for run, seq, ts in stored(store)] == [
        ("old", 9, -100),
        ("run-a", 1, 1),
        ("run-a", 2, 2),
        ("old", 1, 3),
        ("run-a", 4, 4),
        ("old", 2, 5),
        ("old", 3, 6),
    ]
    store.append([sample(5, ts=NOW + 5)], NOW)
    assert stored(store)[-1] == ("run-a", 5, NOW + 7)


steps = st.lists(
    st.tuples(st.booleans(), st.lists(st.integers(1, 12), min_size=1, max_size=6)), min_size=1, max_size=8
)


@given(steps)
def test_keys_against_a_model(steps: list[tuple[bool, list[int]]]) -> None:
    """Live samples follow the newest row; imported ones keep their ts or get the next free second."""
    taken: dict[int, int] = {}
    seq = 0
    with fresh_store() as store:
        for is_live, clock in steps:
            batch = []
            for ts in clock:
                seq += 1
                batch.append(sample(seq, ts=ts))
                key = max(ts, max(taken, default=0) + 1) if is_live else ts
                while key in taken:
                    key += 1
                taken[key] = seq
            done = store.append(batch, NOW) if is_live else store.import_samples(batch)
            assert done == (len(batch), 0)
        assert {ts: seq for _, seq, ts in stored(store)} == taken


def test_importing_again_costs_no_more_than_importing(tmp_path: Path) -> None:
    """Each sample needs a free second, but must not search through all taken seconds each time."""

    def cost(count: int) -> int:
        with Store(tmp_path / f"{count}.db") as store:
            row = [sample(seq, ts=NOW + seq) for seq in range(1, count + 1)]
            store.import_samples(row)
            calls = 0

            def count_call() -> int:
                nonlocal calls
                calls += 1
                return 0

            store._database.set_progress_handler(count_call, 1000)
            for first in range(0, count, 100):
                assert store.import_samples(row[first : first + 100]) == (0, 100)
            return calls

    assert cost(2000) < 3 * cost(1000)
