"""The sources of the Debian package agree with the rest; ``make deb`` builds it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from scripts import environment, package
from telemetry import __version__

ROOT = Path(__file__).parent.parent.parent
DEBIAN = ROOT / "debian"


def test_the_versions_agree() -> None:
    first = (DEBIAN / "changelog").read_text().splitlines()[0]
    assert re.match(r"telemetry-logger \(([^)]+)\)", first) is not None
    assert f"({__version__})" in first
    assert package.version() == __version__


def test_the_package_depends_exactly_on_what_is_required() -> None:
    depends = (DEBIAN / "control").read_text().split("\nDepends:\n")[1].split("\nSuggests")[0]
    names = [line.split()[0].rstrip(",") for line in depends.splitlines()]
    of_debian = set(environment.DEBIAN_NAMES.values())
    assert set(names) == {*of_debian, "${misc:Depends}", "${python3:Depends}"}
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    for requirement in required:
        name, least = requirement.split(">=")
        assert f"{environment.DEBIAN_NAMES[name]} (>= {least})" in depends


def test_the_packages_units_are_those_of_the_checkout() -> None:
    for link in DEBIAN.iterdir():
        if link.is_symlink():
            assert link.resolve().parent == ROOT / "systemd"
    for name in ("sampler", "writer"):
        assert (DEBIAN / f"telemetry-logger.telemetry-{name}.service").resolve().exists()
