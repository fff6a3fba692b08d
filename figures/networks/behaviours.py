"""One vocabulary for networks and toy: comprehension, grokking, semi-grokking, memorisation, ungrokking (paper, figure 1).

Claim: the behaviours that the model predicts are those that networks show, told apart by the same rules; those that
no network showed are said to be missing.
Source: Varma et al. 2023, figure 1 and section 3; toymodel/README.md (7).
"""

from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import toymodel as tm
from validate.quantities import behaviour, joined

from ..lines import decay_name
from ..palette import BEHAVIOUR_COLOURS, COLOURS, CRITICAL, GREY
from ..study import Run, Study

DATA = ("base/scratch.nc", "base/ungrokking.nc")
ALSO = ("long/scratch.nc", "base/scratch_coupled.nc", "base/ungrokking_coupled.nc")
SPREAD = 0.3
T_END = 1e4
RICH = 10.0  # data set size, relative to D_crit, on which a network has grokked before it ungroks
STARTS = {
    "from random initialisation": ("base/scratch", "long/scratch", "base/scratch_coupled"),
    "after grokking": ("base/ungrokking", "base/ungrokking_coupled"),
}
# What is shown: where its real run is looked for, and the toy's data set size relative to D_crit and weight decay.
SHOWN = {
    "comprehension": ("from random initialisation", 4.0, 0.05),
    "grokking": ("from random initialisation", 4.0, 0.005),
    "semi-grokking": ("from random initialisation", 1.1, 0.005),
    "memorisation": ("from random initialisation", 0.25, 0.005),
    "ungrokking": ("after grokking", 0.25, 0.005),
}
TIMES = np.geomspace(0.1, T_END, 600)

CAPTION = """
Top: transformers on addition mod {p}; a panel shows the first run of its kind; above it, how many of the finished runs
from that start are. In no panel: {others}; unfinished: still moving in the second half. Bottom: the toy model, κ =
{kappa}. Memorising is seen in the losses: train falls, test rises above chance (grey). Times are not matched. n = {n}
networks.
"""


def _loss(axes: Axes, x: np.ndarray, train: np.ndarray, test: np.ndarray, chance: float) -> None:
    axes.plot(x, train, color=COLOURS["train"], lw=1.1)
    axes.plot(x, test, color=COLOURS["test"], ls="--", lw=1.1)
    axes.axhline(chance, color=GREY, lw=0.8, ls=":", zorder=0)
    axes.set(yscale="log", ylim=(1e-3, 90.0))


def _real(accuracy: Axes, loss: Axes, run: Run) -> None:
    both = joined(run)
    accuracy.plot(both.step, both.train, color=COLOURS["train"], lw=1.1)
    accuracy.plot(both.step, both.unseen, color=COLOURS["test"], ls="--", lw=1.1)
    _loss(loss, both.step, both.loss, both.unseen_loss, float(np.log(run.config["p"])))
    size = "D′" if run.config.get("start_from") else "D"
    decay = decay_name(run.config["weight_decay"], run.protocol == "coupled")
    loss.set_title(f"{size} = {run.config['dataset_size']}, {decay}", loc="center", fontsize=7)


def _toy(name: str, model: tm.TwoCircuitModel, ratio: float, alpha: float) -> tm.Trajectory:
    """The model's run of behaviour `name`; ValueError if it is none."""
    critical = tm.critical_dataset_size(model)
    if name == "ungrokking":
        grokked = tm.simulate(model.at_dataset_size(RICH * critical), T_END, weight_decay=alpha)
        tr = grokked.continue_with(2 * T_END, dataset_size=ratio * critical, times=T_END + TIMES)
    else:
        tr = tm.simulate(model.at_dataset_size(ratio * critical), T_END, weight_decay=alpha, times=TIMES)
    if tr.behaviour != name:
        raise ValueError(f"the toy run at {ratio:g} D_crit must show {name}, got {tr.behaviour}. Choose other values.")
    return tr


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """Five behaviours: accuracy and loss of a network, loss of the toy model."""
    runs = {start: [run for file in files for run in study.runs(file)] for start, files in STARTS.items()}
    named = {start: [(behaviour(run), run) for run in own] for start, own in runs.items()}
    counts = {start: Counter(word for word, _ in own) for start, own in named.items()}
    model = tm.TwoCircuitModel(logit_spread=SPREAD, num_classes=runs["from random initialisation"][0].config["p"])
    fig, grid = plt.subplots(3, len(SHOWN), figsize=(7.0, 4.2), sharey="row", sharex=False)
    for (name, (start, ratio, alpha)), (accuracy, loss, toy) in zip(SHOWN.items(), grid.T, strict=True):
        alike = [run for word, run in named[start] if word == name]
        shade = {"boxstyle": "square,pad=0.25", "facecolor": BEHAVIOUR_COLOURS[name], "edgecolor": "none"}
        accuracy.text(0.5, 1.32, name, transform=accuracy.transAxes, ha="center", va="bottom", bbox=shade)
        accuracy.set_title(f"{counts[start].pop(name, 0)} of {len(named[start])}", loc="center", fontsize=7)
        if alike:
            _real(accuracy, loss, alike[0])
        else:
            accuracy.text(0.5, 0.5, "none found", transform=accuracy.transAxes, ha="center", va="center")
            loss.set_visible(False)
        tr = _toy(name, model, ratio, alpha)
        late = slice(-TIMES.size, None)  # a continued run begins with the run that it continues
        _loss(toy, TIMES, tr.train_loss[late], tr.test_loss[late], float(np.log(model.num_classes)))
        toy.set_title(f"{ratio:g} {CRITICAL}, α = {alpha:g}", loc="center", fontsize=7)
        steps = (alike or runs["from random initialisation"])[0].config["steps"]
        for axes, low, high in ((accuracy, 1.0, steps), (loss, 1.0, steps), (toy, 0.1, T_END)):
            axes.set(xscale="log", xlim=(low, high), xticks=[t for t in (1.0, 1e2, 1e4) if t <= high])
            axes.minorticks_off()
        accuracy.set(ylim=(-0.04, 1.06))
        accuracy.tick_params(labelbottom=False)
    for axes, label in zip(grid[:, 0], ("accuracy", "cross-entropy\n(nats)", "toy cross-entropy\n(nats)"), strict=True):
        axes.set_ylabel(label)
    for colour, style, label in (("train", "-", "train"), ("test", "--", "outside D")):
        grid[0, 0].plot([], [], color=COLOURS[colour], ls=style, label=label)
    fig.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    grid[1, 0].set_xlabel("optimizer steps")
    grid[2, 0].set_xlabel("flow time")
    others = (
        f"{start} {', '.join(f'{k} {name}' for name, k in own.most_common())}" for start, own in counts.items() if own
    )
    return fig, {
        "n": sum(map(len, runs.values())),
        "p": model.num_classes,
        "others": "; ".join(others) or "none",
        "kappa": model.kappa,
    }
