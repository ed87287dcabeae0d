"""Reading one file of /sys or /proc, with every error handled."""

from __future__ import annotations

import os
import re
from typing import Final

PAGE: Final = 4096
"""The longest attribute: the kernel prints each into one page."""
_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
_LONGEST: Final = 8 << 20
"""The longest file of /proc, bytes: cpuinfo of 4,096 cores takes 6 MB."""

_NUMBER: Final = re.compile(r"-?[0-9]{1,40}")
"""The kernel prints integers; 40 digits are far more than any of them has, and fit easily in a float."""


def read_attribute(path: str) -> str | None:
    """Return an attribute file's text, stripped of white space. None if it is empty or cannot be read."""
    return read_text(path) or None


def read_text(path: str) -> str | None:
    """Return the text of an attribute file, stripped of white space; it may be empty.

    None stands for: no such file, a directory in its place, ENODEV, EIO, EAGAIN or EINVAL from the driver
    (HP Pavilion, bq27xxx after a resume), and a text that is not UTF-8 or longer than a page.
    """
    content = read_start(path, PAGE + 1)
    try:
        return None if content is None or len(content) > PAGE else content.decode().strip()
    except UnicodeDecodeError:
        return None


def read_start(path: str, most: int) -> bytes | None:
    """Return at most ``most`` bytes of a file, in one read; None if it cannot be read.

    Never blocks, even on a FIFO: the path may lie in a tree of recorded files.
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
    """Return the number that the kernel printed, None for other text or None."""
    return float(text) + 0.0 if text and _NUMBER.fullmatch(text) else None  # + 0.0: no negative zero


def read_number(path: str) -> float | None:
    """Return the number in an attribute file; None: it is missing or not a number."""
    return number(read_attribute(path))


def read_whole(path: str) -> bytes:
    """Return a whole file of /proc, which may be long; b"" if it cannot be read or exceeds 8 MiB."""
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
