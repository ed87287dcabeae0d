"""``make deb``: build the Debian package of this checkout into ``dist/``, and check it with lintian.

    python3 scripts/package.py [VERSION]

VERSION is for the upgrade test: it builds the same package with another version, and skips lintian.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IGNORED = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "node_modules", "*.db", "*.db-*")


def version() -> str:
    """Return the version of this checkout."""
    found = re.search(r'__version__ = "([^"]+)"', (ROOT / "telemetry/__init__.py").read_text("utf-8"))
    if not found:
        sys.exit("make deb: telemetry/__init__.py has no version")
    return found[1]


def build(number: str) -> Path:
    """Build the package with the version ``number``; return its path in ``dist/``."""
    place = ROOT / "build/deb" / number
    shutil.rmtree(place, ignore_errors=True)
    tree = place / "telemetry-logger"
    shutil.copytree(ROOT, tree, symlinks=True, ignore=IGNORED)
    if number != version():
        _renumber(tree / "telemetry/__init__.py", r'(__version__ = ")[^"]+', number)
        _renumber(tree / "debian/changelog", r"(\Atelemetry-logger \()[^)]+", number)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MAKE"))}
    environ |= {"DEB_BUILD_OPTIONS": "nocheck"}
    command = ["dpkg-buildpackage", "-us", "-uc", "-b", "--no-check-builddeps"]
    log = place / "log"
    with log.open("wb") as output:
        done = subprocess.run(command, cwd=tree, env=environ, stdout=output, stderr=output, check=False)
    if done.returncode:
        sys.exit(f"{log.read_text('utf-8', 'replace')}\nmake deb: dpkg-buildpackage failed")
    (built,) = place.glob("*.deb")
    result = ROOT / "dist" / built.name
    result.parent.mkdir(exist_ok=True)
    shutil.copy(built, result)
    return result


def _renumber(file: Path, pattern: str, number: str) -> None:
    file.write_text(re.sub(pattern, rf"\g<1>{number}", file.read_text("utf-8"), count=1), "utf-8")


def judge(package: Path) -> None:
    """Exit if lintian finds an error or a warning."""
    root = ["--allow-root"] if os.geteuid() == 0 else []
    command = ["lintian", *root, "--fail-on", "error,warning", "--tag-display-limit", "0", str(package)]
    if subprocess.run(command, check=False).returncode:
        sys.exit("make deb: lintian reports problems")


if __name__ == "__main__":
    package = build(sys.argv[1] if len(sys.argv) > 1 else version())
    if len(sys.argv) == 1:
        judge(package)
    print(package.relative_to(ROOT))
