"""What the chapters play on, and what must hold after each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.boot.logger import Logger, Recorder
from tests.boot.machine import Failed, Machine, wait


class Stage(NamedTuple):
    """What the chapters play on."""

    machine: Machine
    logger: Logger
    recorder: Recorder
    old: str
    """A package of an older version, inside."""
    new: str
    say: Callable[[str], None]

    def check(self, holds: object, what: str, found: object = "") -> None:
        """Say that it holds, or fail."""
        if not holds:
            raise Failed(f"{what}{f': {found}' if found != '' else ''}")
        self.say(what)

    def soon(self, condition: Callable[[], object], seconds: float, what: str) -> None:
        """Say that it came to hold within ``seconds``, or fail."""
        taken = wait(condition, seconds, what)
        self.say(f"{what} ({taken:.1f} s)")


def all_is_stored(stage: Stage) -> None:
    """What the recorder heard is in the database, and no run has a hole."""
    heard = stage.recorder.heard()
    what = f"all {len(heard)} samples that a listener heard are stored"
    stage.soon(lambda: heard <= stage.logger.identities()[0], 30, what)
    runs = len({run for run, _ in stage.logger.identities()[0]})
    holes = stage.logger.holes()
    stage.check(not holes, f"no hole in seq, over {runs} runs of the sampler", holes)
