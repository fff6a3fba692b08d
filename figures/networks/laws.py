"""Two laws on trial: what one more example costs in norm, and what a grokked network still memorises (beyond the paper).

Claim: a new example costs in proportion to what of its margin is not there without training, whatever the network, so
that one line holds from memorising to grokked; and that share has a pole at D_crit.  Networks trained after the rules
were stated are told apart from those that had suggested them.
Source: toymodel/README.md (8.1), (8.3); P16 and P19 of validate.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from validate.matching.laws import MODULAR_LAWS
from validate.predictions.p16_pole import FROM, POLE, POWER
from validate.quantities import pole_points, price_points
from validate.words import number_words

from ..palette import BOTH, COLOURS, CRITICAL, GREY
from ..study import Study

DATA = ("verdicts.json", "base/memorising_coupled.nc", "laws-43/memorising_coupled.nc")
ALSO = ("*/memorising_coupled.nc", "*/generalising_coupled.nc", "*/ungrokking_coupled.nc")
TASKS = ("task-div", "task-sub", "task-squares", "task-quadratic", "task-s5")
BEFORE = ("base", "p113", "modulus-31", "modulus-59", "width-32", "width-128", *TASKS)
"""Settings that were trained before the laws had been stated"""
GROUPS = {
    "memorising": (COLOURS["mem"], "memorising"),
    "ungrokked": (BOTH, "ungrokked"),
    "grokked": (COLOURS["gen"], "grokked"),
    "digits, shuffled labels": (COLOURS["mem"], "digits, shuffled"),
    "digits, true labels": (BOTH, "digits, true"),
}
GAMMA, LOWEST, HIGHEST = 0.5, 0.35, 0.65
BAND = 0.02  # of u/t

CAPTION = """
{when} Left: neighbouring sizes of one seed; t, u: margin on pairs trained, never seen; line: γ = 1/2, band: its region;
triangles: {below} slopes below the axis. {right}n = {n} points.
"""


def _marks(axes: Axes, x: pd.Series, y: pd.Series, points: pd.DataFrame, colour: str, group: str) -> None:
    """Held-out networks large, others small and pale; hollow where the norm has not come to rest."""
    shape = "D" if group.startswith("digits") else "x" if group == "not claimed" else "o"
    for (new, rests), own in points.groupby([points.held_out.astype(bool), points.norm_rests.astype(bool)]):
        axes.plot(x[own.index], y[own.index], shape, ms=4.2 if new else 2.6, mec=colour, mew=0.7, alpha=0.9 if new else 0.45,
                  mfc=colour if rests else "none", zorder=3 if new else 2)  # fmt: skip


def _price(axes: Axes, pairs: pd.DataFrame) -> int:
    """Slope against 1 − u/t; how many slopes a log axis cannot show."""
    bottom = 0.5 * LOWEST * pairs.x.min()
    hidden = pairs.slope <= bottom
    for group, own in pairs[~hidden].groupby("group"):
        _marks(axes, own.x, own.slope, own, GROUPS[group][0], group)
    for group, own in pairs[hidden].groupby("group"):
        axes.plot(own.x, 0 * own.x + 1.1 * bottom, "v", ms=3, mfc="none", mec=GROUPS[group][0], mew=0.6)
    ends = np.array([0.8 * pairs.x.min(), 1.25 * pairs.x.max()])
    axes.fill_between(ends, LOWEST * ends, HIGHEST * ends, color="0.88", lw=0, zorder=0)
    axes.plot(ends, GAMMA * ends, color="k", lw=0.9, zorder=1)
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=(bottom, 30 * HIGHEST * ends[1]), xlabel=r"$1 - u/t$",
             ylabel=r"$\kappa\ \mathrm{d}\,\ln\Vert w\Vert\,/\,\mathrm{d}\,\ln D$  at equal margin")  # fmt: skip
    axes.set_title("what one more example costs")
    return int(hidden.sum())


def _pole(axes: Axes, nets: pd.DataFrame) -> int:
    """u/(t − u) against (D − D_crit)/D_1; how many networks a log axis cannot show."""
    axes.set_title("what a grokked network still memorises")
    x, y = (nets.dataset_size - nets.critical) / nets.scale, nets.ratio
    there = (x > 0.1) & (y > 0.1)
    claimed = nets.dataset_size >= FROM * nets.critical
    _marks(axes, x, y, nets[there & claimed], COLOURS["gen"], "grokked")
    _marks(axes, x, y, nets[there & ~claimed], GREY, "not claimed")
    line = np.geomspace(0.1, 1.3 * x.max(), 200)
    share = line / (1 + line)
    low, high = np.clip(share - BAND, 1e-3, None), np.clip(share + BAND, None, 1 - 1e-3)
    axes.fill_between(line, low / (1 - low), high / (1 - high), color="0.88", lw=0, zorder=0)
    axes.plot(line, line, color="k", lw=0.9, zorder=1)
    axes.set(xscale="log", yscale="log", xlim=(0.1, line[-1]), ylim=(0.1, 12 * line[-1]), ylabel=r"$u\,/\,(t - u)$",
             xlabel=rf"$(D - ${CRITICAL}$)\,/\,D_1$")  # fmt: skip
    return int((~there).sum())


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """The price of an example, and the pole."""
    verdicts = study.verdicts
    new, fits = verdicts.rows("P19", "pairs"), verdicts.rows("P16", "seeds")
    pairs = pd.concat(
        [price_points(study, BEFORE).assign(held_out=False), new.assign(held_out=True)], ignore_index=True
    )
    late = pole_points(study, MODULAR_LAWS if len(fits) else ())
    nets = pd.concat([pole_points(study, BEFORE).assign(held_out=False), late.assign(held_out=True)], ignore_index=True)
    # Where no setting has lone circuits and four sizes, there is nothing on the right.
    fig, row = plt.subplots(1, 2 if len(nets) else 1, figsize=(7.0, 3.5), squeeze=False)
    left, right = row[0, 0], row[0, -1]
    below, under = _price(left, pairs), _pole(right, nets) if len(nets) else 0
    gammas = {group: verdicts.number("P19", f"γ, {group}") for group in GROUPS if group in set(new.get("group", ()))}
    for group in GROUPS:
        if group in set(pairs.group):
            shape, (colour, label) = "D" if "digits" in group else "o", GROUPS[group]
            label += f": γ = {gammas[group]}" if group in gammas else ""
            left.plot([], [], shape, ms=4, color=colour, label=label)
    left.legend(loc="upper left", fontsize=5.3)
    looks = [("held out: trained after the rules", 4.2, 0.9, "k"), ("seen before the rules", 2.6, 0.45, "k"),
             ("norm not at rest", 3.4, 0.9, "none")]  # fmt: skip
    handles = [Line2D([], [], ls="", marker="o", ms=ms, mew=0.7, alpha=alpha, mec="k", mfc=face, label=label)
               for label, ms, alpha, face in looks[not len(new) :]]  # fmt: skip
    if len(nets):
        handles.append(
            Line2D([], [], ls="", marker="x", ms=3, color=GREY, label=rf"below {FROM} {CRITICAL}: not claimed")
        )
        right.legend(handles=handles, loc="upper left")
    for axes in row[0] if not len(new) else ():
        axes.text(
            0.97, 0.06, "held-out networks\nare not trained yet", transform=axes.transAxes, ha="right", color=GREY
        )
    pole, power = (number_words(verdicts.number("P16", name).value) for name in (POLE, POWER))
    held = int(pairs.held_out.sum()), int(nets.held_out.sum())
    return fig, {
        "n": len(pairs) + len(nets),
        "below": below,
        "when": f"New to the laws: {held[0]} of {len(pairs)} points left, {held[1]} of {len(nets)} right." if len(new)
        else "Every point was seen before the rules were stated: nothing is held out yet.",
        "right": f"Right: α = 10⁻⁴, D_crit of the seed's lone circuits, its D_1 fitted to every other size; {under} "
        f"networks near or below D_crit lie lower; band: u/t to 0.02, rms {pole}, of a power law {power}. "
        if len(nets) else "",
    }  # fmt: skip
