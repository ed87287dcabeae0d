"""systemd/install.sh: the files under --root, and that the installed commands run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from telemetry import __version__

ROOT = Path(__file__).parent.parent.parent
INSTALL = ROOT / "systemd" / "install.sh"
EXAMPLES = sorted(
    path.name for path in (ROOT / "examples").glob("*.py") if "from telemetry" in path.read_text()
)
COMMANDS = ("telemetry-sampler", "telemetry-writer", "telemetry-query", "telemetry-forward")


def install(*arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHON": sys.executable}
    return subprocess.run(
        ["sh", str(INSTALL), *arguments], capture_output=True, text=True, check=False, env=environ
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    done = install("--root", str(root), "--user", "pi")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return root


def test_exactly_the_files_of_the_program_are_installed(root: Path) -> None:
    modules = root / "usr/local/share/telemetry-logger"
    expected = {"takeover.sh"}
    for top in ("telemetry", "sampler", "writer", "query", "forward"):
        for path in (ROOT / top).rglob("*"):
            if path.is_file() and path.suffix != ".pyc":
                expected.add(str(path.relative_to(ROOT)))
    assert {str(path.relative_to(modules)) for path in modules.rglob("*") if path.is_file()} == expected


def test_the_units_run_the_installed_commands_as_the_given_user(root: Path) -> None:
    for name in ("sampler", "writer", "forward"):
        unit = (root / f"etc/systemd/system/telemetry-{name}.service").read_text()
        original = (ROOT / f"systemd/telemetry-{name}.service").read_text()
        assert f"ExecStart=/usr/local/bin/telemetry-{name} $" in unit
        assert "\nUser=pi\nGroup=telemetry\n" in unit
        changed = [
            pair for pair in zip(unit.split("\n"), original.split("\n"), strict=True) if pair[0] != pair[1]
        ]
        assert len(changed) == 2
    assert (root / "etc/sysusers.d/telemetry-logger.conf").read_text() == "g telemetry -\n"


@pytest.mark.parametrize("prefix", ["/usr", "/usr/local"])
def test_the_alert_unit_is_a_user_unit_and_runs_the_installed_command(
    root: Path, of_the_package: Path, prefix: str
) -> None:
    base = of_the_package if prefix == "/usr" else root
    (unit,) = base.rglob("telemetry-alert*")
    assert unit == base / prefix[1:] / "lib/systemd/user/telemetry-alert.service"
    assert f"\nExecStart={prefix}/bin/telemetry-query alert $ALERT_OPTIONS\n" in unit.read_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs_from_its_own_directory(root: Path, command: str) -> None:
    launcher = (root / "usr/local/bin" / command).read_text()
    assert launcher.startswith("#!/usr/bin/python3 -I\n")
    there = launcher.replace('"/usr/local', f'"{root}/usr/local')  # as installed under --root
    ran = subprocess.run(
        [sys.executable, "-I", "-c", there, "--version"], capture_output=True, text=True, check=True, cwd="/"
    )
    assert ran.stdout.split()[-1] == __version__


@pytest.fixture(scope="module")
def of_the_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the Debian package."""
    root = tmp_path_factory.mktemp("package")
    assert install("--root", str(root), "--prefix", "/usr").returncode == 0
    return root


@pytest.mark.parametrize("prefix", ["usr", "usr/local"])
@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.fast_cases(1)
def test_an_example_finds_the_modules(
    root: Path, of_the_package: Path, name: str, prefix: str, tmp_path: Path
) -> None:
    """If another user owns the stream's directory, the error shows that the imports worked."""
    if name == "home_assistant.py":
        pytest.importorskip("paho.mqtt.client")
    base = of_the_package if prefix == "usr" else root
    example = (base / prefix / "share/doc/telemetry-logger/examples" / name).read_text()
    there = tmp_path / name
    there.write_text(
        example.replace(f'"/{prefix}/share', f'"{base}/{prefix}/share')
    )  # as installed under --root
    environ = {"PATH": "/usr/bin:/bin", "TELEMETRY_RUNTIME_DIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-I", str(there)], env=environ, stderr=subprocess.PIPE, cwd="/"
    )
    try:
        process.wait(timeout=3)
    except subprocess.TimeoutExpired:  # it is listening
        process.kill()
    _, error = process.communicate()
    assert error == b""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_a_man_page_and_completions(root: Path, command: str) -> None:
    share = root / "usr/local/share"
    for path in (
        f"man/man1/{command}.1",
        f"bash-completion/completions/{command}",
        f"zsh/vendor-completions/_{command}",
        f"fish/vendor_completions.d/{command}.fish",
    ):
        assert (share / path).stat().st_size > 200


@pytest.mark.slow
def test_changed_settings_are_kept(root: Path) -> None:
    settings = root / "etc/default/telemetry-logger"
    settings.write_text('SAMPLER_OPTIONS="--interval 60"\n')
    assert install("--root", str(root)).returncode == 0
    assert settings.read_text() == 'SAMPLER_OPTIONS="--interval 60"\n'


def test_for_a_package_no_units_are_installed(of_the_package: Path) -> None:
    assert not (of_the_package / "etc").exists()
    assert (
        'sys.path.insert(0, "/usr/share/telemetry-logger")'
        in (of_the_package / "usr/bin/telemetry-query").read_text()
    )


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [(["--help"], 0, ""), (["--frobnicate"], 2, "usage:"), (["--user"], 1, "--user needs a value")],
)
def test_usage(arguments: list[str], status: int, told: str) -> None:
    done = install(*arguments)
    assert done.returncode == status
    assert told in done.stderr
    assert ("usage:" in done.stdout) == (status == 0)


@pytest.mark.skipif(os.geteuid() == 0, reason="for a user who is not root")
def test_without_root_it_fails_with_a_one_line_error() -> None:
    done = install()
    assert (done.returncode, done.stderr) == (1, "install.sh: run it as root: sudo systemd/install.sh\n")
