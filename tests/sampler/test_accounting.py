from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.accounting import Debt, Use, bounded, settle
from sampler.process_stat import Stat
from sampler.sweep import Changes

INIT = 1


def stat(pid: int, parent: int = INIT, *, used: int = 0, reaped: int = 0, start: int | None = None) -> Stat:
    return Stat(pid, pid if start is None else start, b"p", False, parent, used, reaped, 1, 0)


def settled(
    ran: Sequence[tuple[Stat | None, Stat]],
    gone: Sequence[Stat] = (),
    *,
    living: Sequence[Stat] = (),
    waiting: Sequence[Debt] = (),
    born_after: int = 0,
) -> tuple[dict[int, tuple[int | None, int | None]], list[Debt]]:
    """Settle; return (own, children) by pid."""
    there = {now.pid: now for now in (*living, *(now for _, now in ran))}
    used, left = settle(Changes(list(ran), list(gone)), there.get, waiting, born_after)
    return {use.stat.pid: (use.own, use.children) for use in used}, left


def test_use_and_reaped_use_since_the_last_sweep() -> None:
    used, left = settled([(stat(5, used=10, reaped=100), stat(5, used=13, reaped=107))])
    assert used == {5: (3, 7)}
    assert left == []


def test_a_new_process_is_credited_its_whole_life_and_a_hidden_one_is_unknown() -> None:
    used, _ = settled(
        [(None, stat(5, used=3, reaped=4, start=90)), (None, stat(6, used=3, reaped=4, start=89))],
        born_after=90,
    )
    assert used == {5: (3, 4), 6: (None, None)}


def test_counters_that_step_back_give_no_negative_use() -> None:
    """A step back of one or two ticks is rounding. After a larger one the counter restarted."""
    used, _ = settled([(stat(5, used=10, reaped=100), stat(5, used=9, reaped=99))])
    assert used == {5: (0, 0)}
    used, _ = settled([(stat(5, used=10, reaped=100), stat(5, used=1, reaped=101))])
    assert used == {5: (None, 1)}


@pytest.mark.parametrize(
    ("own", "children", "told"),
    [
        (400, 0, (400, 0)),
        (430, 0, (400, 0)),  # the reader was delayed
        (5_000_000, 0, (None, 0)),
        (5_000_000, 5_000_000, (None, None)),
        (10, 5_000_000, (10, None)),
        (390, 20, (390, 10)),
        (390, 390, (390, None)),
        (None, 10, (None, 10)),
        (10, None, (10, None)),
    ],
)
def test_nothing_uses_more_than_all_cores(
    own: int | None, children: int | None, told: tuple[int | None, int | None]
) -> None:
    """4 cores have 400 ticks in a second."""
    (use,) = bounded([Use(stat(5), own, children)], 400)
    assert (use.own, use.children) == told


def test_only_the_last_use_of_a_known_child_is_new() -> None:
    """When last seen it had used 50 ticks and reaped 20, and it used 4 more before it was reaped."""
    used, left = settled([(stat(5), stat(5, reaped=74))], [stat(6, 5, used=50, reaped=20)])
    assert used == {5: (0, 4)}
    assert left == []


def test_the_debts_of_a_chain_that_ends_pass_to_the_remaining_ancestor() -> None:
    """6 reaped 7 and ended, and 5 reaped 6: cutime of 5 includes all of both."""
    used, left = settled(
        [(stat(5), stat(5, reaped=50 + 4 + 30 + 2))], [stat(6, 5, used=50), stat(7, 6, used=30)]
    )
    assert used == {5: (0, 4 + 2)}
    assert left == []


def test_the_debt_of_an_orphan_passes_to_the_ancestor_that_reaped_it() -> None:
    """6 ended before its child 7, which init reaped. 5 reaped only 6, so init has the debt of 7, not 5."""
    used, left = settled(
        [(stat(INIT, 0), stat(INIT, 0, reaped=33)), (stat(5), stat(5, reaped=54))],
        [stat(6, 5, used=50), stat(7, 6, used=30)],
    )
    assert sum(children or 0 for _, children in used.values()) == 4 + 3
    assert left == []


