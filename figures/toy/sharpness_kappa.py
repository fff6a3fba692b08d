"""Sharpness of the transition against κ: the width of the transition in data set size measures κ.

Claim: for κ < 2, W_mem/W_gen = (D_crit/D)^ν with ν = 2βκ/(2-κ); steady states, long runs and the width of the
transition in test accuracy (with a spread of logits over inputs) all give that ν.
Source: toymodel/README.md (5.3), (5.4); **beyond** the paper.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import toymodel as tm

from ..palette import COLOURS, CRITICAL, GREY, at_most, kappa_colour

SPREAD = 0.3
T_END = 1e4
BETA = 0.5

CAPTION = """
Sharpness ν against κ (β = 1/2). Line: 2βκ/(2−κ). Circles: slope of ln(W_gen/W_mem) on ln D of steady states, off by
at most {steady_error:.0e}; crosses: of runs of flow time {t_end}, {run_error_before:.1%}, and {run_error:+.1%} at κ =
{last_kappa}, not finished; squares: from the width of the accuracy transition (5.4), {width_error:.0e}. Right: that
transition. n = {n} steady states, {runs} runs.
"""


def _slope(size: np.ndarray, ratio: np.ndarray) -> float:
    return float(np.polyfit(np.log(size), np.log(ratio), 1)[0])


def draw() -> tuple[Figure, dict[str, object]]:
    """ν by three routes beside the closed form, and the transitions themselves."""
    from scipy.optimize import brentq
    from scipy.special import ndtri

    kappas = np.array([1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.85, 1.9])
    near = 1000.0 * np.geomspace(0.7, 1.4, 9)
    # (5.4) at accuracy 0.9: (x - 1) / √(x² + 1) = σ z, with x = W_gen / W_mem.  By symmetry 0.1 is at 1/x.
    z = SPREAD * float(ndtri(0.9))
    edge = float(brentq(lambda x: (x - 1.0) / np.hypot(x, 1.0) - z, 1.0, 100.0))
    base = tm.TwoCircuitModel(logit_spread=SPREAD)
    runs = tm.sweep(base, T_END, kappa=kappas, dataset_size=near, progress=False)
    theory, steady, dynamic, width = [], [], [], []
    fig, (left, right) = plt.subplots(1, 2, figsize=(7.0, 2.6))
    for k, kappa in enumerate(kappas):
        model = base.with_parameters(kappa=float(kappa))
        theory.append(tm.sharpness(model))
        ratio = [(s.gen_logit / s.mem_logit) for s in (tm.steady_state(model.at_dataset_size(d)) for d in near)]
        steady.append(_slope(near, np.array(ratio)))
        dynamic.append(_slope(near, (runs.gen_logit / runs.mem_logit).values[k]))
        # Sizes around D_crit, as wide as the transition, so that both edges are resolved.
        sizes = 1000.0 * edge ** (np.linspace(-2.5, 2.5, 41) / theory[-1])
        accuracy = np.array([tm.steady_state(model.at_dataset_size(d)).test_accuracy for d in sizes])
        edges = np.interp(ndtri([0.1, 0.9]), ndtri(accuracy), np.log(sizes))
        width.append(2.0 * np.log(edge) / np.diff(edges)[0])
        if np.isclose(kappa, (1.0, 1.2, 1.4, 1.6, 1.8, 1.9)).any():
            outside = np.geomspace(250.0, 4000.0, 60)
            outside = outside[(outside < sizes[0]) | (outside > sizes[-1])]
            more = [tm.steady_state(model.at_dataset_size(d)).test_accuracy for d in outside]
            drawn = np.append(sizes, outside)
            order = np.argsort(drawn)
            right.plot(
                drawn[order], np.append(accuracy, more)[order], color=kappa_colour(kappa), label=f"κ = {kappa:g}"
            )
    curve = np.linspace(0.95, 1.93, 200)
    left.plot(curve, 2 * BETA * curve / (2 - curve), color=GREY, label="2βκ/(2−κ)", zorder=0)
    left.plot(kappas, steady, "o", color=COLOURS["train"], mfc="w", label="steady states", ms=6)
    left.plot(kappas, width, "s", color=COLOURS["test"], label="width of accuracy transition", ms=2.5)
    left.plot(kappas, dynamic, "x", color="k", label="runs of flow time $10^4$", ms=5)
    left.set(yscale="log", xlabel="κ", ylabel="sharpness ν")
    left.legend()
    right.axvline(1000.0, color=GREY, lw=0.8, ls="--", label=CRITICAL)
    right.set(xscale="log", xlabel="data set size D (examples)", ylabel="steady-state test accuracy", xlim=(250, 4000))
    right.set_xticks([250, 500, 1000, 2000, 4000], labels=["250", "500", "1000", "2000", "4000"])
    right.minorticks_off()
    right.legend()
    ideal = np.array(theory)
    return fig, {
        "n": kappas.size * (near.size + 41),
        "runs": kappas.size * near.size,
        "t_end": T_END,
        "spread": SPREAD,
        "last_kappa": kappas[-1],
        "steady_error": at_most(np.array(steady) / ideal - 1.0),
        "width_error": at_most(np.array(width) / ideal - 1.0),
        "run_error": dynamic[-1] / ideal[-1] - 1.0,
        "run_error_before": np.abs(np.array(dynamic) / ideal - 1.0)[kappas <= 1.8].max(),
        "kappa": kappas,
        "nu_closed_form": ideal,
        "nu_steady": steady,
        "nu_runs": dynamic,
        "nu_width": width,
    }
