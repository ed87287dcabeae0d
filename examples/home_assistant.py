"""Shows battery, power, time left, CPU, temperature and mains in Home Assistant, by MQTT discovery.

It needs paho-mqtt 1.6 or newer (apt install python3-paho-mqtt, or pip install paho-mqtt).
"""

import argparse
import json
import logging
import math
import re
import ssl
import sys
import time
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

try:
    from paho.mqtt import client as mqtt
except ImportError:
    mqtt = None  # main() explains it

from query.ahead import Ahead
from telemetry import __version__, places
from telemetry.command import ArgumentParser, run, seconds, whole
from telemetry.errors import UserError
from telemetry.own_file import own_text
from telemetry.sample import Sample
from telemetry.service import RateLimited, StopSignal, start_log
from telemetry.steady import SteadyPercent
from telemetry.stream.keys import client_keys, is_tcp
from telemetry.stream.subscriber import Subscriber

PROGRAM = "home_assistant"
SILENT_INTERVALS = 3
"""After this many intervals without a sample, the device is offline."""
LONGEST_NAME = 64


class Entity(NamedTuple):
    """How Home Assistant shows one key of the state."""

    key: str
    name: str
    device_class: str | None = None
    unit: str | None = None
    """None: the entity is on or off"""


ENTITIES = (
    Entity("battery", "Battery", "battery", "%"),
    Entity("power", "Battery power", "power", "W"),
    Entity("time_left", "Time left", "duration", "h"),
    Entity("cpu", "CPU", None, "%"),
    Entity("temperature", "CPU temperature", "temperature", "°C"),
    Entity("mains", "On mains", "plug"),
)


# --- messages ---


def node_of(host: str) -> str:
    """Return ``host`` with only the characters allowed in a discovery topic. Hosts stay distinct."""
    node = re.sub(r"[^A-Za-z0-9_-]", "_", host[:LONGEST_NAME])
    return node if node == host else f"{node}_{zlib.crc32(host.encode()):08x}"


def configuration(entity: Entity, host: str) -> tuple[str, dict[str, Any]]:
    """Return topic and message that make ``entity`` appear (https://www.home-assistant.io/integrations/mqtt/).

    The entity is available while this program is connected, samples arrive, and the value is not null.
    """
    node = node_of(host)
    value = f"value_json.{entity.key}"
    template = "{{ 'offline' if VALUE is none else 'online' }}".replace("VALUE", value)
    message = {
        "name": entity.name,
        "unique_id": f"telemetry_{node}_{entity.key}",
        "device": {"identifiers": [f"telemetry_{node}"], "name": host, "sw_version": __version__},
        "state_topic": f"telemetry/{node}/state",
        "value_template": "{{ VALUE }}".replace("VALUE", value),
        "availability": [
            {"topic": f"telemetry/{node}/available"},
            {"topic": f"telemetry/{node}/state", "value_template": template},
        ],
        "availability_mode": "all",
    }
    if entity.device_class:
        message["device_class"] = entity.device_class
    if entity.unit:
        message |= {"unit_of_measurement": entity.unit, "state_class": "measurement"}
    component = "sensor" if entity.unit else "binary_sensor"
    return f"homeassistant/{component}/{node}_{entity.key}/config", message


def state(sample: Sample, percent: float | None, hours: float | None) -> dict[str, Any]:
    """Return the values of all entities. Null: not available. Power is negative while discharging."""
    battery = sample.battery
    return {
        "battery": percent,
        "power": rounded(battery.power if battery else None),
        "time_left": rounded(hours),
        "cpu": rounded(sample.cpu.total),
        "temperature": rounded(sample.cpu.temp),
        "mains": None if sample.on_ac is None else "ON" if sample.on_ac else "OFF",
    }


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


class Percent:
    """The battery's percentage. A gauge may report 0 % for a moment: meanwhile the last value is kept."""

    def __init__(self) -> None:
        self.value: float | None = None
        self._steady = SteadyPercent()

    def take(self, sample: Sample) -> None:
        percent = sample.battery.pct if sample.battery else None
        if self._steady.take(sample) or percent is None:
            self.value = percent


