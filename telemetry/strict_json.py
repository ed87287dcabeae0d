"""Strict reading of untrusted JSON: each function returns a value of the requested type and bounds.

The functions know nothing about the fields of a sample, which ``telemetry.records`` declares. They raise only
InvalidSample.
"""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import Any, Final, NoReturn

MAX_BYTES: Final = 1 << 20
MAX_LIST: Final = 4096
"""Most items of a list, and most entries of an object whose keys are data."""
MAX_TEXT: Final = 4096
"""Longest text, characters."""


class InvalidSample(ValueError):
    """A message that is not a sample; the text says which field and why."""


def _refuse_constant(constant: str) -> NoReturn:
    raise InvalidSample(f"not JSON: {constant}")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


def load(body: bytes) -> dict[str, Any]:
    """Return the JSON object in ``body``: at most MAX_BYTES of UTF-8, without NaN and lone surrogates."""
    if len(body) > MAX_BYTES:
        raise InvalidSample(f"{len(body)} bytes, more than {MAX_BYTES}")
    try:
        wire = _DECODER.decode(body.decode())
        if _SURROGATE_ESCAPE.search(body):  # a pair is a character; one alone cannot be stored as UTF-8
            json.dumps(wire, ensure_ascii=False).encode()
    except InvalidSample:
        raise
    except UnicodeDecodeError:
        raise InvalidSample("not UTF-8") from None
    except UnicodeEncodeError:
        raise InvalidSample("a lone surrogate in a text") from None
    except RecursionError:  # 100,000 brackets; the C scanner stops long before the stack ends
        raise InvalidSample("nested too deeply") from None
    except ValueError as error:  # JSONDecodeError, or an integer of over 4,300 digits
        raise InvalidSample(f"not JSON: {error}") from None
    if type(wire) is not dict:
        raise InvalidSample(f"not an object: {short(wire)}")
    return wire


def short(value: object) -> str:
    """Return a short, printable form of an untrusted ``value`` for a log line."""
    if isinstance(value, (dict, list)):
        return type(value).__name__
    if isinstance(value, int):
        return str(value) if abs(value) < 1 << 64 else "an integer over 64 bits"
    return ascii(value)[:40]


# --- values ----------------------------------------------------------------------------------------
# Exact types, not isinstance: True is an int in Python but not a number here. This code runs for each of
# some hundred fields of each sample, so it is kept simple.


def text(value: object, field: str, shortest: int = 0) -> str:
    if type(value) is str and shortest <= len(value) <= MAX_TEXT:
        return value
    raise InvalidSample(f"{field}: {short(value)} is not a text of {shortest} to {MAX_TEXT} characters")


def text_or_none(value: object, field: str) -> str | None:
    return None if value is None else text(value, field)


def integer(value: object, field: str, least: int = 0, most: int = (1 << 63) - 1) -> int:
    if type(value) is int and least <= value <= most:
        return value
    raise InvalidSample(f"{field}: {short(value)} is not an integer from {least} to {most}")


def truth(value: object, field: str) -> bool:
    if type(value) is bool:
        return value
    raise InvalidSample(f"{field}: {short(value)} is neither true nor false")


def number(value: object, field: str, least: float = -1e12, most: float = 1e12) -> float:
    if type(value) is float:
        if least <= value <= most and isfinite(value):
            return value
    elif type(value) is int and least <= value <= most:
        return float(value)
    raise InvalidSample(f"{field}: {short(value)} is not a number from {least:g} to {most:g}")


def number_or_none(value: object, field: str, least: float = -1e12, most: float = 1e12) -> float | None:
    return None if value is None else number(value, field, least, most)


def record(value: object, field: str) -> dict[str, Any]:
    if type(value) is dict:
        return value
    raise InvalidSample(f"{field}: {short(value)} is not an object")


def items(value: object, field: str) -> list[Any]:
    if type(value) is list and len(value) <= MAX_LIST:
        return value
    raise InvalidSample(f"{field}: {short(value)} is not a list of at most {MAX_LIST}")


def entries(value: object, field: str) -> dict[str, Any]:
    """Return an object whose keys are data."""
    wire = record(value, field)
    if len(wire) > MAX_LIST:
        raise InvalidSample(f"{field}: {len(wire)} entries, more than {MAX_LIST}")
    for name in wire:
        text(name, field)
    return wire
