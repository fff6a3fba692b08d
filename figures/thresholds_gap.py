"""The gap between the thresholds from scratch and of ungrokking, in real networks and in the toy model.

Claim: the two thresholds of networks approach each other while training goes on; in the toy model they meet for κ < 2 and
stay apart for κ > 2.
Source: Varma et al. 2023, appendix A.2; model.md (4.3), (6.3); validate's P7.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import toymodel as tm

from .ends import runs
from .palette import GREY, kappa_colour
from .verdicts import ABOUT, Verdicts, plain_ticks

DATA = {
    "validate/{profile}/verdicts.json": "make data",
    "validate/{profile}/base/scratch.nc": "make data",
    "validate/{profile}/base/ungrokking.nc": "make data",
}
GAP, KEPT = "gap ln(D_scratch / D_ungrokking) at 10T", "gap at 10T as a share of that at 3T"
KAPPA = "local degree of homogeneity κ at the end of ungrokking"
FLOOR = 1e-4
TIMES = np.geomspace(300.0, 1e6, 36)
SIZES = 200
# Where each curve has its name: flow time and gap.
NAMED = {1.2: (340.0, 0.32), 1.9: (4500.0, 0.35), 2.1: (3e4, 1.0), 2.2: (3e4, 1.82)}
KAPPAS = tuple(NAMED)
SIDES = {"scratch": ("from scratch", "o", "-"), "ungrokking": ("ungrokking", "s", "--")}

CAPTION = (
    """
Left: data set size at which accuracy on pairs never seen crosses one half, from scratch (discs) and of ungrokking
(squares), after T, 3T and 10T steps, 10T = {steps}, weight decay 1, of the same initialisations; bars are 95 %
intervals over seeds, with seeds whose crossing is open as censored (an arrow: the interval goes on). Middle: ln of
their ratio, seed by seed, the same initialisation and the same order of the pairs; 95 % intervals over seeds. Right:
the gap in the toy model over 3.5 decades of flow time, κ below and above 2 (floor {floor} nats for κ > 2), {toy} runs;
the axes of time are not comparable, only the trends are. By P7 the gap at 10T is {gap}, and {kept} of the gap at 3T is
left; the networks' degree of homogeneity is {kappa}. n = {n} trained runs. """
    + ABOUT
)


def _bar(
    axes: Axes, x: float, value: float, low: float, high: float, look: dict[str, object], ends: tuple[float, float]
) -> None:
    """A point with its interval; an open end runs to the edge of the axes as an arrow."""
    axes.plot(x, value, **look)
    colour, width = look["color"], 1.2
    axes.plot([x, x], [max(low, ends[0]), min(high, ends[1])], color=colour, lw=width, zorder=1)
    for end, mark in ((low, "v"), (high, "^")):
        if not ends[0] < end < ends[1]:
            axes.plot(x, min(max(end, ends[0]), ends[1]), mark, color=colour, ms=4, clip_on=False)


def draw() -> tuple[Figure, dict[str, object]]:
    """Thresholds, their gap, and the toy model's."""
    verdicts = Verdicts()
    table = verdicts.rows("P7", "thresholds")
    trained = [run for side in SIDES for run in runs(f"base/{side}") if run.config["weight_decay"] == 1.0]
    steps = int(max(run.step[-1] for run in trained))
    table = table.assign(steps=table.time / table.time.max() * steps)
    fig, (left, middle, right) = plt.subplots(1, 3, figsize=(7.0, 2.8), width_ratios=(1, 1, 1.05))
    low, high = 40.0, 1400.0
    for k, (side, (name, mark, style)) in enumerate(SIDES.items()):
        own = table[table.of == side]
        found = np.exp(own[["ln", "low", "high"]].to_numpy(float))
        x = own.steps.to_numpy() * (1.0 + 0.06 * (k - 0.5))
        left.plot(x, found[:, 0], color="k", ls=style, lw=0.8, zorder=1)
        look = {"color": "k", "marker": mark, "ms": 4.5, "mfc": "k" if k == 0 else "w", "ls": "", "label": name}
        for i, point in enumerate(zip(x, *found.T, strict=True)):
            if np.isfinite(point[1]):
                _bar(left, *point, look | ({"label": None} if i else {}), (low, high))
    ticks = sorted(set(table.steps))
    left.set(xscale="log", yscale="log", xlabel="steps", ylabel="threshold in D (pairs)", ylim=(low, high))
    plain_ticks(left.yaxis, [50, 100, 200, 400, 800])
    left.legend(loc="lower right")

    spread = (-0.1, 3.5)
    for row in table[table.of == "gap"].dropna(subset=["ln"]).itertuples():
        _bar(middle, row.steps, row.ln, row.low, row.high, {"color": "k", "marker": "D", "ms": 4.5}, spread)
    middle.set(xscale="log", xlabel="steps", ylabel="gap, ln(scratch / ungrokking)", ylim=spread)
    for axes in (left, middle):
        plain_ticks(axes.xaxis, ticks)
        axes.set_xlim(ticks[0] / 1.5, ticks[-1] * 1.5)

    sizes = 1000.0 * np.geomspace(0.03, 100.0, SIZES)
    last = {}
    for kappa in KAPPAS:
        model = tm.TwoCircuitModel(kappa=kappa, logit_floor=FLOOR if kappa > 2 else 0.0)
        gap = tm.size_thresholds(model, TIMES, sizes=sizes).gap
        right.plot(TIMES, gap, color=kappa_colour(kappa))
        right.annotate(f"κ = {kappa:g}", NAMED[kappa], color=kappa_colour(kappa), fontsize=7)
        last[f"toy_{kappa:g}"] = float(gap[-1])
    right.set(xscale="log", xlabel="flow time (toy)", ylim=spread, xlim=(TIMES[0], TIMES[-1]))
    right.axhline(0, color=GREY, lw=0.6)
    for axes, heading in ((left, "networks"), (middle, "networks"), (right, "toy model")):
        axes.set_title(heading)
    numbers = {
        "n": len(trained),
        "steps": steps,
        "floor": FLOOR,
        "toy": 2 * len(KAPPAS) * SIZES,
        "gap": str(verdicts.number("P7", GAP)),
        "kept": str(verdicts.number("P7", KEPT)),
        "kappa": str(verdicts.number("P7", KAPPA)),
    }
    return fig, numbers | last | verdicts.numbers()
