"""The man pages contain everything in --help, and man reports no errors in them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.commands import Command, commands
from scripts.manual import main, page


def text(source: str) -> str:
    """Return the text of a page, without troff's markup."""
    plain = re.sub(r"\\\[u([0-9A-F]+)\]", lambda sign: chr(int(sign[1], 16)), source)
    plain = re.sub(r"\\f[BIR]|\\&", "", plain)
    return re.sub(r"\s+", " ", plain.replace("\\-", "-").replace("\\e", "\\"))


@pytest.mark.parametrize("command", commands(), ids=lambda command: command.name)
def test_a_man_page_has_every_option_report_and_column(command: Command) -> None:
    found = text(page(command))
    for part in (command, *command.reports):
        for option in part.options:
            for flag in option.flags:
                assert re.search(rf"(^| ){re.escape(flag)}[ ,]", found), flag
            assert text(option.help) in found
        assert text(part.description) in found
    for report in command.reports:
        assert f".SS {report.name}" in page(command)


def test_the_columns_of_a_report_are_described() -> None:
    (query,) = (command for command in commands() if command.reports)
    assert "covered_s s time awake and discharging within the window" in text(page(query))


@pytest.mark.parametrize("command", commands(), ids=lambda command: command.name)
def test_man_reports_no_errors(command: Command, tmp_path: Path) -> None:
    if not shutil.which("groff"):
        pytest.skip("groff is not installed")
    main(tmp_path)
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", str(tmp_path / f"{command.name}.1")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout) > 500


def test_a_line_that_begins_like_a_request_is_text() -> None:
    tricky = Command("x", "help", ".SH not a section\n'also text \\ end", "", ())
    assert "\n\\&.SH not a section\n\\&'also text \\e end\n" in page(tricky)
