"""Mem comes first and gives way to Gen, in a transformer's logits as in the toy's (paper, appendices A.3 and A.4).

Claim: over a run that groks the memorised part of the right logit rises first and falls as the generalised part takes
over; at rest the ratio of the two falls steeply with the data set near 1, and levels off above it.
Source: Varma et al. 2023, appendices A.3 and A.4; toymodel/README.md (4.1), (5.3).
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import toymodel as tm
from validate.quantities import joined

from ..lines import decay_name, number_axis
from ..palette import COLOURS, GREY, decay_colours
from ..study import Run, Study

DATA = ("realnet/grokking.nc", "base/ungrokking_coupled.nc")
STYLES = ("-", ":", "--", "-.")

CAPTION = """
Left: addition mod {p}, D = {size}, AdamW, λ = {decay}, {seeds} seeds: accuracy; right logit outside D (Gen) and what
training pairs have beyond it (Mem). Vertical: generalises. Centre: the toy model. Right: networks mod {small} that had
grokked and rest on D′ pairs: ratio of logits, by seed; lines: medians. Carets: {without} of {nets} networks without a
ratio, their W_gen or W_mem not above 0. n = {n} runs.
"""


def _panels(
    top: Axes, bottom: Axes, curves: tuple[tuple[np.ndarray, np.ndarray, str], ...], circuits: tuple, style: str
) -> None:
    for x, y, name in curves:
        top.plot(x, y, color=COLOURS[name], ls=style, lw=1.1)
    for y, name in zip(circuits[1:], ("gen", "mem"), strict=True):
        bottom.plot(circuits[0], y, color=COLOURS[name], ls=style, lw=1.1)


def _real(run: Run, top: Axes, bottom: Axes, style: str) -> None:
    both, (step, gen, mem) = joined(run), run.circuits()
    curves = ((both.step, both.train, "train"), (both.step, both.unseen, "test"))
    _panels(top, bottom, curves, (step[1:], gen[1:], mem[1:]), style)
    for axes in (top, bottom):
        axes.axvline(run.row()["t_gen"], color=GREY, lw=0.8, ls=style, zorder=0)


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """A run that groks, the toy's, and what is left at rest."""
    runs = study.runs("realnet/grokking")
    rest = study.tables("base/ungrokking_coupled")
    fig = plt.figure(figsize=(7.0, 2.9))
    grid = fig.add_gridspec(2, 3, width_ratios=(1.1, 0.9, 1.1), height_ratios=(1, 1.5))
    top, bottom, toy_top, toy_bottom = (fig.add_subplot(grid[k % 2, k // 2]) for k in range(4))
    right = fig.add_subplot(grid[:, 2])
    for run, style in zip(runs, STYLES, strict=False):
        _real(run, top, bottom, style)
    tr = tm.simulate(tm.TwoCircuitModel(logit_spread=0.3), 1e3, times=np.geomspace(0.1, 1e3, 400))
    curves = ((tr.time, tr.train_accuracy, "train"), (tr.time, tr.test_accuracy, "test"))
    _panels(toy_top, toy_bottom, curves, (tr.time, tr.gen_logit, tr.mem_logit), "-")
    for axes in (toy_top, toy_bottom):
        axes.axvline(tr.t_gen, color=GREY, lw=0.8, zorder=0)
        axes.set(xscale="log", xlim=(0.1, 1e3))
    for axes in (top, bottom):
        axes.set(xscale="log", xlim=(1.0, runs[0].step[-1]))
    for axes in (top, toy_top):
        axes.tick_params(labelbottom=False)
    top.set(ylabel="accuracy", title="transformer")
    toy_top.set(title="toy model")
    bottom.set(ylabel="right logit (nats)", xlabel="optimizer steps")
    toy_bottom.set(xlabel="flow time")
    for axes, names in ((top, {"train": "train", "test": "outside D"}), (bottom, {"gen": "Gen", "mem": "Mem"})):
        for name, label in names.items():
            axes.plot([], [], color=COLOURS[name], label=label)
    top.legend(loc="center left")
    bottom.legend(loc="upper left")

    without = ~((rest.gen > 0) & (rest.mem > 0))
    ratio = (rest.mem / rest.gen).where(~without)
    ceiling = 4.0 * ratio.max()
    for k, (decay, colour) in enumerate(decay_colours(rest.weight_decay).items()):
        own = rest.weight_decay == decay
        x = rest.dataset_size * 1.025 ** (k - 1)
        right.plot(x[own], ratio[own], "o", ms=2.4, mew=0, color=colour, alpha=0.6)
        right.plot(x[own & without], 0 * x[own & without] + ceiling, "^", ms=3, mfc="none", mec=colour, mew=0.6)
        # A network without a ratio has more Mem than any other.
        medians = ratio.fillna(np.inf)[own].groupby(rest.dataset_size[own]).median()
        right.plot(medians[np.isfinite(medians)], "-", lw=1.1, color=colour, label=decay_name(decay, True))
    right.axhline(1.0, color=GREY, lw=0.8, ls=":", zorder=0)
    right.set(yscale="log", xlabel="data set size D′ (pairs)", ylabel=r"$W_\mathrm{mem}/W_\mathrm{gen}$ at rest")
    number_axis(right.xaxis, rest.dataset_size, 5)
    right.legend(loc="lower left")
    return fig, {
        "n": len(runs) + len(rest),
        "p": runs[0].config["p"],
        "size": runs[0].config["dataset_size"],
        "decay": runs[0].config["weight_decay"],
        "seeds": len(runs),
        "small": int(rest.p.iloc[0]),
        "without": int(without.sum()),
        "nets": len(rest),
    }
