"""Figures about time: how long grokking and ungrokking take, and where their thresholds are after T, 3T and 10T steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from toymodel.plot import COLOURS
from validate.drawing import MARKERS, Picture, finished, plain_log, shades
from validate.measured import MissingResult, Results, Run

__all__ = ["PARTS", "gap", "grokking_times", "threshold", "ungrokking_times"]

PARTS = (0.1, 0.3, 1.0)
"""T, 3T and 10T as shares of a run"""
HALF = 0.5
# Where a net started has colours of its own: neither circuit nor data set.
SCRATCH, UNGROKKING = "#B87A00", "#56B4E9"


def _times(table: pd.DataFrame, column: str, colour: str, label: str) -> tuple[Figure, dict[str, int]]:
    """Times against weight decay for each size at which any run has one; counts for the caption."""
    some = table.groupby("dataset_size")[column].transform(lambda t: np.isfinite(t).any())
    left_out = int((~some).sum())
    table = table[some & (table.weight_decay > 0)]
    fig = Figure(figsize=(6.4, 3.5), layout="constrained")
    axes = fig.subplots()
    sizes = sorted(set(table.dataset_size))
    for k, (size, shade) in enumerate(zip(sizes, shades(colour, len(sizes)), strict=True)):
        one = table[table.dataset_size == size]
        shift = 1 + 0.03 * (k - (len(sizes) - 1) / 2)
        there = np.isfinite(one[column])
        marker = MARKERS[k % len(MARKERS)]
        axes.plot(one.weight_decay[there] * shift, one[column][there], marker, color=shade, alpha=0.85)
        axes.plot(one.weight_decay[~there] * shift, one.steps[~there], marker="$↑$", ls="", color=shade, ms=8)
        # The median of what a run's end cuts off is known while fewer than half are cut off.
        middle = one[column].fillna(np.inf).groupby(one.weight_decay).median()
        middle = middle[np.isfinite(middle)]
        axes.plot(middle.index * shift, middle, color=shade)
        axes.plot([], [], marker=marker, color=shade, label=f"{size} pairs")
    decays = sorted(set(table.weight_decay))
    axes.set(xscale="log", yscale="log", xlabel="weight decay", ylabel=label)
    plain_log(axes.yaxis)
    axes.xaxis.set_major_locator(FixedLocator(decays))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    known = table[column][table[column] > 0]  # what is there from the start has no time
    if len(decays) > 1 and len(known):
        x = np.array([decays[0], decays[-1]])
        level = float(np.exp(np.log(known).mean()))
        axes.plot(x, level * np.sqrt(x[0] * x[1]) / x, color="0.5", ls="--", label="∝ 1/weight decay")
    if sizes:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return fig, {"n": len(table), "late": int(table[column].isna().sum()), "left_out": left_out}


_TIMES = """Each marker is a run (one seed), n = {n} runs; weight decay is AdamW's, the learning rate the same for all. An
arrow stands at the end of a run in which it had not happened: {late} runs, whose times are longer than that. Lines are
medians over seeds, where the median run got there. Sizes are set apart sideways; those at which no run got there are left
out ({left_out} runs). Dashed: the slope −1, for the eye; it is not fitted."""


def grokking_times(verdict: Mapping[str, Any], results: Results) -> Picture:
    """P5: steps to generalisation from scratch against weight decay."""
    table = finished(results, "base/scratch")
    fig, counts = _times(table, "t_gen", COLOURS["test"], "steps to accuracy 0.9 for good")
    return Picture(
        fig,
        "From random weights: steps until accuracy on never-seen pairs is at least 0.9 for good. "
        + _TIMES.format(**counts),
    )


def ungrokking_times(verdict: Mapping[str, Any], results: Results) -> Picture:
    """P6: steps until a net that had grokked has lost half of it, against weight decay."""
    table = finished(results, "base/ungrokking")
    fig, counts = _times(table, "t_lost", COLOURS["test"], "steps to accuracy 0.5 for good")
    return Picture(
        fig,
        "Nets that had grokked, with fewer pairs: steps until accuracy on never-seen pairs is at most 0.5 for good. "
        + _TIMES.format(**counts),
    )


def threshold(sizes: Sequence[float], accuracy: Sequence[float]) -> float:
    """Data set size at which accuracy crosses 1/2, linear in ln D, at the largest size below it; ±inf beyond the sizes."""
    order = np.argsort(sizes)
    x, y = np.log(np.asarray(sizes, float)[order]), np.asarray(accuracy, float)[order]
    below = np.flatnonzero(y < HALF)
    if not below.size:
        return -np.inf
    k = int(below[-1])
    if k == len(y) - 1:
        return np.inf
    return float(np.exp(x[k] + (HALF - y[k]) / (y[k + 1] - y[k]) * (x[k + 1] - x[k])))


def _thresholds(runs: Sequence[Run], part: float) -> list[float]:
    """One threshold for each seed, of the runs as they were at that part of their steps."""
    found = []
    for seed in sorted({r.config["seed"] for r in runs}):
        own = [r for r in runs if r.config["seed"] == seed]
        cut = [r.until(part * r.step[-1]) for r in own]
        if len({r.config["dataset_size"] for r in own}) > 1:
            found.append(threshold([r.config["dataset_size"] for r in own], [c.tail(c.unseen).mean() for c in cut]))
    return found


def gap(verdict: Mapping[str, Any], results: Results) -> Picture:
    """P7: the two thresholds as training goes on."""
    fig = Figure(figsize=(6.4, 3.5), layout="constrained")
    axes = fig.subplots()
    said = []
    for kind, colour, marker, title in (
        ("scratch", SCRATCH, "o", "from scratch"),
        ("ungrokking", UNGROKKING, "s", "ungrokking"),
    ):
        done = [r for r in results.runs(f"base/{kind}") if r.status == "finished" and len(r.step) > 2]
        runs = [r for r in done if r.config["weight_decay"] == 1.0]
        if len({r.config["dataset_size"] for r in runs}) < 2:
            raise MissingResult(
                f"a threshold needs finished runs of two sizes or more at weight decay 1; base/{kind} has {len(runs)} such "
                f"runs. Train on: python -m validate run --profile {results.folder.name}"
            )
        sizes = [r.config["dataset_size"] for r in runs]
        steps = np.array([part * runs[0].step[-1] for part in PARTS])
        each = np.array([_thresholds(runs, part) for part in PARTS])
        for column in each.T:
            inside = np.isfinite(column)
            axes.plot(steps[inside], column[inside], marker, color=colour, alpha=0.7)
            for sign, edge, arrow in ((np.inf, max(sizes), "$↑$"), (-np.inf, min(sizes), "$↓$")):
                out = column == sign
                axes.plot(steps[out], np.full(out.sum(), edge), marker=arrow, ls="", color=colour, ms=9)
        axes.plot(steps, np.median(each, axis=1), color=colour, label=title)
        said.append(
            f"{title.capitalize()}: n = {len(runs)} runs, {each.shape[1]} seeds, sizes {min(sizes)} to {max(sizes)}"
        )
    axes.set(xscale="log", yscale="log", xlabel="optimizer steps", ylabel="data set size of accuracy 0.5 (pairs)")
    plain_log(axes.xaxis)
    plain_log(axes.yaxis)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return Picture(
        fig,
        f"""Size at which accuracy on never-seen pairs crosses 0.5, after T, 3T and 10T steps, weight decay 1. Each marker is
        a seed, interpolated linearly in ln D between the sizes trained; lines are medians over seeds. An arrow stands at the
        largest (or smallest) size where the crossing lies beyond it. {"; ".join(said)}.""",
    )
