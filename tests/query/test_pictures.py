"""The files of ``make docs-pictures`` match what is printed and drawn today."""

from __future__ import annotations

from pathlib import Path

import pytest

from query.width import display_width
from tests.query.pictures import CAPTURES, PICTURES, SCREENS, WIDTHS, captures, commands, pictures
from tests.query.test_docs import examples, without_size

REMAKE = "run make docs-pictures"


@pytest.mark.slow
def test_the_captures_are_current_and_fit(tmp_path: Path) -> None:
    examples(tmp_path)
    text = captures(tmp_path)
    assert without_size(CAPTURES.read_text(encoding="utf-8")) == without_size(text), REMAKE
    for block in text.split("\n## ")[1:]:
        for width, part in zip(WIDTHS, block.split(" columns:\n\n")[1:], strict=True):
            rows = part.split("```")[1].splitlines()[2:]
            assert all(display_width(row) <= width for row in rows if not row.startswith("telemetry-query: "))


@pytest.mark.slow
def test_the_pictures_are_current(tmp_path: Path) -> None:
    drawn = pictures(tmp_path)
    for name, text in drawn.items():
        assert (PICTURES / name).read_text(encoding="utf-8") == text, REMAKE
    there = {path.name for path in PICTURES.iterdir()}
    assert there == {*drawn, *(f"page-{name}.png" for name in SCREENS)}


def test_each_report_is_captured() -> None:
    text = CAPTURES.read_text(encoding="utf-8")
    assert [line[4:-1] for line in text.splitlines() if line.startswith("## ")] == commands()
