"""The page of ``telemetry-query page`` in a real browser, at the widths of a phone and of a desktop."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from query.main import main
from tests.query.recordings import NOON, Recording, a_day

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("chromium") is None, reason="chromium is not installed (apt-get install chromium)"
    ),
]
AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
"""Deque's accessibility checker. Users do not need it, so it is not in the repository"""
HOSTILE = "<img src=x onerror=document.title='hit'><script>document.title='hit'</script>"
PATIENCE = 60.0
VISIBLE = """
[...document.querySelectorAll('svg.chart')].map(it => {
  const box = it.getBoundingClientRect();
  return [it.querySelector('title').textContent, box.width > 0 && box.height > 40,
          box.left >= 0 && box.right <= document.documentElement.clientWidth];
})"""
CONTRAST = """
(() => {
  const parts = text => text.match(/[0-9.]+/g).slice(0, 3).map(Number);
  const linear = it => it <= .03928 ? it / 12.92 : ((it + .055) / 1.055) ** 2.4;
  const light = rgb => rgb.map(it => linear(it / 255))
    .reduce((sum, it, at) => sum + it * [.2126, .7152, .0722][at], 0);
  const paper = light(parts(getComputedStyle(document.body).backgroundColor));
  const all = 'h1, h2, p, a, th, td, caption, pre, figcaption, svg text';
  return [...document.querySelectorAll(all)].map(it => {
    const style = getComputedStyle(it);
    const ink = light(parts(it instanceof SVGElement ? style.fill : style.color));
    return (Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05);
  }).reduce((least, it) => Math.min(least, it), 99);
})()"""


class Browser:
    """Headless Chromium, driven over pipes (the DevTools protocol with --remote-debugging-pipe)."""

    def __init__(self, profile: Path) -> None:
        theirs, self._to = os.pipe()
        self._from, back = os.pipe()
        flags = (
            "--headless --no-sandbox --disable-gpu --remote-debugging-pipe --no-first-run --hide-scrollbars"
        )
        command = f"exec 3<&{theirs} 4>&{back}; exec chromium {flags} --user-data-dir={profile} about:blank"
        self._process = subprocess.Popen(
            ["bash", "-c", command],
            pass_fds=(theirs, back),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        os.close(back)
        self._held = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        pages = self.call("Target.getTargets")["targetInfos"]
        target = next(it["targetId"] for it in pages if it["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self.events.append(answer)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self._held:
            assert select.select([self._from], [], [], max(0.0, deadline - time.monotonic()))[0], "no answer"
            piece = os.read(self._from, 1 << 20)
            assert piece, "the browser has exited"
            self._held += piece
        message, _, self._held = self._held.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def show(self, page: Path, width: int, scheme: str) -> None:
        """Load a page, and wait until it is loaded."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        media = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=media)
        self.events.clear()
        self.call("Page.navigate", url=page.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def value(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        asked = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        return self.call("Runtime.evaluate", **asked)["result"].get("value")

    @property
    def said(self) -> list[dict[str, Any]]:
        """Return the console's messages and errors since ``show``."""
        names = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
        return [event for event in self.events if event["method"] in names]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("page")
    a_day(directory / "day.db")
    out = directory / "page.html"
    assert main(["--db", str(directory / "day.db"), "page", "--out", str(out)], lambda: NOON + 5_400) == 0
    return out


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_layout_and_contrast_are_right(browser: Browser, page: Path, width: int, scheme: str) -> None:
    browser.show(page, width, scheme)
    assert browser.said == []
    assert browser.value("document.documentElement.scrollWidth") == width
    charts = browser.value(VISIBLE)
    assert len(charts) == 7
    assert all(is_large and is_inside for _, is_large, is_inside in charts)
    assert browser.value(CONTRAST) >= 4.5  # WCAG 2, level AA
    fetched = [event for event in browser.events if event["method"] == "Network.requestWillBeSent"]
    assert [event["params"]["request"]["url"] for event in fetched] == [page.as_uri()]


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed (npm install --no-save axe-core)")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violations(browser: Browser, page: Path, scheme: str) -> None:
    browser.show(page, 390, scheme)
    browser.value(f"{AXE.read_text(encoding='utf-8')}; 0")
    found = browser.value("axe.run().then(it => it.violations.map(one => [one.id, one.nodes[0].html]))")
    assert found == []


def test_a_hostile_name_does_no_harm(browser: Browser, tmp_path: Path) -> None:
    with Recording(tmp_path / "hostile.db") as recording:
        recording.run()
        for index in range(100):
            recording.sample(
                NOON + 5 * index,
                power=-5.0,
                status="Discharging",
                battery_pct=50.0,
                processes=[(1, HOSTILE, 30.0, 1.0, 0.0, HOSTILE, HOSTILE)],
            )
    out = tmp_path / "page.html"
    assert main(["--db", str(tmp_path / "hostile.db"), "page", "--out", str(out)], lambda: NOON + 600) == 0
    browser.show(out, 390, "light")
    assert browser.said == []
    assert browser.value("document.title").startswith("Battery report")
    assert browser.value("document.images.length + document.scripts.length") == 0
    assert HOSTILE in browser.value("document.body.textContent")
