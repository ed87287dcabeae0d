"""The sample contract: exactly what decode accepts and what it refuses."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.sample import (
    MAX_BYTES,
    Battery,
    BatteryPack,
    Health,
    InvalidSample,
    PowerSource,
    Sample,
    decode,
    encode,
)
from tests.strategies import sample, samples
from tests.telemetry.messages import BODY, SURROGATE, Wire, replaced, to_bytes, wire, without

WIRE: Final = Path(__file__).parent.parent / "data" / "wire"

REQUIRED: Final = {
    (): ("v", "host", "boot_id", "run", "seq", "ts", "time", "interval", "suspended", "battery", "cpu"),
    ("battery",): ("name", "status", "voltage", "current", "power", "pct"),
    ("cpu",): ("total", "cores"),
    ("processes", 1): ("pid", "start", "name", "cpu", "mem"),
    ("battery", "packs", 1): ("name",),
    ("source",): ("name", "power"),
}
OPTIONAL: Final = [
    *((name,) for name in ("source", "on_ac", "governor", "brightness", "radios", "throttled")),
    *(("battery", name) for name in ("method", "raw", "packs", "health", "level")),
    *(
        ("battery", "packs", 0, name)
        for name in ("status", "voltage", "current", "power", "pct", "raw", "level")
    ),
    *(("battery", "health", name) for name in ("full", "design", "unit", "cycles")),
    ("source", "voltage"),
    ("source", "current"),
    ("cpu", "freq"),
    ("cpu", "temp"),
    ("cpu", "unowned"),
    ("processes", 0, "children"),
    ("processes", 1, "children"),
]
Place = tuple[str | int, ...]

TEXTS: Final[list[Place]] = [
    ("host",),
    ("boot_id",),
    ("run",),
    ("processes", 0, "name"),
    ("battery", "raw", "capacity"),
    ("battery", "packs", 0, "name"),
    ("source", "name"),
    ("throttled", 0),
]
TEXTS_OR_NONE: Final[list[Place]] = [
    ("battery", "name"),
    ("battery", "status"),
    ("battery", "method"),
    ("battery", "packs", 0, "status"),
    ("battery", "health", "unit"),
    ("governor",),
]
INTEGERS: Final = [("v",), ("seq",), ("ts",), ("processes", 0, "pid"), ("processes", 0, "start")]
NUMBERS: Final = [
    ("time",),
    ("interval",),
    ("suspended",),
    ("processes", 0, "cpu"),
    ("source", "power"),
]
NUMBERS_OR_NONE: Final[list[Place]] = [
    *(("battery", "packs", 1, name) for name in ("voltage", "current", "power", "pct", "level")),
    ("battery", "health", "full"),
    ("battery", "health", "design"),
    ("source", "voltage"),
    ("source", "current"),
    ("brightness",),
    *(("battery", name) for name in ("voltage", "current", "power", "pct", "level")),
    *(("cpu", name) for name in ("total", "freq", "temp", "unowned")),
    ("cpu", "cores", 1),
    ("load", 2),
    ("processes", 0, "mem"),
    ("processes", 0, "children"),
]
LISTS: Final = [("cpu", "cores"), ("load",), ("processes",)]
OBJECTS: Final[list[Place]] = [("cpu",), ("processes", 0), ("battery", "packs", 0)]
OBJECTS_OR_NONE: Final[list[Place]] = [("battery", "raw"), ("battery", "health"), ("source",), ("radios",)]
LISTS_OR_NONE: Final[list[Place]] = [("battery", "packs"), ("throttled",)]
TRUTHS: Final[list[Place]] = [("on_ac",), ("source", "estimate"), ("radios", "wlan")]

NO_NUMBER: Final[tuple[Any, ...]] = (
    True,
    False,
    "1",
    [1],
    {},
    float("inf"),
    -float("inf"),
    10**19,
    -(10**19),
)
NO_TEXT: Final[tuple[Any, ...]] = (True, 1, 0.5, [], {}, "x" * 4097)


OUT_OF_RANGE: Final[list[tuple[Place, object]]] = [
    (("host",), ""),
    (("battery", "packs", 0, "voltage"), 1e6 + 1),
    (("battery", "packs", 0, "pct"), 100.1),
    (("battery", "packs", 1, "name"), "a"),
    (("battery", "packs"), [{"name": str(number)} for number in range(4097)]),
    (("battery", "level"), -0.1),
    (("battery", "packs", 0, "level"), 1e6 + 1),
    (("battery", "health", "full"), -0.1),
    (("battery", "health", "design"), 1e6 + 1),
    (("battery", "health", "cycles"), -1),
    (("battery", "health", "cycles"), 1.0),
    (("source", "power"), 1e6 + 1),
    (("brightness",), -0.1),
    (("brightness",), 100.1),
    (("throttled",), ["a"] * 4097),
    (("run",), ""),
    (("seq",), 0),
    (("ts",), 253402300800),
    (("time",), -0.5),
    (("time",), 253402300799.5),
    (("interval",), 0),
    (("interval",), 9e-7),
    (("interval",), 1e6 + 1),
    (("suspended",), -1e-9),
    (("suspended",), 253402300801),
    (("battery", "voltage"), 1e6 + 1),
    (("battery", "current"), -1e6 - 1),
    (("battery", "power"), 1.1e6),
    (("battery", "pct"), -0.1),
    (("battery", "pct"), 100.1),
    (("cpu", "total"), -0.1),
    (("cpu", "cores", 0), -0.1),
    (("cpu", "freq"), -1),
    (("cpu", "temp"), 1.1e12),
    (("load",), [1, 2]),
    (("load",), [1, 2, 3, 4]),
    (("load", 0), -1),
    (("processes", 0, "cpu"), -1),
    (("processes", 0, "mem"), -1),
    (("processes", 0, "children"), -1),
    (("processes", 1, "pid"), 1),
]
VERSIONS: Final = (0, 2, -1, 10**30, "1", None, True, 1.0, [1], {"v": 1})
SURROGATES: Final[list[Place]] = [
    ("host",),
    ("boot_id",),
    ("processes", 0, "name"),
    ("battery", "status"),
    ("x",),
]
NO_SAMPLE: Final = (
    b"",
    b" ",
    b"\xff",
    b"\xed\xb2\x80",  # a lone surrogate as bytes
    b"\xef\xbb\xbf" + BODY,
    BODY.decode().encode("utf-16"),
    BODY.decode().encode("utf-32"),
    BODY + b"\x00",
    BODY + BODY,
    BODY[:-1],
    BODY[1:],
    b"null",
    b"true",
    b"1",
    b"1e999",
    b"NaN",
    b"-Infinity",
    b'"text"',
    b"[]",
    b"[" + BODY + b"]",
    b"{}",
    b"{" * 1000,
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"v":1,"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    b"9" * 5000,
    BODY.replace(b'"seq":1', b'"seq":' + b"9" * 5000),
    BODY.replace(b'"seq":1', b'"seq":' + b"9" * 4000),
    BODY.replace(b'"seq":1', b'"seq":1' + b"0" * 19),
    BODY.replace(b'"interval":5.0', b'"interval":NaN'),
    BODY.replace(b'"interval":5.0', b'"interval":Infinity'),
    BODY.replace(b'"interval":5.0', b'"interval":1e999'),
    BODY.replace(b'"interval":5.0', b'"interval":5.0,"x":NaN'),
    BODY.replace(b'"interval":5.0', b'"interval":5.0,"interval":true'),
    BODY.replace(b'"pi4"', b"'pi4'"),
)


def refuses(invalid: InvalidSample, says: str) -> bool:
    """Check that the error is one printable line, whatever was sent, and contains the expected text."""
    text = str(invalid)
    return type(invalid) is InvalidSample and len(text) < 300 and text.isprintable() and says in text


def refusal(body: bytes) -> str:
    with pytest.raises(InvalidSample) as caught:
        decode(body)
    assert refuses(caught.value, "")
    return str(caught.value)


# --- accepted --------------------------------------------------------------------------------------


@given(samples)
def test_decode_returns_what_was_encoded(it: Sample) -> None:
    body = encode(it)
    assert decode(body) == it
    assert encode(decode(body)) == body


def test_the_encoding_never_changes() -> None:
    body = (WIRE / "v1.json").read_bytes()
    it = decode(body)
    assert encode(it) == body
    assert (it.host, it.run, it.seq, it.ts, it.time) == (
        *("pi4", "5b1c0ffee0ddba11", 42, 1795530000, 1795529999.998712),
    )
    assert it.battery is not None
    assert it.battery[:6] == ("BAT0", "Discharging", 3.912, -0.412, -1.612, 73.0)
    assert it.cpu[:5] == (12.5, (25.0, 0.0, None, 12.5), 1500.0, 48.312, 1.25)
    assert it.load == (0.52, 0.31, None)
    assert [process[:6] for process in it.processes] == [
        (812, 1043, "python3", 104.2, 1.9, None),
        (1, 2, 'Gerät "α"', 0.0, 0.125, 37.5),
    ]
    assert it.topic == "sample/pi4/"


def test_the_least_and_the_greatest_values_are_accepted() -> None:
    least = decode((WIRE / "v1-least.json").read_bytes())
    assert (least.battery, least.cpu[:5]) == (None, (None, (), None, None, None))
    most = decode((WIRE / "v1-optional.json").read_bytes())
    assert (most.seq, most.ts, most.interval) == ((1 << 63) - 1, 253402300799, 1e6)
    assert most.battery is not None
    assert most.battery == Battery(
        *("BAT0", "Charging", 12.4, 1.5, 18.6, 100.0),
        method="power_now+slope",
        raw={"capacity": "1536"},
        packs=(BatteryPack("BAT0", "Charging", 12.4, 1.5, 18.6, 100.0), BatteryPack("BAT1", *[None] * 5)),
        health=Health(48.2, 50.0, "Wh", 312),
    )
    assert most.source == PowerSource("pmic", 3.25, 5.1, None, estimate=True)
    assert (most.on_ac, most.governor, most.brightness) == (True, "schedutil", 0.5)
    assert (most.radios, most.throttled) == ({"wlan": True}, ("undervoltage", "throttled"))


def test_a_sample_without_optional_values_omits_their_fields() -> None:
    fields = json.loads(encode(sample()))
    assert not {path[0] for path in OPTIONAL if len(path) == 1} & fields.keys()
    assert list(fields["battery"]) == ["name", "status", "voltage", "current", "power", "pct"]


def as_if() -> Iterator[tuple[str, Wire, Wire]]:
    """Yield a description, and two objects that are the same sample to a reader."""
    for path in OPTIONAL:
        yield f"no {path}", without(wire(), path), replaced(wire(), path, None)
    for inside in ((), ("battery",), ("cpu",), ("processes", 0), ("processes", 1)):
        for value in (None, True, 10**30, 1e300, "text", [[1]], {"v": 2}, [0] * 5000):
            path = (*inside, "not known")
            yield f"{path} is {value!r:.40}", replaced(wire(), path, value), wire()
    for path in (*NUMBERS, *NUMBERS_OR_NONE):
        yield f"{path} is a whole number", replaced(wire(), path, 1), replaced(wire(), path, 1.0)


def test_different_objects_may_be_the_same_sample() -> None:
    """Optional fields left out, unknown fields, whole numbers."""
    for what, fields, same in as_if():
        assert decode(to_bytes(fields)) == decode(to_bytes(same)), what


def test_a_whole_number_becomes_a_float() -> None:
    fields = wire()
    for path in (*NUMBERS, *NUMBERS_OR_NONE):
        fields = replaced(fields, path, 1)
    it = decode(to_bytes(fields))
    assert not any(type(value) is int for value in (it.time, it.interval, it.suspended, *it.load))


def test_null_is_accepted_where_a_value_may_be_unavailable() -> None:
    for path in (*NUMBERS_OR_NONE, *TEXTS_OR_NONE, ("battery",)):
        found: Any = json.loads(encode(decode(to_bytes(replaced(wire(), path, None)))))
        for key in path:
            found = found.get(key) if isinstance(found, dict) else found[key]
        assert found is None, path


def test_a_surrogate_pair_is_one_character() -> None:
    body = to_bytes(replaced(wire(), ("host",), "🔋"))
    assert b"\\ud83d\\udd0b" in body
    assert decode(body).host == "🔋"


def test_a_topic_has_one_level_for_the_host() -> None:
    assert sample()._replace(host="a/b").topic == "sample/a_b/"


# --- refused ---------------------------------------------------------------------------------------


Case = tuple[str, bytes, str]
"""A description, the message, and a text in the error."""


def at(path: Place, values: Iterable[object], says: str = "") -> Iterator[Case]:
    for value in values:
        yield f"{path} is {value!r:.40}", to_bytes(replaced(wire(), path, value)), says


def cases() -> Iterator[Case]:
    required: list[Place] = [(*inside, name) for inside, names in REQUIRED.items() for name in names]
    for path in (*required, ("load",), ("processes",)):
        yield f"no {path}", to_bytes(without(wire(), path)), str(path[-1])
    for path in (*NUMBERS, *NUMBERS_OR_NONE, *INTEGERS):
        yield from at(path, NO_NUMBER)
    for path in INTEGERS:
        yield from at(path, (None, 1.0, 0.5, -1, 1 << 63))
    for path in (*TEXTS, *TEXTS_OR_NONE):
        yield from at(path, NO_TEXT)
    for path in (*TEXTS, *NUMBERS, *INTEGERS, *LISTS, *OBJECTS):
        yield from at(path, (None,))
    for path in (*LISTS, *OBJECTS, ("battery",)):
        yield from at(path, (1, True, "text", ["1"], {"0": 1}, [[]], {}))
    for path in (*OBJECTS_OR_NONE, *LISTS_OR_NONE):
        unknown_field = [{"0": 1}] if path != ("battery", "health") else []
        yield from at(path, (1, True, "text", [1], [[]], *unknown_field))
    for path in TRUTHS:
        yield from at(path, (1, 0, 1.0, "true", [], {}))
    for path, value in OUT_OF_RANGE:
        yield from at(path, (value,), str(path[0]))
    for path in SURROGATES:
        yield from at(path, (SURROGATE, "a\ud800", "\udfff\ud800", ["\ud83d"], {SURROGATE: 1}))
    yield from at(("v",), VERSIONS, "v: this reader knows version 1")
    for number, body in enumerate(NO_SAMPLE):
        yield f"NO_SAMPLE[{number}]", body, ""


def test_decode_refuses_what_is_not_a_sample() -> None:
    """One table; every case that fails is reported."""
    wrong = []
    for what, body, says in cases():
        try:
            decode(body)
        except InvalidSample as invalid:
            if not refuses(invalid, says):
                wrong.append(f"{what}: {invalid}")
        except Exception as error:  # noqa: BLE001 no other exception may be raised
            wrong.append(f"{what}: {error!r}")
        else:
            wrong.append(f"{what}: taken")
    assert wrong == []
    assert len(list(cases())) > 500


@pytest.mark.parametrize("path", [("battery", "raw"), ("radios",)])
@pytest.mark.parametrize("size", [4096, 4097])
def test_objects_with_free_keys_are_bounded_too(path: Place, size: int) -> None:
    value: object = True if path == ("radios",) else "1"
    body = to_bytes(replaced(wire(), path, {str(number): value for number in range(size)}))
    if size == 4096:
        decode(body)
        refusal(to_bytes(replaced(wire(), path, {"x" * 4097: value})))
    else:
        assert "more than 4096" in refusal(body)


def test_a_list_has_at_most_4096_elements() -> None:
    process = wire()["processes"][0]
    many = [process | {"pid": pid} for pid in range(4097)]
    decode(to_bytes(replaced(wire(), ("cpu", "cores"), [0.5] * 4096)))
    refusal(to_bytes(replaced(wire(), ("cpu", "cores"), [0.5] * 4097)))
    decode(to_bytes(replaced(wire(), ("processes",), many[:4096])))
    refusal(to_bytes(replaced(wire(), ("processes",), many)))


def test_a_message_has_at_most_one_mebibyte() -> None:
    padding = b" " * (MAX_BYTES - len(BODY))
    decode(BODY + padding)
    assert "more than" in refusal(BODY + padding + b" ")
    assert "more than" in refusal(b"\x00" * (100 << 20))


def test_encode_refuses_what_no_reader_would_accept() -> None:
    for field in ("time", "interval", "suspended"):
        for value in (math.nan, math.inf, -math.inf):
            changed: dict[str, Any] = {field: value}
            with pytest.raises(ValueError, match="not JSON compliant"):
                encode(sample()._replace(**changed))


def test_encode_refuses_a_lone_surrogate() -> None:
    with pytest.raises(UnicodeEncodeError):
        encode(sample(name=SURROGATE))


@given(st.lists(st.integers(), max_size=3), st.text(max_size=3))
def test_json_that_is_not_an_object_is_not_a_sample(numbers: list[int], text: str) -> None:
    for value in (numbers, text, len(numbers)):
        assert "not an object" in refusal(json.dumps(value).encode())
