"""Command lines whose errors are one line, as every other error is."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from telemetry.errors import UsageError


class ArgumentParser(argparse.ArgumentParser):
    """Raises UsageError where argparse would print a usage of lines and exit; takes no abbreviations."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **{"allow_abbrev": False, **settings})

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")
