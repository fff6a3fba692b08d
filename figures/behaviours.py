"""Every behaviour in one vocabulary: a transformer above, the two-circuit model below.

Claim: the behaviours that the model predicts are those that networks show, told apart by the same rules; those that no
network showed are said to be missing.
Source: model.md 7; Varma et al. 2023, figure 1 and section 3; experiments.md 1.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

import toymodel as tm

from .measured import PROVENANCE, Run, each, provenance, runs, short
from .palette import BEHAVIOUR_COLOURS, COLOURS, GREY

DATA = {
    "validate/standard/base/scratch.nc": "make data",
    "validate/standard/long/scratch.nc": "make data",
    "validate/standard/base/ungrokking.nc": "make data",
    "validate/standard/base/ungrokking_coupled.nc": "make data",
}
BASE, LONG, ADAMW, COUPLED = DATA
SPREAD = 0.3
T_END = 1e4
RICH = 10.0  # data set size, relative to D_crit, on which a net has grokked before it ungroks
# What is shown: where its real run is looked for, and the toy's data set size relative to D_crit and weight decay.
SHOWN = {
    "comprehension": ((BASE,), 4.0, 0.05),
    "grokking": ((BASE,), 4.0, 0.005),
    "semi-grokking": ((BASE, LONG), 1.1, 0.005),
    "memorisation": ((BASE,), 0.25, 0.005),
    "ungrokking": ((ADAMW, COUPLED), 0.25, 0.005),
}
TIMES = np.geomspace(0.1, T_END, 800)
# How a panel writes data set size and weight decay: decoupled (AdamW) λ, coupled α, the toy's own.
SIGNS = {BASE: ("D", "λ"), LONG: ("D", "λ"), ADAMW: ("D′", "λ"), COUPLED: ("D′", "α")}
KINDS = {
    BASE: "from scratch",
    LONG: "long run from scratch",
    ADAMW: "a grokked net, AdamW",
    COUPLED: "a grokked net, Adam with a coupled penalty",
}

CAPTION = (
    """
Top: addition mod {p}, accuracy on training pairs and on pairs never seen. A panel's run is the first that the shared
vocabulary calls so, by seed, then data set size, then weight decay (λ of AdamW, α of a coupled L2 penalty); nets that
ungrok had grokked on {parent} of {pairs} pairs and go on with D′, under AdamW if a run that ungroks so is there and
under a coupled penalty if not. Of the finished runs searched, {found}. {rest} Shown: {runs}. Bottom: the toy model
(κ = {kappa}, {p} classes, β = 1/2, spread σ = {spread} of logits over inputs, learning speeds {s_gen} and {s_mem}); for
ungrokking it had grokked on {rich} D_crit. Its train accuracy is near 1 as soon as a logit is above 0, so that its
fitting is read from its loss. Dotted: fits (train accuracy {fit_accuracy}, toy: train loss a tenth of chance);
dash-dotted: generalises (test accuracy {performance}); both for good. Behaviours are matched, times are not. n = {n}
networks. """
    + PROVENANCE
)


def _panel(axes: Axes, x: np.ndarray, train: np.ndarray, test: np.ndarray, events: list[float]) -> None:
    axes.plot(x, train, color=COLOURS["train"], label="train")
    axes.plot(x, test, color=COLOURS["test"], label="test")
    for event, style in zip(events, (":", "-."), strict=True):
        if event > x[0]:
            axes.axvline(event, color=GREY, lw=0.8, ls=style, zorder=0)
    _frame(axes, x[0], x[-1])


def _frame(axes: Axes, first: float, last: float) -> None:
    axes.set(xscale="log", xlim=(first, last), ylim=(-0.04, 1.06))
    axes.set_xticks([t for t in (1.0, 1e2, 1e4) if first <= t <= last])
    axes.xaxis.set_minor_locator(LogLocator(numticks=20))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _since(step: np.ndarray, holds: np.ndarray) -> float:
    """First step from which `holds` is true to the end; nan if it is not true at the end."""
    broken = np.flatnonzero(~holds)
    return float(step[broken[-1] + 1 if broken.size else 0]) if holds[-1] else float("nan")


def _real(axes: Axes, run: Run, thresholds: tm.Criteria) -> None:
    step, train = run.curve("train_accuracy")
    _, test = run.curve("unseen_accuracy")
    events = [_since(step, train >= thresholds.fit_accuracy), _since(step, test >= thresholds.performance)]
    _panel(axes, step, train, test, events)


def _toy(name: str, model: tm.TwoCircuitModel, ratio: float, alpha: float) -> tm.Trajectory:
    """The model's run of behaviour `name`; ValueError if it is none."""
    critical = tm.critical_dataset_size(model)
    if name == "ungrokking":
        grokked = tm.simulate(model.at_dataset_size(RICH * critical), T_END, weight_decay=alpha)
        tr = grokked.continue_with(T_END + T_END, dataset_size=ratio * critical, times=T_END + TIMES)
    else:
        tr = tm.simulate(model.at_dataset_size(ratio * critical), T_END, weight_decay=alpha, times=TIMES)
    if tr.behaviour != name:
        raise ValueError(f"the toy run at {ratio:g} D_crit must show {name}, got {tr.behaviour}. Choose other values.")
    return tr


