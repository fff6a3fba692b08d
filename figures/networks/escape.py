"""From scratch, nets leave the memorising state after a wait that grows as D falls, as over a barrier (beyond the paper).

Claim: between D_crit and the threshold from scratch the memorising state is metastable: whether and when a net leaves
it differs between seeds; the centre panel asks whether the generalising logit at first fit tells which do, the right one
how much of it is enough.
Source: P13 of validate; toymodel/README.md (8.3), which has no such barrier for κ < μ.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

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


class Series(NamedTuple):
    """Nets of one kind from scratch: their experiments, weight decay, protocol and mark."""

    names: tuple[str, ...]
    decay: float
    protocol: str
    mark: str

    @property
    def colour(self) -> str:
        """That of the protocol."""
        return PROTOCOLS[self.protocol]


SERIES = {
    "coupled": Series(("base/scratch_coupled", "fresh/scratch_coupled"), 1e-3, "coupled", "s"),
    "AdamW": Series(("base/scratch", "fresh/scratch", "long/scratch"), 1.0, "AdamW", "o"),
    "coupled, p = 113": Series(("p113/scratch_coupled",), 1e-3, "coupled", "P"),
}
LARGE = "coupled, p = 113"
MIXED = {1e-4: ("o", 0.45), 1e-3: ("D", 1.0)}
WARNING = "AUC of W_gen when the training set is first fitted, for generalising by the end, at equal D"

CAPTION = """
Addition mod {p}, α = 10⁻³ or λ = 1. Left: steps to accuracy one half; line: medians; carets: not yet. Centre: W_gen
when first fitted, AUC at equal D: {warning}. {mixed}{large}n = {n} nets.
"""


def _waits(axes: Axes, table: pd.DataFrame, series: Series) -> None:
    sizes, there = beside(table), table.t_half > 0
    axes.plot(sizes[there], table.t_half[there], series.mark, ms=3.4, mew=0, color=series.colour, alpha=0.7)
    axes.plot(sizes[~there], table.steps[~there], "^", ms=4, mfc="none", mec=series.colour, mew=0.7)
    # A median exists where at least half have left.
    medians = table.assign(t=table.t_half.fillna(np.inf)).groupby("dataset_size").t.median()
    medians = medians[np.isfinite(medians)]
    axes.plot(medians, "-", color=series.colour, lw=1.1, zorder=1)


def _at_fit(axes: Axes, table: pd.DataFrame, series: Series) -> None:
    sizes = beside(table)
    for gone, face in ((True, series.colour), (False, "w")):
        own = (table.test >= 0.5) == gone
        axes.plot(sizes[own], table.gen_at_fit[own], series.mark, ms=3.8, mfc=face, mec=series.colour, mew=0.7)


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
    found = {name: study.tables(*series.names) for name, series in SERIES.items()}
    tables = {name: t[t.weight_decay == SERIES[name].decay] for name, t in found.items() if len(t)}
    mixed = study.runs("fresh/mixed_coupled")
    fig, row = plt.subplots(1, 3 if mixed else 2, figsize=(7.0, 3.1))
    left, centre = row[:2]
    for name, table in tables.items():
        _waits(left, table, SERIES[name])
        _at_fit(centre, table, SERIES[name])
    critical = study.verdicts.number("P8a", "ln isologit D_crit").exp()
    sizes = sorted({size for table in tables.values() for size in table.dataset_size})
    ticks = [x for x in (250, 450, 800, 1400, 2500, 4000) if x <= max(sizes)]
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
    if LARGE in tables:
        large = tables[LARGE]
        grokked = study.tables("p113/ungrokking_coupled")
        lost = middle(thresholds(grokked[grokked.weight_decay.isin(large.weight_decay)]).values())[0]
        told = study.verdicts.number("P13", "AUC at equal D, p113")
        of_large = f"p = {large.p.iloc[0]}: AUC {told}; nets that have grokked keep it from {lost:.0f} pairs. "
    handles = [
        Line2D([], [], color=SERIES[name].colour, marker=SERIES[name].mark, ms=3.8, label=name) for name in tables
    ]
    handles += [
        Line2D([], [], ls="", marker=mark, ms=4, mfc=face, mec="k", label=label)
        for mark, face, label in (("o", "k", "generalises"), ("o", "w", "does not"), ("^", "w", "not left by the end"))
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
    fig.legend(handles=handles, loc="outside lower center", ncols=3)
    every = pd.concat(tables.values())
    return fig, {
        "n": len(every) + len(ends),
        "p": int(every.p.iloc[0]),
        "warning": "; ".join(
            f"{protocol} {study.verdicts.number('P13', WARNING, protocol)}"
            for protocol in tables
            if protocol in PROTOCOLS
        ),
        "large": of_large,
        "mixed": of_mixed,
    }
