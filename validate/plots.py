"""What the runs look like behind each prediction: figures for the report, drawn from the tables of `Results`.

`PLOTS` names a function for each prediction that has a figure; it gets the prediction's plain verdict (`verdicts.data`)
and the results, and returns a Picture. Predictions may share a function: the report then draws it once. A function raises
MissingResult where the runs it shows are not there.

Every run is drawn, also those that no number counts: filled markers count, open ones do not (the caption says why).
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

from toymodel.plot import COLOURS
from validate import efficiency
from validate.measured import DRIFT, THRESHOLDS, Results

__all__ = [
    "CHANCE",
    "MARKERS",
    "PLOTS",
    "STYLE",
    "Picture",
    "Plot",
    "draw",
    "ends",
    "plain_log",
    "points",
    "scratch",
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
REMOVED = "#CC79A7"
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
    return [tuple(1 - share * (1 - rgb)) for share in np.linspace(0.4, 1.0, count)] if count > 1 else [tuple(rgb)]


def _nets(results: Results, name: str) -> pd.DataFrame:
    table = results.table(name)
    return table[(table.status == "finished") & np.isfinite(table.logit)]


def _counted(every: pd.DataFrame, counted: pd.DataFrame) -> npt.NDArray[np.bool_]:
    keys = ["dataset_size", "weight_decay", "seed"]
    there = set(counted[keys].itertuples(index=False, name=None))
    return np.array([key in there for key in every[keys].itertuples(index=False, name=None)], bool)


def norms(verdict: Mapping[str, Any], results: Results) -> Picture:
    """P1: norm against logit for nets that have one circuit, and norm at a common logit against data set size."""
    gen, mem = efficiency.gen_nets(results, coupled=True), efficiency.mem_nets(results, coupled=True)
    fig = Figure(figsize=(7.6, 3.5), layout="constrained")
    left, right = fig.subplots(1, 2)
    tables = [t for t in (gen, mem) if len(t)]
    logit = efficiency.common_logit(*tables) if tables else float("nan")
    n, all_sizes, dropped = {}, [], 0
    for kind, used, name in (("gen", gen, "generalising_coupled"), ("mem", mem, "memorising_coupled")):
        every = _nets(results, f"base/{name}")
        sizes = sorted(set(every.dataset_size))
        all_sizes += sizes
        for size, colour, marker in zip(sizes, shades(COLOURS[kind], len(sizes)), MARKERS, strict=False):
            one = every[every.dataset_size == size]
            points(left, one.logit, one.norm, _counted(one, used), marker, colour)
            label = f"{kind.capitalize()}, D = {size}"
            left.plot([], [], marker, color=colour, label=label)
            for _, line in one.groupby("seed"):
                left.plot(line.logit, line.norm, color=colour, lw=0.6)
        at = efficiency.norms_at(used, logit)
        for _, line in at.groupby("seed"):
            right.plot(line.dataset_size, line.norm, "o-", color=COLOURS[kind], alpha=0.8)
        right.plot([], [], "o-", color=COLOURS[kind], label=kind.capitalize())
        n[kind], dropped = len(used), dropped + len(every) - len(used)
    left.axvline(logit, **CHANCE)
    left.set(xlabel="equivalent logit (nats)", ylabel="parameter norm", title="at rest, coupled weight decay")
    left.set(yscale="log")
    right.set(ylabel="parameter norm", title=f"at a common logit of {logit:.3g} nats", yscale="log")
    for axis in (left.yaxis, right.yaxis):
        plain_log(axis)
    sizes_axis(right, all_sizes)
    left.legend(fontsize=7, loc="best")
    right.legend()
    return Picture(
        fig,
        f"""Nets that have one circuit, trained to rest with Adam and a coupled penalty. Left: each marker is a net (one
        seed, one weight decay), a line a seed. Filled: counted, n = {n["gen"]} Gen-only and {n["mem"]} Mem-only nets.
        Open: not counted, {dropped} nets whose norm still drifted by more than {DRIFT:.0%}, that did not fit, or whose logits are not at least
        {efficiency.GEN_SHARE:.0%} trigonometric. Right: norm at the common logit (dotted on the left), interpolated within
        a seed; a line is a seed, and only seeds with counted nets have one. The more efficient circuit is the lower one.""",
    )


def _sorted_decays(table: pd.DataFrame) -> list[tuple[float, str]]:
    return list(zip(sorted(set(table.weight_decay)), MARKERS, strict=False))


def ends(verdict: Mapping[str, Any], results: Results) -> Picture:
    """P2 and P3: final accuracy on never-seen and removed pairs of nets that had grokked and went on with fewer."""
    kinds = [k for k in ("ungrokking", "ungrokking_coupled") if f"base/{k}" in results] or ["ungrokking"]
    fig = Figure(figsize=(7.6, 2.9 * len(kinds)), layout="constrained")
    panels = fig.subplots(len(kinds), 2, sharey=True, squeeze=False)
    counts = []
    for row, kind in zip(panels, kinds, strict=True):
        table = _nets(results, f"base/{kind}")
        title = "AdamW" if kind == "ungrokking" else "Adam, coupled penalty"
        decays = _sorted_decays(table)
        moving = int((~table.settled.astype(bool)).sum())
        counts.append(f"{title}: n = {len(table)} runs, {table.seed.nunique()} seeds, {moving} still moving")
        for axes, column, colour, what in zip(
            row, ("unseen", "removed"), (COLOURS["test"], REMOVED), ("never seen", "removed"), strict=True
        ):
            for (decay, marker), shade in zip(decays, shades(colour, len(decays)), strict=True):
                one = table[table.weight_decay == decay]
                shift = 1 + 0.03 * ([d for d, _ in decays].index(decay) - (len(decays) - 1) / 2)
                points(axes, one.dataset_size * shift, one[column], one.settled, marker, shade)
                middle = one.groupby("dataset_size")[column].median()
                axes.plot(middle.index * shift, middle, color=shade)
                axes.plot([], [], marker=marker, color=shade, label=f"weight decay {decay:g}")
            axes.plot([], [], ls="", marker="o", mfc="none", mec="0.3", label="still moving")
            axes.axhline(1 / table.p.iloc[0], **CHANCE)
            axes.set(ylim=(-0.03, 1.05), title=f"{title}: pairs {what}")
            sizes_axis(axes, table.dataset_size, "data set size D′ (pairs)")
            axes.legend(loc="lower right")
        row[0].set_ylabel("accuracy at the end")
    return Picture(
        fig,
        f"""Nets that had grokked, trained on with D′ pairs. Each marker is a run (one seed), its accuracy the mean over the
        last tenth of the run; lines are medians over seeds; weight decays are set apart sideways. Left: pairs never trained
        on; right: pairs removed from training. Open: still moving, accuracy on never-seen pairs changed by more than
        {THRESHOLDS.level:g} in the second half of the run. Dotted: chance. {"; ".join(counts)}.""",
    )


def scratch(verdict: Mapping[str, Any], results: Results) -> Picture:
    """P4: final accuracy from random weights against data set size."""
    table = _nets(results, "base/scratch")
    fig = Figure(figsize=(6.4, 3.5), layout="constrained")
    axes = fig.subplots()
    chance = 1 / table.p.iloc[0]
    low, high = chance + THRESHOLDS.chance_margin, THRESHOLDS.performance
    axes.axhspan(low, high, color="0.93", lw=0)
    decays = _sorted_decays(table)
    for k, ((decay, marker), shade) in enumerate(zip(decays, shades(COLOURS["test"], len(decays)), strict=True)):
        one = table[table.weight_decay == decay]
        # Beside one another: seeds often end at the same accuracy.
        shift = 1 + 0.012 * (k - (len(decays) - 1) / 2) + 0.003 * (one.seed - one.seed.mean())
        points(axes, one.dataset_size * shift, one.unseen, one.settled, marker, shade)
        axes.plot([], [], marker, color=shade, label=f"weight decay {decay:g}")
    axes.axhline(chance, **CHANCE)
    axes.set(ylim=(-0.03, 1.05), ylabel="accuracy on never-seen pairs at the end")
    sizes_axis(axes, table.dataset_size)
    axes.plot([], [], ls="", marker="o", mfc="none", mec="0.3", label="still moving")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    settled = table.settled.astype(bool)
    between = int((settled & (table.unseen > low) & (table.unseen < high)).sum())
    return Picture(
        fig,
        f"""Nets trained from random weights, n = {len(table)} runs, {table.seed.nunique()} seeds; each marker is a run, its
        accuracy the mean over the last tenth. Open: {int((~settled).sum())} runs still moving (by more than
        {THRESHOLDS.level:g} in the second half), which say nothing about where they end. Grey: between chance and {high:g},
        where a level end is semi-grokking; {between} runs end level in it. Dotted: chance. Runs of one size are set apart
        sideways.""",
    )


PLOTS: dict[str, Plot] = {"P1a": norms, "P1b": norms, "P2": ends, "P3": ends, "P4": scratch}
"""The figure of each prediction that has one; `plots_time` adds those that are about time"""
