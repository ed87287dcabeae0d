"""Whose CPU time it was: what each process used, and what it reaped of children that nobody saw.

A process that lives and dies between two sweeps is never seen; its time goes to its parent's cutime + cstime
when that waits for it (proc_pid_stat(5)), and with it the time of all that it reaped itself. So of a process

    children = its gain of (cutime + cstime)
               - for each child that is gone: its last seen (utime + stime + cutime + cstime)

is what it reaped and nobody saw: whole lives, and of children that were seen the moments after, which nobody
was credited with.

What a child that is gone owes is taken off the gain of its parent. Where the parent has ended too, that is
the nearest ancestor which is there, and while something is still owed the ancestors above it: an orphan is
reaped by init or a subreaper (PR_SET_CHILD_SUBREAPER(2const)), which is one of them. A debt that cannot be
paid waits for one more sweep, as a sweep takes milliseconds and can find a child gone whose parent it has
read already. Then it is forgiven: a parent that ignores SIGCHLD reaps nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import NamedTuple

from sampler.process_stat import Stat
from sampler.sweep import Changes
from sampler.ticks import advanced, believed

Find = Callable[[int], Stat | None]
"""From a pid to the process that has it now."""


class Use(NamedTuple):
    """What one process used between two sweeps: clock ticks, never negative; None where it is not known."""

    stat: Stat
    own: int | None
    children: int | None


class Debt(NamedTuple):
    """CPU time already credited to a process that has ended; the process that reaped it gained it too."""

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

    ``find`` knows the processes that are there; ``waiting`` are the debts that the sweep before left. A
    process that was not seen before is credited all of its life where it began at ``born_after`` (ticks since
    boot) or later; of one that had been hidden it is not known what it used since.
    """
    used = [Use(now, *_gained(before, now, born_after)) for before, now in changes.ran]
    gains = {use.stat.pid: use.children for use in used if use.children}
    gone = {stat.pid: stat for stat in changes.gone}
    debts = [*_passed_on(waiting, gone, find), *_new_debts(gone, find)]
    left: list[Debt] = []
    for debt in sorted(debts, key=attrgetter("orphan")):  # an orphan's can be paid elsewhere, others cannot
        owed = _pay(debt, gains, find)
        if owed and not debt.waited:
            left.append(debt._replace(ticks=owed, waited=True))
    return [use._replace(children=gains[use.stat.pid]) if use.children else use for use in used], left


def bounded(used: Iterable[Use], most: int) -> list[Use]:
    """Return ``used`` with nothing past ``most``, the ticks that all cores had between the sweeps. Pure.

    A process whose own counter gained what it cannot have has used an unknown amount; so has one that reaped
    more than there was: a child had been hidden (hidepid of proc(5)), and used it before.
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
    """Yield each earlier debt; that of a dead process passes to its nearest living ancestor."""
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
        # A parent began before its child, or in the same tick: what else a damaged tree says has no end.
        payer = (
            parent if parent is not None and (parent.start, parent.pid) < (payer.start, payer.pid) else None
        )
    return owed
