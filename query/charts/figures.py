"""Pictures as SVG, PNG or PDF files, drawn by matplotlib, which is optional: only this module imports it.

Colors are those of Okabe and Ito (2008), distinct for the color-blind. Lines differ in their dashes and
bars in their hatches too. Shades are from cividis, whose lightness only increases. So all pictures are
readable in black and white.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from query.charts.pictures import Bar, Columns, Curves, Heat, Panel, Pick, Picture, Rows, Span, Timeline
from query.charts.scale import time_marks
from query.series import Point, stretches
from query.values import shown_time
from telemetry.command import printable
from telemetry.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMS: Final = ("svg", "png", "pdf")
MISSING: Final = (
    "--out needs matplotlib: apt install python3-matplotlib, or pip install matplotlib; "
    "without --out the picture is drawn in the terminal"
)
_INCHES: Final = 8.0
_PANEL_INCHES: Final = 2.2
_DOTS_PER_INCH: Final = 150
_TIME_MARKS: Final = 8
_MOST_LABELS: Final = 12
_COLORS: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#BBBBBB")
_HATCHES: Final = ("", "///", "...", "xxx", "\\\\\\", "ooo", "++", "")
_DASHES: Final = ("-", "--", "-.", ":")
_BESIDE: Final[Mapping[str, Any]] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "fontsize": 7}
"""The key is beside the axes, where it hides nothing"""
_FEWEST: Final = 8
"""A picture has room for at least this many bars, so that a single one is not as wide as the page"""
_SPANS: Final = 300
"""Gaps between spans that a picture is wide enough for"""
_OF_SPANS: Final = {"charge": ("#56B4E9", "///"), "sleep": ("#009E73", "..."), "hole": ("#BBBBBB", "xxx")}
_TOLD: Final = {"charge": "charging", "sleep": "asleep", "hole": "not recorded"}


def save(picture: Picture, out: Path, form: str) -> None:
    """Write a picture into the file ``out``, whatever its name. Raises UserError and OSError."""
    figure = _figure(_panels(picture) * _PANEL_INCHES + 1.2)
    with _quiet():
        if isinstance(picture, Timeline):
            _over_time(figure, picture)
        elif isinstance(picture, Heat):
            _heat(figure, picture)
        elif isinstance(picture, Curves):
            _curves(figure, picture)
        elif isinstance(picture, Rows):
            _rows(figure, picture)
        else:
            _columns(figure, picture)
        figure.suptitle(printable(picture.head.title), fontsize=11)
        figure.supxlabel(printable(picture.head.note), fontsize=7, x=0.01, ha="left")
        # A file of the same data is the same: without the time at which it was made.
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form, {})
        figure.savefig(out, format=form, metadata=metadata)


def check() -> None:
    """Raise UserError if matplotlib is missing."""
    _figure(1.0)


def _figure(inches: float) -> Any:
    try:
        import matplotlib as mpl  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        raise UserError(MISSING) from None
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    mpl.rcParams.update(
        {
            "text.parse_math": False,  # names of programs may contain any character
            "svg.hashsalt": "telemetry-query",
            "font.size": 9,
            "hatch.linewidth": 0.5,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )
    return Figure(figsize=(_INCHES, inches), dpi=_DOTS_PER_INCH, layout="constrained")


@contextmanager
def _quiet() -> Iterator[None]:
    """Names may contain characters that the font lacks: boxes are drawn, without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _panels(picture: Picture) -> float:
    if isinstance(picture, Timeline):
        return len(picture.panels)
    if isinstance(picture, Rows):
        return max(len(picture.bars) * 0.12, 1.0)
    return max(len(picture.names) * 0.12, 1.0) if isinstance(picture, Heat) else 1.6


def _over_time(figure: Any, it: Timeline) -> None:
    axes = figure.subplots(len(it.panels), sharex=True, squeeze=False)[:, 0]
    for panel, axis in zip(it.panels, axes, strict=True):
        _panel(axis, it, panel)
        kinds = _mark(axis, it.spans, it.window)
    if kinds:
        axes[0].legend(*_key(kinds), **_BESIDE)
    _time_axis(axes[-1], it.window)


def _panel(axis: Any, it: Timeline, panel: Panel) -> None:
    for number, line in enumerate(panel.lines):
        color, dashes = _COLORS[number], _DASHES[number % len(_DASHES)]
        band = [row for stretch in stretches(it.points) for row in _rows_of(stretch, (line.low, line.high))]
        if band:
            axis.fill_between(*zip(*band, strict=True), color=color, alpha=0.3, linewidth=0.5)
        middle = [row for stretch in stretches(it.points) for row in _rows_of(stretch, (line.middle,))]
        if middle:
            marker = "." if len(middle) == 2 else None
            axis.plot(*zip(*middle, strict=True), color=color, linestyle=dashes, linewidth=1.2, marker=marker)
    axis.set_title(printable(panel.heading), loc="left", fontsize=9)
    axis.set_ylim(panel.ends)
    axis.grid(visible=True, axis="y", color="#DDDDDD", linewidth=0.6)


def _rows_of(stretch: Sequence[Point], picks: Sequence[Pick]) -> Iterator[tuple[float, ...]]:
    """Yield time and figures of the points whose figures are all known; each stretch ends with a gap.

    One drawing of a year is as fast as one of a day; with one for each stretch it took seconds.
    """
    for point in stretch:
        values = [value for pick in picks if (value := pick(point)) is not None]
        if len(values) == len(picks):
            yield point.middle, *values
    yield (nan,) * (1 + len(picks))


