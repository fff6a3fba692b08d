"""Mem's norm at a common logit rises with the data set, Gen's does not; they meet at D_crit (paper, figure 3).

Claim: Gen's efficiency does not depend on D, Mem's falls as a power of it, and near where they meet ungrokking happens.
Source: Varma et al. 2023, figure 3; toymodel/README.md (5.1), (5.2); P1 and P8a of validate.
"""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from validate.matching.efficiency import alone_in
from validate.quantities import at_threshold
from validate.words import interval_words, number_words

from ..lines import critical, number_axis
from ..palette import COLOURS, CRITICAL, size_colours
from ..study import Study

DATA = ("verdicts.json", "base/memorising_coupled.nc", "base/generalising_coupled.nc", "base/ungrokking_coupled.nc")
ALSO = ("laws-43/*.nc",)
CIRCUITS = {"mem": ("P1b", "Mem-only networks"), "gen": ("P1a", "Gen-only networks")}

CAPTION = """
Left, centre: norm against logit by weight decay, coupled; lines: means. Mem-only: random labels; Gen-only: right on 99 %
outside D. Dotted: the logit at the threshold; right: norm there. Slope of ln η on ln
D: Gen {slope_gen}, Mem {slope_mem}. They meet at {meet} pairs; half accuracy (green) {half}. n = {n} networks.
"""


def _circuit(axes: Axes, nets: pd.DataFrame, colours: dict[float, str], logit: float, named: bool) -> None:
    """Norm against logit, a line through the weight decays of each size."""
    for size, own in nets.groupby("dataset_size"):
        axes.plot(own.logit, own.norm, "o", ms=2.4, mew=0, color=colours[size], alpha=0.7)
        means = own.groupby("weight_decay")[["logit", "norm"]].mean().sort_values("logit")
        axes.plot(means.logit, means.norm, color=colours[size], lw=0.9)
        if named:
            axes.annotate(f"{size:g}", tuple(means.iloc[-1]), xytext=(4, 0), textcoords="offset points", va="center",
                          fontsize=6.5, color=colours[size])  # fmt: skip
    if not named:  # they lie on one another
        ends = f"D = {nets.dataset_size.min()} to {nets.dataset_size.max()}"
        axes.text(0.05, 0.95, ends, transform=axes.transAxes, va="top", fontsize=7)
    axes.axvline(logit, color="k", lw=0.7, ls=":", zorder=0)
    axes.set(xlabel="equivalent logit (nats)", xlim=(5.5, 21.0))
    number_axis(axes.xaxis, (6, 8, 10, 13, 17))


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """Two circuits, and where their norms meet."""
    verdicts, found = study.verdicts, at_threshold(study, alone_in(study, "coupled"))
    fig, (left, centre, right) = plt.subplots(1, 3, figsize=(7.0, 2.6))
    nets = {circuit: verdicts.rows(id, "nets") for circuit, (id, _) in CIRCUITS.items()}
    every = pd.concat(nets.values())
    colours = size_colours(every.dataset_size)
    for axes, (circuit, (_, title)) in zip((left, centre), CIRCUITS.items(), strict=True):
        _circuit(axes, nets[circuit], colours, found.logit, circuit == "mem")
        axes.set_title(title)
    left.set_ylabel("parameter norm")
    for circuit, norms in (("mem", found.mem), ("gen", found.gen)):
        by_size = norms.groupby("dataset_size").norm
        right.errorbar(by_size.mean().index, by_size.mean(), by_size.std(), fmt="o-", ms=3.2, color=COLOURS[circuit],
                       capsize=2, elinewidth=0.9, label=circuit.capitalize())  # fmt: skip
    meet, half = found.meet, found.half
    critical(right, meet)
    right.axvspan(half.low, half.high, ymax=0.05, color=COLOURS["test"], lw=0, alpha=0.4)
    right.axvline(half.value, ymax=0.12, color=COLOURS["test"], lw=1.2)
    right.text(
        meet.value / 1.1, 0.97, CRITICAL, transform=right.get_xaxis_transform(), ha="right", va="top", fontsize=7
    )
    right.set(xlabel="data set size D (pairs)", title=f"norm at {found.logit:.3g} nats")
    right.legend(loc="lower right")
    number_axis(right.xaxis, every.dataset_size, 6)
    for axes in (left, centre, right):
        number_axis(axes.yaxis, (10, 12, 15, 20, 25, 30, 40))
        axes.set_ylim(0.93 * every.norm.min(), 1.06 * every.norm.max())
    return fig, {
        "n": len(every),
        "logit": f"{found.logit:.3g}",
        "slope_gen": str(verdicts.number("P1a", "slope of ln η_gen on ln D")),
        "slope_mem": str(verdicts.number("P1b", "slope of ln η_mem on ln D")),
        "meet": interval_words(meet),
        "half": number_words(half.value),
    }
