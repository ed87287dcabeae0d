"""``pip install`` installs exactly the listed packages, with their data, and four commands."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from telemetry import __version__

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a copy, because a build leaves directories behind."""
    tree = tmp_path_factory.mktemp("tree")
    for name in ("telemetry", "sampler", "writer", "query", "forward"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    code = f"from setuptools.build_meta import build_wheel; build_wheel({str(tree)!r})"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=tree, check=True, capture_output=True)
    (built,) = tree.glob("*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_has_the_five_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {
        "telemetry",
        "sampler",
        "writer",
        "query",
        "forward",
        f"telemetry_logger-{__version__}.dist-info",
    }


def test_every_module_and_data_file_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    packed = set(wheel.namelist())
    for top in ("telemetry", "sampler", "writer", "query", "forward"):
        for path in (ROOT / top).rglob("*"):
            if path.suffix in {".py", ".sql", ".json"} or path.name == "py.typed":
                assert str(path.relative_to(ROOT)) in packed


def test_each_command_is_an_existing_function() -> None:
    assert PROJECT["project"]["scripts"].keys() == {
        "telemetry-sampler",
        "telemetry-writer",
        "telemetry-query",
        "telemetry-forward",
    }
    for target in PROJECT["project"]["scripts"].values():
        module, function = target.split(":")
        tree = ast.parse((ROOT / (module.replace(".", "/") + ".py")).read_text())
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_exactly_three_packages_are_required() -> None:
    assert PROJECT["project"]["dependencies"] == ["psutil>=5.9", "pyzmq>=24", "tabulate>=0.8.9"]
    assert PROJECT["project"]["requires-python"] == ">=3.11"


@pytest.mark.parametrize("module", ["sampler.main", "writer.main", "query.main", "forward.main"])
def test_each_command_prints_its_version(module: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert ran.stdout.split()[-1] == __version__
