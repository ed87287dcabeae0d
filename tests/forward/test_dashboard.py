"""The Grafana dashboard: its queries get answers, and its energy matches the reports."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from telemetry.sample import Sample
from tests.forward.machine import Machine
from tests.forward.test_real_engines import Victoria, server
from tests.system.processes import ROOT, System
from tests.writer.rollups.drained import BEGIN, DAY, days
from writer.store import Store

DASHBOARD: Final[dict[str, Any]] = json.loads((ROOT / "examples" / "grafana-dashboard.json").read_text())
PANELS: Final[list[dict[str, Any]]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES: Final = {panel["title"]: panel["targets"][0]["expr"] for panel in PANELS}
HOST: Final = "pi4"
STEP: Final = 3600


def store_all(path: Path, samples: list[Sample]) -> None:
    with Store(path) as store:
        store.append(samples, 0.0)
        while store.roll_up():
            pass


def filled(query: str, seconds: int) -> str:
    """Return the query as Grafana sends it."""
    for name, value in {"$__range": f"{seconds}s", "$__interval": f"{STEP}s", "$host": HOST}.items():
        query = query.replace(name, value)
    assert "$" not in query
    return query


@pytest.mark.parametrize("panel", PANELS, ids=[panel["title"] for panel in PANELS])
def test_each_panel_has_a_title_a_unit_and_the_chosen_data_source(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["fieldConfig"]["defaults"]["unit"]
    (target,) = panel["targets"]
    assert panel["datasource"] == target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_it_has_three_rows_and_menus_for_data_source_and_machine() -> None:
    rows = [panel["title"].partition(":")[0] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert rows == ["Fleet overview", "One machine", "Energy by program"]
    assert {it["name"]: it["type"] for it in DASHBOARD["templating"]["list"]} == {
        "datasource": "datasource",
        "host": "query",
    }
    assert len(QUERIES) == len(PANELS), "two panels have the same title"


def test_it_queries_only_metrics_that_are_sent(machine: Machine) -> None:
    store_all(machine.database, days(2))
    machine.now = BEGIN + 3 * DAY
    machine.send()
    sent = {f"{key[0]}_{field}" for key, fields in machine.engine.points.items() for field in fields}
    (host,) = (it for it in DASHBOARD["templating"]["list"] if it["name"] == "host")
    for query in [*QUERIES.values(), host["definition"]]:
        names = re.findall(r"telemetry_[a-z0-9_]+(?:\.\*)?", query)
        assert names
        for name in names:
            assert any(re.fullmatch(name, known) for known in sent), name


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    with System(tmp_path) as system:
        system.environ["STATE_DIRECTORY"] = str(tmp_path)
        yield system


@pytest.fixture
def victoria(tmp_path: Path) -> Iterator[Victoria]:
    yield from server(Victoria, "victoria-metrics", "victoria-metrics", tmp_path)  # type: ignore[misc]


class Answers:
    """The data that Grafana would get for the panels, over a window."""

    def __init__(self, victoria: Victoria, start: int, stop: int) -> None:
        self._victoria = victoria
        self._start = start
        self._stop = stop

    def series(self, title: str) -> list[dict[str, Any]]:
        """Return the data series of a panel."""
        (panel,) = (panel for panel in PANELS if panel["title"] == title)
        query = filled(QUERIES[title], self._stop - self._start)
        if panel["targets"][0]["range"]:
            window = {"start": str(self._start), "end": str(self._stop), "step": str(STEP)}
            answer = json.loads(self._victoria.get("/api/v1/query_range", query=query, **window))
        else:
            answer = json.loads(self._victoria.get("/api/v1/query", query=query, time=str(self._stop)))
        assert answer["status"] == "success"
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def total(self, title: str) -> float:
        """Return the sum of all values of a panel."""
        found = self.series(title)
        return sum(float(it[1]) for one in found for it in one.get("values", [one.get("value")]))


def moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.slow
def test_each_panel_gets_data_and_its_energy_matches_the_reports(system: System, victoria: Victoria) -> None:
    """Four days up to yesterday, the first three of them closed."""
    begin = int(time.time()) // DAY * DAY - 4 * DAY
    samples = [it._replace(ts=it.ts + begin - BEGIN, time=it.time + begin - BEGIN) for it in days(4)]
    store_all(system.database, samples)
    assert system.run("forward.main", "--url", victoria.url, "--once").returncode == 0
    victoria.get("/internal/force_flush")
    answers = Answers(victoria, begin, samples[-1].ts + 1)
    assert [panel["title"] for panel in PANELS if not answers.series(panel["title"])] == []

    (energy,) = system.query("energy", "--since", moment(begin))
    for title in ("Energy drawn from the battery", "Drawn from the battery"):
        assert answers.total(title) == pytest.approx(energy["discharged_wh"], rel=1e-6)
    assert answers.total("Put into the battery") == pytest.approx(energy["charged_wh"], rel=1e-6)
    (closed,) = system.query("energy", "--since", moment(begin), "--until", moment(begin + 3 * DAY))
    drawn = closed["discharged_wh"] + (closed["asleep_wh"] or 0.0)
    for title in (
        "Energy by program",
        "Energy by program and hour",
        "Energy of all programs, idle and screen",
    ):
        assert answers.total(title) == pytest.approx(drawn, rel=1e-6), title
