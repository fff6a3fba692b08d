"""Staircase: several generalising circuits give the plateaus conjectured behind transient semi-grokking.

Claim: one memorising circuit and three generalising ones, each more efficient and learned more slowly than the last,
raise test accuracy in steps with long plateaus. The learning speeds that this takes differ by orders of magnitude,
because the time of a step grows only with the logarithm of the speed.
Source: toymodel/README.md (6.1); Varma et al. 2023, section 5.3.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import toymodel as tm

from ..palette import COLOURS, GREY, shade
from .stairs import SPEEDS, climb, stairs

LEVEL = 0.01

CAPTION = """
One memorising and three generalising circuits of rising efficiency and falling learning speed ({s1}, {s2}, {s3}), κ =
{kappa}. Test accuracy rests at {level0}, {level1}, {level2} and {level3}, the middle two over factors {length1} and
{length2} of flow time; steps at {step1}, {step2} and {step3}. Below: logits. Cut at {cut_time} the run is called
{cut_by_curves} by its curves, {cut_by_model} by the model. n = {n} run.
"""


def _plateaus(time: np.ndarray, accuracy: np.ndarray, steps: list[float]) -> list[tuple[float, float]]:
    """Between steps: the level of the flattest point in ln t, and over which factor of time accuracy stays that level."""
    found = []
    for low, high in zip([2.0, *steps], [*steps, time[-1]], strict=True):
        inside = np.flatnonzero((time >= low) & (time <= high))
        slope = np.abs(np.gradient(accuracy[inside], np.log(time[inside])))
        level = accuracy[inside[np.argmin(slope)]]
        rests = time[inside[np.abs(accuracy[inside] - level) < LEVEL]]
        found.append((float(level), float(rests[-1] / rests[0])))
    return found


def draw() -> tuple[Figure, dict[str, object]]:
    """Test accuracy above, logits below."""
    model = stairs()
    etas = [circuit.efficiency for circuit in model.generalising]
    tr, steps = climb(model)
    plateaus = _plateaus(tr.time, tr.test_accuracy, steps)
    fig, (top, bottom) = plt.subplots(2, 1, figsize=(5.0, 3.8), sharex=True)
    top.plot(tr.time, tr.train_accuracy, color=COLOURS["train"], label="train")
    top.plot(tr.time, tr.test_accuracy, color=COLOURS["test"], label="test")
    top.set(ylabel="accuracy", ylim=(-0.03, 1.06))
    top.legend(loc="center left")
    starts = [10.0, *[1.6 * step for step in steps]]
    for (level, _), x in zip(plateaus, starts, strict=True):
        low = level < 0.9
        top.text(x, level + (0.03 if low else -0.04), f"{level:.2f}", va="bottom" if low else "top", fontsize=7)
    bottom.plot(tr.time, tr.mem_logit, color=COLOURS["mem"], ls="--", label="Mem, η = 0.5, s = 1")
    for k, (eta, s) in enumerate(zip(etas, SPEEDS, strict=True)):
        label = f"Gen {k + 1}, η = {eta:.2f}, s = {s:g}"
        bottom.plot(tr.time, tr.logits[:, k], color=shade(COLOURS["gen"], (0.35, 0.65, 1.0)[k]), label=label)
    for axes in (top, bottom):
        for step in steps:
            axes.axvline(step, color=GREY, lw=0.6, ls=":", zorder=0)
    bottom.set(xscale="log", xlabel="flow time (learning rate × steps)", ylabel="logit W (nats)", xlim=(0.1, 1e5))
    bottom.legend(loc="upper right")
    numbers: dict[str, object] = {"n": 1, "kappa": model.kappa, "spread": model.logit_spread}
    numbers |= {"within": LEVEL, "behaviour": tr.behaviour}
    for k in range(3):
        numbers |= {f"eta{k + 1}": etas[k], f"s{k + 1}": SPEEDS[k], f"step{k + 1}": steps[k]}
    # Cut on the last middle plateau, and judged as a measured run is: by its curves, without knowing its limit.
    cut = tr.time <= 0.85 * steps[2]
    numbers["cut_time"] = tr.time[cut][-1]
    numbers["cut_by_curves"] = tm.classify_curves(
        tr.time[cut], tr.train_accuracy[cut], tr.test_accuracy[cut], model.num_classes
    )
    numbers["cut_by_model"] = tm.simulate(model, float(tr.time[cut][-1])).behaviour
    for k, (level, length) in enumerate(plateaus):
        numbers |= {f"level{k}": level, f"length{k}": length}
    return fig, numbers