def draw() -> tuple[Figure, dict[str, object]]:
    """Five behaviours, real above toy."""
    data = {file: runs(file) for file in DATA}
    saved = {file: list(each(ds)) for file, ds in data.items()}
    config = saved[ADAMW][0].config
    model = tm.TwoCircuitModel(logit_spread=SPREAD, num_classes=config["p"])
    thresholds = tm.Criteria()
    fig, panels = plt.subplots(2, len(SHOWN), figsize=(7.0, 3.1), sharey=True)
    found, missing, counts = {}, [], []
    for column, (name, (files, ratio, alpha)) in enumerate(SHOWN.items()):
        top, bottom = panels[:, column]
        # The files in order; a file's runs come by seed, data set size and weight decay.
        alike = [(file, run) for file in files for run in saved[file] if run.behaviour == name]
        searched = sum(len(saved[file]) for file in files)
        counts.append(f"{len(alike)} of {searched} show {name}")
        about = ""
        if alike:
            file, run = alike[0]
            _real(top, run, thresholds)
            size, decay = SIGNS[file]
            about = f"{size} = {run.config['dataset_size']}, {decay} = {short(run.config['weight_decay'])}"
            found[name] = f"{KINDS[file]}, {run.net}"
        else:
            about = "no run"
            top.text(0.5, 0.5, f"none found\namong {searched} runs", transform=top.transAxes, ha="center", va="center")
            _frame(top, 1.0, 1e4)
            missing.append(name)
        shade = {"boxstyle": "square,pad=0.25", "facecolor": BEHAVIOUR_COLOURS[name], "edgecolor": "none"}
        top.set_title(name, loc="center", bbox=shade, pad=16)
        top.text(0.5, 1.04, about, transform=top.transAxes, ha="center", va="bottom", fontsize=7)
        tr = _toy(name, model, ratio, alpha)
        events = [np.nan if t is None else t for t in (tr.t_fit, tr.t_gen)]
        _panel(bottom, tr.time, tr.train_accuracy, tr.test_accuracy, events)
        bottom.text(
            0.5, 1.04, f"{ratio:g} $D_{{crit}}$, α = {alpha:g}", transform=bottom.transAxes, ha="center", fontsize=7
        )
    panels[0, 0].set(ylabel="accuracy, transformer")
    panels[1, 0].set(ylabel="accuracy, two circuits")
    panels[0, 2].set(xlabel="optimizer steps")
    panels[1, 2].set(xlabel="flow time (learning rate × steps)")
    panels[1, 3].legend(loc="center right")
    rest = f"Missing: {', '.join(missing)}." if missing else "Each was found."
    numbers = provenance(*data.values())
    return fig, numbers | {
        "p": model.num_classes,
        "pairs": model.num_classes**2,
        "parent": config["start_from"]["dataset_size"],
        "searched": sum(map(len, saved.values())),
        "found": ", ".join(counts),
        "runs": "; ".join(f"{name}: {net}" for name, net in found.items()),
        "rest": rest,
        "kappa": model.kappa,
        "spread": SPREAD,
        "s_gen": model.gen.learning_speed,
        "s_mem": model.mem.learning_speed,
        "rich": RICH,
        "fit_accuracy": thresholds.fit_accuracy,
        "performance": thresholds.performance,
    }
