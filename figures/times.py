"""How long grokking and ungrokking take, against weight decay and data set size, in real networks and in the toy model.

Claim: both times fall nearly as one over weight decay, as in the toy model; towards its threshold the grokking time of
networks grows without bound, where that of the toy, whose threshold is the isologit one, hardly changes.
Source: model.md 6; **beyond** the paper; validate's P5 and P6.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import toymodel as tm

from .ends import runs
from .palette import GREY, decay_colours
from .verdicts import ABOUT, Verdicts, plain_ticks, short

DATA = {
    "validate/{profile}/verdicts.json": "make data",
    "validate/{profile}/base/scratch.nc": "make data",
    "validate/{profile}/base/ungrokking.nc": "make data",
}
GROK, UNGROK = "exponent of grokking time on weight decay", "exponent of ungrokking time on weight decay"
SIDES = {"grokking": ("P5", "t_gen", GROK), "ungrokking": ("P6", "t_lost", UNGROK)}
CMAP = plt.get_cmap("viridis_r")

CAPTION = (
    """
Steps until accuracy on pairs never seen is at least 0.9 for good (left, from scratch) and until it is at most one half
for good (right, networks that had grokked); each point a run, n = {n}, AdamW. Above, against weight decay, coloured by
data set size, for sizes with a seed in which it happened at every weight decay; lines join geometric means over such
seeds. Below, against data set size, coloured by weight decay. Carets: runs in which it did not happen within {steps}
steps. Grey: the toy model at the paper's κ = {kappa}, simulated (solid) and in closed form (dashed), at D =
{size_grokking} and D′ = {size_ungrokking} above; its D_crit and η_mem ∝ D^({exponent}) are the measured ones
({isologit} pairs), its α is {alpha} × weight decay, and one factor per column takes its flow time to steps, so that
only slopes and shapes can be compared. Exponent of the time on weight decay, grokking: networks {measured_grokking},
toy {toy_grokking}; ungrokking: networks {measured_ungrokking}, toy {toy_ungrokking}; with a coupled L2 penalty, where
weight decay does not set Adam's pace, ungrokking has {coupled}. """
    + ABOUT
)


def _toy(model: tm.TwoCircuitModel, side: str, size: float, full: float) -> tuple[float, float]:
    """Simulated and closed-form time of the toy, flow time; nan where it does not happen."""
    try:
        if side == "grokking":
            found = tm.grokking_time(model.at_dataset_size(size), t_end=1e6)
        else:
            found = tm.ungrokking_time(model.at_dataset_size(full), size, t_end=1e6)
    except ValueError:
        return np.nan, np.nan
    return found.simulated, found.closed_form


def _points(axes: Axes, x: pd.Series, table: pd.DataFrame, time: str, colour: object, steps: float) -> None:
    """Times that are there, and carets for those that are not."""
    there = table[time] > 0
    axes.plot(x[there], table[time][there], "o", ms=3, color=colour, mew=0, alpha=0.85)
    never = table[time].isna()
    axes.plot(x[never], np.full(never.sum(), 1.25 * steps), "^", ms=3.5, mfc="none", mec=colour, mew=0.6)


def _complete(table: pd.DataFrame, time: str) -> pd.DataFrame:
    """The runs of those seeds in which it happened at every weight decay of the table."""
    decays = table[table[time] > 0].groupby("seed").weight_decay.nunique()
    return table[table.seed.isin(decays[decays == table.weight_decay.nunique()].index)]


def _means(axes: Axes, table: pd.DataFrame, time: str, colour: object) -> None:
    """Geometric means over complete seeds, joined: the same seeds at every weight decay."""
    there = _complete(table, time)
    mean = np.log(there[time].astype(float)).groupby(there.weight_decay).mean()
    axes.plot(mean.index, np.exp(mean), color=colour, lw=0.9)


