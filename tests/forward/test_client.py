"""Requests to a real server: what is sent, what is returned, and which servers are not trusted."""

from __future__ import annotations

import base64
import socket
import ssl
from pathlib import Path

import pytest

from forward.client import Client, Unreachable, authorization, target, trust
from telemetry.errors import UsageError, UserError
from tests.forward.engine import Engine, Refusal, certificates

BODY = b"m x=1i 1000000\n"


@pytest.mark.parametrize("compress", [True, False])
def test_a_body_arrives_unchanged(compress: bool) -> None:
    with Engine() as engine:
        client = Client(target(engine.url), authorization="Token abc", compress=compress)
        assert [client.post(BODY).status for _ in range(3)] == [204, 204, 204]
        client.close()
        assert engine.points == {("m", (), 1_000_000): {"x": 1}}
        headers = engine.headers[-1]
    assert headers["path"] == "/write?db=telemetry"
    assert headers["Authorization"] == "Token abc"
    assert ("Content-Encoding" in headers) == compress
    assert headers["User-Agent"].startswith("telemetry-forward/")


def test_a_response_is_returned_with_status_and_reason() -> None:
    with Engine() as engine:
        engine.refusals = [
            Refusal(429, (("Retry-After", "120"),), "slow\n down\x1b"),
            Refusal(503, (("Retry-After", "Thu, 01 Jan 1970 00:02:00 GMT"),)),
            Refusal(503, (("Retry-After", "soon"),)),
            Refusal(500, text="x" * 100_000),
        ]
        client = Client(target(engine.url), clock=lambda: 90.0)
        assert client.post(BODY) == (429, "slow down\\x1b", 120.0)
        assert client.post(BODY) == (503, "", 30.0)
        assert client.post(BODY) == (503, "", None)
        assert client.post(BODY) == (500, "x" * 200, None)
        assert client.post(BODY).status == 204
        client.close()


def test_a_request_is_repeated_if_the_server_closed_the_connection() -> None:
    with Engine() as engine:
        client = Client(target(engine.url))
        assert client.post(BODY).status == 204
        engine.kill()
        engine.start()
        assert client.post(BODY).status == 204
        client.close()


def test_unreachable_says_why_there_was_no_answer() -> None:
    with Engine() as engine:
        client = Client(target(engine.url), timeout=0.2)
        engine.refusals = [Refusal(sleep=1.0)]
        with pytest.raises(Unreachable, match=r"it did not answer in 0\.2 s"):
            client.post(BODY)
        engine.refusals = [Refusal(hangs_up=True)]
        with pytest.raises(Unreachable, match=r"closed connection|reset"):
            client.post(BODY)
        assert client.post(BODY).status == 204
        client.close()
        engine.kill()
        with pytest.raises(Unreachable, match="Connection refused"):
            client.post(BODY)
    with pytest.raises(Unreachable, match=r"not known|resolution|No address"):
        Client(target("http://no-such-host.invalid/write")).post(BODY)


def test_a_server_that_does_not_speak_http_counts_as_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        import threading

        def greet() -> None:
            connection, _ = server.accept()
            connection.sendall(b"220 mail.example ESMTP\r\n")
            connection.close()

        threading.Thread(target=greet, daemon=True).start()
        with pytest.raises(Unreachable):
            Client(target(f"http://127.0.0.1:{server.getsockname()[1]}/")).post(BODY)


def test_a_certificate_is_verified(tmp_path: Path) -> None:
    certificate, context = certificates(tmp_path)
    with Engine(tls=context) as engine:
        with pytest.raises(
            Unreachable, match=r"certificate does not verify \(self-signed certificate\): see --ca"
        ):
            Client(target(engine.url), tls=trust(None)).post(BODY)
        client = Client(target(engine.url), tls=trust(certificate))
        assert client.post(BODY).status == 204
        client.close()
        by_address = engine.url.replace("localhost", "127.0.0.1")
        with pytest.raises(Unreachable, match="certificate does not verify"):
            Client(target(by_address), tls=trust(certificate)).post(BODY)
        old = trust(certificate)
        assert old.minimum_version >= ssl.TLSVersion.TLSv1_2
    with pytest.raises(UserError, match="cannot read certificates"):
        trust(tmp_path / "none.pem")
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(UserError, match="cannot read certificates"):
        trust(tmp_path / "empty.pem")


def secret(directory: Path, text: bytes, mode: int = 0o600) -> Path:
    path = directory / "auth"
    path.unlink(missing_ok=True)
    path.write_bytes(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("text", "header"),
    [
        (b"Token abc==\n", "Token abc=="),
        (b"bearer abc", "Bearer abc"),
        (b"Basic pi:pass word\n", "Basic " + base64.b64encode(b"pi:pass word").decode()),
    ],
)
def test_credentials_are_read_from_a_file(tmp_path: Path, text: bytes, header: str) -> None:
    assert authorization(secret(tmp_path, text)) == header
    assert authorization(secret(tmp_path, text, 0o400)) == header


@pytest.mark.parametrize(
    "text",
    [b"", b"abc", b"Token ", b"Token a b", b"Basic abc", b"Digest abc", b"Token a\nHost: b", b"Token \xff"],
)
def test_any_other_text_in_the_credentials_file_is_refused_and_not_shown(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(UserError, match="it must contain one line") as refused:
        authorization(secret(tmp_path, text))
    assert "\n" not in str(refused.value)


def test_credentials_that_others_may_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^--auth .* that others may read: chmod 600 "):
        authorization(secret(tmp_path, b"Token abc", 0o640))


def test_a_missing_or_long_credentials_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^cannot read --auth .*: No such file"):
        authorization(tmp_path / "none")
    with pytest.raises(UserError, match=r"^--auth .* is too long: at most 4096 bytes"):
        authorization(secret(tmp_path, b"Token " + b"a" * 4096))


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://localhost:8428/write", (False, "localhost", 8428, "/write")),
        (
            "https://influx.example/api/v2/write?org=a&bucket=b",
            (True, "influx.example", None, "/api/v2/write?org=a&bucket=b"),
        ),
        ("http://[::1]:9000/write", (False, "::1", 9000, "/write")),
        ("http://vm", (False, "vm", None, "/")),
    ],
)
def test_a_url_is_split_into_its_parts(url: str, parts: tuple[bool, str, int | None, str]) -> None:
    assert target(url) == parts


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("localhost:8428", "give a full URL"),
        ("ftp://localhost/", "give a full URL"),
        ("http:///write", "give a full URL"),
        ("http://localhost:99999/", "[Pp]ort"),
        ("http://pi:secret@localhost/", "must not contain credentials"),
        ("http://localhost/a b", "only ASCII"),
        ("http://localhost/\n", "only ASCII"),
        ("http://localhost/#x", "only ASCII"),
        ("http://[::1/", "Invalid"),
        ("http://a..b/", "label"),
        (f"http://{'a' * 70}/", "label"),
        ("", "give a full URL"),
    ],
)
def test_a_malformed_address_is_refused(url: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as refused:
        target(url)
    assert "secret" not in str(refused.value)
    assert str(refused.value).isprintable()
