"""Randomly initialised networks mostly end at chance or generalise; of those in between most still move (paper, figure 5).

Claim: most of the scatter of the paper's figure 5 is motion caught at a moment: networks between chance and 0.9 still
move.
Source: Varma et al. 2023, figure 5; P4 of validate.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from validate.measured import THRESHOLDS
from validate.quantities import between, by_frequencies

from ..lines import beside, number_axis
from ..palette import COLOURS, GREY, size_colours
from ..study import Study

DATA = ("base/scratch.nc",)
ALSO = ("long/scratch.nc", "laws-43/mixed_coupled.nc")
MIXED = "laws-43/mixed_coupled"
DECAY = 1.0
SHOWN = 4

CAPTION = """
Randomly initialised networks mod {p}, AdamW, λ = 1, {steps} steps. Left: final accuracy outside D; of {between} networks
between chance + 0.05 and 0.9, {moving} still move. {longer}Middle: sizes where seeds differ most. {frequencies}n = {n}
runs.
"""


def _mixed(axes: Axes, nets: pd.DataFrame) -> str:
    """Ends of networks from mixed starts against the frequencies that Gen holds, and a sentence about them."""
    for rests, face in ((True, COLOURS["test"]), (False, "w")):
        own = nets[nets.rests == rests]
        axes.plot(own.frequencies, own.test, "o", ms=3.8, mec=COLOURS["test"], mew=0.8, mfc=face)
    axes.set(xlabel="frequencies of Gen (effective)", title=f"mixed starts, D = {nets.dataset_size.iloc[0]}")
    one, more = by_frequencies(nets).itertuples()
    halfway = nets[between(nets)]
    return (
        f"Right: mixed starts, coupled, {nets.steps.max()} steps; {int(halfway.rests.sum())} of {len(halfway)} in between "
        f"rest; those above 0.5: median {one.test:.2f} with one frequency (n = {one.n:g}), {more.test:.2f} with more "
        f"(n = {more.n:g}; after the fact). "
    )


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """Ends on the left, curves near the threshold on the right."""
    runs = [run for run in study.runs("base/scratch") if run.config["weight_decay"] == DECAY]
    table, late = study.tables("base/scratch"), study.tables("long/scratch")
    table, late = (rows[rows.weight_decay == DECAY] if len(rows) else rows for rows in (table, late))
    mixed = study.tables(MIXED)
    fig, row = plt.subplots(1, 3 if len(mixed) else 2, figsize=(7.0, 2.6), sharey=True)
    left, right = row[:2]
    for rows, mark, size, colour in ((table, "o", 3.8, COLOURS["test"]), (late, "s", 5.5, "k")):
        for rests in (True, False) if len(rows) else ():
            own = rows.rests == rests
            left.plot(beside(rows)[own], rows.test[own], mark, ms=size, mec=colour, mew=0.8,
                      mfc=COLOURS["test"] if rests else "w")  # fmt: skip
    handles = [Line2D([], [], ls="", marker="o", ms=3.8, mfc=face, mec=COLOURS["test"], label=label)
               for face, label in ((COLOURS["test"], "at rest"), ("w", "still moving"))]  # fmt: skip
    longer = ""
    if len(late):
        handles.append(
            Line2D([], [], ls="", marker="s", ms=5.5, mfc="none", mec="k", label=f"{late.steps.max()} steps")
        )
        rest = late[late.test < THRESHOLDS.performance]
        moving = int((~rest.rests).sum())
        longer = f"After {late.steps.max()} steps {len(late) - len(rest)} of {len(late)} are through, {moving} move. "
    left.legend(handles=handles, loc="center right")
    # The sizes where seeds differ most.
    spread = table.groupby("dataset_size").test.agg(np.ptp).sort_values(ascending=False)
    for size, colour in size_colours(sorted(spread.index[:SHOWN])).items():
        for run in (run for run in runs if run.config["dataset_size"] == size):
            right.plot(run.step, run.test, color=colour, lw=0.9)
        right.plot([], [], color=colour, lw=0.9, label=f"D = {size:g}")
    right.legend(loc="upper left")
    frequencies = _mixed(row[2], mixed) if len(mixed) else ""
    number_axis(left.xaxis, table.dataset_size, 5)
    left.set(xlabel="data set size D (pairs)", ylabel="accuracy outside D", ylim=(-0.04, 1.05))
    right.set(xlabel="optimizer steps", xlim=(0, table.steps.max()))
    for axes in row:
        axes.axhline(1.0 / table.p.iloc[0], color=GREY, ls=":", lw=0.9, zorder=0)
    halfway = between(table)
    return fig, {
        "n": len(table) + len(late) + len(mixed),
        "frequencies": frequencies,
        "p": int(table.p.iloc[0]),
        "steps": int(table.steps.max()),
        "between": int(halfway.sum()),
        "moving": int((halfway & ~table.rests).sum()),
        "longer": longer,
    }
