"""The completions have every report and option; bash itself is asked for its suggestions."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence

import pytest

from query.reports import REPORTS
from scripts.commands import Command, commands
from scripts.completion import bash, fish, value_of, zsh

COMMANDS = {command.name: command for command in commands()}
QUERY = COMMANDS["telemetry-query"]


def offered(*words: str) -> list[str]:
    """Return the suggestions of bash for the last of ``words``."""
    command = COMMANDS[words[0]]
    script = (
        f"{bash(command)}\nCOMP_WORDS=({shlex.join(words)})\nCOMP_CWORD={len(words) - 1}\n"
        f'_{command.name.replace("-", "_")}\nprintf "%s\\n" "${{COMPREPLY[@]}}"'
    )
    done = subprocess.run(["bash", "-uc", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


def flags(command: Command) -> set[str]:
    return {flag for option in command.options for flag in option.flags}


def test_the_first_word_is_a_report_or_an_option() -> None:
    assert set(offered("telemetry-query", "")) == {report.name for report in REPORTS} | {
        "at",
        "sql",
        "snapshot",
        "plot",
        "page",
        "live",
        "alert",
    } | flags(QUERY)
    assert offered("telemetry-query", "ho") == ["hotspots"]


@pytest.mark.parametrize("report", QUERY.reports, ids=lambda report: report.name)
def test_the_options_of_a_report_follow_it(report: Command) -> None:
    assert set(offered("telemetry-query", report.name, "--")) == {
        flag for flag in flags(report) if flag.startswith("--")
    }
    assert set(offered("telemetry-query", "--db", "x", report.name, "")) == flags(report)


@pytest.mark.parametrize("name", ["telemetry-sampler", "telemetry-writer"])
def test_every_option_of_a_service(name: str) -> None:
    assert set(offered(name, "-")) == flags(COMMANDS[name])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["telemetry-query", "energy", "--by", ""], {"total", "hour", "day", "week", "month"}),
        (["telemetry-query", "live", "--format", ""], {"table", "json"}),
        (["telemetry-query", "recent", "--since", ""], {"now", "today", "yesterday", "90m", "24h", "7d"}),
        (["telemetry-query", "recent", "--limit", ""], set()),
        (["telemetry-sampler", "--interval", ""], set()),
    ],
)
def test_the_values_that_may_follow_an_option(words: Sequence[str], expected: set[str]) -> None:
    assert set(offered(*words)) == expected


def test_formats_files_directories_and_batteries() -> None:
    assert {"json", "csv", "github"} <= set(offered("telemetry-query", "drain", "--format", ""))
    assert "/etc/passwd" in offered("telemetry-query", "--db", "/etc/pass")
    assert "/etc/passwd" not in offered("telemetry-sampler", "--sysfs", "/etc/pass")
    assert "/etc" in offered("telemetry-sampler", "--sysfs", "/et")
    assert {"auto", "none"} <= set(offered("telemetry-sampler", "--power-supply", ""))


def all_options() -> list[tuple[str, str]]:
    return [
        (command.name, flag)
        for command in COMMANDS.values()
        for part in (command, *command.reports)
        for flag in flags(part)
    ]


def test_zsh_and_fish_have_every_option_and_report() -> None:
    for name, flag in all_options():
        assert f"'{flag}[" in zsh(COMMANDS[name])
        fish_flag = f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
        assert re.search(rf"{fish_flag}\b", fish(COMMANDS[name]))
    for report in QUERY.reports:
        assert f"        {report.name}) _arguments" in zsh(QUERY)
        assert f" -a {report.name} -d " in fish(QUERY)


@pytest.mark.parametrize(("shell", "write"), [("zsh", zsh), ("fish", fish), ("bash", bash)])
@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.name)
def test_the_shell_can_parse_it(shell: str, write: object, command: Command) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    assert callable(write)
    done = subprocess.run([shell, "-n"], input=write(command), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_fish_suggests_the_right_values() -> None:
    if not shutil.which("fish"):
        pytest.skip("fish is not installed")
    script = f"{fish(QUERY)}\ncomplete -C 'telemetry-query energy --by '"
    done = subprocess.run(["fish", "-N", "-c", script], capture_output=True, text=True, check=True)
    assert {line.split("\t")[0] for line in done.stdout.splitlines()} == {
        "total",
        "hour",
        "day",
        "week",
        "month",
    }


def test_choices_take_precedence_over_the_metavar() -> None:
    (energy,) = (report for report in QUERY.reports if report.name == "energy")
    (by,) = (option for option in energy.options if option.flags == ("--by",))
    assert value_of(by).words == ("total", "hour", "day", "week", "month")
