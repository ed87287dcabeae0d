"""CPU time by process: what each process used itself, and what it reaped from children that no sweep saw.

A process that lives and dies between two sweeps is never seen. When its parent waits for it, the kernel adds
its time, and the time of all the children it reaped itself, to the parent's cutime + cstime
(proc_pid_stat(5)). For each process, the time that it reaped and that no sweep saw is

    children = its gain of (cutime + cstime)
               - for each child that has ended: its last seen (utime + stime + cutime + cstime)

It is the whole time of unseen children, and the time that seen children used after the last sweep that saw
them.

An ended child's last seen time is its debt. The debt is taken off its parent's gain. If the parent has ended
too, the debt passes to the nearest living ancestor, and what remains of it to the ancestors above: an orphan
is reaped by init or a subreaper (PR_SET_CHILD_SUBREAPER(2const)), which is one of them. A debt that cannot be
paid waits for one more sweep: a sweep takes milliseconds, and may find a child gone after it has read the
parent. After that it is forgiven: a parent that ignores SIGCHLD reaps nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import NamedTuple

from sampler.process_stat import Stat
from sampler.sweep import Changes
from sampler.ticks import advanced, believed

Find = Callable[[int], Stat | None]
"""Returns the process that has this pid now."""


class Use(NamedTuple):
    """What one process used between two sweeps: clock ticks, never negative; None where unknown."""

    stat: Stat
    own: int | None
    children: int | None


class Debt(NamedTuple):
    """CPU time already credited to a process that has ended. The process that reaped it gained it too."""

    debtor: Stat
    """Its nearest living ancestor."""
    ticks: int
    orphan: bool
    """Its parent has ended too, so an ancestor of the debtor may have reaped it."""
    waited: bool = False


def settle(
    changes: Changes, find: Find, waiting: Iterable[Debt], born_after: int
) -> tuple[list[Use], list[Debt]]:
    """Return what each process that ran has used, and the debts that wait for the next sweep. Pure.

    ``find`` returns living processes by pid; ``waiting`` are the debts left by the previous sweep. A process
    that was not seen before is credited with all its time if it began at ``born_after`` (ticks since boot) or
    later. If it began earlier, it had been hidden, and what it used since the last sweep is unknown.
    """
    used = [Use(now, *_gained(before, now, born_after)) for before, now in changes.ran]
    gains = {use.stat.pid: use.children for use in used if use.children}
    gone = {stat.pid: stat for stat in changes.gone}
    debts = [*_passed_on(waiting, gone, find), *_new_debts(gone, find)]
    left: list[Debt] = []
    for debt in sorted(debts, key=attrgetter("orphan")):  # orphans' debts last: other ancestors can pay them
        owed = _pay(debt, gains, find)
        if owed and not debt.waited:
            left.append(debt._replace(ticks=owed, waited=True))
    return [use._replace(children=gains[use.stat.pid]) if use.children else use for use in used], left


def bounded(used: Iterable[Use], most: int) -> list[Use]:
    """Return ``used`` limited to ``most``, the ticks that all cores had between the sweeps. Pure.

    If a process's own counter gained more than is possible, its use is unknown. The same holds if it reaped
    more than is possible: it reaped a child that had been hidden (hidepid of proc(5)) for some time.
    """
    return [_bounded(use, most) for use in used]


def _bounded(use: Use, most: int) -> Use:
    own, children = believed(use.own, most), believed(use.children, most)
    if own is not None and children is not None and own + children > most:
        together = believed(own + children, most)
        children = None if together is None else together - own
    return Use(use.stat, own, children)


def _gained(before: Stat | None, now: Stat, born_after: int) -> tuple[int | None, int | None]:
    """Return the ticks that a process used itself and reaped since ``before``."""
    if before is not None:
        return advanced(now.used - before.used), advanced(now.reaped - before.reaped)
    return (now.used, now.reaped) if now.start >= born_after else (None, None)


def _passed_on(waiting: Iterable[Debt], gone: Mapping[int, Stat], find: Find) -> Iterator[Debt]:
    """Yield each earlier debt; a dead process's debt passes to its nearest living ancestor."""
    for debt in waiting:
        lost = gone.get(debt.debtor.pid)
        is_lost = lost is not None and lost.start == debt.debtor.start
        debtor = _ancestor(lost, gone, find) if lost is not None and is_lost else find(debt.debtor.pid)
        if debtor is not None:
            yield debt._replace(debtor=debtor, orphan=debt.orphan or is_lost or debtor.zombie)


def _new_debts(gone: Mapping[int, Stat], find: Find) -> Iterator[Debt]:
    for child in gone.values():
        ticks = child.used + child.reaped
        if ticks and (debtor := _ancestor(child, gone, find)) is not None:
            yield Debt(debtor, ticks, orphan=child.parent in gone or debtor.zombie)


def _ancestor(child: Stat, gone: Mapping[int, Stat], find: Find) -> Stat | None:
    pid = child.parent
    for _ in gone:
        if pid not in gone:
            break
        pid = gone[pid].parent
    ancestor = find(pid)
    return None if ancestor is None or ancestor.start > child.start else ancestor


def _pay(debt: Debt, gains: dict[int, int], find: Find) -> int:
    """Take the debt off the gains; return what is still owed."""
    owed = debt.ticks
    payer: Stat | None = debt.debtor
    while owed and payer is not None:
        paid = min(gains.get(payer.pid, 0), owed)
        if paid:
            gains[payer.pid] -= paid
            owed -= paid
        parent = find(payer.parent) if debt.orphan else None
        # A parent begins before its child, or in the same tick. Without this check a damaged tree could loop.
        payer = (
            parent if parent is not None and (parent.start, parent.pid) < (payer.start, payer.pid) else None
        )
    return owed
