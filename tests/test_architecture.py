"""The architecture: data flows one way, and each package imports only from packages upstream of it."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path

import pytest

from query.report import sql_text

ROOT = Path(__file__).parent.parent

ALLOWED = {
    "telemetry": {"telemetry"},
    "telemetry/stream": {"telemetry", "zmq"},
    "telemetry/database": {"telemetry", "sqlite3"},
    "sampler": {"sampler", "telemetry", "psutil"},
    "writer": {"writer", "telemetry", "sqlite3"},
    "query": {"query", "telemetry", "sqlite3", "tabulate", "pyarrow", "matplotlib"},
    "forward": {"forward", "telemetry", "sqlite3", "prometheus_client"},
}
"""What a package may import besides the standard library (except for the next table)."""

KEPT = {"sqlite3": {"telemetry/database", "writer", "query", "forward"}}
"""Parts of the standard library that only these packages may use."""


def rooms() -> list[tuple[str, Path]]:
    """Return each module with the place whose rules apply to it: the deepest one that contains it."""
    found = []
    for top in ("telemetry", "sampler", "writer", "query", "forward"):
        for path in sorted((ROOT / top).rglob("*.py")):
            place = path.parent.relative_to(ROOT)
            while str(place) not in ALLOWED:
                place = place.parent
            found.append((str(place), path))
    return found


@cache
def imports(path: Path) -> frozenset[str]:
    """Return the modules imported anywhere in the file, including under ``if TYPE_CHECKING``."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            found.add(node.module or "")
    return frozenset(found)


@pytest.mark.parametrize(
    ("place", "path"), rooms(), ids=lambda value: value.name if isinstance(value, Path) else ""
)
def test_imports_follow_the_arrows(place: str, path: Path) -> None:
    for module in imports(path):
        top = module.split(".")[0]
        if top in sys.stdlib_module_names:
            assert place in KEPT.get(top, {place}), f"{module} is not for {place}"
        else:
            assert top in ALLOWED[place], f"{module} is not for {place}"


def test_only_the_renderer_knows_tabulate() -> None:
    assert [path.name for _, path in rooms() if "tabulate" in imports(path)] == ["render.py"]


@pytest.mark.parametrize(
    ("extra", "only"),
    [("pyarrow", "parquet.py"), ("matplotlib", "figures.py"), ("prometheus_client", "metrics.py")],
)
def test_only_one_module_knows_an_extra(extra: str, only: str) -> None:
    """No other module may need it."""
    assert [path.name for _, path in rooms() if extra in imports(path)] == [only]


def test_the_query_command_reads_only_what_is_documented() -> None:
    """Its SQL names tables and views that docs/database.md describes."""
    documented = set(re.findall(r"^### `(\w+)`", (ROOT / "docs" / "database.md").read_text(), re.MULTILINE))
    for path in (ROOT / "query" / "sql").glob("*.sql"):
        text = re.sub(r"--.*", "", sql_text(path.stem))
        common = set(
            re.findall(
                r"(\w+)(?:\s*\([^()]*\))?\s+AS\s+(?:NOT\s+)?(?:MATERIALIZED\s+)?\(", text, re.IGNORECASE
            )
        )
        for table in re.findall(r"\b(?:FROM|JOIN)\s+(\w+)", text, re.IGNORECASE):
            assert table in documented | common or table.startswith(("pragma_", "json_")), (
                f"{path.name} reads {table}"
            )


def test_no_module_has_a_vague_name() -> None:
    assert not [path for _, path in rooms() if path.stem in {"utils", "helpers", "common", "misc"}]


def test_no_file_is_too_long() -> None:
    long = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for _, path in rooms()}
    assert not {path: lines for path, lines in long.items() if lines > 400}


def modules_of(path: Path, known: set[str]) -> set[str]:
    """Return the ``known`` modules that the file imports, including inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            inside = {f"{node.module}.{name.name}" for name in node.names}
            found |= inside & known or {node.module or ""}
    return found & known


def test_no_imports_are_circular() -> None:
    """Modules that import each other cannot be read, tested or moved alone."""
    paths = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for _, path in rooms()}
    paths = {name.removesuffix(".__init__"): path for name, path in paths.items()}
    imported = {name: modules_of(path, set(paths)) for name, path in paths.items()}
    assert len(imported) > 200
    while free := {name for name, others in imported.items() if not others & imported.keys()}:
        imported = {name: others for name, others in imported.items() if name not in free}
    assert not imported, "these modules import each other"
