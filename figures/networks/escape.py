"""Memorising networks generalise after a wait that grows as D falls and differs by seed (beyond the paper).

Claim: between D_crit and the threshold from scratch the memorising state is metastable: whether and when a network leaves
it differs between seeds; the centre panel asks whether the generalising logit at first fit tells which do, the right one
how much of it is enough.
Source: P13 of validate; toymodel/README.md (4.3).
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

from validate.quantities import gen_at

from ..lines import beside, number_axis, power
from ..palette import CRITICAL, GREY, PROTOCOLS
from ..study import Run, Study

DATA = ("verdicts.json", "base/scratch.nc")
ALSO = ("base/*_coupled.nc", "fresh/scratch*.nc", "fresh/mixed_coupled.nc", "long/scratch.nc", "p113/*_coupled.nc")
# Networks of one kind from scratch: their experiments, weight decay, protocol and mark.
LARGE = "coupled, p = 113"
SERIES = {
    "coupled": (("base/scratch_coupled", "fresh/scratch_coupled"), 1e-3, "coupled", "s"),
    "AdamW": (("base/scratch", "fresh/scratch", "long/scratch"), 1.0, "AdamW", "o"),
    LARGE: (("p113/scratch_coupled",), 1e-3, "coupled", "P"),
}
MIXED = {1e-4: ("o", 0.45), 1e-3: ("D", 1.0)}
WARNING = "AUC for predicting from W_gen at first fit, at fixed D, whether a network generalises"

CAPTION = """
Addition mod {p}, α = 10⁻³ or λ = 1. Left: steps to accuracy one half; line: medians; carets: not within {steps} steps.
Dashed: D_crit. Centre: W_gen when first fitted; its AUC at equal D: {warning}. W_gen: linear near
0. {mixed}n = {n} networks.
"""


def _series(left: Axes, centre: Axes, table: pd.DataFrame, colour: str, mark: str) -> None:
    """Waiting times with their medians, and W_gen at the first fit."""
    sizes, gone = beside(table), table.t_half > 0
    left.plot(sizes[gone], table.t_half[gone], mark, ms=3.2, mew=0, color=colour, alpha=0.5)
    left.plot(sizes[~gone], table.steps[~gone], "^", ms=4, mfc="none", mec=colour, mew=0.7)
    # A median exists where at least half have left.
    medians = table.assign(t=table.t_half.fillna(np.inf)).groupby("dataset_size").t.median()
    left.plot(medians[np.isfinite(medians)], "-", color=colour, lw=1.1, zorder=1)
    for end, face in ((True, colour), (False, "w")):
        own = (table.test >= 0.5) == end
        centre.plot(sizes[own], table.gen_at_fit[own], mark, ms=3.6, mfc=face, mec=colour, mew=0.7)


def _mixtures(axes: Axes, runs: Iterable[Run]) -> list[float]:
    """Accuracy at the end against W_gen of networks that had learned a part of Gen before they were given few pairs."""
    ends = []
    for run in runs:
        ends.append(run.tenth(run.test))
        mark, opacity = MIXED[run.config["weight_decay"]]
        start = gen_at(run, run.config["phases"][0]["steps"])
        axes.plot(start, ends[-1], mark, ms=3.6, mew=0, color=PROTOCOLS["coupled"], alpha=opacity, clip_on=False)
    return ends


def _signed(axis: Axis, threshold: float, ticks: Sequence[float]) -> None:
    """Logarithmic beyond the threshold on either side of 0, with plain numbers."""
    getattr(axis.axes, f"set_{axis.axis_name}scale")("symlog", linthresh=threshold)
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}".replace("-", "−")))
    axis.set_minor_locator(NullLocator())


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """Waiting times, the early warning, and the ends of networks that had a part of Gen first where there are runs of it."""
    tables = {
        name: t[t.weight_decay == decay]
        for name, (names, decay, *_) in SERIES.items()
        if len(t := study.tables(*names))
    }
    every, mixed = pd.concat(tables.values()), study.runs("fresh/mixed_coupled")
    fig, row = plt.subplots(1, 3 if mixed else 2, figsize=(7.0, 3.1))
    left, centre = row[:2]
    for name, table in tables.items():
        _, _, protocol, mark = SERIES[name]
        _series(left, centre, table, PROTOCOLS[protocol], mark)
    meets = {setting: study.meet(setting) for setting in ("base", "p113")[: 1 + (LARGE in tables)]}
    for axes in (left, centre):
        number_axis(axes.xaxis, [x for x in (250, 450, 800, 1400, 2500, 4000) if x <= every.dataset_size.max()])
        axes.set(xlabel="data set size D (pairs)", xlim=(230, 1.12 * every.dataset_size.max()))
        for meet in meets.values():
            axes.axvline(meet.value, color=GREY, lw=0.8, ls="--", zorder=0)
    for setting, meet in meets.items():
        label = CRITICAL if setting == "base" else f"{CRITICAL}, 113"
        left.text(meet.value, 1.0, label, transform=left.get_xaxis_transform(), fontsize=6.5, va="bottom", ha="center")
    left.set(yscale="log", ylabel="steps until accuracy is 1/2")
    centre.axhline(0.0, color=GREY, lw=0.8, ls=":", zorder=0)
    _signed(centre.yaxis, 4.0, (-3, 0, 3, 10, 30, 100))
    centre.set(ylabel=r"$W_\mathrm{gen}$ when first fitted (nats)", ylim=(-6, 1.5 * every.gen_at_fit.max()))
    ends, of_mixed = [], ""
    looks = [(mark, PROTOCOLS[protocol], 1.0, name) for name, (*_, protocol, mark) in SERIES.items() if name in tables]
    if mixed:
        ends = _mixtures(row[2], mixed)
        size = mixed[0].config["phases"][1]["dataset_size"]
        _signed(row[2].xaxis, 1.0, (-1, 0, 1, 3, 10, 30))
        row[2].axhline(0.5, color=GREY, lw=0.8, ls=":", zorder=0)
        row[2].set(xlabel=r"$W_\mathrm{gen}$ at the start (nats)", ylabel="accuracy at the end", ylim=(0, 1.02))
        row[2].set_title(f"a part of Gen first, D = {size}", fontsize=7)
        of_mixed = f"Right: {sum(end >= 0.5 for end in ends)} of {len(ends)} generalise. "
        looks += [(mark, PROTOCOLS["coupled"], a, f"α = {power(alpha)}") for alpha, (mark, a) in MIXED.items()]
    handles = [
        Line2D([], [], ls="", marker=mark, ms=4, mew=0, color=c, alpha=a, label=label) for mark, c, a, label in looks
    ]
    handles += [Line2D([], [], ls="", marker=mark, ms=4, mfc=face, mec="k", label=label) for mark, face, label in
                (("o", "k", "generalises"), ("o", "w", "does not"), ("^", "w", "not left by the end"))]  # fmt: skip
    fig.legend(handles=handles, loc="outside lower center", ncols=4)
    warned = [f"{name} {study.verdicts.number('P13', WARNING, name)}" for name in tables if name in PROTOCOLS]
    if LARGE in tables:
        warned.append(f"p = 113 {study.verdicts.number('P13', 'AUC at equal D, p113')}")
    steps = sorted(set(every.steps[~(every.t_half > 0)]))
    return fig, {
        "n": len(every) + len(ends),
        "p": int(every.p.iloc[0]),
        "steps": f"{steps[0]} to {steps[-1]}" if steps else "any",
        "warning": "; ".join(warned),
        "mixed": of_mixed,
    }
