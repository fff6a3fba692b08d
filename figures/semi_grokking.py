"""Semi-grokking in real networks: where runs from scratch end, against data set size, and whether they stay there.

Claim: near the critical size runs end between chance and generalisation, but most of them are still rising.
Source: Varma et al. 2023, figure 5; experiments.md 1; validate's P4.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .ends import ends, runs
from .measured import number_ticks
from .palette import COLOURS, GREY
from .verdicts import ABOUT, Verdicts, short

DATA = {"validate/{profile}/verdicts.json": "make data", "validate/{profile}/base/scratch.nc": "make data"}
EXCESS = "share of semi-grokked runs near D_crit less that elsewhere"
NEAR = 1.15

CAPTION = (
    """
Addition mod {p} from scratch, weight decay 1, {steps} steps. Left: accuracy on pairs never seen at the end, each of n
= {n} runs a point (a slight sideways shift keeps seeds apart); an open point with an arrow is still moving. Diamond
and bar at one half: the data set size at which the accuracy of a seed crosses 1/2, D_crit = {critical} pairs; shaded:
within 15 % of it, where the verdict on P4 looks. {longer} Dotted: chance. {semi} of the {decided} runs that have
settled or generalise are semi-grokked (level between chance + 0.05 and 0.9), {moving} end there but still move. Share
near D_crit less share elsewhere: {excess}. Right: the runs of the sizes nearest to D_crit against steps. """
    + ABOUT
)


def draw() -> tuple[Figure, dict[str, object]]:
    """Ends on the left, curves near the threshold on the right."""
    verdicts = Verdicts()
    table = verdicts.rows("P4", "scratch")
    critical = verdicts.number("P4", "ln D_crit from scratch").exp()
    fig, (left, right) = plt.subplots(1, 2, figsize=(7.0, 2.9))
    sizes = sorted(set(table.dataset_size))
    first = ends("base/scratch").iloc[0]
    chance = 1.0 / first.p
    if critical.exists:
        left.axvspan(critical.value / NEAR, critical.value * NEAR, color="0.92", lw=0, zorder=0)
        left.plot([critical.low, critical.high], [0.5, 0.5], color="k", lw=1.6, solid_capstyle="butt")
        left.plot(critical.value, 0.5, "D", ms=5, color="k")
        left.annotate(f"D_crit = {short(critical.value)}", (critical.value, 0.5), xytext=(0, 6), textcoords="offset points",
                      ha="right", fontsize=7)  # fmt: skip
    shifts = 1.0 + 0.004 * (table.seed - table.seed.median())
    decided = table.decided.astype(bool)
    x = table.dataset_size * shifts
    left.plot(x[decided], table.unseen[decided], "o", ms=3.5, color=COLOURS["test"], mew=0, label="settled")
    left.plot(x[~decided], table.unseen[~decided], "o", ms=3.5, mfc="w", mec=COLOURS["test"], mew=0.8)
    left.plot(x[~decided], table.unseen[~decided] + 0.045, marker=ARROW, ls="", ms=5, color=COLOURS["test"], mew=0)
    longer = table.steps > table.steps.median()
    left.plot(x[longer], table.unseen[longer], "o", ms=7.5, mfc="none", mec="k", mew=0.8)
    left.axhline(chance, color=GREY, ls=":", lw=1)
    left.set(xlabel="data set size D (pairs)", ylabel="accuracy at the end, never seen", ylim=(-0.03, 1.07))
    number_ticks(left, sizes[:: 1 if len(sizes) < 7 else 2])
    handles = [
        Line2D([], [], color=COLOURS["test"], marker="o", ms=3.5, ls="", label="settled, or above 0.9"),
        Line2D([], [], mec=COLOURS["test"], marker="o", ms=3.5, mfc="w", ls="", label="still moving"),
    ]
    if longer.any():
        label = f"{table.steps.max():.0f} steps"
        handles.append(Line2D([], [], mec="k", marker="o", ms=7.5, mfc="none", mew=0.8, ls="", label=label))
    left.legend(handles=handles, loc="center right", bbox_to_anchor=(1.0, 0.3))

    nearest = sorted(sorted(sizes, key=lambda s: abs(np.log(s / critical.value)))[:4]) if critical.exists else sizes
    steps = 0
    for run in runs("base/scratch"):
        if run.config["weight_decay"] == 1.0 and run.config["dataset_size"] in nearest:
            place = nearest.index(run.config["dataset_size"]) / max(len(nearest) - 1, 1)
            right.plot(run.step, run.unseen, color=plt.get_cmap("viridis_r")(0.1 + 0.9 * place), lw=0.8)
            steps = max(steps, int(run.step[-1]))
    right.legend(handles=[
        Line2D([], [], color=plt.get_cmap("viridis_r")(0.1 + 0.9 * k / max(len(nearest) - 1, 1)), label=f"D = {size}")
        for k, size in reversed(list(enumerate(nearest)))
    ], loc="upper left")  # fmt: skip
    right.axhline(chance, color=GREY, ls=":", lw=1)
    right.set(xlabel="optimizer steps", ylabel="accuracy, never seen", ylim=(-0.03, 1.07))
    moving = ~decided & table.unseen.between(chance + 0.05, 0.9)
    numbers = {
        "n": len(table),
        "p": int(first.p),
        "steps": steps,
        "critical": str(critical),
        "semi": int(table.semi.astype(bool).sum()),
        "decided": int(decided.sum()),
        "longer": f"Ringed: {longer.sum()} of them went on to {table.steps.max():.0f} steps." if longer.any() else "",
        "moving": int(moving.sum()),
        "excess": str(verdicts.number("P4", EXCESS)),
    }
    return fig, numbers | verdicts.numbers()


ARROW = r"$\uparrow$"