# --- MQTT ---


class Broker:
    """A connection that reconnects until it succeeds. Its thread only records events."""

    def __init__(self, given: argparse.Namespace, log: logging.Logger, host: str) -> None:
        node = node_of(host)
        self._host = host
        self._topic = f"telemetry/{node}"
        self._where = f"{given.host}:{given.port}"
        self._log = log
        self._trouble = RateLimited(log)
        self.is_new = False
        """Whether it has connected since the entities were last announced"""
        # paho 2.0 and later require a callback version; 1.6 has only version 1.
        options: dict[str, Any] = {"client_id": f"telemetry-{node}"}
        if hasattr(mqtt, "CallbackAPIVersion"):
            options["callback_api_version"] = mqtt.CallbackAPIVersion.VERSION2
        self._client = mqtt.Client(**options)
        self._client.will_set(f"{self._topic}/available", "offline", qos=1, retain=True)
        if given.username is not None:
            self._client.username_pw_set(given.username, given.password)
        if given.tls is not None:
            self._client.tls_set_context(given.tls)
        self._client.on_connect = self._connected
        self._client.on_connect_fail = self._failed
        self._client.on_disconnect = self._disconnected
        self._client.reconnect_delay_set(1, 60)
        self._client.connect_async(given.host, given.port)
        self._client.loop_start()

    @property
    def is_connected(self) -> bool:
        return bool(self._client.is_connected())

    def introduce(self) -> None:
        """Publish the discovery messages. The broker retains them for later starts of Home Assistant."""
        for entity in ENTITIES:
            topic, message = configuration(entity, self._host)
            self._client.publish(topic, json.dumps(message), qos=1, retain=True)

    def publish(self, values: dict[str, Any]) -> None:
        self._client.publish(f"{self._topic}/state", json.dumps(values), qos=1, retain=True)

    def available(self, *, online: bool) -> None:
        word = "online" if online else "offline"
        self._client.publish(f"{self._topic}/available", word, qos=1, retain=True)

    def close(self) -> None:
        """Publish that this device is offline, and disconnect."""
        if not self.is_connected:
            return
        told = self._client.publish(f"{self._topic}/available", "offline", qos=1, retain=True)
        with suppress(RuntimeError, ValueError):  # the connection has been lost
            told.wait_for_publish(2.0)
        self._client.on_disconnect = None
        self._client.disconnect()
        self._client.loop_stop()

    # paho 2 passes more arguments, and reason objects instead of numbers.

    def _connected(self, client: object, data: object, flags: object, code: Any, *more: object) -> None:
        if code == 0:
            self.is_new = True
            self._log.debug("connected to %s", self._where)
        else:
            reasons = {4: "bad user name or password", 5: "not authorised"}
            reason = reasons.get(code, f"code {code}") if isinstance(code, int) else code
            self._trouble.warning(f"{self._where} refuses the connection: {reason}")

    def _failed(self, client: object, data: object) -> None:
        self._trouble.warning(f"no connection to {self._where}: {sys.exc_info()[1]}")  # called in its handler

    def _disconnected(self, *details: object) -> None:
        self._trouble.warning(f"the connection to {self._where} was lost; trying again")


# --- the program ---


def password_in(path: Path) -> str:
    """Return the line in ``path``. Raises UserError if others may read the file, or it is not one line."""
    text = own_text(path, "a password", is_secret=True, most=4096, option="--password-file").rstrip("\r\n")
    if not text or not text.isprintable():
        raise UserError(f"--password-file {path}: it must contain one line, the password")
    return text


def host_name(text: str) -> str:
    with suppress(UnicodeError):
        if text and text.isprintable() and text.encode("idna"):  # as the resolver will do
            return text
    raise argparse.ArgumentTypeError("this is not a host name")


