"""``telemetry-query page``: one file with charts and tables, safe for any names."""

from __future__ import annotations

import os
import re
import time
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query.charts.draw import drawn
from query.charts.pictures import Bar, Columns, Head, Line, Panel, Rows, Span, Timeline
from query.charts.scale import marks, rounded_out, time_marks
from query.main import main
from query.series import STEPS, Point, points, stretches
from tests.query.recordings import NOON, Recording, a_day

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert('1')</script>\x1b[2J\u202e\"&"
HEAD = Head("key", "a title", "in words")


class Reader(HTMLParser):
    """Collects the elements and texts of a document, as a browser would."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def written(database: Path, *argv: str) -> str:
    out = database.with_suffix(".html")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        assert main(["--db", str(database), "page", "--out", str(out), *argv], lambda: NOON + 5_400) == 0
    return out.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    database = tmp_path_factory.mktemp("page") / "day.db"
    a_day(database)
    return written(database)


def pictures(text: str) -> list[ElementTree.Element]:
    """Return the pictures of a page, and check that each is well-formed XML."""
    return [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]


def test_every_section_has_its_chart_and_its_table(page: str) -> None:
    reader = Reader(page)
    assert [it["id"] for it in reader.all("section")] == [
        *("now", "battery", "time-left", "energy", "programs", "sleep", "sessions", "health", "cpu", "gaps"),
    ]
    named = [picture.attrib["aria-labelledby"].split()[0] for picture in pictures(page)]
    charts = ("battery", "discharges", "energy", "programs", "sleep", "health", "cpu")
    assert named == [f"{key}-chart-title" for key in charts]
    assert len(reader.all("table")) == len(reader.all("caption")) == 8
    assert "When nothing was recorded, and why" in reader.text
    assert "firefox" in reader.text
    assert "time left  " in reader.text


def test_pictures_have_a_text_description(page: str) -> None:
    for picture in pictures(page):
        assert picture.attrib["role"] == "img"
        ids = {element.attrib["id"] for element in picture if element.text and "id" in element.attrib}
        assert ids == set(picture.attrib["aria-labelledby"].split())
    assert all(it["scope"] in ("col", "row") for it in Reader(page).all("th"))


def test_nothing_is_fetched_and_no_script_runs(page: str) -> None:
    reader = Reader(page)
    assert not reader.all("script")
    assert not [it for _, it in reader.found if {"src", "style", "onload", "onclick"} & set(it)]
    assert all(str(it["href"]).startswith("#") for it in reader.all("a"))
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|url\(|@import", page)
    (policy,) = (it["content"] for it in reader.all("meta") if "http-equiv" in it)
    (style,) = re.findall("<style>(.*?)</style>", page, re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert policy == (f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'")


def test_a_hostile_name_is_shown_as_text(recording: Recording) -> None:
    recording.run()
    for index in range(400):
        recording.sample(
            NOON + 5 * (index - 400),
            power=-5.0 - index % 7,
            status="Discharging",
            battery_pct=50.0,
            cpu_total=20.0 + index % 7,
            cores=[20.0],
            processes=[(1, HOSTILE, 30.0 + index % 7, 1.0)],
        )
    recording.health(NOON - 3_000, HOSTILE, 5.0, 6.0, 1)
    recording.database.commit()
    text = written(recording.path)
    assert "<script" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    reader = Reader(text)
    assert "<script>alert('1')</script>\\x1b[2J\\u202e\"&" in reader.text
    assert not reader.all("script")
    assert pictures(text)


def test_a_machine_without_a_battery_has_a_page(recording: Recording) -> None:
    recording.run()
    for index in range(50):
        recording.sample(NOON + 5 * index, cpu_total=20.0, cores=[20.0], processes=[(1, "a", 3.0, 1.0)])
    recording.database.commit()
    reader = Reader(written(recording.path))
    assert "No battery was seen." in reader.text
    assert "No sleep was seen." in reader.text


def test_a_long_table_shows_its_newest_rows(recording: Recording) -> None:
    for hour in range(130):
        recording.run(started=NOON - 3_600 * (130 - hour))
        for index in range(3):
            recording.sample(NOON - 3_600 * (130 - hour) + 5 * (index + 1), cpu_total=20.0)
    recording.database.commit()
    text = Reader(written(recording.path)).text
    assert "The newest 100 of 129 rows." in text
    assert "--limit" not in text


def test_a_window_without_samples_is_reported(
    recording: Recording, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--db", str(recording.path), "page", "--out", "-"]
    recording.database.commit()
    assert main(argv, lambda: NOON) == 1
    assert "database is empty" in capsys.readouterr().err
    recording.run()
    recording.sample(NOON)
    recording.database.commit()
    assert main([*argv, "--since", "2020-01-01", "--until", "2020-02-01"], lambda: NOON) == 1
    assert capsys.readouterr().err.startswith(
        "telemetry-query: page: no sample in that window: the database "
    )
    assert main(argv, lambda: NOON) == 0
    assert capsys.readouterr().out.startswith("<!DOCTYPE html>")


def test_a_page_replaces_an_older_one_and_nothing_else(
    recording: Recording, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording.run()
    recording.sample(NOON)
    recording.database.commit()
    argv = ["--db", str(recording.path), "page", "--out"]
    (tmp_path / "old.html").write_text("old")
    assert main([*argv, str(tmp_path / "old.html")], lambda: NOON) == 0
    assert (tmp_path / "old.html").read_text().startswith("<!DOCTYPE html>")
    (tmp_path / "directory").mkdir()
    capsys.readouterr()
    for out in (tmp_path / "directory", tmp_path / "missing" / "page.html"):
        assert main([*argv, str(out)], lambda: NOON) == 1
        err = capsys.readouterr().err
        assert err.startswith(f"telemetry-query: {out}")
        assert err.count("\n") == 1
    assert not list(tmp_path.glob(".*"))


def test_a_symbolic_link_to_the_page_is_followed_but_not_one_at_the_temporary_file(
    recording: Recording, tmp_path: Path
) -> None:
    recording.run()
    recording.sample(NOON)
    recording.database.commit()
    (tmp_path / "page.html").symlink_to(tmp_path / "real.html")
    (tmp_path / "other.txt").write_text("other")
    (tmp_path / ".real.html.part").symlink_to(tmp_path / "other.txt")
    argv = ["--db", str(recording.path), "page", "--out", str(tmp_path / "page.html")]
    assert main(argv, lambda: NOON) == 0
    assert (tmp_path / "page.html").is_symlink()
    assert (tmp_path / "real.html").read_text().startswith("<!DOCTYPE html>")
    assert (tmp_path / "other.txt").read_text() == "other"


def test_files_left_by_a_killed_process_are_removed_after_a_day(recording: Recording, tmp_path: Path) -> None:
    recording.run()
    recording.sample(NOON)
    recording.database.commit()
    names = [
        ".page.html.abcd_123.part",
        ".page.html.12345678.part",
        ".page.html.part",
        ".other.html.abcd1234.part",
    ]
    for name in names:
        (tmp_path / name).write_text("")
        age = 3_600 if name == names[1] else 2 * 86_400
        os.utime(tmp_path / name, (time.time() - age, time.time() - age))
    argv = ["--db", str(recording.path), "page", "--out", str(tmp_path / "page.html")]
    assert main(argv, lambda: NOON) == 0
    assert {path.name for path in tmp_path.glob(".*")} == {*names[1:]}


def test_a_name_that_is_too_long_gives_a_one_line_error(
    recording: Recording, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording.run()
    recording.sample(NOON)
    recording.database.commit()
    argv = ["--db", str(recording.path), "page", "--out", str(tmp_path / ("a" * 300))]
    assert main(argv, lambda: NOON) == 1
    err = capsys.readouterr().err
    assert err.endswith("cannot be written: File name too long\n")
    assert err.count("\n") == 1


# --- series ----------------------------------------------------------------------------------------


def test_no_peak_is_lost(recording: Recording) -> None:
    """A day of samples is drawn in 480 steps: one sample has 60 W, one has 3 %."""
    recording.run()
    for index in range(17_280):
        recording.sample(
            NOON + 5 * index,
            power=-60.0 if index == 9_001 else -5.0,
            battery_pct=3.0 if index == 12_345 else 50.0,
        )
    found = points(recording.database, NOON, NOON + 86_400)
    assert STEPS / 2 < len(found) <= STEPS + 1
    assert min(point.watts_min or 0.0 for point in found) == -60.0
    assert min(point.pct_min or 100.0 for point in found) == 3.0
    total = sum((point.watts or 0.0) * (point.last - point.first) for point in found)
    assert total == pytest.approx(-5.0 * 86_400 - 55 * 5)


def test_a_hole_breaks_the_line(recording: Recording) -> None:
    recording.run()
    for index in (*range(100), *range(200, 300)):
        recording.sample(NOON + 5 * index, power=-5.0)
    found = points(recording.database, NOON - 100, NOON + 2_000)
    one, other = stretches(found)
    assert one[-1].last <= NOON + 500
    assert other[0].first >= NOON + 990


# --- drawing ---------------------------------------------------------------------------------------

POWER = Line("watts", lambda it: it.watts, lambda it: it.watts_min, lambda it: it.watts_max)


def point(moment: float, watts: float) -> Point:
    """Return a step of five minutes around a moment."""
    return Point(moment - 150, moment + 150, watts, watts, watts, 50.0, 50.0, None, None, None, None)


def test_a_known_point_is_drawn_at_its_position() -> None:
    window = (NOON, NOON + 600)
    found = [point(NOON, 0.0), point(NOON + 300, 5.0), point(NOON + 600, 10.0)]
    text = drawn(Timeline(HEAD, window, found, [Panel("W", [POWER], (0.0, 10.0))]))
    (line,) = ElementTree.fromstring(text).findall(f"{SVG}path[@class='line watts']")
    assert line.attrib["d"] == "M44.0 172.0L336.0 97.0L628.0 22.0"


def test_spans_are_labelled_and_holes_go_through_the_panels() -> None:
    spans = [Span("charge", NOON, NOON + 300), Span("hole", NOON + 300, NOON + 600)]
    text = drawn(Timeline(HEAD, (NOON, NOON + 600), [], [Panel("W", [POWER]), Panel("V", [POWER])], spans))
    found = ElementTree.fromstring(text).findall(f"{SVG}rect")
    assert [it.attrib["class"] for it in found] == ["span hole", "span hole", "span charge", "span hole"]
    assert [it.attrib["width"] for it in found] == ["292.0"] * 4


def test_kinds_of_the_strip_differ_in_height() -> None:
    spans = [Span(kind, NOON, NOON + 300) for kind in ("charge", "discharge", "sleep")]
    text = drawn(Timeline(HEAD, (NOON, NOON + 600), [], [Panel("W", [POWER])], spans))
    found = [it.attrib for it in ElementTree.fromstring(text).findall(f"{SVG}rect")]
    assert len({it["height"] for it in found}) == 3
    assert len({round(float(it["y"]) + float(it["height"]), 1) for it in found}) == 1


def test_the_height_of_bars_is_proportional_to_their_values() -> None:
    text = drawn(
        Columns(HEAD, "Wh", [Bar("Mon", [("awake", 6.0), ("asleep", 2.0)]), Bar("Tue", [("awake", 8.0)])])
    )
    found = ElementTree.fromstring(text).findall(f"{SVG}rect")
    heights = [float(it.attrib["height"]) for it in found]
    assert heights[0] == pytest.approx(3 * heights[1])
    assert heights[2] == pytest.approx(heights[0] + heights[1])


def test_a_long_name_is_cut() -> None:
    text = drawn(Rows(HEAD, "Wh", [Bar("a" * 100, [("program", 1.0)], 0.5)]))
    assert "a" * 17 + "…" in text
    assert "a" * 18 not in re.sub("<title>.*?</title>", "", text)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_an_axis_covers_its_values(one: float, other: float) -> None:
    low, high, step = rounded_out(min(one, other), max(one, other))
    slack = 1e-6 * max(abs(one), abs(other), 1.0)
    assert low <= min(one, other) + slack
    assert high >= max(one, other) - slack
    found = marks(low, high, step)
    assert 1 <= len(found) <= 8


@given(st.floats(0, 4e9), st.floats(60, 4e8))
def test_time_marks_are_ascending_and_few(start: float, span: float) -> None:
    moments = [moment for moment, _ in time_marks(start, start + span, 8)]
    assert moments == sorted(set(moments))
    assert len(moments) <= 20
    assert all(start <= moment <= start + span for moment in moments)
