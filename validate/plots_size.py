"""Figures against data set size: efficiencies (P1), what ungrokking leaves (P2, P3), ends from random weights (P4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toymodel.plot import COLOURS
from validate import efficiency
from validate.drawing import CHANCE, MARKERS, Picture, finished, plain_log, points, shades, sizes_axis
from validate.measured import DRIFT, THRESHOLDS, MissingResult, Results

__all__ = ["ends", "norms", "scratch"]

REMOVED = "#CC79A7"


def _counted(every: pd.DataFrame, counted: pd.DataFrame) -> npt.NDArray[np.bool_]:
    keys = ["dataset_size", "weight_decay", "seed", "norm"]
    there = set(counted[keys].itertuples(index=False, name=None))
    return np.array([key in there for key in every[keys].itertuples(index=False, name=None)], bool)


def _candidates(results: Results, circuit: str, coupled: bool) -> pd.DataFrame:
    """Nets that could have been counted: trained on random labels, or generalising at the end. Errors: MissingResult."""
    kinds = {"mem": ("memorising",), "gen": ("generalising",) if coupled else ("ungrokking", "scratch")}[circuit]
    tables, error = [], None
    for kind in kinds:
        try:
            tables.append(finished(results, f"base/{kind}{'_coupled' if coupled else ''}"))
        except MissingResult as found:
            error = found
    if error is not None and not tables:
        raise error
    table = pd.concat(tables, ignore_index=True)
    return table if circuit == "mem" else table[table.unseen >= THRESHOLDS.performance]


def _norm_panels(left: Axes, right: Axes, results: Results, coupled: bool) -> str:
    """One row of `norms`; how many nets it shows, in words."""
    used = {
        "gen": efficiency.gen_nets(results, coupled=coupled),
        "mem": efficiency.mem_nets(results, coupled=coupled),
    }
    counted = [table for table in used.values() if len(table)]
    logit = efficiency.common_logit(*counted) if counted else float("nan")
    title, said, all_sizes = "Adam, coupled penalty" if coupled else "AdamW", [], []
    for circuit, marker in (("gen", "o"), ("mem", "s")):
        every, name = _candidates(results, circuit, coupled), circuit.capitalize()
        sizes = sorted(set(every.dataset_size))
        for size, colour in zip(sizes, shades(COLOURS[circuit], len(sizes)), strict=True):
            one = every[every.dataset_size == size]
            points(left, one.logit, one.norm, _counted(one, used[circuit]), marker, colour)
        span = f"D = {min(sizes)} (pale) to {max(sizes)}" if sizes else "none"
        left.plot([], [], marker, color=COLOURS[circuit], label=f"{name}, {span}")
        for _, line in efficiency.norms_at(used[circuit], logit).groupby("seed"):
            right.plot(line.dataset_size, line.norm, f"{marker}-", color=COLOURS[circuit], alpha=0.8)
        right.plot([], [], f"{marker}-", color=COLOURS[circuit], label=name)
        all_sizes += sizes
        said.append(f"{len(used[circuit])} {name}-only nets counted, {len(every) - len(used[circuit])} not")
    left.axvline(logit, **CHANCE)
    left.set(xlabel="equivalent logit (nats)", ylabel="parameter norm", title=title, yscale="log")
    right.set(title=f"at a common logit of {logit:.3g} nats", yscale="log")
    left.legend(fontsize=7.5)
    right.legend()
    sizes_axis(right, all_sizes)
    for axes in (left, right):
        plain_log(axes.yaxis)
    return f"{title}: {', '.join(said)}"


def norms(verdict: Mapping[str, Any], results: Results) -> Picture:
    """P1: norm against logit for nets that have one circuit, and norm at a common logit against data set size."""
    kinds = [c for c in (False, True) if f"base/memorising{'_coupled' if c else ''}" in results] or [False]
    fig = Figure(figsize=(7.6, 3.0 * len(kinds)), layout="constrained")
    panels = fig.subplots(len(kinds), 2, squeeze=False)
    said = [_norm_panels(row[0], row[1], results, coupled) for row, coupled in zip(panels, kinds, strict=True)]
    return Picture(
        fig,
        f"""Nets that have one circuit, trained until they rest. Left: each marker is a net (one seed, one weight decay) at
        the end of its run. Filled: counted. Open: not counted, because its norm still drifted by more than {DRIFT:.0%}, it
        did not fit, or less than {efficiency.GEN_SHARE:.0%} of its logits' squared norm is trigonometric. Right: norm at
        the common logit (dotted on the left), interpolated or continued within a seed; a line is a seed, and only seeds
        with counted nets have one. The lower circuit is the more efficient one. {"; ".join(said)}.""",
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
        table = finished(results, f"base/{kind}")
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
    table = finished(results, "base/scratch")
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
