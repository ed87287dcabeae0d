"""The example for Home Assistant, with a real mosquitto, a real sampler, and both versions of paho-mqtt."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.errors import UserError
from tests.strategies import sample
from tests.system.mosquitto import MOSQUITTO, Broker, HomeAssistant, fetched
from tests.system.processes import ROOT, System, stop, wait_until

EXAMPLE = ROOT / "examples" / "home_assistant.py"
KEYS = {"battery", "power", "time_left", "cpu", "temperature", "mains"}
OPTIONS = ("--every", "1")


def _loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("home_assistant", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


example = _loaded()


# --- what needs no broker ---


@given(st.lists(st.text(max_size=100), min_size=2, max_size=2, unique=True))
def test_topics_have_only_allowed_characters_and_hosts_stay_different(hosts: list[str]) -> None:
    nodes = [example.node_of(host) for host in hosts]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]*", node) for node in nodes)
    assert nodes[0] != nodes[1]


def test_a_plain_host_name_is_unchanged() -> None:
    assert example.node_of("pi-4_b") == "pi-4_b"


def test_each_value_of_the_state_has_an_entity() -> None:
    """A value that is not available is null, and then its entity is unavailable."""
    values = example.state(sample("run", 1)._replace(battery=None, on_ac=False), None, None)
    assert values.keys() == KEYS
    assert (values["battery"], values["power"], values["time_left"], values["mains"]) == (
        None,
        None,
        None,
        "OFF",
    )
    assert {entity.key for entity in example.ENTITIES} == KEYS


def test_a_momentary_percent_is_not_shown() -> None:
    percent, shown = example.Percent(), []
    battery = sample("run", 1).battery
    assert battery is not None
    for seq, pct in enumerate((66.0, 65.0, 0.0, 65.0, None), 1):
        percent.take(sample("run", seq)._replace(interval=5.0, battery=battery._replace(pct=pct)))
        shown.append(percent.value)
    assert shown == [66.0, 65.0, 65.0, 65.0, None]


def test_the_time_left_of_another_machine_is_not_read_from_this_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TELEMETRY_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("TELEMETRY_DB", str(tmp_path / "here.db"))
    monkeypatch.setattr(sys, "argv", ["home_assistant"])
    assert example.arguments().db == tmp_path / "here.db"
    monkeypatch.setattr(sys, "argv", ["home_assistant", "--subscribe", "tcp://192.0.2.1:5556"])
    assert example.arguments().db is None


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--port", "0"], "argument --port: '0' is not a whole number from 1 to 65535"),
        (["--every", "nan"], "argument --every: 'nan' is not a number of seconds from 1 to 3600"),
        (["--host", "a..b"], "argument --host: this is not a host name"),
        (["--username", "me", "--password-file", "open"], "is a password that others may read: chmod 600"),
        (["--username", "me", "--password-file", "none"], "--password-file none: No such file or directory"),
        (["--password-file", "open"], "--password-file needs --username"),
        (["--ca", "open"], "--ca needs --tls"),
        (["--tls", "--ca", "open"], "--ca open: cannot read certificates from it"),
    ],
)
def test_wrong_options_give_a_one_line_error(
    options: list[str],
    error: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TELEMETRY_RUNTIME_DIR", str(tmp_path))
    Path("open").write_text("secret\n")
    Path("open").chmod(0o644)
    monkeypatch.setattr(sys, "argv", ["home_assistant", *options])
    assert example.run("home_assistant", example.main) > 0
    said = capsys.readouterr().err
    assert error in said
    assert said.count("\n") == 1
    assert "secret" not in said


def test_without_paho_an_error_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TELEMETRY_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["home_assistant"])
    monkeypatch.setitem(sys.modules, "paho.mqtt", None)
    module = _loaded()
    assert module.run("home_assistant", module.main) == 1
    wanted = "home_assistant: it needs paho-mqtt: apt install python3-paho-mqtt, or pip install paho-mqtt\n"
    assert capsys.readouterr().err == wanted


def test_the_password_is_the_line_in_its_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.touch(0o600)
    file.write_text("top secret\n")
    assert example.password_in(file) == "top secret"
    file.write_text("two\nlines\n")
    with pytest.raises(UserError, match="must contain one line"):
        example.password_in(file)


# --- a real broker ---


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, str]]:
    """Program and environment of Debian's broker."""
    found = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    if found:
        return found, dict(os.environ)
    root = fetched(tmp_path_factory.mktemp("mosquitto"), *MOSQUITTO)
    if root is None:
        pytest.skip("mosquitto is not installed, and apt-get cannot download it (Debian's package mosquitto)")
    libraries = ":".join(sorted({str(path.parent) for path in root.rglob("lib*.so.*")}))
    environ = {**os.environ, "LD_LIBRARY_PATH": libraries}
    program = str(root / "usr/sbin/mosquitto")
    tried = subprocess.run([program, "-h"], env=environ, capture_output=True, text=True, check=False)
    if "mosquitto version" not in tried.stdout:
        pytest.skip(f"mosquitto does not run here: {tried.stderr.strip()}")
    return program, environ