def test_the_debt_of_a_child_with_a_living_parent_passes_to_no_other_process() -> None:
    """5 ignores SIGCHLD, so no process gained the use of 6. Init, which reaped another one, owes nothing."""
    used, _ = settled([(stat(INIT, 0), stat(INIT, 0, reaped=33))], [stat(6, 5, used=50)], living=[stat(5)])
    assert used == {INIT: (0, 33)}


def test_the_debt_of_an_ended_parent_may_pass_to_its_ancestors() -> None:
    parent = stat(5)
    used, left = settled(
        [(stat(INIT, 0), stat(INIT, 0, reaped=52)), (parent, parent._replace(zombie=True))],
        [stat(6, 5, used=50)],
    )
    assert used == {INIT: (0, 2), 5: (0, 0)}
    assert left == []


def test_a_child_may_be_gone_before_its_parent_shows_the_reaped_time() -> None:
    parent = stat(5)
    child = stat(6, 5, used=50)
    used, left = settled([], [child], living=[parent])
    assert left == [Debt(parent, 50, orphan=False, waited=True)]
    used, left = settled([(parent, stat(5, reaped=53))], waiting=left)
    assert used == {5: (0, 3)}
    assert left == []


def test_a_debt_waits_once() -> None:
    _, left = settled([], [stat(6, 5, used=50)], living=[stat(5)])
    assert settled([], living=[stat(5)], waiting=left) == ({}, [])


def test_the_debt_of_a_process_that_ends_passes_to_its_parent() -> None:
    _, left = settled([], [stat(7, 6, used=50)], living=[stat(6, 5)])
    used, _ = settled([(stat(5), stat(5, reaped=53))], [stat(6, 5)], waiting=left)
    assert used == {5: (0, 3)}


def test_a_reused_pid_inherits_no_debt() -> None:
    """The parent 5 is gone, and its pid was reused since; init reaped both the parent and its child."""
    used, _ = settled(
        [(None, stat(5, start=99, reaped=8)), (stat(INIT, 0), stat(INIT, 0, reaped=51))],
        [stat(5, start=5), stat(6, 5, used=50)],
        born_after=90,
    )
    assert used == {5: (0, 8), INIT: (0, 1)}


def test_a_cyclic_tree_does_not_loop_for_ever() -> None:
    """Two processes that are each other's parent, gone or not."""
    gone = [stat(6, 7, used=9), stat(7, 6, used=9)]
    assert settled([], gone) == ({}, [])
    living = [stat(4, 5, start=0), stat(5, 4, start=0)]
    settled([], [stat(6, 5, used=9), stat(7, 6, used=9)], living=living)


# --- a model of the kernel's accounting -------------------------------------------------------------


class Step(NamedTuple):
    """An action of a process. Process and object are chosen by number from the possible ones."""

    act: str
    who: int
    ticks: int


class Kernel:
    """Processes that fork, use CPU, end and are reaped, by the rules of exit.c and wait(2)."""

    def __init__(self, *, pids: int, deaf: bool) -> None:
        self.tick = 1
        self.busy = 0
        self.pids = pids
        self.deaf_ones = deaf
        self.there: dict[int, Stat] = {INIT: stat(INIT, 0, start=0)}
        self.zombies: set[int] = set()
        self.deaf: set[int] = set()
        """Processes that ignore SIGCHLD."""
        self.subreapers: set[int] = {INIT}

    def do(self, step: Step) -> None:
        alive = [pid for pid in self.there if pid not in self.zombies]
        pid = alive[step.who % len(alive)]
        acts: dict[str, Callable[[int, int], None]] = {
            "fork": self._fork,
            "burn": self._burn,
            "end": self._end,
            "reap": self._reap,
        }
        acts[step.act](pid, step.ticks)

    def _fork(self, parent: int, kind: int) -> None:
        free = [pid for pid in range(2, self.pids + 2) if pid not in self.there]
        if not free:
            return
        pid = free[kind % len(free)]
        self.tick += 1
        self.there[pid] = stat(pid, parent, start=self.tick)
        if kind % 5 == 0:
            self.subreapers.add(pid)
        if self.deaf_ones and kind % 3 == 0:
            self.deaf.add(pid)

    def _burn(self, pid: int, ticks: int) -> None:
        self.busy += ticks
        self.there[pid] = self.there[pid]._replace(used=self.there[pid].used + ticks)

    def _end(self, pid: int, _: int) -> None:
        if pid == INIT:
            return
        reaper = self.there[pid].parent
        while reaper not in self.subreapers or reaper in self.zombies:
            reaper = self.there[reaper].parent
        for child in [child for child in self.there.values() if child.parent == pid]:
            self.there[child.pid] = child._replace(parent=reaper)
        self.zombies.add(pid)
        self.there[pid] = self.there[pid]._replace(zombie=True)
        if self.there[pid].parent in self.deaf:
            self._release(pid)

    def _reap(self, parent: int, _: int) -> None:
        for pid in [pid for pid in self.zombies if self.there[pid].parent == parent]:
            child, own = self.there[pid], self.there[parent]
            self.there[parent] = own._replace(reaped=own.reaped + child.used + child.reaped)
            self._release(pid)

    def _release(self, pid: int) -> None:
        del self.there[pid]
        self.zombies.discard(pid)
        self.deaf.discard(pid)
        self.subreapers.discard(pid)


