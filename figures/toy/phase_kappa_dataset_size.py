"""Behaviours over κ and data set size: below κ = 2 the border is D_crit, above it the start decides.

Claim: for κ < 2 the border of generalising stays at D_crit and the band of semi-grokking around it narrows as κ rises
(5.3); for κ > 2 the winner takes all and a run from random initialisation generalises only far above D_crit, because
Mem gets there first.
Source: toymodel/README.md 4, 5 and 7; **beyond** the paper.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import toymodel as tm

from ..palette import CRITICAL, behaviour_map, border

POINTS = 256
T_END = 1e4
FLOOR = 1e-6

CAPTION = """
Behaviour of {n} runs from random initialisation, flow time {t_end}, weight decay 0.005, a floor of {floor} nats on
every logit. Dashed: D_crit = {critical_size}. Solid: size above which the run ends with W_gen > W_mem, {border_1_2} at
κ = 1.2, {border_2_5} at 2.5. The band between memorisation and grokking spans a factor {band_1_2} in D at κ = 1.2 and
{band_1_9} at 1.9.
"""


def draw() -> tuple[Figure, dict[str, object]]:
    """One sweep, one map."""
    kappa, ratio = np.linspace(1.0, 2.6, POINTS), np.geomspace(0.1, 100.0, POINTS)
    model = tm.TwoCircuitModel(logit_floor=FLOOR)
    critical = tm.critical_dataset_size(model)
    ds = tm.sweep(model, T_END, dataset_size=critical * ratio, kappa=kappa, progress=False)
    fig, axes = plt.subplots(figsize=(5.4, 3.1))
    behaviour = ds.behaviour.values
    entries, shares = behaviour_map(axes, ds)
    edge = border(critical * ratio, ds.gen_logit.values.T, ds.mem_logit.values.T)
    border_line = axes.plot(kappa, edge, color="k", lw=1.1, label=r"$W_{gen} = W_{mem}$ at the end")
    line = axes.axhline(critical, color="k", lw=0.9, ls="--", label=CRITICAL)
    axes.axvline(2.0, color="k", lw=0.6, ls=":")
    axes.text(1.98, 1.3 * critical * ratio[0], "κ < 2: one equilibrium", ha="right", va="bottom", fontsize=7)
    axes.text(2.02, 1.3 * critical * ratio[0], "κ > 2: winner takes all", ha="left", va="bottom", fontsize=7)
    axes.set(
        yscale="log",
        xlabel="κ, degree with which logits grow with norm",
        ylabel="data set size D (examples)",
        xlim=(kappa[0], kappa[-1]),
        ylim=(critical * ratio[0], critical * ratio[-1]),
    )
    fig.legend(handles=[*entries, *border_line, line], loc="outside right center")

    def at(value: float) -> int:
        return int(np.argmin(np.abs(kappa - value)))

    def band(value: float) -> float:
        column = behaviour[:, at(value)]
        middle = np.isin(column, ("semi-grokking", "semi-comprehension", "ungrokking", "unfinished"))
        return float((ratio[1] / ratio[0]) ** middle.sum())

    numbers: dict[str, object] = {"n": POINTS**2, "t_end": T_END, "floor": FLOOR, "critical_size": critical}
    numbers |= {f"border_{value:g}".replace(".", "_"): edge[at(value)] for value in (1.2, 1.9, 2.2, 2.5)}
    numbers |= {f"band_{value:g}".replace(".", "_"): band(value) for value in (1.2, 1.9)}
    numbers["shares"] = ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
    return fig, numbers
