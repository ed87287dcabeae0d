"""Write the completions of bash, zsh and fish into a directory, made from the argument parsers.

    python3 scripts/completion.py DIRECTORY

creates bash/COMMAND, zsh/_COMMAND and fish/COMMAND.fish in it. The values of an option come from its choices,
or else from its metavar: see ``VALUES``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tabulate import tabulate_formats

from query.render import OWN_FORMATS, PARQUET
from sampler.choice import SOURCES
from scripts.commands import Command, Option, commands


class Value(NamedTuple):
    """The values that may follow an option."""

    words: tuple[str, ...] = ()
    is_file: bool = False
    is_directory: bool = False
    listed: str = ""
    """A directory whose entries are also values."""


VALUES = {
    "PATH": Value(is_file=True),
    "FILE": Value(is_file=True),
    "FILE|-": Value(is_file=True),
    "DIRECTORY": Value(is_directory=True),
    "auto|none|NAME": Value(("auto", "none", *SOURCES), listed="/sys/class/power_supply"),
    "F": Value((*OWN_FORMATS, PARQUET, *sorted(tabulate_formats))),
    "T": Value(("now", "today", "yesterday", "90m", "24h", "7d")),
}


def value_of(option: Option) -> Value:
    """Return the values that may follow ``option``; a number or an endpoint has none."""
    return Value(option.choices) if option.choices else VALUES.get(option.metavar or "", Value())


# --- bash ------------------------------------------------------------------------------------------


def bash(command: Command) -> str:
    """Return a function that looks at the word before the cursor, and at the report before that."""
    function = f"_{command.name.replace('-', '_')}"
    return "\n".join(
        [
            f"# bash completion of {command.name}",
            f"{function}() {{",
            "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} word report=",
            "    COMPREPLY=()",
            *_bash_report(command),
            '    case "$report $prev" in',
            *_bash_values(command.options, "*"),
            *(line for report in command.reports for line in _bash_values(report.options, report.name)),
            "    esac",
            '    case "$report" in',
            *(
                f"    {report.name}) COMPREPLY=($(compgen -W '{_flags(report.options)}' -- \"$cur\")) ;;"
                for report in command.reports
            ),
            f"    *) COMPREPLY=($(compgen -W '{_bash_first(command)}' -- \"$cur\")) ;;",
            "    esac",
            "}",
            f"complete -F {function} {command.name}",
            "",
        ]
    )


def _bash_report(command: Command) -> Iterator[str]:
    if command.reports:
        yield '    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do'
        yield f'        case "$word" in {"|".join(report.name for report in command.reports)})'
        yield "            report=$word; break ;;"
        yield "        esac"
        yield "    done"


def _bash_first(command: Command) -> str:
    return " ".join([*(report.name for report in command.reports), _flags(command.options)])


def _flags(options: tuple[Option, ...]) -> str:
    return " ".join(flag for option in options for flag in option.flags)


def _bash_values(options: tuple[Option, ...], report: str) -> Iterator[str]:
    for option in options:
        if option.metavar is None:
            continue
        value = value_of(option)
        kind = " -f" if value.is_file else " -d" if value.is_directory else ""
        words = " ".join([*value.words, f"$(ls {value.listed} 2>/dev/null)" if value.listed else ""]).strip()
        listed = f' -W "{words}"' if words else ""
        patterns = "|".join(f"{_bash_pattern(report)}{flag}" for flag in option.flags)
        found = "compopt -o filenames 2>/dev/null; " if kind else ""
        found += f'COMPREPLY=($(compgen{kind}{listed} -- "$cur")); ' if kind or listed else ""
        yield f"    {patterns}) {found}return ;;"


def _bash_pattern(report: str) -> str:
    return '*" "' if report == "*" else f'"{report} "'


# --- zsh -------------------------------------------------------------------------------------------


def zsh(command: Command) -> str:
    """Return a function that uses ``_arguments``; inside it, each report has its own ``_arguments``."""
    function = f"_{command.name}"
    lines = [f"#compdef {command.name}", ""]
    if not command.reports:
        return "\n".join([*lines, "_arguments \\", _zsh_specs(command.options), ""])
    lines += [
        f"{function}() {{",
        "    local context state state_descr line",
        "    typeset -A opt_args",
        "    _arguments -C \\",
        f"{_zsh_specs(command.options)} \\",
        "        '1:report:->report' \\",
        "        '*::option:->option'",
        "    case $state in",
        "    report)",
        "        local -a reports=(",
        *(f"            {_quoted(f'{report.name}:{report.help}')}" for report in command.reports),
        "        )",
        "        _describe report reports ;;",
        "    option)",
        "        case $line[1] in",
    ]
    for report in command.reports:
        lines += [f"        {report.name}) _arguments \\", f"{_zsh_specs(report.options)} ;;"]
    return "\n".join([*lines, "        esac ;;", "    esac", "}", "", f'{function} "$@"', ""])


def _zsh_specs(options: tuple[Option, ...]) -> str:
    return " \\\n".join(
        f"        {_quoted(_zsh_spec(flag, option))}" for option in options for flag in option.flags
    )


def _zsh_spec(flag: str, option: Option) -> str:
    help_ = option.help.replace("[", "(").replace("]", ")").replace(":", "\\:")
    if option.metavar is None:
        return f"{flag}[{help_}]"
    value = value_of(option)
    action = " "
    if value.is_file:
        action = "_files"
    elif value.is_directory:
        action = "_files -/"
    elif value.words:
        listed = f' ${{(f)"$(ls {value.listed} 2>/dev/null)"}}' if value.listed else ""
        action = f"({' '.join(value.words)}{listed})"
        action = f"_values value {' '.join(value.words)}{listed}" if listed else action
    return f"{flag}[{help_}]:{option.metavar.replace(':', '')}:{action}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


# --- fish ------------------------------------------------------------------------------------------


def fish(command: Command) -> str:
    """Return a ``complete`` line for each option; a report's options have a condition."""
    lines = [f"# fish completion of {command.name}", f"complete -c {command.name} -f"]
    names = " ".join(report.name for report in command.reports)
    before = f" -n 'not __fish_seen_subcommand_from {names}'" if names else ""
    lines += [
        f"complete -c {command.name}{before} -a {report.name} -d {_fish_quoted(report.help)}"
        for report in command.reports
    ]
    lines += _fish_options(command, command.options, before)
    for report in command.reports:
        inside = f" -n '__fish_seen_subcommand_from {report.name}'"
        lines += _fish_options(command, report.options, inside)
    return "\n".join([*lines, ""])


def _fish_options(command: Command, options: tuple[Option, ...], condition: str) -> Iterator[str]:
    for option in options:
        flags = " ".join(
            f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags
        )
        help_ = _fish_quoted(option.help)
        yield f"complete -c {command.name}{condition} {flags}{_fish_value(option)} -d {help_}"


def _fish_value(option: Option) -> str:
    if option.metavar is None:
        return ""
    value = value_of(option)
    if value.is_file:
        return " -r -F"
    if value.is_directory:
        return " -x -a '(__fish_complete_directories)'"
    words = " ".join([*value.words, f"(ls {value.listed} 2>/dev/null)" if value.listed else ""]).strip()
    return f" -x -a {_fish_quoted(words)}" if words else " -x"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def main(directory: Path) -> None:
    for shell, write, name in (
        ("bash", bash, "{}"),
        ("zsh", zsh, "_{}"),
        ("fish", fish, "{}.fish"),
    ):
        (directory / shell).mkdir(parents=True, exist_ok=True)
        for command in commands():
            (directory / shell / name.format(command.name)).write_text(write(command), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
