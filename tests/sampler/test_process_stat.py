from __future__ import annotations

import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sampler.process_stat import Stat, parse_stat
from tests.sampler.proc import line

RECORDED = (
    b"15493 (sh) S 15470 15464 6433 0 -1 4194304 64 97523 1 1 0 5 84 6 20 0 1 0 91755 2654208 401 "
    b"18446744073709551615 93906452258816 93906452335545 140732314861200 0 0 0 0 16384 65538 1 0 0 17 0 0 "
    b"0 0 0 0 93906452364848 93906452369984 93907265118208 140732314864107 140732314864155 140732314864155 "
    b"140732314865644 0\n"
)
"""A shell that ran short commands for a second, Linux 6.18."""


def test_a_real_line_of_the_kernel() -> None:
    assert parse_stat(RECORDED) == Stat(
        pid=15493,
        start=91755,
        comm=b"sh",
        zombie=False,
        parent=15470,
        used=0 + 5,
        reaped=84 + 6,
        threads=1,
        rss=401,
    )


def test_this_process() -> None:
    with open("/proc/self/stat", "rb") as file:
        stat = parse_stat(file.read())
    assert stat is not None
    assert (stat.pid, stat.parent) == (os.getpid(), os.getppid())
    assert stat.used > 0
    assert stat.rss > 0


@pytest.mark.parametrize(
    "comm",
    [
        b"bash",
        b"tmux: server",
        b"(sd-pam)",
        b"a) S 1 (b",
        b"two\nlines",
        b"",
        b"\xff\xfe",
        b"kworker/0:1-events",
    ],
    ids=ascii,
)
def test_a_name_may_contain_anything(comm: bytes) -> None:
    written = line(7, comm, parent=2, utime=3, stime=4, cutime=8, cstime=9, threads=3, start=5, rss=6)
    assert parse_stat(written) == Stat(7, 5, comm, False, 2, 3 + 4, 8 + 9, 3, 6)


@given(st.binary())
@example(b"1 (a) S")
@example(b")(")
def test_an_invalid_line_is_refused(damaged: bytes) -> None:
    assert parse_stat(damaged) is None


@given(st.integers(1, 1 << 22), st.binary(max_size=64), st.integers(0, 1 << 40), st.integers(0, 1 << 40))
def test_numbers_are_those_of_the_line(pid: int, comm: bytes, utime: int, start: int) -> None:
    assert parse_stat(line(pid, comm, utime=utime, start=start)) == Stat(
        pid, start, comm, False, 0, utime, 0, 1, 0
    )