def arguments() -> argparse.Namespace:
    """Return the options, with the password and the TLS context. Raises UserError."""
    directory = places.runtime_directory()
    parser = ArgumentParser(prog=PROGRAM, description=__doc__)
    parser.add_argument("--host", type=host_name, default="localhost", help="the MQTT broker (localhost)")
    parser.add_argument("--port", type=whole(1, 65535), help="the broker's port (1883; with --tls 8883)")
    parser.add_argument("--username", metavar="NAME")
    parser.add_argument("--password-file", metavar="FILE", type=Path, help="a file with one line; mode 0600")
    parser.add_argument("--tls", action="store_true", help="encrypt, and verify the broker's certificate")
    parser.add_argument("--ca", metavar="FILE", type=Path, help="certificates to trust, with --tls")
    parser.add_argument(
        "--every", metavar="SECONDS", type=seconds(1, 3600), default=30.0, help="time between two states (30)"
    )
    parser.add_argument("--db", metavar="PATH", type=Path, help="the database, for the time left")
    parser.add_argument("--subscribe", metavar="ENDPOINT", default=places.publish_endpoint(directory))
    parser.add_argument("--replay", metavar="ENDPOINT", default=places.replay_endpoint(directory))
    parser.add_argument("--server-key", metavar="FILE", type=Path, help="public key of a sampler at tcp://")
    parser.add_argument("--key", metavar="FILE", type=Path, help="your private key for it")
    given = parser.parse_args()
    if given.password_file and given.username is None:
        parser.error("--password-file needs --username")
    if given.ca and not given.tls:
        parser.error("--ca needs --tls")
    given.password = password_in(given.password_file) if given.password_file else None
    given.port = given.port or (8883 if given.tls else 1883)
    try:
        given.tls = ssl.create_default_context(cafile=given.ca) if given.tls else None
    except OSError as error:
        raise UserError(f"--ca {given.ca}: cannot read certificates from it ({error.strerror})") from None
    if given.db is None and not is_tcp(given.subscribe):  # the local database is not another machine's
        given.db = places.default_database()
    return given


def show(given: argparse.Namespace, subscriber: Subscriber, stop: StopSignal, log: logging.Logger) -> None:
    """Publish until a stop signal arrives."""
    percent, ahead = Percent(), Ahead(given.db) if given.db else None
    broker: Broker | None = None
    newest: Sample | None = None
    is_due, next_state, was_online = False, -math.inf, None
    try:
        while not stop.requested:
            for item in subscriber.receive(1.0, [stop]):
                if isinstance(item, Sample):  # gaps do not matter here: only the newest sample is shown
                    newest, is_due = item, True
                    percent.take(item)
            if newest is None:
                continue
            # The device uses the host name of the first sample, which the last will needs.
            broker = broker or Broker(given, log, newest.host)
            if not broker.is_connected:
                continue
            if broker.is_new:
                broker.is_new = False
                broker.introduce()
                is_due, next_state, was_online = True, -math.inf, None
            quiet = subscriber.quiet_for
            online = quiet is not None and quiet <= SILENT_INTERVALS * max(subscriber.interval, 1.0)
            if is_due and time.monotonic() >= next_state:
                found = ahead.facts(newest.battery) if ahead else None
                broker.publish(state(newest, percent.value, found.hours[0] if found else None))
                is_due, next_state = False, time.monotonic() + given.every
            if online != was_online:
                broker.available(online=online)
                was_online = online
    finally:
        if broker is not None:
            broker.close()


def main() -> int:
    given = arguments()
    if mqtt is None:
        raise UserError("it needs paho-mqtt: apt install python3-paho-mqtt, or pip install paho-mqtt")
    log = start_log(PROGRAM, verbose=False)
    endpoints = given.subscribe, given.replay
    keys = client_keys(given.server_key, given.key, endpoints)
    with StopSignal() as stop, Subscriber(*endpoints, keys=keys) as subscriber:
        show(given, subscriber, stop, log)
    return 0


if __name__ == "__main__":
    sys.exit(run(PROGRAM, main))
