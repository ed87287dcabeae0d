"""Command lines whose errors are one line."""

from __future__ import annotations

import argparse

import pytest

from telemetry.command import ArgumentParser
from telemetry.errors import UsageError


@pytest.fixture
def parser() -> ArgumentParser:
    parser = ArgumentParser(prog="telemetry-x", description="What it does.")
    parser.add_argument("--interval", type=int, help="seconds")
    parser.add_argument("--format", choices=["csv", "json"])
    return parser


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--interval", "x"], "argument --interval: invalid int value: 'x'; see telemetry-x --help"),
        (["--interval"], "argument --interval: expected one argument; see telemetry-x --help"),
        (["--int", "5"], "unrecognized arguments: --int 5; see telemetry-x --help"),
        (["more"], "unrecognized arguments: more; see telemetry-x --help"),
    ],
)
def test_an_error_is_a_line_that_says_what_to_do(
    parser: ArgumentParser, arguments: list[str], text: str
) -> None:
    with pytest.raises(UsageError) as caught:
        parser.parse_args(arguments)
    assert str(caught.value) == text


def test_a_wrong_choice_names_the_right_ones(parser: ArgumentParser) -> None:
    with pytest.raises(UsageError, match=r"--format: .*csv.*json.*see telemetry-x --help"):
        parser.parse_args(["--format", "xml"])


def test_what_is_right_is_taken_and_help_is_help(
    parser: ArgumentParser, capsys: pytest.CaptureFixture[str]
) -> None:
    assert parser.parse_args(["--interval", "5"]) == argparse.Namespace(interval=5, format=None)
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(["--help"])
    assert caught.value.code == 0
    assert "What it does." in capsys.readouterr().out
