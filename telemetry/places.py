"""The paths: the runtime directory with its sockets and ring, and the database.

The environment is passed in. Only ``make_runtime_directory`` writes to the disk.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from telemetry.errors import UserError

SYSTEM_RUNTIME_DIRECTORY = Path("/run/telemetry-logger")
SYSTEM_STATE_DIRECTORY = Path("/var/lib/telemetry-logger")
DATABASE_HELP = (
    f"the database ($TELEMETRY_DB, else {SYSTEM_STATE_DIRECTORY}/telemetry.db where that directory exists, "
    "else ./telemetry.db)"
)
"""What --db is, and its default: see ``default_database``"""


def runtime_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the directory of the sockets and the ring. It need not exist."""
    if given := environ.get("TELEMETRY_RUNTIME_DIR"):
        return Path(given).absolute()
    if by_systemd := environ.get("RUNTIME_DIRECTORY"):
        return Path(by_systemd.split(":")[0])
    if SYSTEM_RUNTIME_DIRECTORY.is_dir():
        return SYSTEM_RUNTIME_DIRECTORY
    return _own_directory(environ)


def _own_directory(environ: Mapping[str, str]) -> Path:
    of_session = Path(environ.get("XDG_RUNTIME_DIR", ""))
    if of_session.is_absolute():  # the XDG specification: a relative path must be ignored
        return of_session / "telemetry-logger"
    return Path(f"/tmp/telemetry-logger-{os.getuid()}")  # noqa: S108 the owner is checked before use


def make_runtime_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the runtime directory; if it is a user's own and missing, create it with mode 0700.

    Raises UserError if it cannot be created, or if it is a user's own but belongs to somebody else, who could
    then read and forge the stream.
    """
    directory = runtime_directory(environ)
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot make the runtime directory {directory}: {error.strerror}; "
            "name another one in TELEMETRY_RUNTIME_DIR"
        ) from None
    if directory == _own_directory(environ):
        check_owner(directory)
    return directory


def readers_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the runtime directory for a program that only listens: it need not exist and is not created.

    Raises UserError if it is a user's own but somebody else created it.
    """
    directory = runtime_directory(environ)
    if directory == _own_directory(environ) and os.path.lexists(directory):
        check_owner(directory)
    return directory


def check_owner(directory: Path) -> None:
    """Raise UserError unless ``directory`` is a real directory that is ours and only we can write to."""
    found = directory.lstat()
    mine = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if not mine or stat.S_IMODE(found.st_mode) & 0o022:
        raise UserError(
            f"{directory} is not a directory that only you can write to; "
            "remove it, or name another one in TELEMETRY_RUNTIME_DIR"
        )


def publish_endpoint(directory: Path) -> str:
    """Return the default endpoint of the live stream."""
    return f"ipc://{directory}/samples"


def replay_endpoint(directory: Path) -> str:
    """Return the default endpoint of the sampler's replay socket."""
    return f"ipc://{directory}/replay"


def control_endpoint(directory: Path) -> str:
    """Return the default endpoint of the writer's control socket."""
    return f"ipc://{directory}/writer"


def ring_file(directory: Path) -> Path:
    """Return the file of the replay ring."""
    return directory / "ring"


def signs_file(directory: Path) -> Path:
    """Return the file in which the sampler keeps what it knows about battery drivers."""
    return directory / "signs"


def default_database(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the default path of the database."""
    if given := environ.get("TELEMETRY_DB"):
        return Path(given)
    if SYSTEM_STATE_DIRECTORY.is_dir():
        return SYSTEM_STATE_DIRECTORY / "telemetry.db"
    return Path("telemetry.db")


def ipc_path(endpoint: str) -> Path | None:
    """Return the file of an ``ipc://`` endpoint, None for any other (also for an abstract name ``@...``)."""
    scheme, _, rest = endpoint.partition("://")
    return Path(rest) if scheme == "ipc" and not rest.startswith("@") else None
