"""Behaviours over the ratios of efficiency and of learning speed: grokking needs both, as the paper's ingredients say.

Claim: the ratio of efficiencies decides whether a run generalises, the ratio of learning speeds whether that comes
late; the delay grows only as the logarithm of the speed ratio. Where Mem is so inefficient that alone it cannot fit,
there is next to no delay at any speed, because fitting waits for Gen.
Source: Varma et al. 2023, section 3 and figure 2; toymodel/README.md 1, 4 and 6.1.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import toymodel as tm

from ..palette import behaviour_map

POINTS = 256
T_END = 1e4
# The three runs of the paper's figure 2: efficiency ratio, speed ratio, marker, what it shows.
PAPER = ((2.0, 200.0, "o", "all ingredients"), (2.0, 1.0, "s", "equal speeds"), (0.5, 200.0, "^", "Gen less efficient"))
AT = 2.0


def _too_inefficient(model: tm.TwoCircuitModel) -> float:
    """Efficiency ratio beyond which Mem alone, at rest, does not fit: its loss stays above a tenth of chance."""
    from scipy.optimize import brentq

    alone = model.with_parameters(gen_learning_speed=0.0)
    line = (1.0 - tm.Criteria().performance) * np.log(model.num_classes)

    def excess(log_ratio: float) -> float:
        return tm.steady_state(alone.with_parameters(mem_efficiency=float(np.exp(-log_ratio)))).train_loss - line

    return float(np.exp(brentq(excess, np.log(0.5), np.log(50.0))))


CAPTION = """
Behaviour of {n} runs from random initialisation, flow time {t_end}, κ = {kappa}. Solid: equal efficiencies, where the
steady state has equal logits. Dashed: equal speeds. Markers: the paper's figure 2. Dotted: Mem alone no longer fits. At
η_gen/η_mem = {at:g}, t_gen/t_fit is {delay_low} at a speed ratio of {speed_low:g} and {delay_high} at {speed_high:g};
grokking begins at {edge}.
"""


def draw() -> tuple[Figure, dict[str, object]]:
    """One sweep, one map."""
    efficiency, speed = np.geomspace(0.25, 16.0, POINTS), np.geomspace(1e-2, 1e6, POINTS)
    model = tm.TwoCircuitModel()
    ds = tm.sweep(model, T_END, gen_learning_speed=1.0 / speed, mem_efficiency=1.0 / efficiency, progress=False)
    fig, axes = plt.subplots(figsize=(6.0, 3.1))
    entries, shares = behaviour_map(axes, ds, efficiency, speed)
    line = axes.axvline(1.0, color="k", lw=1.1, label=r"$W_{gen} = W_{mem}$ in the steady state")
    limit = _too_inefficient(model)
    waits = axes.axvline(limit, color="k", lw=0.9, ls=":", label="right of here Mem alone does not fit")
    level = axes.axhline(1.0, color="k", lw=0.9, ls="--", label="equal learning speeds")
    points = [axes.plot(x, y, marker, color="k", mfc="w", ms=5, ls="", label=what)[0] for x, y, marker, what in PAPER]
    axes.set(
        xscale="log",
        yscale="log",
        xlabel=r"efficiency ratio $\eta_{gen}/\eta_{mem}$",
        ylabel=r"learning-speed ratio $s_{mem}/s_{gen}$",
        xlim=(efficiency[0], efficiency[-1]),
        ylim=(speed[0], speed[-1]),
    )
    axes.set_xticks([0.25, 0.5, 1, 2, 4, 8, 16], labels=["1/4", "1/2", "1", "2", "4", "8", "16"])
    axes.xaxis.minorticks_off()
    fig.legend(handles=[*entries, line, waits, level, *points], loc="outside right center")
    behaviours = [
        tm.simulate(model, T_END, gen_learning_speed=1 / y, mem_efficiency=1 / x).behaviour for x, y, *_ in PAPER
    ]
    column = ds.isel(mem_efficiency=int(np.argmin(np.abs(np.log(efficiency / AT)))))
    delay = (column.t_gen / column.t_fit).values
    late = speed[column.behaviour.values == "grokking"]
    numbers: dict[str, object] = {
        "n": POINTS**2,
        "t_end": T_END,
        "kappa": model.kappa,
        "alpha": model.weight_decay,
        "classes": model.num_classes,
        "paper": ", ".join(f"{what}: {name}" for (*_, what), name in zip(PAPER, behaviours, strict=True)),
        "at": AT,
        "limit": limit,
        "edge": float(late.min()),
        "shares": ", ".join(f"{name} {share:.1%}" for name, share in shares.items()),
    }
    for word, wanted in (("low", 1.0), ("mid", 1e3), ("high", 1e6)):
        numbers |= {f"speed_{word}": wanted, f"delay_{word}": delay[np.argmin(np.abs(np.log(speed / wanted)))]}
    return fig, numbers
