"""``telemetry-query plot``: a picture as a file, by matplotlib, or in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from query import access
from query.charts import figures, text
from query.options import PROGRAM
from query.output import can_show, look, replacing
from query.plot_kinds import KINDS, Kind
from query.report import function
from query.source import Source, held
from telemetry.command import say
from telemetry.errors import UsageError, UserError

_WIDTH: Final = 80
"""Columns if the width is not known"""
_WIDEST: Final = 120


def run(given: Mapping[str, Any], now: float) -> None:
    """Draw what was asked for. Raises UserError."""
    kind = next(kind for kind in KINDS if kind.name == given["kind"])
    out: Path | None = given["out"]
    form = _form(out) if out else ""
    window = access.window(given, now)
    since = now - kind.window if window["since"] is None else window["since"]
    with access.opened(given, now) as opened:
        source = Source(
            opened.connection, opened.parameters, held(opened.connection, since, window["until"], "plot")
        )
        picture = _picture(kind, source)
    if out:
        with replacing(out) as part:
            figures.save(picture, part, form)
        print(f"{out}: {out.stat().st_size / 1e3:.0f} kB")
    else:
        width = min(look(given, now).width or _WIDTH, _WIDEST)
        ascii_only = not can_show(text.CHARACTERS, sys.stdout.encoding)
        for line in text.lines(picture, width, ascii_only=ascii_only):
            print(line)
    sys.stdout.flush()
    for remark in access.silence(opened.committed):
        say(PROGRAM, remark)


def _form(out: Path) -> str:
    form = out.suffix.removeprefix(".").lower()
    if form not in figures.FORMS:
        raise UsageError(f"--out: {out} does not end in {', '.join(f'.{it}' for it in figures.FORMS)}")
    figures.check()
    return form


def _picture(kind: Kind, source: Source) -> Any:
    picture = function(f"query.pictures:{kind.name}")(source)
    if picture is None or not getattr(picture, "bars", True):
        raise UserError(f"plot {kind.name}: {kind.nothing} in that window")
    return picture