class Watcher:
    """Sweeps over the model as ``sampler.sweep`` does over procfs, parents first, while time passes."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.known: dict[int, Stat] = {}
        self.owed: list[Debt] = []
        self.swept_at = 0
        self.sweep(iter([]))

    def sweep(self, meanwhile: Iterator[Step]) -> list[Use]:
        born_after, self.swept_at = self.swept_at, self.kernel.tick + 1
        listed = set(self.kernel.there)
        ran: list[tuple[Stat | None, Stat]] = []
        gone: list[Stat] = []
        for pid, before in list(self.known.items()):
            for step in islice(meanwhile, 1):
                self.kernel.do(step)
            now = self.kernel.there.get(pid)
            if pid not in listed or now is None or now.start != before.start:
                gone.append(before)
                del self.known[pid]
            else:
                ran.append((before, now))
                self.known[pid] = now
        unknown = listed.union(lost.pid for lost in gone).difference(self.known)
        born = sorted(
            (now for pid in unknown if (now := self.kernel.there.get(pid))), key=lambda now: now.start
        )
        self.known.update((now.pid, now) for now in born)
        ran.extend((None, now) for now in born)
        used, self.owed = settle(Changes(ran, gone), self.known.get, self.owed, born_after)
        return used


def ticks(used: Sequence[Use]) -> list[int]:
    """Return the total ticks that are accounted for."""
    return [known for use in used for known in (use.own, use.children) if known is not None]


steps = st.builds(
    Step,
    act=st.sampled_from(["fork", "fork", "burn", "burn", "burn", "end", "reap"]),
    who=st.integers(0, 30),
    ticks=st.integers(1, 30),
)
intervals = st.lists(st.lists(steps, max_size=25), max_size=8)


few_pids = st.integers(2, 12)


@given(intervals, few_pids)
def test_every_tick_has_one_owner(intervals: list[list[Step]], pids: int) -> None:
    """All use in an interval is credited in it once: to the process that used it or that reaped it."""
    kernel = Kernel(pids=pids, deaf=False)
    watcher = Watcher(kernel)
    for interval in intervals:
        busy = kernel.busy
        for step in interval:
            kernel.do(step)
        # Thus no use is hidden in a zombie's ancestors: they are visible themselves.
        used = watcher.sweep(iter([]))
        assert min(ticks(used), default=0) >= 0
        assert sum(ticks(used)) == kernel.busy - busy
        assert watcher.owed == []


@given(intervals, st.lists(steps, max_size=60), few_pids)
def test_no_tick_is_credited_twice(intervals: list[list[Step]], meanwhile: list[Step], pids: int) -> None:
    """Also if sweeps take time and parents ignore SIGCHLD: the remainder is unowned."""
    kernel = Kernel(pids=pids, deaf=True)
    watcher = Watcher(kernel)
    during = iter(meanwhile)
    credited = 0
    for interval in intervals:
        for step in interval:
            kernel.do(step)
        used = watcher.sweep(during)
        assert min(ticks(used), default=0) >= 0
        credited += sum(ticks(used))
        assert credited <= kernel.busy
