"""The documents are complete: options, reports, tables, columns, fields."""

from __future__ import annotations

import argparse
import json
import re
import sqlite3
from pathlib import Path

import pytest

import forward.facts
import forward.metrics
import forward.options
import forward.samples
import query.arguments
import sampler.main
import scripts.generated
import writer.main
from query.hook import FACTS, TIMEOUT
from query.limits import DEGREES_MARGIN, KINDS, PERCENT_MARGIN
from writer import schema

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
COMMANDS = (ROOT / "docs" / "commands.md").read_text()
DATABASE = (ROOT / "docs" / "database.md").read_text()
ALERTS = (ROOT / "docs" / "alerts.md").read_text()
FLEET = (ROOT / "docs" / "fleet.md").read_text()
STREAM = (ROOT / "docs" / "stream.md").read_text()


def options(parser: argparse.ArgumentParser) -> list[str]:
    return [
        option for action in parser._actions for option in action.option_strings if option.startswith("--")
    ]


@pytest.mark.parametrize(
    ("section", "parser"),
    [("telemetry-sampler", sampler.main.parser()), ("telemetry-writer", writer.main.parser())],
    ids=["sampler", "writer"],
)
def test_the_page_on_commands_has_every_option_and_no_other(
    section: str, parser: argparse.ArgumentParser
) -> None:
    text = COMMANDS.split(f"### {section}\n")[1].split("\n#")[0]
    rows = "\n".join(line for line in text.splitlines() if line.startswith("| `--"))
    assert set(re.findall(r"--[a-z-]+", rows)) == set(options(parser))


def test_the_page_on_fleets_has_every_option_and_no_other() -> None:
    rows = "\n".join(line for line in FLEET.splitlines() if line.startswith("| `--"))
    assert set(re.findall(r"`(--[a-z-]+)", rows)) == set(options(forward.options.parser()))


def test_the_page_on_fleets_has_every_field_that_is_sent() -> None:
    table = FLEET.split("## What is sent")[1].split("\n## ")[0]
    sent = {*forward.samples.PACK_FIELDS, *forward.facts.SESSION_FIELDS}  # samples: as stored
    assert sent <= set(re.findall(r"`(\w+)`", table))
    for kind in forward.facts.KINDS:
        assert f"`telemetry_{kind}`" in table


def test_the_page_on_fleets_has_every_metric() -> None:
    metrics = forward.metrics
    names = [gauge.name for gauge in metrics.GAUGES] + [metrics.CORE[0]]
    names += [name for _, name, _ in metrics.PROCESSES] + [f"{name}_total" for _, name, _ in metrics.COUNTERS]
    assert re.findall(r"^\| `(telemetry_\w+)` \| (?:`\w+` )?\| `", FLEET, re.MULTILINE) == names


def test_the_readme_has_every_report() -> None:
    (reports,) = (
        action
        for action in query.arguments.parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    assert re.findall(
        r"^\| `(\w+)` \|", README.split("## What it answers")[1].split("\n## ")[0], re.MULTILINE
    ) == list(reports.choices)


def test_the_page_on_alerts_has_every_option_variable_and_margin() -> None:
    kinds = [f"`--{kind.name}{f' {kind.metavar}' if kind.metavar else ''}`" for kind in KINDS]
    assert re.findall(r"^\| (`--[^`]+`) \|", ALERTS.split("\n\n| option | at")[0], re.MULTILINE) == kinds
    for option in ("--run CMD", "--notify", "--subscribe ENDPOINT", "--replay ENDPOINT"):
        assert f"`{option}`" in ALERTS
    variables = re.findall(r"^\| `(TELEMETRY_\w+)` \| (.*) \|$", ALERTS, re.MULTILINE)
    assert variables == [(fact.name, fact.help) for fact in FACTS]
    assert f"at P + {PERCENT_MARGIN:g} %" in ALERTS
    assert f"at C - {DEGREES_MARGIN:g} °C or below" in ALERTS
    assert f"still runs after {TIMEOUT:.0f} s" in ALERTS


def test_the_readme_is_two_screens_and_the_index_has_every_page() -> None:
    assert len(README.splitlines()) <= 100
    index = (ROOT / "docs" / "README.md").read_text()
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert set(re.findall(r"^\| \[([\w-]+\.md)\]\(\1\) \|", index, re.MULTILINE)) == pages


def test_every_file_that_a_document_links_to_exists() -> None:
    for document in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_every_table_and_column_is_described_with_its_place() -> None:
    """Columns that are fields of the stream may be described there instead."""
    of_the_stream = set(re.findall(r"stored as `(\w+)`", STREAM))
    database = sqlite3.connect(":memory:")
    schema.fresh(database)
    names = [
        name
        for (name,) in database.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
        )
    ]
    sections = re.split(r"^### `(\w+)`$", DATABASE, flags=re.MULTILINE)
    described = dict(zip(sections[1::2], sections[2::2], strict=True))
    assert set(described) == set(names)
    for name in names:
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({name})")]
        rows = [
            line.split("|")[1]
            for line in described[name].split("\n## ")[0].splitlines()
            if line.startswith("| `")
        ]
        assert re.findall(r"`(\w+)`", " ".join(rows)) == [it for it in columns if it not in of_the_stream]
    database.close()


def test_every_field_of_the_wire_format_is_described() -> None:
    wire = json.loads((ROOT / "telemetry" / "sample-v1.schema.json").read_text())
    table = STREAM.split("## The message")[1].split("\n## ")[0]
    fields = wire["properties"]
    names = [*fields, *(f"cpu.{name}" for name in fields["cpu"]["properties"])]
    names += [f"battery.{name}" for name in fields["battery"]["properties"]]
    names.remove("cpu")
    names += [f"processes[].{name}" for name in fields["processes"]["items"]["properties"] if name != "start"]
    for name in names:
        assert f"| `{name}`" in table, name


def test_generated_files_match_the_declarations() -> None:
    for path, text in scripts.generated.files().items():
        assert path.read_text(encoding="utf-8") == text, "run: make generated"


def test_every_module_shown_in_a_document_exists() -> None:
    for code in re.findall(r"```python\n(.*?)```", STREAM, re.DOTALL):
        compile(code, "stream.md", "exec")
        for module in re.findall(r"^from (telemetry[\w.]*) import", code, re.MULTILINE):
            assert (ROOT / module.replace(".", "/")).with_suffix(".py").exists() or (
                ROOT / module.replace(".", "/")
            ).is_dir()
