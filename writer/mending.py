"""Repairs of a database, step by step: misdated samples, and roll-ups that disagree with raw rows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from writer import wrong_clock
from writer.rollups.rebuild import rebuild_next
from writer.store import Store


def review_clock(store: Store) -> int:
    """Mark or restore a batch of misdated samples; return how many, 0 when done. Raises CannotWrite."""
    changed = store.apply(lambda database: next(wrong_clock.review(database), 0)) or 0
    if changed:
        store.invalidate()
    else:
        store.clock.is_doubtful = False
    return changed


def settle_clock(store: Store, *, with_energy: bool = True) -> None:
    """Mark all misdated samples, and then complete the roll-ups. Raises CannotWrite.

    If ``with_energy`` is False, energy by program is left to the next writer.
    """
    while review_clock(store) or store.roll_up(with_energy=with_energy):
        pass


def drop_misdated(store: Store) -> int:
    """Delete all samples that a wrong clock dated; return how many. Raises CannotWrite."""
    settle_clock(store, with_energy=False)
    dropped = 0
    while batch := store.apply(wrong_clock.drop_misdated):
        dropped += batch
    store.invalidate()
    return dropped


def rebuild_rollups(store: Store) -> Iterator[int]:
    """Make all roll-ups again from the existing raw rows, an hour at a time.

    Yields the time up to which this is done (Unix time, s); it can be stopped there. Raises CannotWrite.
    """
    settle_clock(store, with_energy=False)
    since: int | None = 0
    reached = 0
    while since is not None:
        since = store.apply(partial(rebuild_next, since=since))
        if since is not None:
            yield since
            reached = since
    while store.roll_up():  # sessions, and the days that need them
        yield reached
