"""The replay protocol, version 1: what a subscriber asks the sampler for, and what it answers.

Request, one JSON frame: ``{"v":1,"id":X,"run":R|null,"after":S|null,"max":N}``. ``run`` null is the current
run; ``after`` null asks for the newest sample alone, ``after`` 0 for all that is held.

Reply, a JSON frame ``{"v":1,"id":X,"run":R,"oldest":a,"newest":b,"more":bool,"runs":[{"run","first","last"}
oldest first],"error":null|text}``, then the sample bodies, byte for byte as they were published.
``after`` + 1 < ``oldest``: what lies between is gone.

No sockets here: frames in, frames out.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from telemetry.stream.ring import Held, Ring

VERSION = 1
PAGE_SAMPLES = 500
PAGE_BYTES = 256 << 10
MAX_REQUEST = 4096
"""Bytes; a longer request is answered with an error, unread."""


class Reply(NamedTuple):
    """One page. ``oldest`` and ``newest``: what the ring holds of ``run``, None where it holds nothing."""

    id: int
    run: str | None
    oldest: int | None
    newest: int | None
    more: bool
    runs: tuple[Held, ...]
    error: str | None
    bodies: tuple[bytes, ...]


def request(id: int, run: str | None, after: int | None, most: int = PAGE_SAMPLES) -> bytes:  # noqa: A002
    """Return the frame that asks for the samples of ``run`` behind ``after``."""
    return json.dumps({"v": VERSION, "id": id, "run": run, "after": after, "max": most}).encode()


def answer(frame: bytes, ring: Ring, current_run: str) -> list[bytes]:
    """Return the frames that answer a request, whatever it is: a bad one gets an error, not silence."""
    runs = ring.runs
    head: dict[str, Any] = {
        "v": VERSION,
        "id": None,
        "run": None,
        "oldest": None,
        "newest": None,
        "more": False,
        "runs": [held._asdict() for held in runs],
        "error": None,
    }
    bodies: list[bytes] = []
    try:
        head["id"], run, after, most = _read_request(frame)
    except (ValueError, RecursionError) as error:
        head["error"] = f"bad-request: {error}"
    else:
        head["run"] = run = current_run if run is None else run
        held = next((held for held in runs if held.run == run), None)
        if held is not None:
            after = held.last - 1 if after is None else after
            bodies = _page(ring, run, after, most)
            head |= {"oldest": held.first, "newest": held.last}
            head["more"] = max(after + 1, held.first) + len(bodies) <= held.last
        elif run != current_run:
            head["error"] = "unknown-run"
    return [json.dumps(head, separators=(",", ":")).encode(), *bodies]


def _read_request(frame: bytes) -> tuple[object, str | None, int | None, int]:
    if len(frame) > MAX_REQUEST:
        raise ValueError(f"more than {MAX_REQUEST} bytes")
    fields = json.loads(frame)
    if not isinstance(fields, dict) or fields.get("v") != VERSION:
        raise ValueError(f"an object of version {VERSION} is wanted")
    run, after, most = fields.get("run"), fields.get("after"), fields.get("max", PAGE_SAMPLES)
    if not (run is None or isinstance(run, str)):
        raise ValueError("run: a text or null is wanted")
    if not (after is None or (type(after) is int and 0 <= after < 1 << 63)):
        raise ValueError("after: a seq or null is wanted")
    if type(most) is not int or most < 1:
        raise ValueError("max: an integer from 1 is wanted")
    return fields.get("id"), run, after, min(most, PAGE_SAMPLES)


def _page(ring: Ring, run: str, after: int, most: int) -> list[bytes]:
    bodies: list[bytes] = []
    size = 0
    for body in ring.bodies(run, after):
        if bodies and (len(bodies) == most or size + len(body) > PAGE_BYTES):
            break
        bodies.append(body)
        size += len(body)
    return bodies


def read_reply(frames: list[bytes]) -> Reply | None:
    """Return the reply in ``frames``, None where they are none: a stranger may own the endpoint."""
    try:
        head = json.loads(frames[0])
        reply = Reply(
            id=head["id"],
            run=head["run"],
            oldest=head["oldest"],
            newest=head["newest"],
            more=head["more"],
            runs=tuple(Held(held["run"], held["first"], held["last"]) for held in head["runs"]),
            error=head["error"],
            bodies=tuple(frames[1:]),
        )
    except (ValueError, RecursionError, LookupError, TypeError):
        return None
    texts_fit = all(isinstance(text, str) for text in (*(held.run for held in reply.runs), reply.run or ""))
    numbers = [
        *(seq for held in reply.runs for seq in held[1:]),
        reply.oldest or 0,
        reply.newest or 0,
        reply.id,
    ]
    return reply if texts_fit and all(type(number) is int for number in numbers) else None
