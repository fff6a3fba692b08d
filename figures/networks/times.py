"""Under AdamW grokking and ungrokking take longer at smaller λ; with a coupled penalty, ungrokking does not (beyond paper).

Claim: decoupled decay is the toy's clock; Adam divides a penalty in the loss by its own size, so that α sets where a
network rests and not how fast it gets there.
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
Steps until accuracy outside the training set is 0.9 for good (from random initialisation), or one half for good
(networks that had grokked): medians and quartiles of the runs of a size, where at least half change; carets: some do
not in the steps trained. Grey: 1/λ. Exponents: {exponents}. n = {n} runs.
"""


def _panel(axes: Axes, table: pd.DataFrame, time: str) -> None:
    """Times against weight decay, a colour for each size that was tried at two decays."""
    tried = table.groupby("dataset_size").weight_decay.nunique()
    happens = table.groupby("dataset_size")[time].apply(lambda t: t.gt(0).mean())
    sizes = [size for size in tried[tried > 1].index if happens[size] >= 0.5]
    for k, (size, colour) in enumerate(size_colours(sizes).items()):
        own = table[table.dataset_size == size]
        waits = own[time].where(own[time] > 0, np.inf).groupby(own.weight_decay)
        low, middle, high = (waits.quantile(q, interpolation="nearest") for q in (0.25, 0.5, 0.75))
        shift = 1.05 ** (k - 0.5 * (len(sizes) - 1))
        there = middle[np.isfinite(middle)].index
        # Where a quarter do not change, the bar goes to the steps trained.
        top = high[there].clip(upper=own.groupby("weight_decay").steps.max()[there])
        error = middle[there] - low[there], top - middle[there]
        axes.errorbar(there * shift, middle[there], error, fmt="o-", ms=2.6, color=colour, lw=1.0, elinewidth=0.8,
                      label=f"{size:g}")  # fmt: skip
        never = own[~(own[time] > 0)].groupby("weight_decay").steps.max()
        axes.plot(never.index * shift, 1.15 * never, "^", ms=3, mfc="none", mec=colour, mew=0.6)
    x = np.array([table.weight_decay.min(), table.weight_decay.max()])
    middle = np.exp(np.log(table[time][table[time] > 0]).mean())
    axes.plot(x, middle * np.sqrt(x[0] * x[1]) / x, color=GREY, lw=1.2, ls="--", zorder=0)
    axes.set(xscale="log", yscale="log")


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """Three panels: grokking, ungrokking under AdamW and under a coupled penalty."""
    fig, row = plt.subplots(1, 3, figsize=(7.0, 2.8))
    words, count = [], 0
    for axes, (title, (id, protocol, name, time, kind)) in zip(row, PANELS.items(), strict=True):
        table = study.tables(f"base/{kind}", f"fresh/{kind}")
        table = table[table.weight_decay > 0]
        _panel(axes, table, time)
        count += len(table)
        coupled, ticks = protocol == "coupled", sorted(set(table.weight_decay))
        axes.set(title=title, xlabel=f"weight decay {'α' if coupled else 'λ'}")
        number_axis(axes.xaxis, ticks)
        if coupled:
            axes.set_xticks(ticks, labels=[power(t) for t in ticks])
        number_axis(axes.yaxis, (30, 100, 300, 1000, 3000, 10_000), 6)
        low, high = axes.get_ylim()
        axes.set_ylim(low / (1 if coupled else 8), high * (8 if coupled else 1))
        axes.legend(title="D" if kind == "scratch" else "D′", title_fontsize=7, ncols=2, columnspacing=0.8,
                    loc="upper right" if coupled else "lower left")  # fmt: skip
        exponent = study.verdicts.number(id, name, protocol)
        words += [f"{title} {exponent}"] if exponent.exists else []
    row[0].set_ylabel("steps")
    return fig, {"n": count, "exponents": "; ".join(words)}
