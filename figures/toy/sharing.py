"""Circuits that share norm: a mixture costs less than either circuit alone, which additive norms forbid.

Claim: with logits that grow with norm to the power κ = 4.8, norms that add up (μ = 2) let a winner take all, whose
norm does not depend on how much is shared; for μ > κ the network rests in a mixture, below both pure circuits in
norm.
Source: toymodel/README.md (8.1) to (8.5); beyond the paper.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import toymodel as tm

from ..palette import BOTH, COLOURS, GREY

KAPPA, EFFICIENCY, EXPONENT, CRITICAL, CLASSES, DECAY = 4.8, 0.0856, 0.318, 267.0, 43, 1e-4
SHARING = {2.0: ("0.55", "-", 4.0), 4.0: ("k", "--", 1.2), 8.0: (BOTH, "-", 1.8)}

CAPTION = """
Norm (left) and Gen's share of the logits (right) at rest against data set size, from equal starts, for κ = {kappa}
and measured efficiencies. Thin: each circuit alone. Where circuits compete (μ = 2 and 4, the same curve) the more
efficient takes all. For μ = 8 > κ they share: at D_crit = {critical} the mixture's norm is {saved:.1%} below either
circuit's alone, and ln(W_mem/W_gen) falls with sharpness ν = {nu}. n = {n} steady states.
"""


def draw() -> tuple[Figure, dict[str, object]]:
    """Norm and share of logits against data set size."""
    sizes = CRITICAL * np.geomspace(0.2, 6.0, 61)
    start = tm.Circuit(EFFICIENCY, 1.0, 5.0)
    model = tm.TwoCircuitModel(
        start, start, kappa=KAPPA, num_classes=CLASSES, weight_decay=DECAY, law=tm.PowerLaw(CRITICAL, EXPONENT)
    )
    fig, (left, right) = plt.subplots(1, 2, figsize=(7.0, 2.6))
    # A circuit alone does not know of sharing: the other is absent.
    pure = {}
    for name, absent in (("gen", "mem"), ("mem", "gen")):
        without = model.with_parameters(**{f"{absent}_learning_speed": 0.0, f"{absent}_initial_logit": 0.0})
        pure[name] = [tm.steady_state(without, dataset_size=d).norm for d in sizes]
        left.plot(sizes, pure[name], color=COLOURS[name], lw=0.9, label=f"{name.capitalize()} alone")
    ends = {}
    for mu, (colour, style, width) in SHARING.items():
        ends[mu] = [tm.steady_state(model, sharing=mu, dataset_size=d) for d in sizes]
        share = [end.gen_logit / (end.gen_logit + end.mem_logit) for end in ends[mu]]
        look = {"color": colour, "ls": style, "lw": width, "label": f"μ = {mu:g}", "zorder": 1 if mu == 2.0 else 3}
        left.plot(sizes, [end.norm for end in ends[mu]], **look)
        right.plot(sizes, share, **look)
    for axes in (left, right):
        axes.axvline(CRITICAL, color=GREY, lw=0.8, ls=":", zorder=0)
        axes.set(xscale="log", xlim=(sizes[0], sizes[-1]), xlabel="data set size D (examples)")
        axes.set_xticks([60, 100, 267, 600, 1500], labels=["60", "100", r"$D_{crit}$", "600", "1500"])
        axes.minorticks_off()
    left.set(ylabel="norm ‖w‖ at rest", ylim=(13.0, 21.0))
    right.set(ylabel="Gen's share of the logits", ylim=(-0.04, 1.04))
    left.legend(loc="lower right", ncols=2, fontsize=7)
    right.legend(loc="upper left")
    mixed = tm.steady_state(model, sharing=8.0, dataset_size=CRITICAL).norm
    numbers: dict[str, object] = {
        "n": (len(SHARING) + 2) * sizes.size,
        "kappa": KAPPA,
        "critical": CRITICAL,
        "saved": 1.0 - mixed / pure["gen"][0],
        "nu": tm.sharpness(model, sharing=8.0),
        "sizes": sizes,
    }
    return fig, numbers | {f"norm_{mu:g}": np.array([end.norm for end in ends[mu]]) for mu in SHARING}
