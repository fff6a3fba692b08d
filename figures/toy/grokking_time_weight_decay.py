"""Grokking and ungrokking time against weight decay: simulated, closed form, adiabatic.

Claim: both times fall nearly as 1/α. The closed form (6.1) is near for grokking and far too short for ungrokking,
where Mem starts from a seed so large that its own penalty cannot be left out; the adiabatic integral is near for
both.
Source: toymodel/README.md (6.1) and (6.2); **beyond** the paper.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import toymodel as tm

from ..palette import COLOURS, GREY

POINTS = 17
GROKKED_ON, AFTER = 10_000.0, 300.0

CAPTION = """
Flow time until the lead changes: grokking from random initialisation, and ungrokking when D = {grokked_on} becomes
{after}. Marks: simulated; dashed: closed form (6.1), (6.2); solid: adiabatic integral. Log-log slopes below α = 0.003:
{slope_grokking}, {slope_ungrokking}. Errors: closed form {closed_low:+.0%} to {closed_high:+.0%} and
{closed_un_low:+.0%} to {closed_un_high:+.0%}; adiabatic {adiabatic_low:+.1%} to {adiabatic_high:+.1%} and
{adiabatic_un_low:+.1%} to {adiabatic_un_high:+.1%}. n = {n} runs of gradient flow.
"""


def draw() -> tuple[Figure, dict[str, object]]:
    """Times above, relative errors below."""
    alpha = np.geomspace(1e-4, 1e-1, POINTS)
    models = [tm.TwoCircuitModel(weight_decay=a) for a in alpha]
    kinds = {
        "grokking": ([tm.grokking_time(m) for m in models], COLOURS["gen"], "o"),
        "ungrokking": (
            [tm.ungrokking_time(m.at_dataset_size(GROKKED_ON), dataset_size=AFTER) for m in models],
            COLOURS["mem"],
            "s",
        ),
    }
    fig, (top, bottom) = plt.subplots(2, 1, figsize=(3.4, 4.2), sharex=True, height_ratios=(2, 1.2))
    numbers: dict[str, object] = {"n": 2 * POINTS, "grokked_on": GROKKED_ON, "after": AFTER}
    for kind, (estimates, colour, marker) in kinds.items():
        simulated = np.array([e.simulated for e in estimates])
        top.plot(alpha, simulated, marker, color=colour, mfc="w", label=f"{kind}, simulated")
        small = alpha < 3e-3
        numbers[f"slope_{kind}"] = np.polyfit(np.log(alpha[small]), np.log(simulated[small]), 1)[0]
        suffix = "" if kind == "grokking" else "_un"
        for which, style, word in (("closed_form", "--", "closed"), ("adiabatic", "-", "adiabatic")):
            estimate = np.array([getattr(e, which) for e in estimates])
            error = estimate / simulated - 1.0
            top.plot(alpha, estimate, style, color=colour, label=f"{kind}, {which.replace('_', ' ')}", lw=1.0, zorder=1)
            bottom.plot(alpha, 100.0 * error, style, color=colour)
            numbers |= {f"{word}{suffix}_low": error.min(), f"{word}{suffix}_high": error.max()}
    top.set(xscale="log", yscale="log", ylabel="flow time until the lead changes")
    top.legend(loc="lower left")
    bottom.axhline(0.0, color=GREY, lw=0.6)
    bottom.set(xlabel="weight decay α (1/norm²)", ylabel="relative error (%)", ylim=(-60.0, 30.0))
    return fig, numbers