@pytest.fixture(scope="module", params=["as installed", "of Debian"])
def paho(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The PYTHONPATH for each version of paho-mqtt. Callbacks changed in 2.0."""
    if request.param == "as installed":
        return ""
    root = fetched(tmp_path_factory.mktemp("paho"), "python3-paho-mqtt")
    if root is None:
        pytest.skip("apt-get cannot download Debian's python3-paho-mqtt")
    return str(root / "usr/lib/python3/dist-packages")


@pytest.fixture
def broker(tmp_path: Path, mosquitto: tuple[str, dict[str, str]]) -> Iterator[Broker]:
    with Broker(tmp_path, *mosquitto) as broker:
        yield broker


def published(system: System, paho: str, port: int, *options: str) -> subprocess.Popen[str]:
    """Start the example."""
    system.environ["PYTHONPATH"] = f"{ROOT}:{paho}" if paho else str(ROOT)
    command = [sys.executable, str(EXAMPLE), "--port", str(port), *OPTIONS, *options]
    return subprocess.Popen(command, env=system.environ, stderr=subprocess.PIPE, text=True)


def end(ran: subprocess.Popen[str]) -> None:
    """Kill it (SIGKILL)."""
    ran.kill()
    ran.wait()
    if ran.stderr is not None:
        ran.stderr.close()


@pytest.mark.slow
def test_entities_appear_with_their_values_and_go_offline(system: System, paho: str, broker: Broker) -> None:
    system.sampler()
    system.writer()
    wait_until(lambda: system.stored() >= 3)
    ran = published(system, paho, broker.port)
    node = example.node_of(os.uname().nodename)
    try:
        with HomeAssistant(broker.port) as home:
            wait_until(lambda: len(home.states()) >= 3)
            wait_until(lambda: home.newest("/available") == "online")
            values = home.states()[-1]
            assert values.keys() == KEYS
            assert (values["battery"], values["power"]) == (29, pytest.approx(-8.27))
            assert values["time_left"] == pytest.approx(system.query("drain")[0]["hours_left"], rel=0.1)
            assert 0 <= values["cpu"] <= 100
            end(ran)
            wait_until(lambda: home.newest("/available") == "offline")  # the last will

        # A Home Assistant that starts later gets all messages.
        with HomeAssistant(broker.port) as home:
            wait_until(lambda: len(home.of("/config")) == len(KEYS) and home.of("/available"))
            assert home.newest("/available") == "offline"
            kept = {
                topic: json.loads(text)
                for topic, text, was_kept in home.messages
                if was_kept and topic.endswith("/config")
            }
            assert len(kept) == len(KEYS)
            sensor = kept[f"homeassistant/sensor/{node}_power/config"]
            assert (sensor["device_class"], sensor["unit_of_measurement"]) == ("power", "W")
            assert sensor["state_class"] == "measurement"
            assert {config["device"]["name"] for config in kept.values()} == {os.uname().nodename}
            assert len({config["unique_id"] for config in kept.values()}) == len(KEYS)
            state = f"telemetry/{node}/state"
            assert {config["state_topic"] for config in kept.values()} == {state}
            assert state in {topic for topic, _, was_kept in home.messages if was_kept}
            assert f"homeassistant/binary_sensor/{node}_mains/config" in kept
            ran = published(system, paho, broker.port)
            wait_until(lambda: home.newest("/available") == "online")
            assert stop(ran) == (0, "")
            wait_until(lambda: home.newest("/available") == "offline")
    finally:
        end(ran)


@pytest.mark.slow
def test_it_survives_restarts_of_the_broker_and_the_sampler(
    system: System, paho: str, broker: Broker
) -> None:
    """There is no database, so the time left is not available."""
    broker.kill()
    sampler = system.sampler()
    ran = published(system, paho, broker.port)
    try:
        assert ran.stderr is not None
        assert ran.stderr.readline() == (
            f"home_assistant: no connection to localhost:{broker.port}: [Errno 111] Connection refused\n"
        )
        broker.start()
        with HomeAssistant(broker.port) as home:
            wait_until(lambda: home.newest("/available") == "online" and home.states())
            assert home.states()[-1]["time_left"] is None
            sampler.kill()
            wait_until(lambda: home.newest("/available") == "offline")
            system.sampler()
            wait_until(lambda: home.newest("/available") == "online")
            before = len(home.states())
            broker.kill()
            broker.start()
            wait_until(lambda: len(home.of("/config")) >= 2 * len(KEYS) and len(home.states()) > before)
            wait_until(lambda: home.newest("/available") == "online")
        status, error = stop(ran)
        assert (status, "Traceback" in error) == (0, False)
    finally:
        end(ran)


@pytest.mark.slow
def test_a_wrong_password_is_reported_and_the_right_one_works_with_tls(
    system: System, paho: str, mosquitto: tuple[str, dict[str, str]], tmp_path: Path
) -> None:
    from tests.forward.engine import certificates

    program, environ = mosquitto
    tool = shutil.which("mosquitto_passwd") or str(Path(program).parent.parent / "bin" / "mosquitto_passwd")
    users, password = tmp_path / "users", tmp_path / "password"
    subprocess.run([tool, "-b", "-c", str(users), "me", "right"], check=True, env=environ)
    certificate, _ = certificates(tmp_path)
    settings = (
        f"password_file {users}",
        f"certfile {certificate}",
        f"keyfile {certificate.with_name('key.pem')}",
    )
    password.touch(0o600)
    options = ("--tls", "--ca", str(certificate), "--username", "me", "--password-file", str(password))
    system.sampler()
    with Broker(tmp_path, program, environ, *settings) as broker:
        password.write_text("wrong\n")
        ran = published(system, paho, broker.port, *options)
        assert ran.stderr is not None
        line = ran.stderr.readline()
        assert re.fullmatch(
            rf"home_assistant: localhost:{broker.port} refuses the connection: [Nn]ot authori[sz]ed\n", line
        )
        assert stop(ran, signal.SIGTERM)[0] == 0
        ran = published(system, paho, broker.port, *options[:1], *options[3:])
        assert ran.stderr is not None
        assert "certificate verify failed" in ran.stderr.readline()
        assert stop(ran)[0] == 0
        password.write_text("right\n")
        ran = published(system, paho, broker.port, *options)

        def prepare(client: Any) -> None:
            client.username_pw_set("me", "right")
            client.tls_set(str(certificate))
            client.tls_insecure_set(True)  # the client connects by address

        try:
            with HomeAssistant(broker.port, prepare) as home:
                wait_until(lambda: home.newest("/available") == "online" and home.states())
            assert stop(ran) == (0, "")
        finally:
            end(ran)
