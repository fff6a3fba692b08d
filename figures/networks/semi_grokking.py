"""From scratch, networks end at chance or generalise: near the threshold they do not rest in between (paper, figure 5).

Claim: the scatter of the paper's figure 5 is motion caught at a moment, not rest: nets between chance and 0.9 still
move.
Source: Varma et al. 2023, figure 5; P4 of validate.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..lines import beside, number_axis
from ..palette import COLOURS, GREY, size_colours
from ..study import Study

DATA = ("base/scratch.nc",)
ALSO = ("long/scratch.nc",)
DECAY = 1.0
SHOWN = 4

CAPTION = """
Addition mod {p} from scratch, AdamW, λ = 1, {steps} steps. Left: accuracy outside the training set at the end;
filled: at rest, open: still moving; of the {between} runs between chance + 0.05 and 0.9, {moving} move.
{longer}Right: the runs of four sizes near the threshold: they leave chance one after another and go all the way, or
had not yet left. Dotted: chance. n = {n} runs.
"""


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """Ends on the left, curves near the threshold on the right."""
    runs = [run for run in study.runs("base/scratch") if run.config["weight_decay"] == DECAY]
    table = study.tables("base/scratch")
    table = table[table.weight_decay == DECAY]
    chance = 1.0 / table.p.iloc[0]
    fig, (left, right) = plt.subplots(1, 2, figsize=(7.0, 2.7), sharey=True)
    sizes = beside(table)
    for rests, face in ((True, COLOURS["test"]), (False, "w")):
        own = table.rests == rests
        left.plot(sizes[own], table.test[own], "o", ms=3.8, mfc=face, mec=COLOURS["test"], mew=0.9)
    late = study.tables("long/scratch")
    late = late[late.weight_decay == DECAY] if len(late) else late
    if len(late):
        left.plot(beside(late), late.test, "s", ms=6, mfc="none", mec="k", mew=0.7)
    handles = [
        Line2D([], [], ls="", marker="o", ms=3.8, mfc=face, mec=COLOURS["test"], label=label)
        for face, label in ((COLOURS["test"], "at rest"), ("w", "still moving"))
    ]
    if len(late):
        handles.append(Line2D([], [], ls="", marker="s", ms=6, mfc="none", mec="k", label=f"{late.steps.max()} steps"))
    left.legend(handles=handles, loc="center right")
    between = table.test.between(chance + 0.05, 0.9)
    # The sizes at which seeds differ most.
    spread = table.groupby("dataset_size").test.agg(np.ptp).sort_values(ascending=False)
    shown = sorted(spread.index[:SHOWN])
    colours = size_colours(shown)
    for size in shown:
        own = [run for run in runs if run.config["dataset_size"] == size]
        for k, run in enumerate(own):
            right.plot(run.step, run.test, color=colours[size], lw=0.9, label=None if k else f"D = {size}")
    right.legend(loc="upper left")
    number_axis(left.xaxis, table.dataset_size, 7)
    left.set(xlabel="data set size D (pairs)", ylabel="accuracy outside D", ylim=(-0.04, 1.05))
    right.set(xlabel="optimizer steps", xlim=(0, table.steps.max()))
    for axes in (left, right):
        axes.axhline(chance, color=GREY, ls=":", lw=0.9, zorder=0)
    return fig, {
        "n": len(table) + len(late),
        "p": int(table.p.iloc[0]),
        "steps": int(table.steps.max()),
        "between": int(between.sum()),
        "moving": int((between & ~table.rests).sum()),
        "longer": f"Squares: {len(late)} runs of {late.steps.max()} steps. " if len(late) else "",
    }
