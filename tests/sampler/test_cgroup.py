"""The app of a process, from /proc/PID/cgroup lines of real machines and from arbitrary bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.cgroup import app_of

RECORDED = [
    line.split("\t")
    for line in (Path(__file__).parents[1] / "data/cgroup.tsv").read_text().splitlines()
    if not line.startswith("#")
]


@pytest.mark.parametrize(("app", "text"), [row[1:] for row in RECORDED], ids=[row[0] for row in RECORDED])
def test_lines_of_real_machines(app: str, text: str) -> None:
    assert app_of(text.replace("|", "\n").encode() + b"\n") == (None if app == "-" else app)


def test_control_characters_are_skipped() -> None:
    assert app_of(b"0::/system.slice/a\x1b[2Jb.service\n") is None
    assert app_of(b"0::/system.slice/a\xffb.service\n") is None


def test_if_an_inner_name_is_refused_the_outer_one_is_used() -> None:
    assert app_of(b"0::/system.slice/ssh.service/(evil).service\n") == "ssh"


@pytest.mark.parametrize(
    "text",
    [
        b"0::/system.slice/" + b"a" * 65 + b".service",
        b"0::" + b"/a.slice" * 2000,
        b"\n" * 100_000,
        b"0::/" + b"-1" * 2000 + b".scope",
        b"0::/" + b"\\x41" * 1000 + b".service",
    ],
    ids=["long", "deep", "many lines", "many numbers", "many escapes"],
)
def test_text_that_is_too_long_is_skipped(text: bytes) -> None:
    assert app_of(text) is None


PIECES = st.sampled_from(
    [
        *(
            b"0::",
            b"1:name=systemd:",
            b"4:memory:",
            b"/",
            b"\n",
            b"-",
            b"@",
            b".",
            b":",
            b" ",
            b"\\x2d",
            b"\\xff",
        ),
        *(
            b".scope",
            b".service",
            b".slice",
            b"app-",
            b"snap.",
            b"user@1000",
            b"session-1",
            b"docker",
            b"libpod",
        ),
        *(
            b"machine-",
            b"lxc.payload.",
            b"openrc.",
            b"0123456789abcdef",
            b"firefox",
            b" (deleted)",
            b"\x1b[2J",
        ),
    ]
)
PATHS = st.lists(PIECES | st.binary(max_size=3), max_size=30).map(b"".join)


@given(st.binary(max_size=300) | PATHS | PATHS.map(b"0::/".__add__))
def test_any_bytes_give_a_plain_name_or_none(text: bytes) -> None:
    app = app_of(text)
    assert app is None or (0 < len(app) <= 64 and app.isprintable() and not app.startswith(("(", "-", " ")))
    assert app_of(text) == app


ID = st.from_regex(r"[a-z][a-zA-Z0-9_]{0,10}(\.[a-z][a-zA-Z0-9_-]{0,10}){0,3}", fullmatch=True)


@given(ID, st.integers(1, 2**31), st.sampled_from(["gnome", "flatpak", "cosmic", None]))
def test_any_app_id_is_found(app: str, number: int, launcher: str | None) -> None:
    escaped = app.replace("-", "\\x2d")
    start = (
        f"0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-{f'{launcher}-' if launcher else ''}"
    )
    for text in (
        f"{escaped}-{number}.scope",
        f"{escaped}@{number:032x}.service",
        f"{escaped}@autostart.service",
    ):
        assert app_of(f"{start}{text}\n".encode()) == app
