"""The one owner of the database: appends batches, notes gaps, imports."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

from telemetry.errors import UserError
from telemetry.sample import VERSION, Sample
from telemetry.stream.joiner import Gap, Position
from writer.ingest import (
    CORE_COLUMNS,
    HEALTH_COLUMNS,
    PACK_COLUMNS,
    PROCESS_COLUMNS,
    SYSTEM_COLUMNS,
    Item,
    core_rows,
    health_row,
    pack_rows,
    process_rows,
    system_row,
)
from writer.opening import Damaged, explained, is_known, open_database, take_lock
from writer.salvage import is_damage, set_aside


def _insert(table: str, columns: str) -> str:
    marks = ", ".join("?" * (columns.count(",") + 1))
    return f"INSERT INTO {table} ({columns}) VALUES ({marks})"


# Not OR IGNORE: it would reach into a user's triggers, where it turns INSERT OR REPLACE into nothing, and
# it would drop a sample in silence where a user's constraint refuses it.
_INSERT_SYSTEM = (
    _insert("system_sample", SYSTEM_COLUMNS)
    + " ON CONFLICT (run_id, seq) WHERE run_id IS NOT NULL DO NOTHING"
)
_INSERT_CORE = _insert("cpu_core", CORE_COLUMNS)
_INSERT_PROCESS = _insert("process_sample", PROCESS_COLUMNS)
_INSERT_PACK = _insert("battery_pack", PACK_COLUMNS)
# Where it differs from the newest row of that battery, and that is an hour old: a gauge that cannot make up
# its mind fills no database.
_INSERT_HEALTH = f"""
INSERT OR IGNORE INTO battery_health ({HEALTH_COLUMNS})
SELECT ?1, ?2, ?3, ?4, ?5, ?6
WHERE NOT EXISTS (
    SELECT 1
    FROM (SELECT * FROM battery_health WHERE name = ?2 AND time <= ?1 ORDER BY time DESC LIMIT 1)
    WHERE full IS ?3 AND design IS ?4 AND unit IS ?5 AND cycles IS ?6 OR time > ?1 - 3600
)"""


def _newest_ts(database: sqlite3.Connection) -> int:
    """A row of a core or a process may have outlived its sample: its key is taken as well."""
    (newest,) = database.execute(
        "SELECT MAX(ts) FROM (SELECT 0 AS ts UNION ALL SELECT MAX(ts) FROM system_sample "
        "UNION ALL SELECT MAX(ts) FROM cpu_core UNION ALL SELECT MAX(ts) FROM process_sample)"
    ).fetchone()
    return int(newest)


class CannotWrite(Exception):
    """The database refuses now: nothing of the batch is stored, try again.

    Locked, no room, read-only, or a user's own constraint or trigger.
    """


class Stored(NamedTuple):
    """What became of a batch."""

    stored: int
    known: int
    """Already there."""


class Store:
    """The database, open for writing."""

    def __init__(self, path: Path, on_damage: Callable[[Path, str], None] | None = None) -> None:
        """Open, make or upgrade the database at ``path``.

        ``on_damage`` is told when a damaged file was set aside for a fresh one: its new path, and why.
        Without it Damaged is raised. Raises UserError where another writer owns it or it is not ours.
        """
        self.path = path
        self._on_damage = on_damage
        known = is_known(path)
        self._lock = take_lock(path)
        try:
            try:
                self._open(known=known)
            except Damaged as damaged:
                if on_damage is None:
                    raise
                try:
                    self._begin_anew(damaged.reason)
                except OSError as error:
                    raise UserError(f"{damaged}; it cannot be set aside: {error.strerror}") from None
        except BaseException:
            os.close(self._lock)
            raise

    def _open(self, *, known: bool) -> None:
        database = open_database(self.path, known=known)
        try:
            with explained(self.path, known=known):
                self._newest_ts = _newest_ts(database)
        except BaseException:
            database.close()
            raise
        self._database = database
        found = self.path.stat()
        self.identity = found.st_dev, found.st_ino
        """(device, inode) of the file that is open, whatever has its name since"""
        self._run_ids: dict[str, int] = {}
        self._taken = range(0)
        """Seconds that were found to have a row: importing what is there already asks for each anew."""

    def replace(self, why: str) -> None:
        """Set the damaged file aside and go on with a fresh one; the lock stays.

        Raises CannotWrite where there is no writing now: the next append tries again.
        """
        self._let_go()
        try:
            self._begin_anew(why)
        except (UserError, OSError) as error:
            raise CannotWrite(str(error)) from None

    def _begin_anew(self, why: str) -> None:
        aside = set_aside(Path(os.path.realpath(self.path)), time.time())
        if self._on_damage:
            self._on_damage(aside, why)
        self._open(known=True)

    def _stay_at_the_file(self) -> None:
        """Open the database anew where its file was moved or deleted, or could not be opened before."""
        with suppress(OSError):
            found = self.path.stat()
            if (found.st_dev, found.st_ino) == self.identity:
                return
        self._let_go()
        try:
            self._open(known=True)
        except UserError as error:
            raise CannotWrite(str(error)) from None

    def _let_go(self) -> None:
        self._database.close()
        self.identity = 0, 0  # of no file: the next append opens anew

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database (SQLite then empties the WAL) and let go of the lock."""
        self._database.close()
        os.close(self._lock)

    # --- what is there ---

    @property
    def position(self) -> Position | None:
        """The newest sample that is stored: the stream goes on behind it. None: nothing of any run."""
        try:
            row = self._database.execute(
                "SELECT run.run, seq FROM system_sample JOIN run USING (run_id) ORDER BY ts DESC LIMIT 1"
            ).fetchone()
        except sqlite3.ProgrammingError:  # closed: it could not be opened again yet
            return None
        except sqlite3.DatabaseError as error:
            if not (is_damage(error) and self._on_damage):
                raise UserError(f"cannot read the database {self.path}: {error}") from None
            with suppress(CannotWrite):
                self.replace(str(error))
            return None
        return Position(*row) if row else None

    # --- appending ---

    def append(self, items: Iterable[Item], noticed: float, *, durable: bool = False) -> Stored:
        """Store live samples and gaps, in one transaction: all, or CannotWrite is raised and none.

        A sample's ``ts`` becomes the newest row's plus one where it is not greater, so that the newest row
        has the greatest ``ts`` whatever the clock did. ``noticed`` is the Unix time noted with gaps.
        ``durable`` waits until it is on the disk; otherwise a power cut may take the last commits.
        """
        return self._write(items, noticed, keep_ts=False, synchronous="FULL" if durable else "NORMAL")

    def import_samples(self, samples: Iterable[Sample]) -> Stored:
        """Store samples of another time, in one transaction, or raise CannotWrite.

        A free ``ts`` is kept, a taken one gives way to the next free second. One that is already there is
        skipped; one inside a gap fills it.
        """
        return self._write(samples, 0.0, keep_ts=True, synchronous="NORMAL")

    def _write(self, items: Iterable[Item], noticed: float, *, keep_ts: bool, synchronous: str) -> Stored:
        self._stay_at_the_file()
        newest_ts, stored, known = self._newest_ts, 0, 0
        new_runs: dict[str, int] = {}
        database = self._database
        try:
            database.execute(f"PRAGMA synchronous = {synchronous}")
            database.execute("BEGIN IMMEDIATE")
            for item in items:
                if isinstance(item, Gap):
                    self._note_gap(item, noticed, new_runs)
                    continue
                ts = self._free_ts(item.ts) if keep_ts else max(item.ts, newest_ts + 1)
                if self._insert(item, ts, new_runs):
                    stored += 1
                    newest_ts = max(newest_ts, ts)
                    self._fill_gap(new_runs[item.run], item.seq)
                else:
                    known += 1
            database.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            self._roll_back()
            if is_damage(error) and self._on_damage:
                self.replace(str(error))
            elif isinstance(error, sqlite3.IntegrityError):
                self._newest_ts = _newest_ts(self._database)  # samples were copied in that are newer
            raise CannotWrite(str(error)) from None
        except BaseException:
            self._roll_back()
            raise
        self._newest_ts = newest_ts
        self._run_ids = new_runs or self._run_ids  # those of the newest batch: a handful, never all
        return Stored(stored, known)

    def _roll_back(self) -> None:
        self._taken = range(0)
        if self._database.in_transaction:
            with suppress(sqlite3.DatabaseError):  # of a damaged file: it is closed next
                self._database.execute("ROLLBACK")

    def _insert(self, sample: Sample, ts: int, runs: dict[str, int]) -> bool:
        """Insert the rows of one sample; return False, with nothing done, where it is already there."""
        run_id = self._run_id(sample, ts, runs)
        database = self._database
        if database.execute(_INSERT_SYSTEM, system_row(sample, ts, run_id)).rowcount == 0:
            return False
        database.executemany(_INSERT_CORE, core_rows(sample, ts))
        database.executemany(_INSERT_PROCESS, process_rows(sample, ts))
        database.executemany(_INSERT_PACK, pack_rows(sample, ts))
        if health := health_row(sample):
            database.execute(_INSERT_HEALTH, health)
        return True

    def _run_id(self, sample: Sample, ts: int, runs: dict[str, int]) -> int:
        run_id = runs.get(sample.run) or self._run_ids.get(sample.run)
        if run_id is None:
            # A run of which only a gap was known gets what a sample of it tells.
            run_id = self._number_run(
                (sample.run, sample.host, sample.boot_id, ts, sample.time - sample.interval, VERSION),
                "UPDATE SET host = excluded.host, boot_id = excluded.boot_id, first_ts = excluded.first_ts, "
                "started = excluded.started WHERE host = ''",
            )
        runs[sample.run] = run_id
        return run_id

    def _number_run(self, values: tuple[object, ...], on_conflict: str) -> int:
        self._database.execute(
            "INSERT INTO run (run, host, boot_id, first_ts, started, version) VALUES (?, ?, ?, ?, ?, ?) "
            f"ON CONFLICT (run) DO {on_conflict}",
            values,
        )
        row = self._database.execute("SELECT run_id FROM run WHERE run = ?", values[:1]).fetchone()
        return int(row[0])

    def _free_ts(self, ts: int) -> int:
        """Return the first second from ``ts`` on that no row has."""
        first, free = (self._taken.start, self._taken.stop) if ts in self._taken else (ts, ts)
        for (taken,) in self._database.execute(
            "SELECT ts FROM system_sample WHERE ts >= ?1 UNION SELECT ts FROM cpu_core WHERE ts >= ?1 "
            "UNION SELECT ts FROM process_sample WHERE ts >= ?1 ORDER BY ts",
            (free,),
        ):
            if taken != free:
                break
            free += 1
        self._taken = range(first, free)
        return free

    # --- gaps ---

    def _note_gap(self, gap: Gap, noticed: float, runs: dict[str, int]) -> None:
        """Note what of ``gap`` is neither stored nor noted already."""
        run_id = runs.get(gap.run)
        if run_id is None:  # not kept in ``runs``: a sample has still to say what this run is
            run_id = self._number_run((gap.run, "", "", self._newest_ts, noticed, VERSION), "NOTHING")
        missing = self._missing(run_id, gap.first, gap.last)
        self._database.executemany(
            "INSERT INTO gap VALUES (?, ?, ?, ?)", [(run_id, first, last, noticed) for first, last in missing]
        )

    def _missing(self, run_id: int, first: int, last: int) -> list[tuple[int, int]]:
        missing: list[tuple[int, int]] = []
        for known_first, known_last in self._database.execute(
            "SELECT seq, seq FROM system_sample WHERE run_id = ?1 AND seq BETWEEN ?2 AND ?3 "
            "UNION ALL SELECT first_seq, last_seq FROM gap "
            "WHERE run_id = ?1 AND first_seq <= ?3 AND last_seq >= ?2 ORDER BY 1",
            (run_id, first, last),
        ):
            if first < known_first:
                missing.append((first, known_first - 1))
            first = known_last + 1
        if first <= last:
            missing.append((first, last))
        return missing

    def _fill_gap(self, run_id: int, seq: int) -> None:
        """What arrives later for a range that was noted as a gap splits it."""
        gap = self._database.execute(  # gaps of a run never overlap
            "SELECT first_seq, last_seq, noticed FROM gap "
            "WHERE run_id = ? AND first_seq <= ? ORDER BY first_seq DESC LIMIT 1",
            (run_id, seq),
        ).fetchone()
        if gap is None or gap[1] < seq:
            return
        first, last, noticed = gap
        self._database.execute("DELETE FROM gap WHERE run_id = ? AND first_seq = ?", (run_id, first))
        rest = [(run_id, first, seq - 1, noticed), (run_id, seq + 1, last, noticed)]
        self._database.executemany(
            "INSERT INTO gap VALUES (?, ?, ?, ?)", [row for row in rest if row[1] <= row[2]]
        )
