"""How the report's figures are drawn: one style, one meaning a mark, the same bytes for the same runs.

Every run is drawn, also those that no number counts: filled markers count, open ones do not (each caption says why).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from validate.measured import MissingResult, Results

__all__ = [
    "CHANCE",
    "MARKERS",
    "STYLE",
    "Picture",
    "Plot",
    "draw",
    "finished",
    "plain_log",
    "points",
    "shades",
    "sizes_axis",
]

STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.5,
    "legend.fontsize": 8,
    "legend.edgecolor": "none",
    "legend.framealpha": 0.9,
    "svg.hashsalt": "two-circuits",
    "svg.fonttype": "path",
}
MARKERS = ("o", "s", "^", "D", "v", "P")
CHANCE: dict[str, Any] = {"color": "0.45", "ls": ":", "lw": 1.0}


class Picture(NamedTuple):
    """A figure and what it shows: n, units, what marks mean."""

    figure: Figure
    caption: str


Plot = Callable[[Mapping[str, Any], Results], Picture]


def draw(plot: Plot, verdict: Mapping[str, Any], results: Results) -> tuple[bytes, str]:
    """The figure as SVG, the same bytes for the same runs, and its caption. Errors: MissingResult."""
    with matplotlib.rc_context(STYLE):
        figure, caption = plot(verdict, results)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue(), " ".join(caption.split())


def sizes_axis(axes: Axes, sizes: Sequence[int], label: str = "data set size (pairs)") -> None:
    """Logarithmic, with a tick at sizes that were trained, as many as can be read."""
    ticks: list[int] = []
    for size in sorted({int(s) for s in sizes}):
        if not ticks or np.log(size / ticks[-1]) > 0.11 * np.log(max(sizes) / min(sizes)):
            ticks.append(size)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(label)


def finished(results: Results, name: str) -> pd.DataFrame:
    """Rows of the finished runs of experiment `name`. Errors: MissingResult if there are none."""
    table = results.table(name)
    table = table[table.status == "finished"] if len(table) else table
    if table.empty or "logit" not in table:
        raise MissingResult(
            f"experiment {name!r} must have finished runs; it has none in {str(results.folder)!r}. "
            f"Train on: python -m validate run --profile {results.folder.name}"
        )
    return table[np.isfinite(table.logit)]


def plain_log(axis: Axis) -> None:
    """Whole numbers at the ticks of a logarithmic axis, not powers of ten."""
    axis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))


def points(axes: Axes, x: npt.ArrayLike, y: npt.ArrayLike, counts: npt.ArrayLike, marker: str, colour: Any) -> None:
    """Filled where `counts`, open elsewhere."""
    x, y, filled = np.asarray(x, float), np.asarray(y, float), np.asarray(counts, bool)
    axes.plot(x[filled], y[filled], marker, color=colour, mec=colour, alpha=0.85)
    axes.plot(x[~filled], y[~filled], marker, mfc="none", mec=colour)


def shades(colour: str, count: int) -> list[tuple[float, ...]]:
    """`count` colours from a light to the full `colour`."""
    rgb = np.array(matplotlib.colors.to_rgb(colour))
    return (
        [tuple(1 - share * (1 - rgb)) for share in np.linspace(0.4, 1.0, count)] if count > 1 else [tuple(rgb)] * count
    )
