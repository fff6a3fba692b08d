"""Behaviours over weight decay and data set size: what training time bends, the steady state does not (P3).

Claim: after any finite time the border of grokking bends to larger data sets where weight decay is small, because
those runs are not finished; the border of the steady state is vertical, at D_crit for every weight decay.
Source: toymodel/README.md (5.2), prediction P3 of Varma et al. 2023 section 3.3; the bend is **beyond** the paper.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import toymodel as tm

from ..palette import behaviour_map, border

POINTS = 256
T_ENDS = (1e3, 1e5)

CAPTION = """
Behaviour of {n} runs from random initialisation after flow time {t_short} and {t_long}. Solid: size above which Gen
leads at the end, for α = 0.0001 at {bent_short} and {bent_long}. Circles: the same in the steady state, {steady_least}
to {steady_most}: vertical, at D_crit = {critical_size}. Unfinished: {unfinished_short:.1%} and {unfinished_long:.1%} of
the runs.
"""


def _steady_border(model: tm.TwoCircuitModel, alpha: float) -> float:
    """Size at which the steady state has equal logits, by bisection in ln D."""
    low, high = np.log(100.0), np.log(10_000.0)
    for _ in range(20):
        middle = 0.5 * (low + high)
        state = tm.steady_state(model.with_parameters(weight_decay=alpha, dataset_size=float(np.exp(middle))))
        low, high = (low, middle) if state.gen_logit > state.mem_logit else (middle, high)
    return float(np.exp(0.5 * (low + high)))


def draw() -> tuple[Figure, dict[str, object]]:
    """Two sweeps that differ in training time only."""
    alpha, sizes = np.geomspace(1e-5, 1.0, POINTS), np.geomspace(100.0, 1e5, POINTS)
    model = tm.TwoCircuitModel()
    critical = tm.critical_dataset_size(model)
    chosen = np.geomspace(1e-5, 1.0, 11)[1:-1]
    steady = [_steady_border(model, a) for a in chosen]
    numbers: dict[str, object] = {"n": 2 * POINTS**2, "critical_size": critical}
    numbers |= {"steady_least": min(steady), "steady_most": max(steady)}
    fig, both = plt.subplots(1, 2, figsize=(7.0, 3.0), sharey=True)
    legend = {}
    for axes, t_end, word in zip(both, T_ENDS, ("short", "long"), strict=True):
        ds = tm.sweep(model, t_end, weight_decay=alpha, dataset_size=sizes, progress=False)
        entries, shares = behaviour_map(axes, ds)
        legend |= {str(entry.get_label()): entry for entry in entries}
        edge = border(sizes, ds.gen_logit.values, ds.mem_logit.values)
        (line,) = axes.plot(edge, alpha, color="k", lw=1.1, label="Gen leads at the end, right of here")
        (dots,) = axes.plot(steady, chosen, "o", color="k", mfc="w", ms=4, label="the same in the steady state")
        axes.set(
            xscale="log",
            yscale="log",
            xlabel="data set size D (examples)",
            ylabel="",
            title=f"after flow time $10^{{{np.log10(t_end):.0f}}}$",
            xlim=(sizes[0], sizes[-1]),
            ylim=(alpha[0], alpha[-1]),
        )
        legend |= {str(artist.get_label()): artist for artist in (line, dots)}
        numbers |= {
            f"t_{word}": t_end,
            f"bent_{word}": edge[np.argmin(np.abs(alpha - 1e-4))],
            f"straight_{word}": edge[np.argmin(np.abs(alpha - 0.01))],
            f"unfinished_{word}": shares.get("unfinished", 0.0),
        }
    both[0].set(ylabel="weight decay α (1/norm²)")
    fig.legend(handles=list(legend.values()), loc="outside lower center", ncols=4)
    return fig, numbers
