"""Ungrokking in real networks: final accuracy against data set size, for each weight decay and two optimizers.

Claim: a net that has grokked loses it below a critical size, near the size at which the measured efficiencies meet, and
keeps the examples that were removed no better than those never seen.
Source: Varma et al. 2023, figures 4 and 7; experiments.md 1; validate's P2, P3 and P8.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import toymodel as tm

from .measured import number_ticks
from .palette import GREY, decay_colours
from .verdicts import ABOUT, Verdicts, short

DATA = {"validate/{profile}/verdicts.json": "make data"}
SIDES = {"base/ungrokking": ("AdamW", ""), "base/ungrokking_coupled": ("Adam, coupled L2 penalty", ", coupled")}
ARROW = r"$\downarrow$"
SHIFT = "ln D_crit at the least weight decay less that at the largest"

CAPTION = (
    """
Accuracy at the end of training on D′ pairs, of networks that had grokked on nearly all; n = {n} runs, each a disc for
pairs never seen and a ring for pairs removed from training, in the colour of its weight decay, lightly spread in D′.
An arrow below it: still moving at the end. Bars at one half: D_crit with its 95 % interval, from the seeds' crossings
with unfinished runs as censored: {crossings}. Black line and band: D_crit as forecast from the efficiencies
(isologit), {isologit} for AdamW and {isologit_coupled} coupled. Grey: the toy model at rest with that D_crit and the
measured η_mem ∝ D^({exponent}): a step, because its inputs are all alike (κ < 2; with κ > 2 a network that starts with
Gen would keep it for ever). Width of the measured transition, 10 to 90 %, in ln D′: {width}. Shift of ln D_crit from
the least to the largest weight decay: {shift} (P3 asks for ±0.14), coupled: {shift_coupled}. Removed less never-seen
accuracy: {kept}. {unfinished} of the runs are unfinished. """
    + ABOUT
)


def _runs(axes: Axes, table: pd.DataFrame, colours: dict[float, str]) -> None:
    """Each run a disc, a ring, and a bar if it is unfinished."""
    decays = sorted(colours)
    for k, decay in enumerate(decays):
        own = table[table.weight_decay == decay]
        x = own.dataset_size * 1.05 ** (k - 0.5 * (len(decays) - 1))
        axes.plot(x, own.removed, "o", ms=4.8, mfc="none", mec=colours[decay], mew=0.6, alpha=0.8)
        axes.plot(x, own.unseen, "o", ms=2.6, color=colours[decay], mew=0)
        moving = ~own.settled.astype(bool)
        axes.plot(
            x[moving], own.unseen[moving] - 0.04, marker=ARROW, ls="", ms=5, color=colours[decay], mew=0, alpha=0.6
        )


def _crossings(axes: Axes, verdicts: Verdicts, colours: dict[float, str], suffix: str) -> list[str]:
    """D_crit of each weight decay with its interval, at one half; in words."""
    words = []
    for k, decay in enumerate(sorted(colours)):
        found = verdicts.number("P2", f"ln D_crit, weight decay {decay:g}{suffix}").exp()
        words.append(f"{found} at {decay:g}{suffix}")
        if found.exists:
            y = 0.5 + 0.035 * (k - 0.5 * (len(colours) - 1))
            axes.plot([found.low, found.high], [y, y], color=colours[decay], lw=1.6, solid_capstyle="butt", zorder=4)
            axes.plot(found.value, y, "D", ms=4.5, color=colours[decay], mec="k", mew=0.5, zorder=5)
    return words


def draw() -> tuple[Figure, dict[str, object]]:
    """AdamW on the left, the coupled penalty on the right."""
    verdicts = Verdicts()
    tables = {name: verdicts.rows("P2", name) for name in SIDES}
    there = {name: table for name, table in tables.items() if len(table)}
    fig, sides = plt.subplots(1, len(there), figsize=(7.0, 3.1), sharey=True, squeeze=False)
    exponent = verdicts.number("P1b", "slope of ln η_mem on ln D")
    numbers: dict[str, object] = {
        "isologit": "not measured",
        "isologit_coupled": "not measured",
        "exponent": short(exponent.value),
    }
    words: list[str] = []
    for axes, (name, table) in zip(sides[0], there.items(), strict=True):
        heading, suffix = SIDES[name]
        colours = decay_colours(table.weight_decay)
        sizes = sorted(set(table.dataset_size))
        forecast = verdicts.number("P8a", f"ln isologit D_crit{', coupled L2 penalty' if suffix else ''}").exp()
        numbers[f"isologit{suffix.replace(', ', '_')}"] = f"{forecast} pairs"
        if forecast.exists:
            axes.axvspan(forecast.low, forecast.high, color="0.9", lw=0, zorder=0)
            axes.axvline(forecast.value, color="k", lw=0.8, zorder=1)
            law = tm.PowerLaw(forecast.value, max(-exponent.value, 0.01))
            grid = np.geomspace(0.8 * sizes[0], 1.25 * sizes[-1], 400)
            model = tm.TwoCircuitModel(law=law)
            toy = [tm.steady_state(model.at_dataset_size(float(size))).test_accuracy for size in grid]
            axes.plot(grid, toy, color=GREY, lw=1.2, zorder=1)
        _runs(axes, table, colours)
        words += _crossings(axes, verdicts, colours, suffix)
        axes.set(xlabel="data set size D′ (pairs)", ylim=(-0.07, 1.05), title=heading)
        number_ticks(axes, sizes)
        handles = [Line2D([], [], color=c, marker="o", ms=3.5, ls="", label=f"{d:g}") for d, c in colours.items()]
        axes.legend(handles=handles, loc="lower right", title="weight decay", title_fontsize=7)
    sides[0][0].set_ylabel("accuracy at the end")
    about = [
        Line2D([], [], color="0.3", marker="o", ms=2.6, ls="", label="never seen"),
        Line2D([], [], color="0.3", marker="o", ms=4.8, mfc="none", mew=0.6, ls="", label="removed"),
        Line2D([], [], color="0.3", marker=ARROW, ms=5, mew=0, ls="", label="unfinished"),
        Line2D([], [], color="0.3", marker="D", ms=4, lw=1.6, label="D_crit, 95 %"),
        Line2D([], [], color="k", lw=0.8, label="isologit forecast"),
        Line2D([], [], color=GREY, lw=1.2, label="toy at rest"),
    ]
    fig.legend(handles=about, loc="outside lower center", ncols=6)
    every = pd.concat(there.values())
    numbers |= {
        "n": len(every),
        "crossings": "; ".join(words),
        "unfinished": int((~every.settled.astype(bool)).sum()),
        "width": str(verdicts.number("P2", "10-90 % width of the transition in ln D′")),
        "shift": str(verdicts.number("P3", SHIFT)),
        "shift_coupled": str(verdicts.number("P3", f"{SHIFT}, coupled L2 penalty")),
        "kept": str(verdicts.number("P2", "removed less never-seen accuracy")),
    }
    return fig, numbers | verdicts.numbers()
