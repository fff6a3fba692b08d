"""Grokked networks forget below a critical size on other tasks too (paper, figure 8).

Claim: ungrokking is not special to modular addition; how many pairs a task needs is.
Source: Varma et al. 2023, figure 8 (tasks of Power et al. 2022); validate's study of other tasks.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from ..lines import decay_name, medians, middle, number_axis, thresholds
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
ALSO = (
    "base/ungrokking_coupled.nc",
    "task-sub/ungrokking_coupled.nc",
    "task-div/ungrokking.nc",
    "task-div/ungrokking_coupled.nc",
    "task-squares/ungrokking.nc",
    "task-squares/ungrokking_coupled.nc",
    "task-quadratic/ungrokking.nc",
    "task-quadratic/ungrokking_coupled.nc",
    "task-s5/ungrokking.nc",
    "task-s5/ungrokking_coupled.nc",
)
COUPLED = 1e-4
GROKKED = 0.9

CAPTION = """
Accuracy outside the training set at the end, of nets that had grokked and went on with D′ pairs; median of seeds,
band: least to greatest; modulus {p}. Dotted: coupled penalty. Diamonds: median threshold, {sizes} % of all pairs.
{poor}n = {n} runs.
"""


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """A panel for each task, over the share of its pairs."""
    tables = {task: study.tables(f"{task}/ungrokking_coupled", f"{task}/ungrokking") for task in TASKS}
    there = {task: t[~t.coupled | (t.weight_decay == COUPLED)] for task, t in tables.items() if len(t)}
    columns = min(3, len(there))
    rows = -(-len(there) // columns)
    fig, grid = plt.subplots(rows, columns, figsize=(7.0, 0.4 + 1.75 * rows), sharey=True, sharex=True, squeeze=False)
    decays = decay_colours(np.concatenate([t.weight_decay[~t.coupled] for t in there.values()]))
    colours = {(False, decay): colour for decay, colour in decays.items()} | {(True, COUPLED): "k"}
    poor, sizes, ticks = [], [], (0.03, 0.05, 0.1, 0.2, 0.4, 0.7)
    for axes, (task, table) in zip(grid.ravel(), there.items(), strict=False):
        # Nets that had not grokked have nothing to lose.
        start = float(
            np.median(
                [run.test[0] for name in ("ungrokking_coupled", "ungrokking") for run in study.runs(f"{task}/{name}")]
            )
        )
        if start < GROKKED:
            poor.append(f"{TASKS[task]} ({start:.2f})")
        found = []
        for (coupled, decay), own in table.groupby(["coupled", "weight_decay"]):
            share = own.assign(dataset_size=own.dataset_size / own.pairs)
            colour = colours[bool(coupled), float(decay)]
            medians(axes, share, "test", colour, decay_name(float(decay), bool(coupled)), ":" if coupled else "-")
            place = middle(thresholds(share).values())[0]
            if np.isfinite(place) and start >= GROKKED:
                axes.plot(place, 0.5, "D", ms=4.5, color=colour, mec="w", mew=0.5, zorder=5)
                found.append(100.0 * place)
        axes.axhline(1.0 / table.p.iloc[0], color=GREY, ls=":", lw=0.9, zorder=0)
        axes.set(title=TASKS[task], ylim=(-0.03, 1.05))
        number_axis(axes.xaxis, ticks)
        if found:
            ends = dict.fromkeys((f"{min(found):.1f}", f"{max(found):.1f}"))
            sizes.append(f"{TASKS[task]} {' to '.join(ends)}")
    for axes in grid.ravel()[len(there) :]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel("accuracy outside D′")
    for axes in grid[-1]:
        axes.set_xlabel("D′ / all pairs")
    labels = {
        label: handle for axes in grid.ravel() for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    fig.legend(labels.values(), labels.keys(), loc="outside lower center", ncols=6)
    return fig, {
        "n": sum(map(len, there.values())),
        "p": int(there["base"].p.iloc[0]),
        "sizes": ", ".join(sizes),
        "poor": f"Had not grokked (accuracy): {', '.join(poor)}. " if poor else "",
    }
