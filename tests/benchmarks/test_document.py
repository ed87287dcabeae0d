"""The page shows the results: every budget with its figure and verdict, and missing programs."""

from __future__ import annotations

import re

import pytest

from benchmarks.cost import Cost, Round
from benchmarks.document import Results, budgets, costs, sections
from benchmarks.figures import BROKEN, BUDGETS, KEPT, MEASURES, Budget
from benchmarks.machine import cpu_model, describe
from benchmarks.programs import PROGRAMS, Program, is_installed, shown_command, version_of
from benchmarks.table import number, table

AT_MOST = Budget("time", "t", "ms", 150.0)
AT_LEAST = Budget("rate", "r", "/s", 10_000.0, at_least=True)


def test_the_columns_of_a_table_are_aligned() -> None:
    assert table(["what", "ms"], [["sampler", "2.4"], ["a", "1,000.0"]]) == (
        "| what    |      ms |\n| ------- | ------: |\n| sampler |     2.4 |\n| a       | 1,000.0 |"
    )


@pytest.mark.parametrize(
    ("budget", "figure", "mark"),
    [
        (AT_MOST, 150.0, KEPT),
        (AT_MOST, 150.1, BROKEN),
        (AT_LEAST, 10_000.0, KEPT),
        (AT_LEAST, 9_999.0, BROKEN),
        (AT_MOST, None, ""),
    ],
)
def test_a_budget_is_met_or_missed(budget: Budget, figure: float | None, mark: str) -> None:
    assert budget.verdict(figure) == mark


def test_the_budgets_are_the_promised_ones() -> None:
    assert {budget.key: budget.limit for budget in BUDGETS} == {
        "cpu/telemetry-sampler/330": 4.5,
        "sampler/atop": 1 / 6,
        "rss/sampler": 25.0,
        "rss/writer": 25.0,
        "rss/writer caught up": 25.0,
        "stored": 600.0,
        "written": 5_000.0,
        "import": 10_000.0,
        "catch-up": 10_000.0,
        "slowest": 150.0,
        "growth": 1.5,
        "plot": 3_000.0,
    }
    assert {budget.key for budget in BUDGETS if budget.at_least} == {"import", "catch-up"}


def test_each_budget_is_beside_its_figure_or_a_dash() -> None:
    lines = budgets({"stored": 612.4}).splitlines()[2:]
    assert len(lines) == len(BUDGETS)
    stored = [cell.strip() for cell in next(line for line in lines if "stored" in line).split("|")[2:6]]
    assert stored == ["612", "≤ 600", "B", BROKEN]
    assert sum(BROKEN in line or KEPT in line for line in lines) == 1


def test_no_key_is_shown_twice() -> None:
    keys = [one.key for one in (*BUDGETS, *MEASURES)]
    assert len(keys) == len(set(keys))


def test_a_missing_peer_is_shown_as_not_installed() -> None:
    cost = Cost(2.4, 100.0, 23e6, 13e6, 0.0)
    found = dict.fromkeys([program.name for program in PROGRAMS], cost)
    shown = costs([Round(330, isolated=True, costs={**found, "atop -w": None})])
    assert re.search(r"\| atop -w +\| not installed \|", shown)
    assert shown.count("not installed") == 1


def test_every_peer_says_how_it_is_installed() -> None:
    assert [bool(program.install) for program in PROGRAMS] == [False, False, False, True, True, True]


def test_a_command_is_shown_without_a_path_of_this_machine() -> None:
    for program in PROGRAMS:
        assert "/" not in shown_command(program)


def test_a_missing_program_has_no_version() -> None:
    absent = Program("x", "", ("no-such-program-anywhere",), version=("-V",))
    assert not is_installed(absent)
    assert version_of(absent) == ""


def test_prose_is_wrapped_but_tables_are_not() -> None:
    parts = sections(
        Results(rounds=[Round(330, isolated=True, costs=dict.fromkeys(p.name for p in PROGRAMS))]), 36
    )
    for line in "\n".join(parts).splitlines():
        assert len(line) <= 110 or line[0] in "|-"


def test_the_machine_is_described_without_its_name() -> None:
    assert list(describe()) == ["machine", "CPU", "cores", "kernel", "Python", "SQLite"]
    assert re.fullmatch(r"[\d.]+", describe()["kernel"])


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        ("processor\t: 0\nmodel name\t: AMD EPYC\n", "AMD EPYC"),
        ("processor\t: 0\nCPU part\t: 0xd08\n\nHardware\t: BCM2835\n", "BCM2835"),
        ("processor\t: 0\nCPU part\t: 0xd0b\n", "0xd0b"),
        ("", "unknown"),
    ],
)
def test_the_cpu_is_named_as_its_kernel_does(cpuinfo: str, name: str) -> None:
    assert cpu_model(cpuinfo) == name


def test_numbers() -> None:
    assert number(None) == "-"
    assert number(12_345.67, 0) == "12,346"
    assert number(1 / 6, 3) == "0.167"
