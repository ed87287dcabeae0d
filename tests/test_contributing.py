"""Applies each recipe of CONTRIBUTING.md to a copy of the tree, and checks the result of the programs."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
import zmq

from telemetry.sample import Sample, encode
from tests.strategies import sample
from tests.system.processes import wait_until
from writer import schema

ROOT: Final = Path(__file__).parent.parent
RECIPES: Final = dict(
    re.findall(
        r"^### (.+?)\n.*?^```diff\n(.*?)^```$",
        (ROOT / "CONTRIBUTING.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
)
PARTS: Final = ("telemetry", "sampler", "forward", "writer", "query", "scripts", "tests", "docs", "examples")
FILES: Final = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "Makefile", "pyproject.toml")


def files_of(diff: str) -> list[str]:
    return re.findall(r"^\+\+\+ b/(.+)$", diff, re.MULTILINE)


def renumbered(diff: str) -> str:
    """Return the diff with the next free migration number: others may have been added meanwhile."""
    for sign, number in (("-", schema.LATEST), ("+", schema.LATEST + 1)):
        diff = re.sub(rf"^\{sign}(SCHEMA: Final =) \d+$", rf"{sign}\g<1> {number}", diff, flags=re.MULTILINE)
    return re.sub(r"(writer/schema/)\d{4}_", rf"\g<1>{schema.LATEST + 1:04}_", diff)


class Tree:
    """A copy of the product with one recipe applied."""

    def __init__(self, directory: Path, recipe: str) -> None:
        self.root = directory / "tree"
        self.directory = directory
        self.root.mkdir()
        for part in PARTS:
            ignored = shutil.ignore_patterns("__pycache__", *(["data"] if part == "tests" else []))
            shutil.copytree(ROOT / part, self.root / part, ignore=ignored)
        for name in FILES:
            shutil.copy(ROOT / name, self.root / name)
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | {
            "PYTHONPATH": str(self.root),
            "TELEMETRY_RUNTIME_DIR": str(directory),
            "TELEMETRY_DB": str(directory / "telemetry.db"),
            "GIT_CEILING_DIRECTORIES": str(directory),
        }
        applied = self._run(["git", "apply", "-"], stdin=renumbered(RECIPES[recipe]))
        assert applied.returncode == 0, applied.stderr
        self.run("scripts.generated")

    def _run(self, command: list[str], stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.root,
            env=self.environ,
            input=stdin,
            check=False,
            capture_output=True,
            text=True,
        )

    def run(self, *arguments: str, stdin: str | None = None) -> str:
        """Run a module of the tree; return what it prints."""
        ran = self._run([sys.executable, "-m", *arguments], stdin)
        assert ran.returncode == 0, ran.stderr + ran.stdout
        return ran.stdout

    def rows(self, *report: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.run("query.main", *report, "--format", "json"))
        return found

    def imported(self, *bodies: bytes) -> None:
        recorded = self.directory / "samples.jsonl"
        recorded.write_bytes(b"\n".join(bodies) + b"\n")
        self.run("writer.main", "--import", str(recorded))

    def writer(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", "writer.main"], cwd=self.root, env=self.environ)


pytestmark = pytest.mark.skipif(
    shutil.which("git") is None, reason="git is not installed, which applies the diffs"
)


def test_a_new_sensor_needs_five_files_and_its_field_is_in_a_report(tmp_path: Path) -> None:
    tree = Tree(tmp_path, "A sensor")
    assert len(files_of(RECIPES["A sensor"])) == 5
    chip = tmp_path / "sys" / "class" / "hwmon" / "hwmon0"
    chip.mkdir(parents=True)
    (chip / "fan1_input").write_text("2412\n")

    body = tree.run("sampler.main", "--once", "--sysfs", str(tmp_path / "sys"))
    measured = json.loads(body)
    assert measured["fan_rpm"] == 2412.0
    refused = json.dumps(measured | {"fan_rpm": -1, "seq": 2}).encode()
    tree.imported(json.dumps(measured).encode(), refused)

    assert [row["fan_rpm"] for row in tree.rows("export")] == [2412.0]
    described = " ".join(tree.run("query.main", "export", "--help").split())
    assert " fan_rpm rpm fan speed " in described
    fields = json.loads((tree.root / "telemetry" / "sample-v1.schema.json").read_text())["properties"]
    assert (fields["fan_rpm"]["minimum"], fields["fan_rpm"]["type"]) == (0.0, ["number", "null"])


def test_a_column_of_the_sums_is_rolled_up(tmp_path: Path) -> None:
    tree = Tree(tmp_path, "A column that survives retention")
    samples = [at(seq)._replace(load=(load, None, None)) for seq, load in ((1, 0.5), (2, 2.5), (3, 1.5))]
    tree.imported(*map(encode, samples), encode(at(90_000)))
    writer = tree.writer()
    try:
        wait_until(lambda: maxima(tmp_path / "telemetry.db"))
    finally:
        writer.terminate()
        writer.wait()
    assert maxima(tmp_path / "telemetry.db")[0] == (2.5,)


def at(seq: int) -> Sample:
    """Return the sample of this second, on a past day."""
    moment = 1_795_000_020 + seq
    return sample(seq=seq)._replace(ts=moment, time=float(moment))


def maxima(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT load_max FROM system_minute").fetchall()


@pytest.mark.slow
def test_a_new_report_is_listed_and_prints_rows(tmp_path: Path) -> None:
    tree = Tree(tmp_path, "A report")
    tree.imported(encode(at(1)._replace(suspended=90.0)), encode(at(2)))
    assert tree.rows("sleep") == [{"covered_s": 10.0, "asleep_s": 90.0}]
    assert "how long the machine slept" in tree.run("query.main", "--help")


def test_a_control_operation_is_answered(tmp_path: Path) -> None:
    tree = Tree(tmp_path, "A control operation")
    writer = tree.writer()
    context = zmq.Context[zmq.Socket[bytes]]()
    try:
        client = context.socket(zmq.REQ)
        client.connect(f"ipc://{tmp_path}/writer")
        client.send(b'{"v":1,"op":"who"}')
        assert client.poll(30_000)
        assert json.loads(client.recv())["version"]
    finally:
        context.destroy(linger=0)
        writer.terminate()
        writer.wait()


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_after_a_recipe_the_checks_of_documents_and_linter_pass(tmp_path: Path, recipe: str) -> None:
    tree = Tree(tmp_path, recipe)
    tree.run("tests.query.test_docs")
    changed = [name for name in files_of(renumbered(RECIPES[recipe])) if name.endswith(".py")]
    if changed:
        tree.run("ruff", "check", *changed)
        tree.run("ruff", "format", "--check", *changed)
    named = ("tests/test_docs.py", "tests/query/test_docs.py", "tests/test_architecture.py")
    tree.run("pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *named)
