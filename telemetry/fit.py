"""Changes a sample so that readers accept it: one bad field must not cost the whole sample.

A value that ``decode`` would refuse is replaced or left out:

* In a text, a lone surrogate (a byte that is not UTF-8) becomes U+FFFD; a text that is too long is cut.
* A number that is NaN, infinite or out of bounds becomes None, "not available".
* If a mandatory field is not available, its record is left out, or that item of a list. In the sample itself,
  a number is set to the nearest bound, and a text becomes ``unknown``.
* A list that is too long is cut, and the second of two items with the same key is left out.
* If the message is then still too long, the limits for texts and lists are halved until it fits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from telemetry.fields import Field, Shape, fields_of
from telemetry.records import Cpu, Sample
from telemetry.sample import decode, encode
from telemetry.strict_json import MAX_LIST, MAX_TEXT

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_STAND_INS: Final[dict[str, object]] = {"cpu": Cpu(None, ()), "load": (None, None, None), "processes": ()}


class Message(NamedTuple):
    """A sample that may be published."""

    sample: Sample
    body: bytes
    """The encoded sample, which ``decode`` accepts."""
    changed: tuple[str, ...]
    """The fields that were changed, such as ``battery.pct``; for an item of a list, the list's name."""


def message(sample: Sample) -> Message:
    """Return ``sample`` in a form that readers accept, and the fields that were changed for that."""
    body = _taken(sample)
    if body is not None:
        return Message(sample, body, ())
    longest, most = MAX_TEXT, MAX_LIST
    while most:
        fit = _Fit(longest, most)
        fitted = fit.sample(sample)
        body = _taken(fitted)
        if body is not None:
            return Message(fitted, body, tuple(fit.changed))
        longest, most = max(longest // 2, 8), most // 2
    raise ValueError("readers refuse this sample even with its lists cut: this is a bug")


def _taken(sample: Sample) -> bytes | None:
    """Return the body, None if the sample cannot be encoded or a reader would refuse it."""
    try:
        body = encode(sample)
        decode(body)
    except (ValueError, TypeError, AttributeError):  # InvalidSample is a ValueError
        return None
    return body


class _Fit:
    def __init__(self, longest: int, most: int) -> None:
        self.changed: dict[str, None] = {}
        self._longest = longest
        self._most = most

    def sample(self, it: Sample) -> Sample:
        values = []
        for field, value in zip(fields_of(Sample), it, strict=True):
            fitted = self._value(value, field.shape, field, field.name)
            if fitted is None and not field.shape.nullable:
                fitted = _stand_in(field, value)
            values.append(fitted)
        return Sample(*values)

    def _record(self, it: Any, record: Any, path: str) -> Any:
        """Return the record, None if a mandatory field is not available."""
        values = []
        for field, value in zip(fields_of(record), it, strict=True):
            fitted = self._value(value, field.shape, field, f"{path}.{field.name}")
            if fitted is None and not field.shape.nullable:
                if not field.optional:
                    return None
                fitted = field.default
            values.append(fitted)
        return record(*values)

    def _value(self, value: Any, shape: Shape, field: Field, path: str) -> Any:
        """Return the value or its replacement, None if it is left out."""
        if value is None:
            return None
        fitted: object = None
        match shape.kind:
            case "record":
                if isinstance(value, shape.record):
                    return self._record(value, shape.record, path)
            case "list" if isinstance(value, tuple):
                fitted = tuple(self._items(value, shape, field, path))[: self._most]
            case "row" if isinstance(value, tuple) and len(value) == shape.length:
                return tuple(self._value(item, shape.item, field, path) for item in value)
            case "entries" if isinstance(value, dict):
                fitted = self._entries(value, shape, field, path)
            case "text" if isinstance(value, str):
                text = _SURROGATE.sub("\ufffd", value)[: self._longest]
                fitted = text if shape is not field.shape or len(text) >= field.bounds[0] else None
            case "truth" if isinstance(value, bool):
                return value
            case "number" | "integer" if not isinstance(value, bool) and isinstance(value, (int, float)):
                least, most = field.bounds
                whole = shape.kind == "number" or isinstance(value, int)
                fitted = value if whole and least <= value <= most else None
        if fitted is None or fitted != value:
            self.changed[path] = None
        return fitted

    def _items(self, values: Iterable[Any], shape: Shape, field: Field, path: str) -> Iterable[Any]:
        seen = set()
        for value in values:
            fitted = self._value(value, shape.item, field, path)
            if fitted is None and not shape.item.nullable:
                continue
            if field.wire.unique:
                key = getattr(fitted, field.wire.unique)
                if key in seen:
                    continue
                seen.add(key)
            yield fitted

    def _entries(self, values: dict[Any, Any], shape: Shape, field: Field, path: str) -> dict[str, Any]:
        key_shape = Shape("text", nullable=False)
        found: dict[str, Any] = {}
        for key, value in values.items():
            name = self._value(key, key_shape, field, path)
            fitted = self._value(value, shape.item, field, path)
            if name is not None and fitted is not None and len(found) < self._most:
                found[name] = fitted
        return found


def _stand_in(field: Field, value: Any) -> Any:
    """Return the replacement for a mandatory field of the sample."""
    if field.shape.kind == "text":
        return "unknown"
    if field.name in _STAND_INS:
        return _STAND_INS[field.name]
    least, most = field.bounds
    number = float if field.shape.kind == "number" else int
    try:
        return number(min(max(value, least), most) if value == value else least)  # noqa: PLR0124 NaN
    except TypeError:
        return number(least)
