"""The machine and packages of the chapters, and checks that must pass after each chapter."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.boot.logger import Logger, Recorder
from tests.boot.machine import Failed, Machine, wait


class Stage(NamedTuple):
    """The machine and packages of the chapters."""

    machine: Machine
    logger: Logger
    recorder: Recorder
    old: str
    """The path of an older version's package, inside the machine."""
    new: str
    say: Callable[[str], None]

    def check(self, holds: object, what: str, found: object = "") -> None:
        """Print the check, or fail."""
        if not holds:
            raise Failed(f"{what}{f': {found}' if found != '' else ''}")
        self.say(what)

    def soon(self, condition: Callable[[], object], seconds: float, what: str) -> None:
        """Print the check once it holds, or fail after ``seconds``."""
        taken = wait(condition, seconds, what)
        self.say(f"{what} ({taken:.1f} s)")


def all_is_stored(stage: Stage) -> None:
    """Check that every sample of the recorder is stored, and that no run has a hole."""
    heard = stage.recorder.heard()
    what = f"all {len(heard)} samples that a listener heard are stored"
    stage.soon(lambda: heard <= stage.logger.identities()[0], 30, what)
    runs = len({run for run, _ in stage.logger.identities()[0]})
    holes = stage.logger.holes()
    stage.check(not holes, f"no hole in seq, over {runs} runs of the sampler", holes)
