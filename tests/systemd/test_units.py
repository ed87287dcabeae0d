"""The unit files: parsed and scored by systemd, if it is installed."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from query.arguments import parser
from query.crossings import rules

ROOT = Path(__file__).parent.parent.parent
UNITS = sorted((ROOT / "systemd").glob("*.service"))
USER_UNITS = sorted((ROOT / "systemd" / "user").glob("*.service"))
DROP_INS = sorted((ROOT / "systemd" / "drop-in").glob("*.conf"))
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def settings(path: Path) -> dict[str, list[str]]:
    """Return the values of each key, in order."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            found.setdefault(key, []).append(value)
    return found


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


def score(unit: Path) -> float:
    text = analyze("security", "--offline=true", str(unit)).stdout
    match = re.search(r"Overall exposure level for \S+: ([\d.]+)", text)
    assert match, text
    return float(match[1])


@needs_systemd
@pytest.mark.parametrize("unit", [*UNITS, *USER_UNITS], ids=lambda unit: unit.stem)
def test_systemd_understands_every_line(unit: Path, tmp_path: Path) -> None:
    there = tmp_path / unit.name
    text = re.sub(r"ExecStart=\S+", "ExecStart=/bin/true", unit.read_text())
    there.write_text(re.sub(r"Documentation=.*", "", text))
    manager = ["--user"] if unit in USER_UNITS else []
    said = analyze(*manager, "verify", "--man=no", str(there)).stderr
    assert not [line for line in said.splitlines() if unit.name in line]


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_scores_at_most_1_5(unit: Path) -> None:
    assert score(unit) <= 1.5


@needs_systemd
def test_a_unit_without_its_hardening_scores_badly(tmp_path: Path) -> None:
    """This proves that the score depends on the file's content."""
    bare = tmp_path / "telemetry-sampler.service"
    unit = (ROOT / "systemd" / "telemetry-sampler.service").read_text()
    bare.write_text(unit.split("# It reads /proc")[0])
    assert score(bare) > 5


@needs_systemd
@pytest.mark.parametrize("drop_in", DROP_INS, ids=lambda path: path.stem)
def test_systemd_understands_every_drop_in(drop_in: Path, tmp_path: Path) -> None:
    unit = tmp_path / "telemetry-sampler.service"
    unit.write_text("[Service]\nExecStart=/bin/true\n")
    (tmp_path / "telemetry-sampler.service.d").mkdir()
    shutil.copy(drop_in, tmp_path / "telemetry-sampler.service.d")
    said = analyze("verify", "--man=no", str(unit)).stderr
    assert not [line for line in said.splitlines() if drop_in.name in line or unit.name in line]


@needs_systemd
def test_the_document_has_the_real_scores() -> None:
    version = analyze("--version").stdout.split()[1]
    table = (ROOT / "docs" / "services.md").read_text()
    told = re.search(rf"systemd {version} [^|]*\| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|", table)
    if told is None:
        pytest.skip(f"no scores of systemd {version} there")
    units = [ROOT / "systemd" / f"telemetry-{name}.service" for name in ("sampler", "writer", "forward")]
    assert [float(told[1]), float(told[2]), float(told[3])] == [score(unit) for unit in units]


def test_the_forwarder_can_only_read_the_files_of_the_writer() -> None:
    forwarder = settings(ROOT / "systemd" / "telemetry-forward.service")
    assert forwarder["StateDirectory"] == ["telemetry-forward"]
    assert forwarder["ProtectSystem"] == ["strict"]
    assert forwarder["User"] == ["telemetry"]
    assert not forwarder.keys() & {"RuntimeDirectory", "PrivateNetwork", "ReadWritePaths"}


def test_nothing_enables_the_forwarder() -> None:
    rules = (ROOT / "debian" / "rules").read_text()
    assert "--name=telemetry-forward --no-enable --no-start" in rules
    install = (ROOT / "systemd" / "install.sh").read_text()
    assert "systemctl enable $units\n" in install
    assert "telemetry-forward.service" not in install.split("units=")[1].split("\n")[0]


def test_every_drop_in_is_described() -> None:
    described = (ROOT / "docs" / "services.md").read_text()
    for drop_in in DROP_INS:
        assert f"| `{drop_in.name}` |" in described


def test_both_units_share_the_necessary_settings() -> None:
    writer, sampler = (
        settings(ROOT / "systemd" / f"telemetry-{name}.service") for name in ("writer", "sampler")
    )
    for key, value in {
        "Type": "notify",
        "Restart": "always",
        "StartLimitIntervalSec": "0",  # systemd never gives up restarting
        "RuntimeDirectory": "telemetry-logger",
        "RuntimeDirectoryPreserve": "yes",  # the first unit to stop must not remove it from the other one
        "RuntimeDirectoryMode": "0750",
        "UMask": "0027",
        "EnvironmentFile": "-/etc/default/telemetry-logger",
        "User": "telemetry",
        "Group": "telemetry",
    }.items():
        assert sampler[key] == writer[key] == [value], key


def test_the_sampler_sees_all_processes() -> None:
    sampler = settings(ROOT / "systemd" / "telemetry-sampler.service")
    assert not sampler.keys() & {"ProtectProc", "ProcSubset", "PrivateUsers", "PrivateNetwork"}


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_the_settings_file_has_each_variable_that_a_unit_uses(unit: Path) -> None:
    default = (ROOT / "systemd" / "telemetry-logger.default").read_text()
    (command,) = settings(unit)["ExecStart"]
    for variable in re.findall(r"\$(\w+)", command):
        assert re.search(rf'^{variable}=""$', default, re.MULTILINE)


def test_the_command_accepts_the_options_of_the_alert_unit() -> None:
    (unit,) = USER_UNITS
    found = settings(unit)
    options, _ = found["Environment"]
    words = shlex.split(options.strip('"').partition("=")[2])
    given = vars(parser().parse_args(["alert", *words]))
    assert [(rule.kind.name, rule.limit) for rule in rules(given)] == [
        ("below", 15.0),
        ("drains-on-mains", 0.0),
    ]
    assert given["notify"]
    assert found["ExecStart"] == ["/usr/bin/telemetry-query alert $ALERT_OPTIONS"]
    document = (ROOT / "docs" / "alerts.md").read_text()
    assert f"It runs `telemetry-query alert {shlex.join(words)}`." in document
