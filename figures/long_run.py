"""Long runs near the threshold, beside the staircase model: what rests at a middling accuracy, and for how long.

Claim: the model allows long plateaus at a middling accuracy (transient semi-grokking); whether a network of this size
rests on one, creeps or stays at chance is what its long runs show.
Source: Varma et al. 2023, section 5.3 and figure 6; model.md 7; experiments.md 1.
"""

import itertools
from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .measured import PROVENANCE, each, provenance, runs
from .palette import COLOURS, GREY
from .stairs import climb, stairs

DATA = {"validate/standard/long/scratch.nc": "make data"}
BAND = 0.05
SMOOTH = 9
STYLES = ("-", "--", ":", "-.")
# Curves of each row, with their colours.
ROWS = (
    (("train_accuracy", "train"), ("unseen_accuracy", "test")),
    (("train_loss", "train"), ("unseen_loss", "test")),
    (("norm", GREY),),
)

CAPTION = (
    """
{answer} Left: transformers on addition mod {p} from scratch, weight decay {decay}, {steps} steps, data set sizes {sizes}
near the threshold, a line style a seed: {words}. The longest rest in ln t of any of them (test accuracy, a running median
of {smooth} measurements, off chance, below 0.9 and within a band of {band}): {rests}. Right: the staircase model, one
memorising and three generalising circuits (κ = {kappa}, weight decay {alpha}, q = {classes}, spread σ = {spread}, Gen's
learning speeds {speeds}), which ends as {toy_behaviour} after a rest at {toy_level} over a factor {toy_factor} of flow
time. Dotted: its steps. Rows: accuracy; cross-entropy; parameter norm, in the model of all circuits together. n = {n}
networks and 1 run of the model. """
    + PROVENANCE
)


def longest_rest(time: np.ndarray, accuracy: np.ndarray, chance: float) -> tuple[float, float, float, float]:
    """Longest stretch in ln t on which accuracy is off chance, below 0.9 and within BAND: its ends, level and factor.

    All nan where there is none.
    """
    best = (np.nan,) * 4
    for i in range(time.size):
        outside = (accuracy[i:] < chance + 0.05) | (accuracy[i:] > 0.9)
        wide = np.maximum.accumulate(accuracy[i:]) - np.minimum.accumulate(accuracy[i:]) > BAND
        stop = np.flatnonzero(outside | wide)
        length = int(stop[0]) if stop.size else time.size - i
        if length < 2:
            continue
        factor = time[i + length - 1] / time[i]
        if not factor <= best[3]:
            best = (time[i], time[i + length - 1], float(np.median(accuracy[i : i + length])), float(factor))
    return best


def _smooth(values: np.ndarray) -> np.ndarray:
    padded = np.pad(values, SMOOTH // 2, mode="edge")
    return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, SMOOTH), axis=-1))


def _mark(axes: Axes, first: float, last: float) -> None:
    if np.isfinite(first):
        axes.axvspan(first, last, color="0.9", lw=0, zorder=0)


def draw() -> tuple[Figure, dict[str, object]]:
    """Accuracy, losses and norm: the long runs and the model's."""
    ds = runs(next(iter(DATA)))
    found = list(each(ds))
    config, model = found[0].config, stairs()
    tr, steps = climb(model)
    sizes = sorted({run.config["dataset_size"] for run in found})
    fig, panels = plt.subplots(3, len(sizes) + 1, figsize=(7.0, 4.4), sharex="col", height_ratios=(1.3, 1.0, 1.0))
    words, rests, longest = [], [], 0.0
    for column, size in zip(panels.T, sizes, strict=False):
        own = [run for run in found if run.config["dataset_size"] == size]
        for run, style in zip(own, itertools.cycle(STYLES), strict=False):
            for axes, names in zip(column, ROWS, strict=True):
                for name, colour in names:
                    axes.plot(*run.curve(name), color=COLOURS.get(colour, colour), lw=0.9, ls=style)
            step, accuracy = run.curve("unseen_accuracy")
            first, last, level, factor = longest_rest(step, _smooth(accuracy), 1.0 / config["p"])
            if factor > longest:
                longest = factor
                rests = [f"at {level:.2g} from step {first:.3g} to {last:.3g}, D = {size}, seed {run.config['seed']}"]
        column[0].set_title(f"D = {size}, {len(own)} seeds")
        column[-1].set(xscale="log", xlim=(1.0, step[-1]), xlabel="optimizer steps")
        called = Counter(run.behaviour for run in own)
        words.append(f"at D = {size} " + ", ".join(f"{n} {name}" for name, n in called.most_common()))
    toy = panels[:, -1]
    for axes, curves in zip(
        toy,
        (
            ((tr.train_accuracy, "train"), (tr.test_accuracy, "test")),
            ((tr.train_loss, "train"), (tr.test_loss, "test")),
            ((np.hypot(tr.gen_norm, tr.mem_norm), GREY),),
        ),
        strict=True,
    ):
        for curve, colour in curves:
            axes.plot(tr.time, curve, color=COLOURS.get(colour, colour), label=colour)
        for step in steps:
            axes.axvline(step, color=GREY, lw=0.6, ls=":", zorder=0)
    toy[0].set_title("staircase model")
    toy[-1].set(xscale="log", xlim=(tr.time[0], tr.time[-1]), xlabel="flow time")
    for row, what in zip(panels, ("accuracy", "cross-entropy (nats)", "parameter norm"), strict=True):
        row[0].set(ylabel=what)
    for axes in panels[0]:
        axes.set(ylim=(-0.03, 1.06))
    for axes in panels[1]:
        axes.set(yscale="log")
    for row in panels[1:]:
        for axes in row[1:-1]:
            axes.sharey(row[0])
    for axes in panels[:, 1:-1].ravel():
        axes.tick_params(labelleft=False)
    toy[0].legend(loc="center left")
    first, last, level, factor = longest_rest(tr.time, tr.test_accuracy, 1.0 / model.num_classes)
    _mark(toy[0], first, last)
    semi = sum(run.behaviour == "semi-grokking" for run in found)
    return fig, provenance(ds) | {
        "answer": f"Of {len(found)} networks {semi or 'not one'} semi-grok{'s' if semi < 2 else ''} by the vocabulary.",
        "p": config["p"],
        "decay": config["weight_decay"],
        "steps": config["steps"],
        "sizes": ", ".join(str(size) for size in sizes),
        "words": "; ".join(words),
        "rests": "; ".join(rests) or "none",
        "smooth": SMOOTH,
        "band": BAND,
        "kappa": model.kappa,
        "alpha": model.weight_decay,
        "classes": model.num_classes,
        "spread": model.logit_spread,
        "speeds": ", ".join(f"{circuit.learning_speed:g}" for circuit in model.generalising),
        "toy_behaviour": tr.behaviour,
        "toy_level": level,
        "toy_factor": factor,
    }
