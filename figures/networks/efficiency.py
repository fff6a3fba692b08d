"""Mem's norm at a common logit rises with the data set, Gen's does not; they meet at D_crit (paper, figure 3).

Claim: Gen's efficiency does not depend on D, Mem's falls as a power of it, and where they meet ungrokking happens.
Source: Varma et al. 2023, figure 3; toymodel/README.md (5.1), (5.2); P1 and P8a of validate.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..lines import critical, number_axis
from ..palette import COLOURS, CRITICAL, size_colours
from ..study import Study

DATA = ("verdicts.json", "base/memorising_coupled.nc")
LEAST = 1.0  # nats that the nets of a size must span for a line
CIRCUITS = {"mem": ("P1b", "Mem-only networks"), "gen": ("P1a", "Gen-only networks")}

CAPTION = """
Left, centre: norm against equivalent logit of nets at rest, coupled, lines least squares. Mem-only nets have random
labels, Gen-only nets are right on 99 % of pairs outside D. Right: norm at a common logit of {logit} nats. Slope of ln
η on ln D: Gen {slope_gen}, Mem {slope_mem}. They meet at D_crit = {isologit} pairs. n = {n} nets.
"""


def _circuit(axes: Axes, study: Study, id: str, colours: dict[float, str]) -> int:
    """Norm against logit; how many nets."""
    nets, ends = study.verdicts.rows(id, "nets"), {}
    for size, own in nets.groupby("dataset_size"):
        axes.plot(own.logit, own.norm, "o", ms=2.6, mew=0, color=colours[size])
        if np.ptp(own.logit) < LEAST:
            continue
        slope, level = np.polyfit(np.log(own.logit), np.log(own.norm), 1)
        x = np.array([own.logit.min(), own.logit.max()])
        axes.plot(x, np.exp(level) * x**slope, color=colours[size], lw=0.9)
        ends[size] = (x[1], np.exp(level) * x[1] ** slope)
    if (
        not ends or np.log(max(y for _, y in ends.values()) / min(y for _, y in ends.values())) < 0.1
    ):  # they lie on one another
        axes.text(
            0.05,
            0.95,
            f"D = {nets.dataset_size.min()} to {nets.dataset_size.max()}",
            transform=axes.transAxes,
            va="top",
            fontsize=7,
        )
    else:
        for size, place in ends.items():
            axes.annotate(f"{size:g}", place, xytext=(4, 0), textcoords="offset points", va="center", fontsize=6.5,
                          color=colours[size])  # fmt: skip
    return len(nets)


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """Two circuits, and where their norms meet."""
    verdicts = study.verdicts
    fig, (left, centre, right) = plt.subplots(1, 3, figsize=(7.0, 2.6))
    sizes = [size for id, _ in CIRCUITS.values() for size in verdicts.rows(id, "nets").dataset_size]
    colours = size_colours(sizes)
    count = 0
    for axes, (id, title) in zip((left, centre), CIRCUITS.values(), strict=True):
        count += _circuit(axes, study, id, colours)
        axes.set(title=title, xlabel="equivalent logit (nats)", xlim=(5.5, 21.0))
        number_axis(axes.xaxis, (6, 8, 10, 13, 17))
    left.set_ylabel("parameter norm")
    for circuit, (id, _) in CIRCUITS.items():
        norms = verdicts.rows(id, "norms")
        by_size = norms.groupby("dataset_size").norm
        right.errorbar(by_size.mean().index, by_size.mean(), by_size.std(), fmt="o-", ms=3.2, color=COLOURS[circuit],
                       capsize=2, elinewidth=0.9, label=circuit.capitalize())  # fmt: skip
    found = verdicts.number("P8a", "ln isologit D_crit").exp()
    if found.exists:
        critical(right, found.low, found.value, found.high)
        right.text(
            found.value / 1.1, 0.97, CRITICAL, transform=right.get_xaxis_transform(), ha="right", va="top", fontsize=7
        )
    right.set(xlabel="data set size D (pairs)", title="norm at a common logit")
    right.legend(loc="lower right")
    number_axis(right.xaxis, sizes, 6)
    every = np.concatenate([verdicts.rows(id, "nets").norm for id, _ in CIRCUITS.values()])
    for axes in (left, centre, right):
        axes.set_ylim(0.93 * every.min(), 1.06 * every.max())
        number_axis(axes.yaxis, (10, 12, 15, 20, 25, 30, 40))
        axes.set_ylim(0.93 * every.min(), 1.06 * every.max())
    return fig, {
        "n": count,
        "logit": f"{verdicts.rows('P1b', 'norms').logit.iloc[0]:.3g}",
        "slope_gen": str(verdicts.number("P1a", "slope of ln η_gen on ln D")),
        "slope_mem": str(verdicts.number("P1b", "slope of ln η_mem on ln D")),
        "isologit": str(found),
    }