def _mark(axis: Any, spans: Sequence[Span], window: tuple[float, float]) -> list[str]:
    """Shade charges, sleeps and holes; return the kinds that there are."""
    kinds = [kind for kind in _OF_SPANS if any(span.kind == kind for span in spans)]
    for kind in kinds:
        color, hatch = _OF_SPANS[kind]
        found = _joined([span for span in spans if span.kind == kind], (window[1] - window[0]) / _SPANS)
        look = {"facecolor": color, "hatch": hatch, "edgecolor": "#777777", "linewidth": 0, "alpha": 0.25}
        # One drawing for all of them: a year has thousands.
        axis.broken_barh(found, (0, 1), transform=axis.get_xaxis_transform(), **look)
    return kinds


def _joined(spans: Sequence[Span], least: float) -> list[tuple[float, float]]:
    """Return start and length of the spans, in order; those less than ``least`` s apart are one."""
    found: list[tuple[float, float]] = []
    for span in sorted(spans, key=lambda it: it.start):
        if found and span.start - sum(found[-1]) < least:
            start = found[-1][0]
            found[-1] = start, max(span.stop, sum(found[-1])) - start
        else:
            found.append((span.start, span.stop - span.start))
    return found


def _key(kinds: Sequence[str]) -> tuple[list[Any], list[str]]:
    from matplotlib.patches import Patch  # noqa: PLC0415

    patches = [
        Patch(facecolor=_OF_SPANS[it][0], alpha=0.4, hatch=_OF_SPANS[it][1], edgecolor="#777777")
        for it in kinds
    ]
    return patches, [_TOLD[kind] for kind in kinds]


def _time_axis(axis: Any, window: tuple[float, float]) -> None:
    told = time_marks(*window, _TIME_MARKS)
    axis.set_xlim(window)
    axis.set_xticks([moment for moment, _ in told], [text for _, text in told])
    axis.set_xlabel(f"local time, {shown_time(window[0])[:16]} to {shown_time(window[1])[:16]}", fontsize=8)


def _columns(figure: Any, it: Columns) -> None:
    axis = figure.subplots()
    _stacked(axis, it.bars, axis.bar, "bottom")
    every = -(-len(it.bars) // _MOST_LABELS)
    axis.set_xticks(range(0, len(it.bars), every), [printable(bar.name) for bar in it.bars[::every]])
    axis.set_xlim(-0.6, max(len(it.bars), _FEWEST) - 0.4)
    axis.set_title(printable(it.unit), loc="left", fontsize=9)
    axis.grid(visible=True, axis="y", color="#DDDDDD", linewidth=0.6)
    axis.set_axisbelow(True)


def _rows(figure: Any, it: Rows) -> None:
    axis = figure.subplots()
    _stacked(axis, it.bars, axis.barh, "left")
    totals = [bar.total for bar in it.bars]
    spread = [bar.pm or 0.0 for bar in it.bars]
    axis.errorbar(totals, range(len(it.bars)), xerr=spread, fmt="none", ecolor="black", capsize=2)
    axis.set_yticks(range(len(it.bars)), [printable(bar.name) for bar in it.bars])
    axis.invert_yaxis()
    axis.set_xlim(0.0, 1.4 * max(totals, default=1.0) or 1.0)
    axis.set_xlabel(printable(it.unit))


def _stacked(axis: Any, bars: Sequence[Bar], draw: Any, base: str) -> None:
    kinds = list(dict.fromkeys(kind for bar in bars for kind, _ in bar.parts))
    below = [0.0] * len(bars)
    handles = []
    for number, kind in enumerate(kinds):
        values = [sum(value for name, value in bar.parts if name == kind) for bar in bars]
        place = number % len(_COLORS)
        handles.append(
            draw(
                range(len(bars)),
                values,
                0.76,
                **{base: below},
                color=_COLORS[place],
                hatch=_HATCHES[place],
                edgecolor="black",
                linewidth=0.4,
            )
        )
        below = [sum(both) for both in zip(below, values, strict=True)]
    if len(kinds) > 1:
        # matplotlib ignores a label that begins with _.
        axis.legend(handles, [f" {printable(kind)}" for kind in kinds], **_BESIDE)


def _heat(figure: Any, it: Heat) -> None:
    axis = figure.subplots()
    cells = [[float("nan") if value is None else value for value in row] for row in it.cells]
    rows = [number - 0.5 for number in range(len(it.names) + 1)]
    shades = axis.pcolormesh(it.edges, rows, cells, cmap="cividis_r", vmin=0.0, vmax=100.0)
    every = -(-len(it.names) // 16)
    axis.set_yticks(range(0, len(it.names), every), it.names[::every])
    axis.invert_yaxis()
    axis.set_ylabel("core")
    figure.colorbar(shades, ax=axis, label=printable(it.unit))
    _time_axis(axis, (it.edges[0], it.edges[-1]))


def _curves(figure: Any, it: Curves) -> None:
    axis = figure.subplots()
    for number, curve in enumerate(it.curves):
        newest = number == len(it.curves) - 1
        age = 0.25 + 0.5 * number / len(it.curves)
        axis.plot(
            *zip(*curve.places, strict=True),
            color="#0072B2" if newest else "black",
            alpha=1.0 if newest else age,
            linewidth=2.0 if newest else 0.9,
            linestyle="-" if newest else _DASHES[number % len(_DASHES)],
            label=f"{curve.name}{' (newest)' if newest else ''}",
        )
    axis.set_ylim(it.ends)
    axis.set_xlim(left=0.0)
    axis.set_xlabel(printable(it.across))
    axis.set_title(printable(it.up), loc="left", fontsize=9)
    axis.grid(visible=True, color="#DDDDDD", linewidth=0.6)
    axis.legend(**_BESIDE)
