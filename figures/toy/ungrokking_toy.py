"""Ungrokking in the toy model: a grokked run goes on with less data.

Claim: continued on D′ < D_crit a network that has grokked loses its generalisation, on D′ > D_crit it keeps it, and
its end is that of the steady state, whatever the weight decay; just below D_crit the end is in between and comes
late.
Source: Varma et al. 2023, section 4 (P2, P3) and figure 4; toymodel/README.md 5 and 6.2.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import toymodel as tm

from ..palette import COLOURS, CRITICAL, GREY, at_most, size_colour

SPREAD = 0.3
GROKKED_ON = 10_000.0
SHOWN = (100.0, 300.0, 600.0, 1000.0, 2000.0, 5000.0)
DECAYS = ((0.0005, "o"), (0.005, "s"), (0.05, "^"))
T_END = 1e3

CAPTION = """
A run that has grokked on D = {grokked_on} goes on with D′ (κ = 1.2, spread {spread}). Left: test accuracy over flow
time. Middle: the same at flow time {t_end}, three weight decays; line: steady state. It is 1/2 at D′ = {half_mid} for
α = 0.005, {half_high} for 0.05 (D_crit = {critical_size}); for 0.0005, unfinished, at {half_low}. Right: final
losses. n = {n} runs.
"""


def draw() -> tuple[Figure, dict[str, object]]:
    """Trajectories; final accuracies; final losses."""
    model = tm.TwoCircuitModel(logit_spread=SPREAD).at_dataset_size(GROKKED_ON)
    critical = tm.critical_dataset_size(model)
    sizes = critical * np.geomspace(0.1, 10.0, 25)
    fig, (left, middle, right) = plt.subplots(1, 3, figsize=(7.0, 2.5))
    grokked = tm.simulate(model)
    for size in SHOWN:
        tr = grokked.continue_with(grokked.t_end + T_END, dataset_size=size)
        left.plot(tr.time - grokked.t_end, tr.test_accuracy, color=size_colour(size / critical), label=f"{size:g}")
    left.set(xscale="log", xlim=(1.0, T_END), ylim=(-0.03, 1.03))
    left.set(xlabel="flow time since the change", ylabel="test accuracy")
    left.legend(title="D′", title_fontsize=7, loc="lower left")

    fine = critical * np.geomspace(0.1, 10.0, 101)
    steady = [tm.steady_state(model.at_dataset_size(size)).test_accuracy for size in fine]
    middle.plot(fine, steady, color=COLOURS["test"], label="steady state")
    numbers: dict[str, object] = {
        "n": len(SHOWN) + len(DECAYS) * (sizes.size + 1),
        "grokked_on": GROKKED_ON,
        "spread": SPREAD,
        "t_end": T_END,
        "critical_size": critical,
        "behaviour_before": grokked.behaviour,
    }
    for (alpha, marker), word in zip(DECAYS, ("low", "mid", "high"), strict=True):
        # Long enough to grok at any of these weight decays.
        before = tm.simulate(model, 1e5, weight_decay=alpha)
        start = before.final_state
        ds = tm.sweep(before.model, T_END, start=start, dataset_size=sizes, progress=False)
        accuracy = ds.test_accuracy.values
        middle.plot(sizes, accuracy, marker, color="k", mfc="w", ms=3, lw=0, label=f"α = {alpha:g}")
        ideal = np.array([tm.steady_state(before.model.at_dataset_size(d)).test_accuracy for d in sizes])
        numbers[f"half_{word}"] = (
            float(np.exp(np.interp(0.5, accuracy, np.log(sizes)))) if accuracy.min() < 0.5 else np.nan
        )
        numbers[f"lag_{word}"] = at_most(accuracy - ideal)
        if word == "mid":
            right.plot(sizes, ds.train_loss, color=COLOURS["train"], label="train")
            right.plot(sizes, ds.test_loss, color=COLOURS["test"], ls="--", label="test")
    for axes in (middle, right):
        axes.axvline(critical, color=GREY, lw=0.8, ls="--", zorder=0)
        axes.text(critical, 1.01, CRITICAL, transform=axes.get_xaxis_transform(), va="bottom", ha="center", fontsize=7)
        axes.set(xscale="log", xlabel="data set size D′ (examples)", xlim=(critical / 11.0, critical * 16.0))
    middle.set(ylabel="final test accuracy", ylim=(-0.03, 1.03))
    middle.legend(loc="lower right", handlelength=1.0, borderaxespad=0.3)
    right.set(yscale="log", ylabel="final cross-entropy (nats)")
    right.legend(loc="center left")
    return fig, numbers
