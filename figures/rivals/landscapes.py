"""With the norm held, test loss has the U in it that Omnigrok says; train loss is not always its L.

Claim: which of the landscapes have the shape that the rival theory puts behind grokking, by a rule fixed before the runs.
Source: Liu, Michaud & Tegmark 2022 (arXiv 2210.01117), figures 2a, 3, 4, 5 and 9; O1 and O6 of validate.
"""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from validate.words import number_words

from ..lines import critical, number_axis
from ..palette import COLOURS, VERDICTS
from ..study import Study
from ..verdicts import Verdicts
from .tasks import LANDSCAPE, TASKS, TIP, published, remark, round_values, shown

DATA = ("omnigrok/verdicts.json", "omnigrok/teacher/landscape.nc")
LEAST = 1e-6  # losses below are drawn there
LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)
BOTTOM = "ln norm at the bottom"

CAPTION = """
Top: loss at the end, norm held from the start; means over seeds; dashed: bottom of the U with its interval; diamonds:
published. U: rise of ln test loss to the better end; L: train loss regained. By the rule, confirmed: {confirmed};
refuted: {refuted}; inconclusive: {inconclusive}. {below}{remark}n = {n} norms and sizes.
"""


def _losses(axes: Axes, rows: pd.DataFrame, task: str, verdicts: Verdicts) -> None:
    """Both losses over the norm at the largest size."""
    own = rows[rows.dataset_size == rows.dataset_size.max()].sort_values("start_norm")
    for which in ("train", "test"):
        axes.plot(own.start_norm, own[f"{which}_loss"].clip(lower=LEAST), "o-", ms=2.2, lw=1.0, color=COLOURS[which])
    if task == "teacher":
        unit = float((own.start_norm / own.init_scale).median())
        for which, values in LANDSCAPE.items():
            published(axes, unit * 10 ** (np.arange(len(values)) / 5 - 1), values, which)
    bottom = verdicts.number("O1", BOTTOM, task).exp().interval
    ends = max(bottom.low, own.start_norm.min()), min(bottom.high, own.start_norm.max())
    critical(axes, replace(bottom, low=ends[0], high=ends[1]))
    column = verdicts.column("O1", task)
    rises = [verdicts.number("O1", f.criterion.name, task).value for f in column.findings]
    words = ", ".join(f"{name} {number_words(rise)}" for name, rise in zip("UL", np.round(rises, 2), strict=True))
    axes.set_title(f"{TASKS[task]}\n{words}", color=VERDICTS[column.verdict])
    axes.set(xscale="log", yscale="log", xlabel="norm")
    number_axis(axes.xaxis, round_values(own.start_norm))
    axes.set_xlim(own.start_norm.min() / 1.2, own.start_norm.max() * 1.2)


def _contours(axes: Axes, rows: pd.DataFrame, task: str) -> None:
    """Test error over norm and size, where every norm was tried at every size."""
    table = rows.assign(error=1 - rows.test).pivot_table(index="dataset_size", columns="init_scale", values="error")
    table = table.dropna(axis=1)
    norm = rows.groupby("init_scale").start_norm.mean()[table.columns]
    filled = axes.contourf(norm, table.index, table, levels=LEVELS, cmap="Greens", vmin=-0.1, vmax=1.1)
    axes.contour(norm, table.index, table, levels=LEVELS, colors="k", linewidths=0.4)
    axes.figure.colorbar(filled, ax=axes, label="test error", ticks=LEVELS[1::2])
    if task == "digits":
        there = [size for size in TIP.values() if table.index.min() <= size <= table.index.max()]
        axes.plot([norm.min()] * len(there), there, ">", color="k", ms=4, clip_on=False, zorder=4)
    axes.set(xlabel="norm", ylabel="data set size D", title=TASKS[task])
    number_axis(axes.xaxis, round_values(norm))
    number_axis(axes.yaxis, table.index)


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """Losses of every task above; contours below."""
    verdicts = study.rival
    tables = {task: rows for task in TASKS if len(rows := verdicts.rows("O1", "landscape", task))}
    there, missing = shown(tables)
    wide = [task for task in there if tables[task].dataset_size.nunique() > 1]
    fig = plt.figure(figsize=(7.0, 4.4 if wide else 2.4))
    upper, lower = fig.subfigures(2, 1) if wide else (fig, fig)
    for axes, task in zip(upper.subplots(1, len(there), squeeze=False)[0], there, strict=True):
        _losses(axes, tables[task], task, verdicts)
    upper.axes[0].set_ylabel("loss")
    for which in ("train", "test"):
        upper.axes[0].plot([], [], color=COLOURS[which], label=which)
    upper.legend(*upper.axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)

    for axes, task in zip(lower.subplots(1, len(wide), squeeze=False)[0] if wide else (), wide, strict=True):
        _contours(axes, tables[task], task)
    found = {task: verdicts.column("O1", task).verdict for task in there}
    return fig, {
        "n": sum(map(len, tables.values())),
        "below": "Below: test error over norm and size; triangles: published tips of its contours. " if wide else "",
        **{word: ", ".join(TASKS[task] for task in there if found[task] == word) or "none" for word in VERDICTS},
        "remark": remark(there, missing),
        "bottoms": {task: verdicts.number("O1", BOTTOM, task).exp().value for task in there},
    }
