"""Reading one file of /sys or /proc, whatever it does."""

from __future__ import annotations

import os
import re
from typing import Final

PAGE: Final = 4096
"""No attribute is longer: the kernel prints each into one page."""
_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
_LONGEST: Final = 8 << 20
"""Bytes of a file of /proc: cpuinfo of 4,096 cores takes 6 MB."""

_NUMBER: Final = re.compile(r"-?[0-9]{1,40}")
"""The kernel prints integers; 40 digits is far past any of them and far inside a float."""


def read_attribute(path: str) -> str | None:
    """Return the text of an attribute file without the white space around it, None where there is none.

    None is all that ``read_text`` cannot read, and an empty text.
    """
    return read_text(path) or None


def read_text(path: str) -> str | None:
    """Return the text of an attribute file without the white space around it; it may be empty.

    None is all of: no such file, a directory in its place, ENODEV, EIO, EAGAIN or EINVAL from the driver
    (HP Pavilion, bq27xxx after a resume), a text that is not UTF-8 or longer than a page.
    """
    content = read_start(path, PAGE + 1)
    try:
        return None if content is None or len(content) > PAGE else content.decode().strip()
    except UnicodeDecodeError:
        return None


def read_start(path: str, most: int) -> bytes | None:
    """Return at most ``most`` bytes of a file, in one read; None where it cannot be read.

    Never blocks on a FIFO: a tree of recorded files is as good as the kernel's.
    """
    try:
        descriptor = os.open(path, _FLAGS)
        try:
            return os.read(descriptor, most)
        finally:
            os.close(descriptor)
    except OSError:
        return None


def number(text: str | None) -> float | None:
    """Return the number that the kernel printed, None for any other text and for none."""
    return float(text) + 0.0 if text and _NUMBER.fullmatch(text) else None  # + 0.0: no negative zero


def read_number(path: str) -> float | None:
    """Return the number in an attribute file, None where there is none."""
    return number(read_attribute(path))


def read_whole(path: str) -> bytes:
    """Return a file of /proc, which may be long; nothing where it cannot be read, or is past any that is."""
    content = bytearray()
    try:
        descriptor = os.open(path, _FLAGS)
        try:
            while chunk := os.read(descriptor, 1 << 16):
                content += chunk
                if len(content) > _LONGEST:
                    return b""
        finally:
            os.close(descriptor)
    except OSError:
        return b""
    return bytes(content)
