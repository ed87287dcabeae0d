"""Reads a file that must belong to this account or to root, and that others may not read, or not change."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from telemetry.errors import UserError

_SECRET: Final = (0o077, "read", "chmod 600")
_PUBLIC: Final = (0o022, "change", "chmod go-w")
"""The refused mode bits, what they allow others to do, and the command that removes them"""


def own_text(path: Path, what: str, *, is_secret: bool, most: int, option: str = "") -> str:
    """Return the text of a file; a byte that is not UTF-8 becomes a surrogate (PEP 383), not printable.

    ``what`` and ``option`` are for the errors: what the file is ("a private key"), and the option that names
    it. ``is_secret``: others must not even read it. ``most``: bytes. Raises UserError if the file is missing,
    too long or not a regular file, if it belongs to another user, or if others have too many rights.
    """
    named = f"{option} {path}".lstrip()
    refused, verb, mend = _SECRET if is_secret else _PUBLIC
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO would block for ever
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise UserError(f"{named} is not a file")
            if found.st_uid not in (os.geteuid(), 0):
                raise UserError(f"{named} belongs to another user: chown it, or name a file of your own")
            if found.st_mode & refused:
                raise UserError(f"{named} is {what} that others may {verb}: {mend} {path}")
            with open(descriptor, "rb", closefd=False) as file:
                content = file.read(most + 1)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "the name cannot be used"
        raise UserError(f"cannot read {named}: {reason}") from None
    if len(content) > most:
        raise UserError(f"{named} is too long: at most {most} bytes")
    return content.decode("utf-8", errors="surrogateescape")
