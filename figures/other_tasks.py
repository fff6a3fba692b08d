"""Ungrokking on other tasks: subtraction, division, polynomials, and composition in S5.

Claim: networks ungrok below a critical size on every task that they had grokked, not on modular addition alone.
Source: Varma et al. 2023, figure 8 (tasks of Power et al. 2022); experiments.md 1; validate's study of other tasks.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .ends import ends
from .measured import number_ticks
from .palette import GREY, decay_colours
from .verdicts import ABOUT, Verdicts

DATA = {"validate/{profile}/verdicts.json": "make data", "validate/{profile}/base/ungrokking.nc": "make data"}
SETTINGS = {
    "base": "x + y",
    "task-sub": "x − y",
    "task-div": "x / y",
    "task-squares": "x² + y²",
    "task-quadratic": "x² + xy + y²",
    "task-s5": "x · y in S5",
    "task-s5_xy": "x · y in S5",
    "task-s5_xyx^-1": "x · y · x⁻¹ in S5",
    "task-s5_xyx": "x · y · x in S5",
}
GROKKED = 0.9

CAPTION = (
    """
Accuracy at the end of training on D′ pairs, of networks trained on nine tenths of the pairs first; n = {n} runs, discs
for pairs never seen, rings for pairs removed, in the colour of their weight decay; an arrow marks a run that still
falls. Bars at one half: D_crit with its 95 % interval over the seeds whose network had grokked. Modular arithmetic is
mod {p}. D_crit in pairs: {shares}. {poor} Not trained in this profile: {missing}. """
    + ABOUT
)
ARROW = r"$\downarrow$"


def draw() -> tuple[Figure, dict[str, object]]:
    """A panel for each task."""
    verdicts = Verdicts()
    study = verdicts.study("Other tasks")
    tables = {name: ends(f"{name}/ungrokking") for name in SETTINGS}
    there = {name: table for name, table in tables.items() if len(table)}
    columns = min(3, len(there))
    rows = -(-len(there) // columns)
    fig, grid = plt.subplots(rows, columns, figsize=(7.0, 0.5 + 1.9 * rows), sharey=True, squeeze=False)
    for axes in grid.ravel()[len(there) :]:
        axes.set_visible(False)
    colours = decay_colours(np.concatenate([table.weight_decay for table in there.values()]))
    decays, shares, poor = sorted(colours), [], []
    for axes, (name, table) in zip(grid.ravel(), there.items(), strict=False):
        for decay, own in table.groupby("weight_decay"):
            k = decays.index(decay) - 0.5 * (len(decays) - 1)
            x = own.dataset_size * 1.04**k
            axes.plot(x, own.removed, "o", ms=4.8, mfc="none", mec=colours[decay], mew=0.6, alpha=0.8)
            axes.plot(x, own.unseen, "o", ms=2.6, color=colours[decay], mew=0)
            moving = ~own.settled
            axes.plot(x[moving], own.unseen[moving] - 0.06, marker=ARROW, ls="", ms=5, color=colours[decay], mew=0)
        judged = study[study.setting == name] if len(study) else study
        found = []
        for row in judged.itertuples():
            if not row.grokked_parents:
                poor.append(f"{SETTINGS[name]} ({row.parent_accuracy:.2f})")
            critical = verdicts.quote(f"{name}, weight decay {row.weight_decay:g}", row, "pairs")
            if critical.exists:
                k = decays.index(row.weight_decay) - 0.5 * (len(decays) - 1)
                y, colour = 0.5 + 0.045 * k, colours[row.weight_decay]
                bar = np.clip(critical[1:3], 0.8 * table.dataset_size.min(), 1.25 * table.dataset_size.max())
                axes.plot(bar, [y, y], color=colour, lw=1.6, solid_capstyle="butt", zorder=4)
                axes.plot(critical.value, y, "D", ms=4, color=colour, mec="k", mew=0.5, zorder=5)
                share = 100 * row.share_of_pairs
                found.append(f"{critical} at weight decay {row.weight_decay:g}, {share:.1f} % of all")
        shares.append(f"{SETTINGS[name]}: {', '.join(found) or 'not measured'}")
        axes.axhline(1.0 / table.p.iloc[0], color=GREY, ls=":", lw=0.8, zorder=0)
        axes.set(title=SETTINGS[name], ylim=(-0.09, 1.07))
        number_ticks(axes, sorted(set(table.dataset_size))[:: 2 if table.dataset_size.nunique() > 5 else 1])
    for axes in grid[:, 0]:
        axes.set_ylabel("accuracy at the end")
    for k, axes in enumerate(grid.ravel()[: len(there)]):
        if k + columns >= len(there):
            axes.set_xlabel("data set size D′ (pairs)")
    handles = [
        Line2D([], [], color=c, marker="o", ms=3.5, ls="", label=f"weight decay {d:g}") for d, c in colours.items()
    ]
    handles += [
        Line2D([], [], color="0.3", marker="o", ms=4.8, mfc="none", mew=0.6, ls="", label="removed"),
        Line2D([], [], color="0.3", marker="D", ms=4, lw=1.6, label="D_crit, 95 %"),
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=6)
    missing = [title for name, title in SETTINGS.items() if name not in there and "s5_" not in name]
    numbers = {
        "n": sum(map(len, there.values())),
        "p": int(there["base"].p.iloc[0]),
        "shares": "; ".join(shares),
        "poor": f"Not grokked beforehand (accuracy): {', '.join(dict.fromkeys(poor))}." if poor else "",
        "missing": ", ".join(missing) or "none",
    }
    return fig, numbers | verdicts.numbers()
