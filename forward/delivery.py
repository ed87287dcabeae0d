"""Delivers lines to the engine: what is retried, what is split, and what is left out.

- No answer, 429, 5xx: the same request is repeated later.
- 400, 413, 422: the engine refuses at least one of these lines. The batch is halved until the bad line is
  alone. That line is left out and counted, but only if the engine takes other lines: an engine that takes
  none is configured wrongly.
- Any other status (a wrong token, path or address): the request is repeated later. The user can fix the
  cause, and nothing is lost.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final

from forward.client import Answer, Unreachable
from telemetry.command import printable
from telemetry.errors import UserError
from telemetry.service import RateLimited

_FIRST_DELAY: Final = 1.0
_LONGEST_DELAY: Final = 300.0
_LONGEST_ASKED: Final = 3600.0
"""s: the longest Retry-After that is honoured"""
_OF_THESE_LINES: Final = frozenset({400, 413, 422})
_ENOUGH_REFUSED: Final = 8
"""After this many single lines are refused and none is taken, the engine is probed with other lines"""
_PROBES: Final = 16
"""The number of other lines that are tried"""
_SAY_AGAIN: Final = 600.0
_SHOWN_LINE: Final = 120

_HINTS: Final = {
    401: "check --auth",
    403: "check --auth",
    404: "check the path in --url",
    405: "check the path in --url",
    400: "it refuses every line: check the query in --url",
    413: "it refuses every line",
    422: "it refuses every line: check the query in --url",
}

Post = Callable[[bytes], Answer]


class Stopped(Exception):
    """The stop signal arrived before everything was delivered."""


class NotTaken(UserError):
    """The engine does not take the lines now, and this process must not wait (``--once``)."""


class _Later(Exception):
    def __init__(self, reason: str, least: float = 0.0) -> None:
        super().__init__(reason)
        self.least = least


def delay(attempt: int, random: float, least: float = 0.0) -> float:
    """Return the seconds to wait after failure ``attempt`` (0, 1 …): doubled each time, half of it random.

    ``random``: 0 to 1; ``least``: the wait that the server asked for, s.
    """
    whole = min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** min(attempt, 30))
    return max(whole * (0.5 + 0.5 * random), min(least, _LONGEST_ASKED))


class Delivery:
    """Delivers lines, one request at a time."""

    def __init__(
        self,
        post: Post,
        *,
        where: str,
        wait: Callable[[float], bool],
        random: Callable[[], float],
        log: logging.Logger,
        clock: Callable[[], float],
        most_attempts: int | None = None,
    ) -> None:
        """``wait`` waits for the given seconds and returns whether to stop; ``clock``: monotonic, s.

        ``most_attempts``: raise NotTaken after this many failures in a row; None: never give up.
        """
        self._post = post
        self._where = where
        self._wait = wait
        self._random = random
        self._log = log
        self._clock = clock
        self._most_attempts = most_attempts
        self._trouble = RateLimited(log, _SAY_AGAIN)
        self._refusals = RateLimited(log, _SAY_AGAIN)
        self._failures = 0
        self._taken: bytes | None = None
        """A line that the engine took: sending it again changes nothing, so it can be a probe."""

    def send(self, lines: Sequence[bytes]) -> int:
        """Deliver all lines; return how many of them the engine refused permanently.

        Raises Stopped, or NotTaken.
        """
        while True:
            try:
                return self._once(lines)
            except _Later as later:
                self._put_off(later)

    def _once(self, lines: Sequence[bytes]) -> int:
        """Deliver the lines, or raise _Later if the engine takes none of them."""
        parts = [lines] if lines else []
        refused: list[tuple[bytes, str]] = []
        others_are_taken = False
        while parts:
            part = parts.pop()
            answer = self._answer(part)
            if answer.status not in _OF_THESE_LINES:
                others_are_taken, self._taken = True, part[0]
            elif len(part) > 1:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
            else:
                refused.append((part[0], f"{answer.status} {answer.text}".strip()))
                too_old = "retention" in answer.text  # InfluxDB says this of points older than its retention
                others_are_taken = others_are_taken or too_old
                if len(refused) >= _ENOUGH_REFUSED and not others_are_taken:
                    others_are_taken = self._takes_another([line for part in parts for line in part])
                    if not others_are_taken:
                        raise _Later(_described(answer))
        if refused and not others_are_taken and not self._takes_another([]):
            raise _Later(_described(answer))
        for text, reason in refused:
            self._refusals.warning(
                f"{self._where} refuses a point permanently ({reason}); it is left out: "
                f"{printable(text.decode()[:_SHOWN_LINE])}",
                self._clock(),
            )
        return len(refused)

    def _takes_another(self, lines: Sequence[bytes]) -> bool:
        """Return whether the engine takes a line that it took before, or at least one of the given lines."""
        step = max(1.0, len(lines) / _PROBES)
        some = [lines[int((number + self._random()) * step)] for number in range(min(_PROBES, len(lines)))]
        for line in [self._taken, *some]:
            if line is not None and self._answer([line]).status not in _OF_THESE_LINES:
                return True
        return False

    def _answer(self, lines: Sequence[bytes]) -> Answer:
        """Post the lines; raise _Later unless the response is about these lines."""
        body = b"\n".join(lines) + b"\n"
        while True:
            try:
                answer = self._try(body)
            except _Later as later:
                self._put_off(later)
                continue
            if self._failures and answer.status not in _OF_THESE_LINES:
                self._log.info("%s takes points again", self._where)
                self._failures = 0
                self._trouble = RateLimited(self._log, _SAY_AGAIN)
            return answer

    def _try(self, body: bytes) -> Answer:
        try:
            answer = self._post(body)
        except Unreachable as error:
            raise _Later(str(error)) from None
        if 200 <= answer.status < 300 or answer.status in _OF_THESE_LINES:
            return answer
        raise _Later(_described(answer), answer.retry_after or 0.0)

    def _put_off(self, later: _Later) -> None:
        seconds = delay(self._failures, self._random(), later.least)
        self._failures += 1
        if self._most_attempts is not None and self._failures >= self._most_attempts:
            raise NotTaken(f"{self._where}: {later}") from None
        self._trouble.warning(f"{self._where}: {later}; nothing is lost, retrying", self._clock())
        if self._wait(seconds):
            raise Stopped


def _described(answer: Answer) -> str:
    hint = _HINTS.get(answer.status, "redirects are not followed" if 300 <= answer.status < 400 else "")
    said = f"it answers {answer.status}" + (f" ({answer.text})" if answer.text else "")
    return f"{said}: {hint}" if hint else said
