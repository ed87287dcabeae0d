"""The replay protocol, version 1: a subscriber's request and the sampler's reply.

Request, one JSON frame: ``{"v":1,"id":X,"run":R|null,"after":S|null,"max":N}``. ``run`` null means the
current run. ``after`` null asks for the newest sample only, ``after`` 0 for all samples in the ring.

Reply, a JSON frame ``{"v":1,"id":X,"run":R,"oldest":a,"newest":b,"more":bool,"runs":[{"run","first","last"}
oldest first],"error":null|text}``, then the sample bodies, byte for byte as they were published.
If ``after`` + 1 < ``oldest``, the samples in between are gone.

No sockets here: frames in, frames out.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple, TypeVar

from telemetry.sample import MAX_TEXT
from telemetry.stream.ring import Held, Ring

_T = TypeVar("_T")

VERSION = 1
PAGE_SAMPLES = 500
PAGE_BYTES = 256 << 10
ASKED = 100
"""Samples that a subscriber asks for at a time: more would not be faster, and would take 5 MB more memory."""
MAX_REQUEST = 64 << 10
"""Bytes; a longer request is answered with an error without being parsed. The longest run, escaped, fits."""
UNKNOWN_RUN = "unknown-run"


class Reply(NamedTuple):
    """One page. The ring holds ``oldest`` to ``newest`` of ``run``; they are None if it holds nothing."""

    id: int
    run: str | None
    oldest: int | None
    newest: int | None
    more: bool
    runs: tuple[Held, ...]
    error: str | None
    bodies: tuple[bytes, ...]


def request(id: int, run: str | None, after: int | None, most: int = ASKED) -> bytes:  # noqa: A002
    """Return the frame that asks for the samples of ``run`` after seq ``after``."""
    return json.dumps({"v": VERSION, "id": id, "run": run, "after": after, "max": most}).encode()


def answer(frame: bytes, ring: Ring, current_run: str) -> list[bytes]:
    """Return the frames that answer a request; a bad request is answered with an error."""
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
            head["error"] = UNKNOWN_RUN
    return [json.dumps(head, separators=(",", ":")).encode(), *bodies]


def _read_request(frame: bytes) -> tuple[object, str | None, int | None, int]:
    if len(frame) > MAX_REQUEST:
        raise ValueError(f"more than {MAX_REQUEST} bytes")
    fields = json.loads(frame)
    if not isinstance(fields, dict) or fields.get("v") != VERSION:
        raise ValueError(f"the request must be an object of version {VERSION}")
    name, run, after = fields.get("id"), fields.get("run"), fields.get("after")
    most = fields.get("max", PAGE_SAMPLES)
    # The id is sent back: a list may be nested too deeply to encode, and NaN is not JSON.
    if not (name is None or type(name) in (int, str)):
        raise ValueError("id must be an integer, a text or null")
    if not (run is None or isinstance(run, str)):
        raise ValueError("run must be a text or null")
    if not (after is None or (type(after) is int and 0 <= after < 1 << 63)):
        raise ValueError("after must be a seq or null")
    if type(most) is not int or most < 1:
        raise ValueError("max must be an integer of at least 1")
    return name, run, after, min(most, PAGE_SAMPLES)


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
    """Return the reply in ``frames``, None if they are not a reply: another program may own the endpoint."""
    try:
        head = json.loads(frames[0])
        return Reply(
            id=_exactly(int, head["id"]),
            run=None if head["run"] is None else _run(head["run"]),
            oldest=None if head["oldest"] is None else _seq(head["oldest"]),
            newest=None if head["newest"] is None else _seq(head["newest"]),
            more=_exactly(bool, head["more"]),
            runs=tuple(
                Held(_run(held["run"]), _seq(held["first"]), _seq(held["last"]))
                for held in _exactly(list, head["runs"])
            ),
            error=None if head["error"] is None else _exactly(str, head["error"]),
            bodies=tuple(frames[1:]),
        )
    except (ValueError, RecursionError, LookupError, TypeError):
        return None


def _exactly(kind: type[_T], value: object) -> _T:
    if type(value) is kind:
        return value
    raise TypeError(f"not of type {kind.__name__}")


def _run(value: object) -> str:
    """Return a run, with the same bounds as in a sample and no lone surrogate: a gap of it may be stored."""
    run = _exactly(str, value)
    if not 1 <= len(run) <= MAX_TEXT:
        raise ValueError("run: too short or too long")
    run.encode()
    return run


def _seq(value: object) -> int:
    seq = _exactly(int, value)
    if not 1 <= seq < 1 << 63:
        raise ValueError("seq: out of range")
    return seq
