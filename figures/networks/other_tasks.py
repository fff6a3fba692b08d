"""Grokked networks forget below a critical size on other tasks too (paper, figure 8).

Claim: ungrokking is not special to modular addition; how many pairs a task needs is.
Source: Varma et al. 2023, figure 8 (tasks of Power et al. 2022); validate's study of other tasks.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from validate.quantities import place, places

from ..lines import decay_name, medians, number_axis
from ..palette import GREY, decay_colours
from ..study import Study

TASKS = {
    "base": "x + y",
    "task-sub": "x − y",
    "task-div": "x / y",
    "task-squares": "x² + y²",
    "task-quadratic": "x² + xy + y²",
    "task-s5": "x · y in S5",
}
DATA = ("base/ungrokking.nc", "task-sub/ungrokking.nc")
ALSO = ("base/ungrokking_coupled.nc", "task-*/ungrokking*.nc")
COUPLED = 1e-4
GROKKED = 0.9

CAPTION = """
Held-out accuracy at the end of grokked networks trained on with D′ examples: medians, band over all seeds;
modulus {p}. Dotted: coupled. Diamonds: seeds' halfway sizes; means by decay: {sizes} % of pairs. {poor}n = {n} runs.
"""


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """A panel for each task, over the share of its pairs."""
    tables = {task: study.tables(f"{task}/ungrokking_coupled", f"{task}/ungrokking") for task in TASKS}
    there = {task: t[~t.coupled | (t.weight_decay == COUPLED)] for task, t in tables.items() if len(t)}
    columns = min(3, len(there))
    rows = -(-len(there) // columns)
    fig, grid = plt.subplots(rows, columns, figsize=(7.0, 0.4 + 1.9 * rows), sharey=True, sharex=True, squeeze=False)
    decays = decay_colours(np.concatenate([t.weight_decay[~t.coupled] for t in there.values()]))
    colours = {(False, decay): colour for decay, colour in decays.items()} | {(True, COUPLED): "k"}
    poor, sizes = [], []
    for axes, (task, table) in zip(grid.ravel(), there.items(), strict=False):
        start, found = table.start.median(), []
        if start < GROKKED:  # networks that had not grokked have nothing to lose
            poor.append(f"{TASKS[task]} ({start:.2f})")
        for k, ((coupled, decay), own) in enumerate(table.groupby(["coupled", "weight_decay"])):
            share = own.assign(dataset_size=own.dataset_size / own.pairs)
            colour = colours[bool(coupled), float(decay)]
            medians(axes, share, "test", colour, decay_name(float(decay), bool(coupled)), ":" if coupled else "-")
            if start >= GROKKED:
                seeds, mean = places(share), place(share).value
                axes.plot(seeds, 0 * seeds + 1.12 + 0.09 * k, "D", ms=3, color=colour, mew=0, alpha=0.8)
                found += [f"{100 * mean:.1f}"] * bool(np.isfinite(mean))
        axes.axhline(1.0 / table.p.iloc[0], color=GREY, ls=":", lw=0.9, zorder=0)
        axes.set(title=TASKS[task], ylim=(-0.03, 1.45), yticks=(0, 0.5, 1))
        number_axis(axes.xaxis, (0.03, 0.05, 0.1, 0.2, 0.4, 0.7))
        if found:
            ends = dict.fromkeys((min(found, key=float), max(found, key=float)))
            sizes.append(f"{TASKS[task]} {' to '.join(ends)}")
    for axes in grid.ravel()[len(there) :]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel("accuracy outside D′")
    for axes in grid[-1]:
        axes.set_xlabel("D′ / all pairs")
    legends = [axes.get_legend_handles_labels() for axes in grid.ravel()]
    labels = {label: handle for each in legends for handle, label in zip(*each, strict=True)}
    fig.legend(labels.values(), labels.keys(), loc="outside lower center", ncols=6)
    return fig, {
        "n": sum(map(len, there.values())),
        "p": int(there["base"].p.iloc[0]),
        "sizes": ", ".join(sizes),
        "poor": f"Had not grokked (accuracy): {', '.join(poor)}. " if poor else "",
    }
