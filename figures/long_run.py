"""Long runs near the threshold, beside the staircase model: what rests at a middling accuracy, and for how long.

Claim: the model allows long plateaus at a middling accuracy (transient semi-grokking); whether a network of this size
rests on one, creeps or stays at chance is what its long runs show.
Source: Varma et al. 2023, section 5.3 and figure 6; model.md 7; experiments.md 1.
"""

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
# Curves of each row, with their colours.
ROWS = (
    (("train_accuracy", "train"), ("unseen_accuracy", "test")),
    (("train_loss", "train"), ("unseen_loss", "test")),
    (("norm", GREY),),
)

CAPTION = (
    """
{answer} Left: transformers on addition mod {p} from scratch, weight decay {decay}, {steps} steps, data set sizes {sizes}
near the threshold: {words}. Their longest rests, shaded (test accuracy, a running median of {smooth} measurements, off
chance, below 0.9 and within a band of {band}; those that last to the end are cut short by it): {rests}. Right: the staircase
model, one memorising and three generalising circuits (κ = {kappa}, weight decay {alpha}, q = {classes}, spread σ =
{spread}, Gen's learning speeds {speeds}), which ends as {toy_behaviour} after a rest at {toy_level} over a factor
{toy_factor} of flow time. Dotted: its steps. Rows: accuracy; cross-entropy; parameter norm, in the model of all circuits
together. n = {n} networks and 1 run of the model. """
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
    columns = len(found) + 1
    fig, panels = plt.subplots(3, columns, figsize=(7.0, 4.4), sharex="col", height_ratios=(1.3, 1.0, 1.0))
    words, rests = [], []
    for column, run in zip(panels.T, found, strict=False):
        for axes, names in zip(column, ROWS, strict=True):
            for name, colour in names:
                axes.plot(*run.curve(name), color=COLOURS.get(colour, colour), lw=1, label=colour)
        step, accuracy = run.curve("unseen_accuracy")
        first, last, level, factor = longest_rest(step, _smooth(accuracy), 1.0 / config["p"])
        _mark(column[0], first, last)
        size = f"D = {run.config['dataset_size']}"
        column[0].set_title(f"{size}: {run.behaviour}")
        column[-1].set(xscale="log", xlim=(1.0, step[-1]), xlabel="optimizer steps")
        words.append(f"{size} is called {run.behaviour}, accuracy {run.end('unseen_accuracy'):.3g} over the last tenth")
        rests.append(
            f"{size} none" if np.isnan(factor) else f"{size} at {level:.2g} from step {first:.3g} to {last:.3g}"
        )
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
    toy[-1].set(xscale="log", xlim=(tr.time[0], tr.time[-1]), xlabel="flow time (learning rate × steps)")
    for row, what in zip(panels, ("accuracy", "cross-entropy (nats)", "parameter norm"), strict=True):
        row[0].set(ylabel=what)
    for axes in panels[0]:
        axes.set(ylim=(-0.03, 1.06))
    for axes in panels[1]:
        axes.set(yscale="log")
    for row in panels[1:]:
        for axes in row[1:-1]:
            axes.sharey(row[0])
    toy[0].legend(loc="center left")
    first, last, level, factor = longest_rest(tr.time, tr.test_accuracy, 1.0 / model.num_classes)
    _mark(toy[0], first, last)
    semi = sum(run.behaviour == "semi-grokking" for run in found)
    return fig, provenance(ds) | {
        "answer": f"Of {len(found)} networks {semi or 'not one'} semi-grok{'s' if semi < 2 else ''} by the vocabulary.",
        "p": config["p"],
        "decay": config["weight_decay"],
        "steps": config["steps"],
        "sizes": " and ".join(str(run.config["dataset_size"]) for run in found),
        "words": "; ".join(words),
        "rests": "; ".join(rests),
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
