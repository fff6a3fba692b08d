"""Under AdamW grokking and ungrokking take a time near 1/λ; under a coupled penalty ungrokking does not (beyond the paper).

Claim: decoupled decay is the toy's clock; Adam divides a penalty in the loss by its own size, so that α sets where a
net rests and not how fast it gets there.
Source: toymodel/README.md (6.1), (6.2); P5 and P6 of validate.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..lines import number_axis, power
from ..palette import GREY, size_colours
from ..study import Study

DATA = ("verdicts.json", "base/scratch.nc", "base/ungrokking.nc", "base/ungrokking_coupled.nc")
ALSO = ("fresh/scratch.nc", "fresh/ungrokking.nc", "fresh/ungrokking_coupled.nc")
GROK, UNGROK = "exponent of grokking time on weight decay", "exponent of ungrokking time on weight decay"
# Panel: prediction, protocol, the number's name, time, kind of run.
PANELS = {
    "grokking, AdamW": ("P5", "AdamW", GROK, "t_gen", "scratch"),
    "ungrokking, AdamW": ("P6", "AdamW", UNGROK, "t_lost", "ungrokking"),
    "ungrokking, coupled": ("P6", "coupled", UNGROK, "t_lost", "ungrokking_coupled"),
}

CAPTION = """
Steps until accuracy outside the training set is 0.9 for good (from scratch, left), or one half for good (nets that
had grokked). Points: runs; lines: medians, where at least half change; carets: not within the steps trained. Grey: 1/λ.
Exponents: {exponents}; 1/λ is −1. n = {n} runs.
"""


def _panel(axes: Axes, table: pd.DataFrame, time: str) -> None:
    """Times against weight decay, a colour for each size that was tried at two decays."""
    tried = table.groupby("dataset_size").weight_decay.nunique()
    happens = table.groupby("dataset_size")[time].apply(lambda t: t.gt(0).mean())
    sizes = [size for size in tried[tried > 1].index if happens[size] >= 0.5]
    colours = size_colours(sizes)
    for k, size in enumerate(sizes):
        own = table[table.dataset_size == size]
        runs = own.groupby("weight_decay").seed
        shift = 1.04 ** (k - 0.5 * (len(sizes) - 1)) * (0.97 + 0.06 * (runs.cumcount() + 0.5) / runs.transform("size"))
        x, there = own.weight_decay * shift, own[time] > 0
        axes.plot(x[there], own[time][there], "o", ms=2.4, color=colours[size], mew=0)
        axes.plot(x[~there], 1.15 * own.steps[~there], "^", ms=3, mfc="none", mec=colours[size], mew=0.6)
        medians = own[time].where(there, np.inf).groupby(own.weight_decay).median()
        medians = medians[np.isfinite(medians)]
        axes.plot(medians, color=colours[size], lw=1.0, label=f"{size:g}")
    x = np.array([table.weight_decay.min(), table.weight_decay.max()])
    middle = np.exp(np.log(table[time][table[time] > 0]).mean())
    axes.plot(x, middle * np.sqrt(x[0] * x[1]) / x, color=GREY, lw=1.2, ls="--", zorder=0)
    axes.set(xscale="log", yscale="log")


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """Three panels: grokking, ungrokking under AdamW and under a coupled penalty."""
    fig, row = plt.subplots(1, 3, figsize=(7.0, 2.7))
    words, count = [], 0
    for axes, (title, (id, protocol, name, time, kind)) in zip(row, PANELS.items(), strict=True):
        table = study.tables(f"base/{kind}", f"fresh/{kind}")
        table = table[table.weight_decay > 0]
        _panel(axes, table, time)
        count += len(table)
        coupled = protocol == "coupled"
        axes.set(title=title, xlabel="weight decay α" if coupled else "weight decay λ")
        ticks = sorted(set(table.weight_decay))
        if coupled:
            axes.set_xticks(ticks, labels=[power(t) for t in ticks])
            axes.minorticks_off()
        else:
            number_axis(axes.xaxis, ticks)
        number_axis(axes.yaxis, (30, 100, 300, 1000, 3000, 10_000), 6)
        low, high = axes.get_ylim()
        axes.set_ylim(low / (1 if coupled else 6), high * (6 if coupled else 1))
        size = "D" if kind == "scratch" else "D′"
        axes.legend(
            title=size, title_fontsize=7, loc="lower left" if not coupled else "upper right", ncols=2, columnspacing=0.8
        )
        words.append(f"{title} {study.verdicts.number(id, name, protocol)}")
    row[0].set_ylabel("steps")
    return fig, {"n": count, "exponents": "; ".join(words)}
