"""docs/reports.md and --help are complete, and each output shown was really printed.

``python -m tests.query.test_docs`` rewrites the outputs in the document.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from query.arguments import parser
from query.columns import Column, exported
from query.main import main
from query.report import Report
from query.reports import REPORTS
from query.times import FORMS
from tests.query.recordings import NOON, a_day, example, half_a_year, nine_days

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "reports.md"
NOW = NOON + 5_400
WIDTH = 90
"""Width of the terminal in the document, in columns"""
BLOCK = re.compile(r"^```console\n(\$ (telemetry-query[^\n]*)\n.*?)^```$", re.MULTILINE | re.DOTALL)


def examples(directory: Path) -> None:
    """The databases that the document uses."""
    example(directory / "telemetry.db")
    a_day(directory / "day.db")
    half_a_year(directory / "half-a-year.db")
    nine_days(directory / "nine-days.db")


def printed(directory: Path, command: str, width: int = WIDTH) -> str:
    """Return what ``command`` prints in ``directory``, at NOW, in a terminal of this width."""
    out = io.StringIO()
    environ = {"TELEMETRY_DB": "telemetry.db", "TELEMETRY_RUNTIME_DIR": str(directory), "TZ": "UTC"}
    environ["COLUMNS"] = str(width)
    with contextlib.chdir(directory), mock.patch.dict(os.environ, environ):
        time.tzset()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            main(shlex.split(command)[1:], lambda: NOW)
    return f"$ {command}\n{out.getvalue()}"


def without_size(text: str) -> str:
    """Remove the size of the file, which depends on SQLite."""
    return re.sub(r"^bytes +\d+ kB$", "bytes", text, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("docs")
    examples(directory)
    return directory


def shown() -> list[tuple[str, str]]:
    """Return command and output of each example in the document."""
    return [(block[2], block[1]) for block in BLOCK.finditer(DOCUMENT.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(("command", "text"), shown(), ids=[command for command, _ in shown()])
def test_the_shown_outputs_were_printed(directory: Path, command: str, text: str) -> None:
    assert without_size(text) == without_size(printed(directory, command))


def test_the_readme_opens_with_the_overview_of_this_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (command, text), (line, told) = shown_of("--db day.db", "--db day.db --line")
    assert readme.split("```console\n")[1].split("```")[0] == text, command
    assert f"`{told.splitlines()[1]}`" in readme, line


def shown_of(*options: str) -> list[tuple[str, str]]:
    return [it for it in shown() if it[0] in {f"telemetry-query {option}" for option in options}]


def test_every_example_is_checked() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert len(shown()) == text.count("```console") >= len(REPORTS)


def section(report: Report) -> str:
    _, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(f"\n## {report.name}\n")
    return rest.partition("\n## ")[0]


def in_document(column: Column) -> str:
    name = f"`{column.name}`" if column.in_table else f"`{column.name}` (json, csv)"
    return f"| {name} | {column.unit} | {column.help} |"


def columns_of(report: Report) -> list[Column]:
    """Return the columns that the report's section describes. Exported columns are in docs/stream.md."""
    added = [option.columns for option in report.options]
    described = [column for column in report.columns if column not in exported()]
    return [*described, *(column for columns in added for column in columns)]


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.name)
def test_the_document_has_every_report_column_and_option(report: Report) -> None:
    text = section(report)
    assert f"\n{report.help[0].upper()}{report.help[1:]}." in text
    for column in columns_of(report):
        assert in_document(column) in text.splitlines()
    assert text.count("\n| `") == len(columns_of(report))
    for option in report.options:
        assert f"`{option.flag}" in text
        for choice in option.choices or ():
            assert f"`{choice}`" in text
    assert any(command.startswith(f"telemetry-query {report.name}") for command, _ in shown())


def help_of(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([*argv, "--help"])
    assert ended.value.code == 0
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.name)
def test_help_has_every_report_column_and_option(report: Report, capsys: pytest.CaptureFixture[str]) -> None:
    assert f" {report.name} {report.help}" in help_of([], capsys)
    text = help_of([report.name], capsys)
    for column in columns_of(report):
        assert f" {' '.join(f'{column.name} {column.unit} {column.help}'.split())}" in text
    for flag in (
        "--since",
        "--until",
        "--limit",
        "--format",
        "--utc",
        "--db",
        *(option.flag for option in report.options),
    ):
        assert f" {flag} " in text
    for option in report.options:
        assert option.help in text
    assert FORMS in text


def test_every_column_shows_its_unit_or_has_none() -> None:
    bare = {column.name for report in REPORTS for column in columns_of(report) if not column.unit}
    assert bare == {
        *("rate", "item", "value", "pm"),
        *("a", "b", "diff", "differs", "r", "blocks"),
        *("kind", "wh_from", "flips"),
        *("status", "load1", "load5", "load15", "pid", "name", "appearances", "core", "samples"),
        *(
            "database",
            "schema",
            "runs",
            "gaps",
            "samples_lost",
            "misdated",
            "rollup_differences",
            "losses",
            "dropped_for",
            "governor",
            "radios",
            "on_ac",
            "throttled",
        ),
        *(
            "full",
            "design",
            "unit",
            "cycles",
            "level",
            "full_runs",
            "app",
            "user",
            "processes",
            "local_time",
            "cause",
            "last_gap_cause",
        ),
    }


def test_the_document_has_every_form_of_a_time() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for form in re.sub(r"\(.*?\)|'", "", FORMS).replace(" or ", ", ").split(", "):
        assert form.strip() in text


def rewritten(text: str, output: Callable[[str], str]) -> str:
    return BLOCK.sub(lambda block: f"```console\n{output(block[2])}```", text)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        examples(Path(name))
        before = DOCUMENT.read_text(encoding="utf-8")
        after = rewritten(before, lambda command: printed(Path(name), command))
    DOCUMENT.write_text(after, encoding="utf-8")
    sys.exit(0)
