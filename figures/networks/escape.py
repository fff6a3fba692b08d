"""From scratch, nets leave the memorising state after a wait that grows as D falls, as over a barrier (beyond the paper).

Claim: between D_crit and the threshold from scratch the memorising state is metastable: whether and when a net leaves
it differs between seeds, and the generalising logit when the training set is first fitted tells which do.
Source: P13 of validate; toymodel/README.md (8.3), which has no such barrier for κ < μ.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..palette import CRITICAL, GREY, PROTOCOLS
from ..study import Study
from .lines import number_axis

DATA = ("verdicts.json", "base/scratch.nc")
ALSO = ("base/scratch_coupled.nc", "fresh/scratch_coupled.nc", "fresh/scratch.nc", "long/scratch.nc")
KINDS = {
    "coupled": ("base/scratch_coupled", "fresh/scratch_coupled"),
    "AdamW": ("base/scratch", "fresh/scratch", "long/scratch"),
}
DECAY = {"coupled": 1e-4, "AdamW": 1.0}
MARKS = {"coupled": "s", "AdamW": "o"}
WARNING = "AUC of W_gen when the training set is first fitted, for generalising by the end, at equal D"

CAPTION = """
Addition mod {p} from scratch, α = 10⁻⁴ or λ = 1. Left: steps until accuracy outside the training set is one half,
line through medians; carets: not yet when training ended. Right: right logit outside the training set when training
accuracy first reached 0.99; filled: generalises by the end. Area under the curve, nets of equal D: {warning}. n = {n}
nets.
"""


def _waits(axes: Axes, table: pd.DataFrame, protocol: str) -> None:
    colour, shift = PROTOCOLS[protocol], 1.0 + 0.006 * (table.seed - table.seed.median())
    there = table.t_half > 0
    axes.plot(
        (table.dataset_size * shift)[there], table.t_half[there], MARKS[protocol], ms=3, mew=0, color=colour, alpha=0.7
    )
    axes.plot((table.dataset_size * shift)[~there], table.steps[~there], "^", ms=4, mfc="none", mec=colour, mew=0.7)
    # A median exists where at least half have left.
    medians = table.assign(t=table.t_half.fillna(np.inf)).groupby("dataset_size").t.median()
    medians = medians[np.isfinite(medians)]
    axes.plot(medians, "-", color=colour, lw=1.1, zorder=1)


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """Waiting times, and the early warning."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(7.0, 2.8))
    tables = {}
    for protocol, names in KINDS.items():
        table = study.tables(*names)
        if not len(table):
            continue
        table = table[table.weight_decay == DECAY[protocol]]
        tables[protocol] = table
        _waits(left, table, protocol)
        shift = table.dataset_size * (1.0 + 0.006 * (table.seed - table.seed.median()))
        for gone, face in ((True, PROTOCOLS[protocol]), (False, "w")):
            own = (table.test >= 0.5) == gone
            right.plot(
                shift[own], table.gen_at_fit[own], MARKS[protocol], ms=3.4, mfc=face, mec=PROTOCOLS[protocol], mew=0.7
            )
    found = study.verdicts.number("P8a", "ln isologit D_crit").exp()
    sizes = sorted({size for table in tables.values() for size in table.dataset_size})
    for axes in (left, right):
        number_axis(axes.xaxis, [*(x for x in (250, 330, 450, 560, 700, 900, 1250) if x <= max(sizes))])
        axes.set(xlabel="data set size D (pairs)", xlim=(0.92 * min(found.value, sizes[0]), 1.08 * sizes[-1]))
        axes.axvline(found.value, color=GREY, lw=0.8, ls="--", zorder=0)
    left.text(1.02 * found.value, 0.02, CRITICAL, transform=left.get_xaxis_transform(), fontsize=7)
    left.set(yscale="log", ylabel="steps until accuracy is 1/2")
    right.axhline(0.0, color=GREY, lw=0.8, ls=":", zorder=0)
    right.set(ylabel=r"$W_\mathrm{gen}$ when first fitted (nats)")
    handles = [Line2D([], [], color=PROTOCOLS[p], marker=MARKS[p], ms=3.4, label=p) for p in tables]
    handles.append(Line2D([], [], color="k", marker="^", ms=4, mfc="none", ls="", label="not left by the end"))
    left.legend(handles=handles, loc="upper right")
    right.legend(
        handles=[
            Line2D([], [], ls="", marker="o", ms=3.4, mfc=face, mec="k", label=label)
            for face, label in (("k", "generalises"), ("w", "does not"))
        ],
        loc="upper left",
    )
    words = [f"{protocol} {study.verdicts.number('P13', WARNING, protocol)}" for protocol in tables]
    every = pd.concat(tables.values())
    return fig, {"n": len(every), "p": int(every.p.iloc[0]), "warning": "; ".join(words)}
