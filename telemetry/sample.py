"""The sample contract: what the sampler measures, what is sent on the stream, what the writer stores.

One sample is one UTF-8 JSON object (``sample-v1.schema.json`` beside this file describes it for other
languages). ``telemetry.records`` declares its fields.

Every reader uses ``decode``: what it returns is safe to store and to show. For anything else it raises
``InvalidSample``, and only that.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from telemetry import END_OF_TIME
from telemetry.codec import decoder, encoder
from telemetry.fields import LARGEST
from telemetry.records import TOPIC_PREFIX, Battery, BatteryPack, Cpu, Health, PowerSource, Process, Sample
from telemetry.strict_json import MAX_BYTES, MAX_LIST, MAX_TEXT, InvalidSample, load, short

__all__ = [
    "END_OF_TIME",
    "LARGEST",
    "MAX_BYTES",
    "MAX_LIST",
    "MAX_TEXT",
    "TOPIC_PREFIX",
    "VERSION",
    "Battery",
    "BatteryPack",
    "Cpu",
    "Health",
    "InvalidSample",
    "PowerSource",
    "Process",
    "Sample",
    "decode",
    "encode",
]

VERSION: Final = 1

_from_wire: Final[Callable[[object], Sample]] = decoder(Sample)
_to_wire: Final[Callable[[Sample], dict[str, Any]]] = encoder(Sample)
_ENCODER: Final = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def encode(sample: Sample) -> bytes:
    """Return the sample as it is sent: UTF-8 JSON, without optional fields that are not available.

    Raises ValueError for NaN, infinity or a lone surrogate.
    """
    return _ENCODER.encode({"v": VERSION, **_to_wire(sample)}).encode()


def decode(body: bytes) -> Sample:
    """Return the checked sample in ``body``; fields that this version does not know are ignored.

    Raises InvalidSample if ``body`` is not a sample. Bounds: at most 1 MiB, strict UTF-8, no NaN, no lone
    surrogate, 64-bit integers, finite floats, lists of at most 4096 items.
    """
    wire = load(body)
    version = wire.get("v")
    if type(version) is not int or version != VERSION:
        raise InvalidSample(f"v: this reader knows version {VERSION}, not {short(version)}")
    try:
        return _from_wire(wire)
    except KeyError as missing:
        raise InvalidSample(f"field {missing} is missing") from None
