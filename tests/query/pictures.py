"""Generates files of the documents: pictures of recorded batteries, and each report at three widths.

``make docs-pictures`` rewrites them, and the screenshots if chromium is installed. A test checks that all but
the screenshots match what is printed and drawn today.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from unittest import mock

from query import access, database
from query.charts.draw import drawn
from query.charts.svg import element
from query.page import sections
from query.pictures import battery
from query.source import Source, held
from tests.query.recordings import a_day
from tests.query.test_docs import NOW, ROOT, examples, printed, shown
from tests.system.test_traces import imported, phone, raspberry_pi, samples

if TYPE_CHECKING:
    from collections.abc import Iterator

PICTURES: Final = ROOT / "docs" / "pictures"
CAPTURES: Final = ROOT / "docs" / "captures.md"
WIDTHS: Final = (53, 80, 120)
SCREENS: Final = {"phone": (390, 1_600), "desktop": (1_280, 1_600)}
"""Pixels of the screenshots"""
TRACES: Final = {"raspberry-pi": raspberry_pi, "phone": phone}
_STYLE: Final = re.compile(
    r"^(?::root|svg|line|path|\.percent|\.watts|\.cpu|rect|@media \(pref|  --).*$", re.MULTILINE
)
"""CSS rules of the page for its charts"""
_HEAD: Final = """# Every report at 53, 80 and 120 columns

Made by `make docs-pictures`; a test checks that this page matches what is printed. The recordings are
those of [reports.md](reports.md).
"""


@contextmanager
def _utc() -> Iterator[None]:
    with mock.patch.dict(os.environ, {"TZ": "UTC"}):
        time.tzset()
        yield
    time.tzset()


def commands() -> list[str]:
    """Return the first command of each report that docs/reports.md shows as a table."""
    first: dict[str, str] = {}
    for command, _ in shown():
        if "--format" in command:
            continue
        words = re.sub(r"--(db|width) \S+ ?", "", command).split()
        first.setdefault(words[1] if len(words) > 1 else "", re.sub(r" --width \d+", "", command))
    return [f"{it} --format table" if " export " in it else it for it in first.values()]


def captures(directory: Path) -> str:
    """Return docs/captures.md; ``directory`` holds the recordings."""
    parts = [_HEAD]
    for command in commands():
        parts.append(f"\n## `{command}`\n")
        parts += [
            f"\n{width} columns:\n\n```console\n{printed(directory, command, width)}```\n" for width in WIDTHS
        ]
    return "".join(parts)


def pictures(directory: Path) -> Mapping[str, str]:
    """Return the SVG of each recorded battery, by file name."""
    found = {}
    with _utc():
        for name, trace in TRACES.items():
            place = directory / name
            place.mkdir()
            system = imported(samples(trace(), place), place)
            with database.reading(system.database) as connection:
                parameters = access.parameters_of(connection, system.database, NOW)
                shown_one = battery(Source(connection, parameters, held(connection, 0.0, None, "picture")))
            assert shown_one is not None
            found[f"{name}.svg"] = standalone(drawn(shown_one))
    return found


def standalone(svg: str) -> str:
    """Return a picture from the page, with the page's style."""
    style = (ROOT / "query" / "page" / "page.css").read_text(encoding="utf-8")
    rules = "\n".join(_STYLE.findall(style))
    paper = element("rect", {"width": "100%", "height": "100%", "style": "fill: var(--paper)"})
    at = svg.index(">") + 1
    return f"{svg[:at]}<style>\n{rules}\n</style>{paper}{svg[at:]}\n"


def page(directory: Path) -> str:
    """Return the page of the day described in docs/reports.md."""
    path = directory / "page.db"
    a_day(path)
    with _utc(), database.reading(path) as connection:
        return sections.made(connection, access.parameters_of(connection, path, NOW), 0.0, None)


def _screenshots(directory: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        print("chromium is not installed: the screenshots are not updated")
        return
    html = directory / "page.html"
    html.write_text(page(directory), encoding="utf-8")
    for name, (width, height) in SCREENS.items():
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        out = PICTURES / f"page-{name}.png"
        subprocess.run(
            [chromium, *flags, f"--window-size={width},{height}", f"--screenshot={out}", html.as_uri()],
            check=True,
            capture_output=True,
        )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        examples(work)
        PICTURES.mkdir(exist_ok=True)
        CAPTURES.write_text(captures(work), encoding="utf-8")
        for file, text in pictures(work).items():
            (PICTURES / file).write_text(text, encoding="utf-8")
        _screenshots(work)
    sys.exit(0)
