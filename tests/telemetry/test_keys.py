"""Keys in files: permissions, valid lines, and an allow-list that changes while it is in use."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st
from zmq.utils import z85

from telemetry.errors import UsageError, UserError
from telemetry.stream.keys import (
    AllowList,
    client_keys,
    make_keys,
    read_private,
    read_public,
    server_keys,
)
from tests.strategies import QUICK
from tests.telemetry.keyring import LOG, Keys

TCP = ["tcp://*:5555"]


def test_a_key_pair_is_readable_only_by_its_owner(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        line = make_keys(tmp_path / "my laptop.key")
    finally:
        os.umask(before)
    private, public = tmp_path / "my laptop.key", tmp_path / "my laptop.key.pub"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (private, public)] == [0o600, 0o644]
    assert public.read_text() == f"{line}\n"
    assert zmq.curve_public(read_private(private)) == read_public(public)
    assert line.split()[1:] == ["mylaptop"]


@pytest.mark.parametrize("there", ["a.key", "a.key.pub"])
def test_no_key_is_overwritten_and_no_half_pair_is_left(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("precious")
    with pytest.raises(UserError, match=f"{there} exists already"):
        make_keys(tmp_path / "a.key")
    assert os.listdir(tmp_path) == [there]
    assert (tmp_path / there).read_text() == "precious"
    with pytest.raises(UserError, match="No such file or directory"):
        make_keys(tmp_path / "gone" / "a.key")


def test_a_private_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = Keys(tmp_path).private
    path.chmod(0o640)
    with pytest.raises(UserError, match=f"others may read: chmod 600 {path}"):
        read_private(path)


def test_files_that_others_may_change_are_refused(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    keys.public.chmod(0o664)
    with pytest.raises(UserError, match="others may change: chmod go-w"):
        read_public(keys.public)
    keys.clients.chmod(0o646)
    with pytest.raises(UserError, match="others may change: chmod go-w"):
        AllowList(keys.clients, LOG)


def test_an_invalid_key_gives_a_one_line_error(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    long = tmp_path / "long"
    long.write_bytes(b"x" * (1 << 20) + b"x")
    long.chmod(0o600)
    odd = [long, tmp_path / "gone"]
    for content in (
        "",
        "private-key",
        "private-key \xff",
        "private-key " + "#" * 40,
        "x y z",
        "a\nb",
        "# none",
    ):
        odd.append(tmp_path / f"odd{len(odd)}")
        odd[-1].write_text(content)
        odd[-1].chmod(0o600)
    for path in odd:
        for read in (read_private, read_public):
            with pytest.raises(UserError) as told:
                read(path)
            assert "\n" not in str(told.value)
    keys.public.chmod(0o600)
    with pytest.raises(UserError, match="is not a private key"):
        read_private(keys.public)
    with pytest.raises(UserError, match="is not a public key"):
        read_public(keys.private)


def test_options_for_keys_must_be_given_together(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    own = keys.add("client")
    assert server_keys(None, None, TCP, tmp_path, LOG) is None
    assert client_keys(None, None, TCP) is None
    assert server_keys(keys.private, keys.clients, TCP, tmp_path, LOG) is not None
    assert client_keys(keys.public, own, TCP) is not None
    for private, clients in ((keys.private, None), (None, keys.clients)):
        with pytest.raises(UsageError, match="--key and --clients go together"):
            server_keys(private, clients, TCP, tmp_path, LOG)
    for server, private in ((keys.public, None), (None, own)):
        with pytest.raises(UsageError, match="--server-key and --key go together"):
            client_keys(server, private, TCP)
    with pytest.raises(UsageError, match="for tcp:// endpoints"):
        server_keys(keys.private, keys.clients, ["ipc:///x"], tmp_path, LOG)
    with pytest.raises(UsageError, match="for tcp:// endpoints"):
        client_keys(keys.public, own, [])


@QUICK
@given(st.binary(min_size=32, max_size=32))
def test_no_key_looks_like_a_comment(key: bytes) -> None:
    assert not z85.encode(key).startswith(b"#")


line = st.one_of(
    st.binary(min_size=32, max_size=32).map(lambda key: z85.encode(key).decode()),
    st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=60),
    st.text("#%$0aZ ", min_size=38, max_size=44),
)


@QUICK
@given(lines=st.lists(line, max_size=20))
def test_every_key_of_a_list_is_read_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    path = tmp_path_factory.mktemp("keys") / "clients"
    path.write_text("\n".join(f"  {one}\tname # of it" for one in lines), encoding="utf-8")
    path.chmod(0o644)
    found = AllowList(path, LOG)
    expected = set()
    for one in lines:
        for part in f"  {one}\tname # of it".splitlines():
            word = (part.split() or [""])[0]
            if len(word) == 40 and word.isascii() and not word.startswith("#"):
                try:
                    expected.add(z85.decode(word.encode()))
                except Exception:  # noqa: BLE001 the library may raise anything
                    continue
    assert found._keys == expected


def test_a_list_is_read_again_when_it_changes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keys = Keys(tmp_path)
    keys.add("one")
    keys.add("two")
    public = {name: z85.decode(read_public(tmp_path / f"{name}.key.pub")) for name in ("one", "two")}
    clients = AllowList(keys.clients, LOG)
    assert all(key in clients for key in public.values())
    assert not clients.look()
    keys.remove("one")
    assert public["one"] in clients, "the list was not read again"
    assert clients.look()
    assert (public["one"] in clients, public["two"] in clients) == (False, True)
    assert not clients.look()
    keys.clients.write_text(keys.clients.read_text() + (tmp_path / "one.key.pub").read_text())
    assert not clients.look(), "no key was removed"
    assert public["one"] in clients
    # The same size, in the same file, within one tick of the clock.
    for _ in range(50):
        keys.clients.write_text((tmp_path / "one.key.pub").read_text())
        assert clients.look()
        assert public["two"] not in clients
        keys.clients.write_text((tmp_path / "two.key.pub").read_text())
        assert clients.look()
        assert (public["one"] in clients, public["two"] in clients) == (False, True)


def test_a_list_that_can_no_longer_be_read_allows_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = Keys(tmp_path)
    keys.add("one")
    public = z85.decode(read_public(tmp_path / "one.key.pub"))
    clients = AllowList(keys.clients, LOG)
    text = keys.clients.read_text()
    keys.clients.unlink()
    assert clients.look()
    assert public not in clients
    for _ in range(100):
        assert not clients.look()
    assert caplog.text.count("no client may connect until this is fixed") == 1
    keys.clients.write_text(text)
    assert not clients.look()
    assert public in clients
    keys.clients.chmod(0o666)
    assert clients.look()
    assert caplog.text.count("no client may connect until this is fixed") == 2


def test_a_bad_line_is_logged_once_and_a_flood_of_them_is_bounded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = Keys(tmp_path)
    keys.add("one")
    good = keys.clients.read_text()
    keys.clients.write_text(f"not a key\n{good}")
    clients = AllowList(keys.clients, LOG)
    assert z85.decode(read_public(tmp_path / "one.key.pub")) in clients
    keys.clients.write_text(f"\n{good}not a key\n")
    clients.look()
    assert caplog.text.count("is skipped: it does not begin with a key") == 1
    for number in range(3):
        keys.clients.write_text("".join(f"line {number} {index}\n" for index in range(1000)))
        clients.look()
    assert caplog.text.count("is skipped") <= 100


def test_the_log_of_a_changed_list_has_the_number_of_keys(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = Keys(tmp_path)
    clients = AllowList(keys.clients, LOG)
    keys.add("one")
    with caplog.at_level(logging.INFO):
        clients.look()
    assert f"{keys.clients}: keys that may connect: 1" in caplog.text
