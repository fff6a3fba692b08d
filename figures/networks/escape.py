"""From scratch, nets leave the memorising state after a wait that grows as D falls, as over a barrier (beyond the paper).

Claim: between D_crit and the threshold from scratch the memorising state is metastable: whether and when a net leaves
it differs between seeds; the centre panel asks whether the generalising logit at first fit tells which do, the right one
how much of it is enough.
Source: P13 of validate; toymodel/README.md (8.3), which has no such barrier for κ < μ.
"""

from collections.abc import Iterable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ..lines import beside, middle, number_axis, power, thresholds
from ..palette import CRITICAL, GREY, PROTOCOLS
from ..study import Run, Study

DATA = ("verdicts.json", "base/scratch.nc")
ALSO = (
    "base/scratch_coupled.nc",
    "fresh/scratch_coupled.nc",
    "fresh/scratch.nc",
    "fresh/mixed_coupled.nc",
    "long/scratch.nc",
    "p113/scratch_coupled.nc",
    "p113/ungrokking_coupled.nc",
)
KINDS = {
    "coupled": ("base/scratch_coupled", "fresh/scratch_coupled"),
    "AdamW": ("base/scratch", "fresh/scratch", "long/scratch"),
}
LARGE = "p113/scratch_coupled"
DECAY = {"coupled": 1e-3, "AdamW": 1.0}
MARKS = {"coupled": "s", "AdamW": "o"}
MIXED = {1e-4: ("o", 0.45), 1e-3: ("D", 1.0)}
WARNING = "AUC of W_gen when the training set is first fitted, for generalising by the end, at equal D"

CAPTION = """
Addition mod {p}, α = 10⁻³ or λ = 1. Left: steps to accuracy one half; line: medians; carets: not yet. Centre: W_gen
when first fitted, AUC at equal D: {warning}. {mixed}{large}n = {n} nets.
"""


def _waits(axes: Axes, table: pd.DataFrame, protocol: str) -> None:
    colour, sizes = PROTOCOLS[protocol], beside(table)
    there = table.t_half > 0
    axes.plot(sizes[there], table.t_half[there], MARKS[protocol], ms=3, mew=0, color=colour, alpha=0.7)
    axes.plot(sizes[~there], table.steps[~there], "^", ms=4, mfc="none", mec=colour, mew=0.7)
    # A median exists where at least half have left.
    medians = table.assign(t=table.t_half.fillna(np.inf)).groupby("dataset_size").t.median()
    medians = medians[np.isfinite(medians)]
    axes.plot(medians, "-", color=colour, lw=1.1, zorder=1)


def _at_fit(axes: Axes, table: pd.DataFrame, protocol: str) -> None:
    sizes = beside(table)
    for gone, face in ((True, PROTOCOLS[protocol]), (False, "w")):
        own = (table.test >= 0.5) == gone
        axes.plot(
            sizes[own], table.gen_at_fit[own], MARKS[protocol], ms=3.4, mfc=face, mec=PROTOCOLS[protocol], mew=0.7
        )


def _mixtures(axes: Axes, runs: Iterable[Run]) -> list[float]:
    """Accuracy at the end against W_gen of nets that had learned a part of Gen when they were given few pairs: the ends."""
    ends = []
    for run in runs:
        first, (step, gen, _) = run.config["phases"][0], run.circuits()
        ends.append(run.tenth(run.test))
        mark, opacity = MIXED[run.config["weight_decay"]]
        start = np.interp(first["steps"], step, gen)
        axes.plot(start, ends[-1], mark, ms=3.6, mew=0, color=PROTOCOLS["coupled"], alpha=opacity, clip_on=False)
    return ends


