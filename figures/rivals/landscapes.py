"""With the norm held: train and test loss over the norm, task by task, where Omnigrok says L and U.

Claim: which of the landscapes have the shape that the rival theory puts behind grokking, by a rule fixed before the runs.
Source: Liu, Michaud & Tegmark 2022 (arXiv 2210.01117), figures 2a, 3, 4, 5 and 9; O1 and O6 of validate.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..networks.lines import critical, number_axis
from ..palette import COLOURS, GREY, VERDICTS
from ..study import Study
from ..verdicts import Verdicts, number
from .tasks import LANDSCAPE, TASKS, TIP, published, remark, shown

DATA = ("omnigrok/verdicts.json", "omnigrok/teacher/landscape.nc")
LEAST = 1e-6  # losses below are drawn there
LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)
BOTTOM = "ln norm at the bottom"

CAPTION = """
Top: loss at the end, norm held from the start; means over seeds; dashed: bottom of the U with its interval; diamonds:
published. Below: rise of test loss at the better end and of train loss at the large end, against the rule's line;
test error over norm and size, triangles: the published tips ({levels}). L and U confirmed: {confirmed}; refuted:
{refuted}. {remark}n = {n} norms and sizes.
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
    bottom = verdicts.number("O1", BOTTOM, task).exp()
    if bottom.exists:
        critical(axes, max(bottom.low, own.start_norm.min()), bottom.value, min(bottom.high, own.start_norm.max()))
    axes.set(xscale="log", yscale="log", xlabel="norm", title=TASKS[task])
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
    axes.set(xscale="log", xlabel="norm", title=f"{TASKS[task]}: size D")
    number_axis(axes.yaxis, table.index)


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """Losses of every task above; rises against the rule, and contours, below."""
    verdicts = study.rival
    tables = {task: rows for task in TASKS if len(rows := verdicts.rows("O1", "landscape", task))}
    there, missing = shown(tables)
    fig = plt.figure(figsize=(7.0, 4.4))
    upper, lower = fig.subfigures(2, 1)
    for axes, task in zip(upper.subplots(1, len(there), squeeze=False)[0], there, strict=True):
        _losses(axes, tables[task], task, verdicts)
    upper.axes[0].set_ylabel("loss")
    for which in ("train", "test"):
        upper.axes[0].plot([], [], color=COLOURS[which], label=which)
    upper.axes[0].legend(loc="lower left", handlelength=1.0)

    wide = [task for task in there if tables[task].dataset_size.nunique() > 1]
    rises, *maps = lower.subplots(1, 1 + len(wide), squeeze=False)[0]
    found = {"confirmed": [], "refuted": [], "inconclusive": []}
    for k, task in enumerate(there):
        column = verdicts.column("O1", task)
        found[column["verdict"]].append(TASKS[task])
        for j, entry in enumerate(column["findings"]):
            estimate = verdicts.number("O1", entry["criterion"], task)
            y, colour = k + 0.3 * j - 0.15, VERDICTS[entry["verdict"]]
            rises.plot(np.clip(estimate[1:3], -1, 10), [y, y], color=colour, lw=1.1)
            rises.plot(estimate.value, y, "os"[j], ms=4, color=colour, mfc="w" if j else colour)
            rises.axvline(max(x for x in map(number, entry["region"]) if np.isfinite(x)), color=GREY, lw=0.7,
                          ls=":-"[j] if j == 0 else "--", zorder=0)  # fmt: skip
    rises.set(yticks=range(len(there)), yticklabels=[TASKS[task] for task in there], ylim=(len(there) - 0.5, -0.5))
    rises.set(xscale="symlog", xlabel="rise: U (dot), L (square)")
    for axes, task in zip(maps, wide, strict=True):
        _contours(axes, tables[task], task)
    return fig, {
        "n": sum(map(len, tables.values())),
        "levels": ", ".join(f"{level:g}" for level in TIP),
        "confirmed": ", ".join(found["confirmed"]) or "none",
        "refuted": ", ".join(found["refuted"]) or "none",
        "remark": remark(there, missing),
        "bottoms": {task: verdicts.number("O1", BOTTOM, task).exp().value for task in there},
    }
