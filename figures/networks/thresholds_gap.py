"""Both thresholds run on the clock λ·steps and approach each other: the gap is time, not weight decay (paper, figure 7).

Claim: under AdamW the sizes at which accuracy passes one half, from scratch and of ungrokking, fall on one curve each
for all weight decays when plotted against λ·steps; the toy model's do against α·time.
Source: Varma et al. 2023, figure 7 and appendix A.2; toymodel/README.md (6.3); P3 and P7 of validate.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import toymodel as tm

from ..lines import decay_name, middle, number_axis, thresholds
from ..palette import CRITICAL, GREY, decay_colours
from ..study import Run, Study

DATA = ("verdicts.json", "base/scratch.nc", "base/ungrokking.nc")
SIDES = {"base/scratch": ("from scratch", "-"), "base/ungrokking": ("ungrokking", "--")}
FEWEST = 3  # seeds with a threshold, and sizes that span it
ALPHAS = (0.002, 0.01, 0.05)
CLOCK = np.geomspace(1.0, 300.0, 31)

CAPTION = """
Left: data set size at which accuracy outside the training set passes one half, addition mod {p}, AdamW, medians over
seeds. At λ × steps = {clock} those of all λ lie within {spread_scratch} from scratch and {spread_ungrokking} of
ungrokking, λ itself over a factor {decays}. D_crit: {isologit} pairs. Right: the same of the toy model (κ = {kappa}).
n = {n} runs.
"""


def _at(runs: list[Run], decay: float, clock: float) -> pd.DataFrame:
    """Accuracy of the runs of one weight decay when λ × steps was `clock`; empty if they do not go so far."""
    there = [run for run in runs if run.config["weight_decay"] == decay and run.step[-1] >= clock / decay]
    rows = [
        (run.config["dataset_size"], run.config["seed"], np.interp(clock / decay, run.step, run.test)) for run in there
    ]
    return pd.DataFrame(rows, columns=["dataset_size", "seed", "test"])


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """Networks on the left, the toy model on the right."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(7.0, 2.8))
    sides = {name: study.runs(name) for name in SIDES}
    first = next(iter(sides.values()))[0]
    curves: dict[tuple[str, float], list[tuple[float, float]]] = {}
    for name, runs in sides.items():
        steps = max(run.step[-1] for run in runs)
        for decay in sorted({run.config["weight_decay"] for run in runs}):
            for clock in np.geomspace(100.0, decay * steps, 25):
                found = [size for size in thresholds(_at(runs, decay, clock)).values() if np.isfinite(size)]
                if len(found) >= FEWEST:
                    curves.setdefault((name, decay), []).append((clock, middle(found)[0]))
    curves = {key: curve for key, curve in curves.items() if len(curve) > 2}
    colours = decay_colours([decay for _, decay in curves])
    for (name, decay), curve in curves.items():
        left.plot(*np.transpose(curve), color=colours[decay], ls=SIDES[name][1])
    found = study.verdicts.number("P8a", "ln isologit D_crit").exp()
    left.axhline(found.value, color=GREY, lw=0.8, ls="--", zorder=0)
    number_axis(left.yaxis, (100, 150, 200, 300, 400, 600, 800, 1000))
    left.set(
        xscale="log", xlabel="λ × steps", ylabel="threshold (pairs)", title=f"transformer, p = {first.config['p']}"
    )
    left.text(left.get_xlim()[0] * 1.1, found.value, CRITICAL, va="bottom", fontsize=7)
    left.legend(handles=[Line2D([], [], color=c, label=decay_name(d, False)) for d, c in colours.items()],
                loc="center right",
                bbox_to_anchor=(1.0, 0.62), ncols=2)  # fmt: skip

    model = tm.TwoCircuitModel()
    toy_colours, sizes = decay_colours(ALPHAS), 1000.0 * np.geomspace(0.4, 4.0, 300)
    for alpha, colour in toy_colours.items():
        gap = tm.size_thresholds(model.with_parameters(weight_decay=alpha), CLOCK / alpha, sizes=sizes)
        right.plot(CLOCK, gap.from_scratch / 1000.0, color=colour, label=f"α = {alpha:g}")
        right.plot(CLOCK, gap.ungrokking / 1000.0, color=colour, ls="--")
    right.axhline(1.0, color=GREY, lw=0.8, ls="--", zorder=0)
    number_axis(right.yaxis, (0.5, 0.7, 1.0, 1.5, 2.0, 3.0))
    right.set(xscale="log", xlabel="α × flow time", ylabel=f"threshold / {CRITICAL}", title="toy model")
    styles = [Line2D([], [], color="k", ls=style, label=label) for label, style in SIDES.values()]
    right.legend(handles=[*right.get_legend_handles_labels()[0], *styles])

    def spread(name: str, clock: float) -> str:
        own = {decay: np.transpose(curve) for (side, decay), curve in curves.items() if side == name}
        at = [np.interp(clock, *curve) for curve in own.values() if curve[0][0] <= clock <= curve[0][-1]]
        return f"{100 * (max(at) / min(at) - 1):.0f} % ({len(at)} λ)" if len(at) > 1 else "one λ"

    clock = 4000.0
    return fig, {
        "n": sum(map(len, sides.values())),
        "p": first.config["p"],
        "fewest": FEWEST,
        "clock": clock,
        "spread_scratch": spread("base/scratch", clock),
        "spread_ungrokking": spread("base/ungrokking", clock),
        "decays": max(colours) / min(colours),
        "isologit": str(found),
        "kappa": model.kappa,
    }
