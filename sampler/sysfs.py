"""Reading one attribute file of /sys, whatever it does."""

from __future__ import annotations

import os
import re
from typing import Final

PAGE: Final = 4096
"""No attribute is longer: the kernel prints each into one page."""

_NUMBER: Final = re.compile(r"-?[0-9]{1,40}")
"""The kernel prints integers; 40 digits is far past any of them and far inside a float."""


def read_attribute(path: str) -> str | None:
    """Return the text of an attribute file without the white space around it, None where there is none.

    None is all of: no such file, a directory in its place, ENODEV, EIO, EAGAIN or EINVAL from the driver
    (HP Pavilion, bq27xxx after a resume), an empty text, one that is not UTF-8 or longer than a page.
    Never blocks on a FIFO: a tree of recorded files is as good as the kernel's.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            content = os.read(descriptor, PAGE + 1)
        finally:
            os.close(descriptor)
        return (content.decode().strip() or None) if len(content) <= PAGE else None
    except (OSError, UnicodeDecodeError):
        return None


def number(text: str | None) -> float | None:
    """Return the number that the kernel printed, None for any other text and for none."""
    return float(text) + 0.0 if text and _NUMBER.fullmatch(text) else None  # + 0.0: no negative zero


def read_number(path: str) -> float | None:
    """Return the number in an attribute file, None where there is none."""
    return number(read_attribute(path))