def _column(
    side: str, axes: tuple[Axes, Axes], table: pd.DataFrame, base: tm.TwoCircuitModel, steps: float, full: float
) -> dict[str, object]:
    """One time: above against weight decay, below against data set size."""
    time, (above, below) = SIDES[side][1], axes
    happened = table[table[time] > 0]
    sizes = [
        int(size)
        for size, own in table.groupby("dataset_size")
        if own.weight_decay.nunique() >= 2 and len(_complete(own, time))
    ]
    norm, colours = LogNorm(min(sizes) / 1.2, max(sizes) * 1.2), decay_colours(table.weight_decay)
    for k, size in enumerate(sizes):
        own = table[table.dataset_size == size]
        shift = 1.025 ** (k - 0.5 * (len(sizes) - 1))
        _points(above, own.weight_decay * shift, own, time, CMAP(norm(size)), steps)
        _means(above, own, time, CMAP(norm(size)))
    for k, (decay, own) in enumerate(table.groupby("weight_decay")):
        _points(below, own.dataset_size * 1.02 ** (k - 0.5 * (len(colours) - 1)), own, time, colours[decay], steps)

    # The toy at the size whose exponent was judged, and one factor from flow time to steps.
    critical = tm.critical_dataset_size(base)
    shown = max(sizes) if side == "grokking" else max(s for s in sizes if s < 0.9 * critical)
    judged = _complete(table[table.dataset_size == shown], time)
    reference = judged[judged.weight_decay == 1.0][time]
    decay = np.geomspace(0.2, 5.0, 9)
    models = [base.with_parameters(weight_decay=base.weight_decay * d) for d in decay]
    curve = np.array([_toy(model, side, shown, full) for model in models])
    factor = np.exp(np.log(reference.astype(float)).mean() - np.interp(0.0, np.log(decay), np.log(curve[:, 0])))
    size_axis = np.geomspace(*((1.05, 8.0) if side == "grokking" else (0.2, 0.95)), 25) * critical
    against = np.array([_toy(base, side, float(size), full) for size in size_axis])
    for column, style in ((0, "-"), (1, "--")):
        above.plot(decay, factor * curve[:, column], style, color=GREY, lw=1.2, zorder=0)
        below.plot(size_axis, factor * against[:, column], style, color=GREY, lw=1.2, zorder=0)

    prime = "" if side == "grokking" else "′"
    handles = [Line2D([], [], color=CMAP(norm(s)), marker="o", ms=3, lw=0.9, label=f"D{prime} = {s}") for s in sizes]
    above.legend(handles=handles, loc="lower left", ncols=2 if len(sizes) > 2 else 1, columnspacing=1.0)
    handles = [Line2D([], [], color=c, marker="o", ms=3, ls="", label=f"{d:g}") for d, c in colours.items()]
    below.legend(
        handles=handles,
        title="weight decay",
        title_fontsize=7,
        loc=f"lower {'right' if prime else 'left'}",
        ncols=1 if prime else 2,
        columnspacing=1.0,
    )
    for one in axes:
        one.set(
            xscale="log", yscale="log", ylim=(0.4 * happened[time].min(), 1.6 * steps), ylabel=f"{side} time (steps)"
        )
        plain_ticks(one.yaxis, [100, 300, 1000, 3000, 10_000, 30_000, 100_000])
    above.set(xlim=(0.8 * table.weight_decay.min(), 1.25 * table.weight_decay.max()), xlabel="weight decay")
    plain_ticks(above.xaxis, sorted(set(table.weight_decay)))
    ticks = sorted(set(table.dataset_size))
    below.set(xlim=(ticks[0] / 1.15, ticks[-1] * 1.15), xlabel=f"data set size D{prime} (pairs)")
    plain_ticks(below.xaxis, ticks[:: 1 if len(ticks) < 7 else 2])
    slope = np.polyfit(np.log(decay), np.log(curve[:, 0]), 1)[0]
    return {f"size_{side}": shown, f"toy_{side}": short(float(slope))}


def draw() -> tuple[Figure, dict[str, object]]:
    """Two columns, grokking and ungrokking; above against weight decay, below against data set size."""
    verdicts = Verdicts()
    isologit = verdicts.number("P8a", "ln isologit D_crit").exp()
    slope = verdicts.number("P1b", "slope of ln η_mem on ln D")
    base = tm.TwoCircuitModel(law=tm.PowerLaw(isologit.value, -slope.value))
    config = next(iter(runs("base/ungrokking"))).config
    fig, grid = plt.subplots(2, 2, figsize=(7.0, 5.2))
    numbers: dict[str, object] = {
        "steps": config["steps"],
        "kappa": base.kappa,
        "alpha": base.weight_decay,
        "isologit": short(isologit.value),
        "exponent": short(slope.value),
        "coupled": str(verdicts.number("P6", f"{UNGROK}, coupled L2 penalty")),
    }
    count = 0
    for k, (side, (id, _, exponent)) in enumerate(SIDES.items()):
        table = verdicts.rows(id, "times")
        table, count = table[table.weight_decay > 0], count + len(table)
        full = config["start_from"]["dataset_size"]
        numbers |= _column(side, (grid[0, k], grid[1, k]), table, base, config["steps"], full)
        numbers[f"measured_{side}"] = str(verdicts.number(id, exponent))
    grid[0, 0].set_title("Grokking from scratch")
    grid[0, 1].set_title("Ungrokking")
    about = [
        Line2D([], [], color="0.3", marker="o", ms=3, ls="", label="run"),
        Line2D([], [], color="0.3", marker="^", ms=3.5, mfc="none", mew=0.6, ls="", label="did not happen"),
        Line2D([], [], color=GREY, lw=1.2, label="toy, simulated"),
        Line2D([], [], color=GREY, lw=1.2, ls="--", label="toy, closed form"),
    ]
    fig.legend(handles=about, loc="outside lower center", ncols=4)
    return fig, numbers | {"n": count} | verdicts.numbers()
