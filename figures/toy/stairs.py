"""The staircase model: one memorising circuit and three generalising ones, each more efficient and learned more slowly."""

import numpy as np

import toymodel as tm

SPREAD = 0.4
SPEEDS = (3e-2, 1e-8, 1e-25)
# Steady-state logit of each generalising circuit relative to Mem's, which (4.1) turns into efficiencies.
RATIOS = (0.6, 0.75, 1.5)
T_END = 1e5


def stairs() -> tm.TwoCircuitModel:
    """The model; its generalising circuits in the order in which they arrive."""
    kappa, mem = 1.2, tm.Circuit(efficiency=0.5, learning_speed=1.0)
    etas = [mem.efficiency * ratio ** ((2.0 - kappa) / (2.0 * kappa)) for ratio in RATIOS]
    return tm.TwoCircuitModel(
        kappa=kappa,
        logit_spread=SPREAD,
        gen=tuple(tm.Circuit(eta, s) for eta, s in zip(etas, SPEEDS, strict=True)),
        mem=(mem,),
    )


def climb(model: tm.TwoCircuitModel) -> tuple[tm.Trajectory, list[float]]:
    """Its run, and its steps: the flow times at which each generalising circuit has half of its largest logit."""
    tr = tm.simulate(model, T_END, times=np.geomspace(0.1, T_END, 1500))
    return tr, [float(tr.time[np.argmax(w > 0.5 * w.max())]) for w in tr.logits[:, : model.num_gen].T]
