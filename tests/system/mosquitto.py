"""A real MQTT broker, Debian's mosquitto, and a client that acts as Home Assistant."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest

from tests.system.processes import wait_until

mqtt = pytest.importorskip("paho.mqtt.client")

MOSQUITTO = ("mosquitto", "libcjson1", "libdlt2", "libwrap0")
"""Debian's packages of the broker and of libraries that a minimal system lacks"""


def fetched(directory: Path, *packages: str) -> Path | None:
    """Unpack Debian's ``packages`` without installing them; return the directory, None if that fails."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return None
    directory.chmod(0o755)
    fetched = subprocess.run(
        ["apt-get", "-q", "download", *packages], cwd=directory, capture_output=True, check=False
    )
    if fetched.returncode:
        return None
    for package in directory.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(package), str(directory)], check=True)
    return directory


class Broker:
    """mosquitto, optionally with one user and with TLS."""

    def __init__(self, directory: Path, program: str, environ: dict[str, str], *settings: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = int(server.getsockname()[1])
        self._config = directory / "mosquitto.conf"
        access = () if any("password_file" in line for line in settings) else ("allow_anonymous true",)
        lines = [f"listener {self.port} 127.0.0.1", "user root", *access, *settings]
        self._config.write_text("\n".join(lines) + "\n")
        self._program, self._environ = program, environ
        self._log = directory / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            command = [self._program, "-c", str(self._config)]
            self._process = subprocess.Popen(command, env=self._environ, stdout=log, stderr=log)
        wait_until(self._listens)

    def _listens(self) -> bool:
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()


class HomeAssistant:
    """A client with the subscriptions of Home Assistant, which keeps every message."""

    def __init__(self, port: int, prepare: Callable[[Any], None] = lambda client: None) -> None:
        self.messages: list[tuple[str, str, bool]] = []
        """Topic, payload, whether the message was retained"""
        options: dict[str, Any] = {}
        if hasattr(mqtt, "CallbackAPIVersion"):
            options["callback_api_version"] = mqtt.CallbackAPIVersion.VERSION2
        self._client = mqtt.Client(**options)
        prepare(self._client)
        self._client.on_connect = lambda client, *details: client.subscribe(
            [("homeassistant/#", 1), ("telemetry/#", 1)]
        )
        self._client.on_message = lambda client, data, message: self.messages.append(
            (message.topic, message.payload.decode(), message.retain)
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def of(self, end: str) -> list[str]:
        return [payload for topic, payload, _ in list(self.messages) if topic.endswith(end)]

    def newest(self, end: str) -> str | None:
        return next(iter(self.of(end)[::-1]), None)

    def states(self) -> list[dict[str, Any]]:
        return [json.loads(payload) for payload in self.of("/state")]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
