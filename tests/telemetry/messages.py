"""Messages for the tests of the sample contract: valid ones, and slightly wrong ones."""

from __future__ import annotations

import copy
import json
from typing import Any, Final

from hypothesis import strategies as st

from telemetry.sample import BatteryPack, encode
from tests.strategies import numbers, sample, samples

Wire = dict[str, Any]

BODY: Final = encode(sample())
SURROGATE: Final = "\udc80"

JUNK: Final[tuple[object, ...]] = (
    *(None, True, False, "", "1", " ", "x" * 4096, "x" * 4097, SURROGATE, "\x00"),
    *(0, -1, 1, 2, 1.0, 0.5, -0.0, 1e-7, 100.5, 1e6 + 1, 1e13, 1e308, 10**12 + 1),
    *((1 << 63) - 1, 1 << 63, 1 << 64, -(1 << 63), 253402300799, 253402300800, 253402300800.5),
    *([], [None], [0.5] * 3, [1] * 4, [0] * 4097, {}, {"pid": 1}),
)
"""Values to put in place of the right ones."""


def wire() -> Wire:
    """Return an ordinary sample as a JSON library would parse it, with every optional field."""
    fields: Wire = json.loads(encode(sample()))
    fields["battery"] |= {
        "method": "power_now+slope",
        "raw": {"capacity": "1536"},
        "packs": [dict.fromkeys(BatteryPack._fields) | {"name": name, "raw": {}} for name in ("a", "b")],
        "level": 3.5,
        "health": {"full": 4.0, "design": 5.0, "unit": "Ah", "cycles": 312},
    }
    fields |= {
        "source": {"name": "rapl", "power": 6.5, "voltage": 5.0, "current": 1.3, "estimate": True},
        "on_ac": True,
        "governor": "schedutil",
        "brightness": 40.0,
        "radios": {"wlan": True},
        "throttled": ["undervoltage"],
    }
    fields["cpu"] |= {"freq": 1500.0, "temp": 48.5, "unowned": 2.0}
    fields["processes"] = [
        {"pid": pid, "start": 5, "name": "a", "cpu": 1.0, "mem": 2.0, "children": 0.5} for pid in (1, 2)
    ]
    return fields


def to_bytes(value: object) -> bytes:
    """Encode as another program might: lone surrogates escaped, Infinity as a number that is too large."""
    return json.dumps(value).replace("Infinity", "1e999").encode()


def paths(value: object, here: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the path of every value inside ``value``."""
    found = [here] if here else []
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        found += paths(child, (*here, key))
    return found


def replaced(fields: Wire, path: tuple[str | int, ...], value: object) -> Wire:
    """Return a copy with ``value`` at ``path``."""
    result = copy.deepcopy(fields)
    inside: Any = result
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    return result


def without(fields: Wire, path: tuple[str | int, ...]) -> Wire:
    """Return a copy without the value at ``path``."""
    result = copy.deepcopy(fields)
    inside: Any = result
    for key in path[:-1]:
        inside = inside[key]
    del inside[path[-1]]
    return result


json_values: Final[st.SearchStrategy[object]] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.sampled_from(JUNK),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def mutated_wires(draw: st.DrawFn) -> Wire:
    """Samples with a few values replaced, removed or added."""
    fields: Any = json.loads(encode(draw(samples))) if draw(st.booleans()) else wire()
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(paths(fields)))
        match draw(st.sampled_from(["replace", "junk", "remove", "add", "number", "twice"])):
            case "replace":
                fields = replaced(fields, path, draw(json_values))
            case "junk":
                fields = replaced(fields, path, draw(st.sampled_from(JUNK)))
            case "number":
                fields = replaced(fields, path, draw(st.integers() | numbers(-1e15, 1e15)))
            case "remove":
                fields = without(fields, path)
            case "add":
                fields = replaced(fields, (draw(st.sampled_from(["x", "raw", "on_ac"])),), draw(json_values))
            case "twice" if isinstance(fields.get("processes"), list):
                fields = replaced(fields, ("processes",), fields["processes"] * 2)
        if not isinstance(fields, dict) or not paths(fields):
            break
    return fields if isinstance(fields, dict) else {}


@st.composite
def mutated_bytes(draw: st.DrawFn) -> bytes:
    """A valid message with a few bytes replaced, removed, doubled or inserted."""
    body = bytearray(encode(draw(samples)) if draw(st.booleans()) else BODY)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(body)))
        end = min(len(body), start + draw(st.integers(0, 12)))
        piece = draw(
            st.binary(max_size=4)
            | st.sampled_from([b"NaN", b"1e999", b"\\udc80", b"[" * 2000, b"9" * 30, b",", b"}", b'"'])
            | st.just(bytes(body[start:end]) * 2)
        )
        body[start:end] = piece
    return bytes(body)
