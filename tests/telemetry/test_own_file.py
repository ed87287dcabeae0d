"""Files of keys and credentials: owner, mode and size."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from telemetry.errors import UserError
from telemetry.own_file import own_text
from tests.strategies import QUICK

MOST = 64


def own_file(directory: Path, content: bytes, mode: int = 0o600) -> Path:
    path = directory / "file"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def reading(path: Path, *, is_secret: bool = True, option: str = "") -> str:
    return own_text(path, "a password", is_secret=is_secret, most=MOST, option=option)


@QUICK
@given(st.binary(max_size=MOST))
@example(bytes(MOST + 1))
@example(b"\xff" * (MOST + 1000))
def test_every_byte_is_returned_or_the_file_is_too_long(content: bytes) -> None:
    with TemporaryDirectory() as directory:
        path = own_file(Path(directory), content)
        if len(content) > MOST:
            with pytest.raises(UserError, match=f"{path} is too long: at most {MOST} bytes"):
                reading(path)
        else:
            assert reading(path).encode("utf-8", "surrogateescape") == content


def test_a_byte_that_is_not_utf_8_is_not_printable(tmp_path: Path) -> None:
    assert not reading(own_file(tmp_path, b"secret \xff")).isprintable()
    assert reading(own_file(tmp_path, "Schlüssel".encode())) == "Schlüssel"


@QUICK
@given(st.integers(0, 0o777))
def test_a_secret_is_for_its_owner_and_other_files_may_be_read(bits: int) -> None:
    with TemporaryDirectory() as directory:
        path = own_file(Path(directory), b"text", bits | stat.S_IRUSR)
        for is_secret, refused, mend in (
            (True, 0o077, "others may read: chmod 600"),
            (False, 0o022, "others may change: chmod go-w"),
        ):
            if bits & refused:
                with pytest.raises(UserError, match=f"{path} is a password that {mend} {path}$"):
                    reading(path, is_secret=is_secret)
            else:
                assert reading(path, is_secret=is_secret) == "text"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = own_file(tmp_path, b"text")
    os.chown(path, 65534, -1)
    for is_secret in (True, False):
        with pytest.raises(UserError, match="belongs to another user: chown it"):
            reading(path, is_secret=is_secret)


def test_an_unreadable_file_gives_a_one_line_error_and_is_closed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    before = os.listdir("/proc/self/fd")
    for path, reason in (
        (tmp_path, "is not a file$"),
        (tmp_path / "fifo", "is not a file$"),
        (Path("/dev/null"), "is not a file$"),
        (tmp_path / "gone", "^cannot read .*: No such file or directory$"),
        (Path("x" * 300), "^cannot read .*: File name too long$"),
        (Path("a\0b"), "^cannot read .*: the name cannot be used$"),
    ):
        with pytest.raises(UserError, match=reason):
            reading(path)
    assert os.listdir("/proc/self/fd") == before


def test_an_error_begins_with_the_option_that_named_the_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"^--auth {tmp_path} is not a file$"):
        reading(tmp_path, option="--auth")
    with pytest.raises(UserError, match=f"^cannot read --auth {tmp_path}/gone: No such file"):
        reading(tmp_path / "gone", option="--auth")
    path = own_file(tmp_path, b"text", 0o644)
    with pytest.raises(UserError, match=f"^--auth {path} is .*: chmod 600 {path}$"):
        reading(path, option="--auth")