def _signed(axis: Axis, threshold: float, ticks: Sequence[float]) -> None:
    """Logarithmic beyond the threshold on either side of 0, with plain numbers."""
    getattr(axis.axes, f"set_{axis.axis_name}scale")("symlog", linthresh=threshold)
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}".replace("-", "−")))
    axis.set_minor_locator(NullLocator())


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """Waiting times, the early warning, and the ends of nets that had a part of Gen first where there are runs of it."""
    found = {protocol: study.tables(*names) for protocol, names in KINDS.items()}
    tables = {p: t[t.weight_decay == DECAY[p]] for p, t in found.items() if len(t)}
    large, mixed = study.tables(LARGE), study.runs("fresh/mixed_coupled")
    fig, row = plt.subplots(1, 3 if mixed else 2, figsize=(7.0, 3.1))
    left, centre = row[:2]
    for protocol, table in tables.items():
        _waits(left, table, protocol)
        _at_fit(centre, table, protocol)
    critical = study.verdicts.number("P8a", "ln isologit D_crit").exp()
    sizes = sorted({size for table in tables.values() for size in table.dataset_size})
    ticks = [x for x in (250, 330, 450, 620, 900, 1250) if x <= max(sizes)]
    for axes in (left, centre):
        number_axis(axes.xaxis, ticks)
        axes.set(xlabel="data set size D (pairs)", xlim=(0.92 * min(critical.value, sizes[0]), 1.08 * sizes[-1]))
        axes.axvline(critical.value, color=GREY, lw=0.8, ls="--", zorder=0)
    left.text(1.02 * critical.value, 0.02, CRITICAL, transform=left.get_xaxis_transform(), fontsize=7)
    left.set(yscale="log", ylabel="steps until accuracy is 1/2")
    centre.axhline(0.0, color=GREY, lw=0.8, ls=":", zorder=0)
    _signed(centre.yaxis, 4.0, (-3, 0, 3, 10, 30))
    centre.set(ylabel=r"$W_\mathrm{gen}$ when first fitted (nats)")
    ends, of_mixed, of_large = [], "", ""
    if mixed:
        ends = _mixtures(row[2], mixed)
        size = mixed[0].config["phases"][1]["dataset_size"]
        _signed(row[2].xaxis, 1.0, (-1, 0, 1, 3, 10, 30))
        row[2].axhline(0.5, color=GREY, lw=0.8, ls=":", zorder=0)
        row[2].set(xlabel=r"$W_\mathrm{gen}$ at the start (nats)", ylabel="accuracy at the end", ylim=(0, 1.02))
        row[2].set_title(f"a part of Gen first, D = {size}", fontsize=7)
        of_mixed = f"Right: {sum(end >= 0.5 for end in ends)} of {len(ends)} generalise. "
    if len(large):
        grokked = study.tables("p113/ungrokking_coupled")
        lost = middle(thresholds(grokked[grokked.weight_decay.isin(large.weight_decay)]).values())[0]
        sizes = f"{large.dataset_size.min()} to {large.dataset_size.max()}"
        of_large = (
            f"p = {large.p.iloc[0]}: {int((large.test >= 0.5).sum())} of {len(large)} on {sizes} pairs; grokked nets keep "
            f"it from {lost:.0f}. "
        )
    handles = [Line2D([], [], color=PROTOCOLS[p], marker=MARKS[p], ms=3.4, label=p) for p in tables]
    handles += [
        Line2D([], [], ls="", marker=mark, ms=4, mfc=face, mec="k", label=label)
        for mark, face, label in (("^", "w", "not left by the end"), ("o", "k", "generalises"), ("o", "w", "does not"))
    ]
    if mixed:
        handles += [
            Line2D(
                [],
                [],
                ls="",
                marker=mark,
                ms=4,
                mew=0,
                color=PROTOCOLS["coupled"],
                alpha=a,
                label=f"α = {power(alpha)}",
            )
            for alpha, (mark, a) in MIXED.items()
        ]
    fig.legend(handles=handles, loc="outside lower center", ncols=4)
    every = pd.concat(tables.values())
    return fig, {
        "n": len(every) + len(large) + len(ends),
        "p": int(every.p.iloc[0]),
        "warning": "; ".join(f"{protocol} {study.verdicts.number('P13', WARNING, protocol)}" for protocol in tables),
        "large": of_large,
        "mixed": of_mixed,
    }
