"""On the clock λ·steps thresholds of all weight decays run together; their gap does not close here (paper, figure 7).

Claim: under AdamW the sizes at which accuracy passes one half, from random initialisation and of ungrokking, fall near
one curve each for all weight decays when plotted against λ·steps, and do not meet in the steps trained; the toy model's
do both.
Source: Varma et al. 2023, figure 7 and appendix A.2; toymodel/README.md (6.3); P3 and P7 of validate.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import toymodel as tm
from validate.quantities import on_clock
from validate.words import number_words

from ..lines import decay_name, number_axis
from ..palette import CRITICAL, GREY, decay_colours
from ..study import Study

DATA = ("verdicts.json", "base/scratch.nc", "base/ungrokking.nc")
ALSO = ("base/memorising.nc",)
SIDES = {"base/scratch": ("from random initialisation", "-"), "base/ungrokking": ("ungrokking", "--")}
MARKS = "osD^v"
ALPHAS = (0.002, 0.01, 0.05)
CLOCK = np.geomspace(1.0, 300.0, 31)
CLOCKS = np.append(np.geomspace(100.0, 20_000.0, 11), 4000.0)
COMPARED = 4000.0  # λ × steps
GAP, KEPT = (
    "gap ln(D_scratch / D_ungrokking) at the end",
    "gap at the end as a share of that after a third of the steps",
)

CAPTION = """
Left: sizes at which accuracy outside the training set passes one half, addition mod {p}, AdamW, means over shared
seeds. At λ × steps = {clock} all λ lie within {spreads}. At the end the two are a factor {gap} apart, ln of it {kept}
of that after a third of the steps (n = {seeds}). Right: the toy (κ = {kappa}). n = {n} runs.
"""


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """Networks on the left, the toy model on the right."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(7.0, 2.9))
    sides = {name: study.runs(name) for name in SIDES}
    found = {name: on_clock(study, name, sorted(CLOCKS)) for name in SIDES}
    # A line takes three clocks.
    found = {name: t[t.groupby("weight_decay").clock.transform("size") > 2] for name, t in found.items()}
    colours = decay_colours([decay for table in found.values() for decay in table.weight_decay])
    marks = dict(zip(colours, MARKS, strict=False))
    spreads = []
    for name, table in found.items():
        for decay, curve in table.groupby("weight_decay"):
            left.plot(curve.clock, curve.pairs, SIDES[name][1], color=colours[decay], lw=0.9, marker=marks[decay], ms=3)
        at = table[table.clock == COMPARED].pairs
        if len(at) > 1:
            spreads.append(f"{100 * (at.max() / at.min() - 1):.0f} % ({SIDES[name][0]}, {len(at)} λ)")
    meet = study.meet(protocol="AdamW")
    left.axhline(meet.value, color=GREY, lw=0.8, ls="--", zorder=0)
    number_axis(left.yaxis, (100, 150, 200, 300, 400, 600, 800, 1000))
    left.set(xscale="log", xlabel="λ × steps", ylabel="threshold (pairs)")
    left.set_title(f"transformer, p = {next(iter(sides.values()))[0].config['p']}")
    left.text(left.get_xlim()[0] * 1.1, meet.value, CRITICAL, va="bottom", fontsize=7)
    left.legend(handles=[Line2D([], [], color=c, marker=marks[d], ms=3, lw=0.9, label=decay_name(d, False))
                         for d, c in colours.items()], loc="center right", bbox_to_anchor=(1.0, 0.6), ncols=2)  # fmt: skip

    model = tm.TwoCircuitModel()
    toy_colours, sizes = decay_colours(ALPHAS), 1000.0 * np.geomspace(0.4, 4.0, 300)
    for alpha, colour in toy_colours.items():
        sides_of_toy = tm.size_thresholds(model.with_parameters(weight_decay=alpha), CLOCK / alpha, sizes=sizes)
        right.plot(CLOCK, sides_of_toy.from_scratch / 1000.0, color=colour, label=f"α = {alpha:g}")
        right.plot(CLOCK, sides_of_toy.ungrokking / 1000.0, color=colour, ls="--")
    right.axhline(1.0, color=GREY, lw=0.8, ls="--", zorder=0)
    number_axis(right.yaxis, (0.5, 0.7, 1.0, 1.5, 2.0, 3.0))
    right.set(xscale="log", xlabel="α × flow time", ylabel=f"threshold / {CRITICAL}", title="toy model")
    styles = [Line2D([], [], color="k", ls=style, label=label) for label, style in SIDES.values()]
    right.legend(handles=[*right.get_legend_handles_labels()[0], *styles])
    gap, kept = (study.verdicts.number("P7", name, "AdamW") for name in (GAP, KEPT))
    return fig, {
        "n": sum(map(len, sides.values())),
        "p": next(iter(sides.values()))[0].config["p"],
        "clock": COMPARED,
        "spreads": " and ".join(spreads) or "an unknown share",
        "gap": number_words(gap.exp().value),
        "kept": number_words(kept.value),
        "seeds": gap.interval.n,
        "kappa": model.kappa,
    }
