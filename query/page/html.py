"""HTML of a page: tables, figures and the document around them. All text is escaped."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from query.answer import Answer
from query.charts.svg import escaped
from query.columns import Column
from query.values import cell, shown_time
from telemetry import __version__

_STYLE: Final = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")


MOST_ROWS: Final = 100
"""Rows of a table"""


class Section(NamedTuple):
    """A heading, and what is below it: HTML."""

    key: str
    heading: str
    inside: str


def paragraph(text: str, kind: str = "remark") -> str:
    """Return a paragraph."""
    return f'<p class="{kind}">{escaped(text)}</p>'


def preformatted(lines: Sequence[str], name: str) -> str:
    """Return lines of a terminal. If they are too wide, keys scroll them too."""
    inside = "\n".join(map(escaped, lines))
    return f'<pre role="region" aria-label="{escaped(name)}" tabindex="0">{inside}</pre>'


def figure(chart: str, key: Sequence[tuple[str, str]] = ()) -> str:
    """Return a chart with a key below it: kinds of marks and their meaning. Empty if there is no chart."""
    swatches = "".join(f'<span class="swatch {kind}"></span>{escaped(text)} ' for kind, text in key)
    told = f'<figcaption class="key">{swatches}</figcaption>' if key else ""
    return f"<figure>{chart}{told}</figure>" if chart else ""


def table(answer: Answer, rows: Sequence[tuple[Any, ...]], caption: str) -> str:
    """Return a table of the last rows as a report prints them, or why there is none."""
    said = "".join(map(paragraph, answer.remarks))
    if not rows:
        return said
    if len(rows) > MOST_ROWS:
        said += paragraph(f"The newest {MOST_ROWS} of {len(rows)} rows.")
        rows = rows[-MOST_ROWS:]
    shown = [(at, column) for at, column in enumerate(answer.columns) if column.in_table]
    heads = "".join(
        f'<th scope="col"{_class(column)}>{escaped(column.header.replace("_", " "))}</th>'
        for _, column in shown
    )
    body = "".join(f"<tr>{_cells(row, shown)}</tr>" for row in rows)
    return f"{_framed(caption, f'<thead><tr>{heads}</tr></thead><tbody>{body}</tbody>')}{said}"


def table_of_lines(answer: Answer, rows: Sequence[tuple[Any, ...]], caption: str) -> str:
    """Return a table of the one row that a report has, a line for each column, or why there is none."""
    said = "".join(map(paragraph, answer.remarks))
    if not rows:
        return said
    body = "".join(
        f'<tr><th scope="row">{escaped(column.header.replace("_", " "))}</th>'
        f"<td>{escaped(cell(value, column))}</td></tr>"
        for value, column in zip(rows[0], answer.columns, strict=True)
        if column.in_table
    )
    return f"{_framed(caption, f'<tbody>{body}</tbody>')}{said}"


def _framed(caption: str, inside: str) -> str:
    name = escaped(caption)
    return (
        f'<div class="table" role="region" aria-label="{name}" tabindex="0"><table><caption>{name}</caption>'
        f"{inside}</table></div>"
    )


def _cells(row: Sequence[Any], shown: Sequence[tuple[int, Column]]) -> str:
    return "".join(f"<td{_class(column)}>{escaped(cell(row[at], column))}</td>" for at, column in shown)


def _class(column: Column) -> str:
    return ' class="number"' if column.kind in ("number", "duration", "size") else ""


def document(window: tuple[float, float], sections: Sequence[Section]) -> str:
    """Return the page on a window, Unix s. Its policy allows only its own style."""
    digest = b64encode(sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    span = f"{escaped(shown_time(window[0]))} to {escaped(shown_time(window[1]))}"
    links = "".join(f'<li><a href="#{it.key}">{escaped(it.heading)}</a></li>' for it in sections)
    body = "".join(
        f'<section id="{it.key}"><h2>{escaped(it.heading)}</h2>{it.inside}</section>' for it in sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>Battery report, {span}</title><style>{_STYLE}</style></head>"
        f"<body><header><h1>Battery report</h1><p>{span}</p></header>"
        f'<nav aria-label="Sections"><ul>{links}</ul></nav><main>{body}</main>'
        f"<footer><p>telemetry-query {escaped(__version__)}</p></footer></body></html>\n"
    )
