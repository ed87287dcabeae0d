"""The four commands as data from their argument parsers, for the man pages and the completions."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple

import forward.options
import query.arguments
import sampler.main
import writer.main


class Option(NamedTuple):
    """An option: ``--limit N``."""

    flags: tuple[str, ...]
    metavar: str | None
    """None: the option takes no value."""
    choices: tuple[str, ...]
    help: str


class Command(NamedTuple):
    """A command, or a report of a command."""

    name: str
    help: str
    """One line."""
    description: str
    epilog: str
    """The epilog of --help, with its layout."""
    options: tuple[Option, ...]
    reports: tuple[Command, ...] = ()


def commands() -> tuple[Command, ...]:
    """Return sampler, writer, query and forward."""
    return tuple(
        _command(parser, help_)
        for parser, help_ in (
            (sampler.main.parser(), "publish samples of battery, CPU and processes"),
            (writer.main.parser(), "store the samples of telemetry-sampler in SQLite"),
            (query.arguments.parser(), "reports over battery, CPU and process history"),
            (forward.options.parser(), "send the history to a time-series engine"),
        )
    )


def _command(parser: argparse.ArgumentParser, help_: str) -> Command:
    parser.format_help()  # a report's parser writes its epilog there
    return Command(
        name=parser.prog.split()[-1],
        help=help_,
        description=parser.description or "",
        epilog=parser.epilog or "",
        options=tuple(_options(parser)),
        reports=tuple(_reports(parser)),
    )


def _options(parser: argparse.ArgumentParser) -> Iterator[Option]:
    formatter = argparse.HelpFormatter(parser.prog)
    for action in parser._actions:
        if action.option_strings:
            choices = tuple(str(choice) for choice in action.choices or ())
            takes_value = action.nargs != 0
            yield Option(
                flags=tuple(action.option_strings),
                metavar=(str(action.metavar or "|".join(choices)) if takes_value else None),
                choices=choices,
                help=formatter._expand_help(action) if action.help else "",
            )


def _reports(parser: argparse.ArgumentParser) -> Iterator[Command]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            help_of = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, report in action.choices.items():
                yield _command(report, help_of[name])
