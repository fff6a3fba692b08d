"""With the norm free, a large start delays generalising by a time near 1/γ, as Omnigrok's authors published.

Claim: where the published delays are found again, how they go with weight decay, and on which tasks a large start makes
them and a small one does not.
Source: Liu, Michaud & Tegmark 2022 (arXiv 2210.01117), figures 2, 3, 4, 7 and 10; O2 to O4 of validate.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from validate.quantities import joined
from validate.words import number_words

from ..lines import number_axis
from ..palette import COLOURS, GREY, VERDICTS, decay_colours
from ..study import Run, Study
from .tasks import RUNS, TASKS, published, remark, round_values, shown

DATA = ("omnigrok/verdicts.json", "omnigrok/teacher/free.nc")
ALSO = (
    "omnigrok/teacher/strict.nc",
    "omnigrok/addition/free.nc",
    "omnigrok/addition-113/free.nc",
    "omnigrok/digits/free.nc",
    "omnigrok/text/free.nc",
)
# What is shown of a task, the first that is there, and its title; published curves of teacher and student are at 0.001.
CURVES = {
    "teacher": {"strict": "teacher (error 0.001)", "free": "teacher (error 0.01)"},
    "digits": {"free": "digits"},
    "addition": {"free": "addition mod 43"},
    "addition-113": {"free": "addition mod 113"},
    "text": {"free": "text"},
}
GEN, FIT = "exponent of time to generalise on weight decay", "exponent of time to fit on weight decay"
DELAYS = ("ln(t_gen/t_fit) from a large start", "ln(t_gen/t_fit) from a small start")
HELD = ("ln(t_gen/t_fit), norm held at the bottom of the U",)
GROKS = np.log(3.0)

CAPTION = """
Top: train (black, one γ) and test accuracy from a large start on the clock γ × steps; diamonds:
published, at γ = {gammas}. Below: steps to fit (squares) and to generalise (dots); grey: 1/γ; number: exponent of
time to generalise. Last: ln(t_gen/t_fit), large start (dots; or norm held), small (squares), 95 %; beyond ln 3 it groks.
{remark}n = {n} runs.
"""


def _curves(axes: Axes, runs: Sequence[Run], gamma: float, marks: Mapping[str, Any]) -> None:
    """Accuracy of the runs from the largest start."""
    large = max(run.config["init_scale"] for run in runs)
    own = [run for run in runs if run.config["init_scale"] == large and run.config["weight_decay"] > 0]
    colours = decay_colours([run.config["weight_decay"] for run in own])
    near = min(colours, key=lambda decay: abs(np.log(decay / gamma)))  # fitting is on another clock
    for run in own:
        decay, both = run.config["weight_decay"], joined(run)
        for which, colour, width in (("train", COLOURS["train"], 0.6), ("unseen", colours[decay], 0.8)):
            if which != "train" or decay == near:
                axes.plot(decay * both.step, getattr(both, which), color=colour, lw=width, alpha=0.8)
    for decay, colour in colours.items():
        axes.plot([], [], color=colour, label=f"{decay:g}")
    for which, points in marks.items():
        steps, values = np.transpose(points)
        published(axes, (near if which == "train" else gamma) * steps, values, which)
    axes.set(xscale="log", ylim=(-0.03, 1.05), xlabel="γ × steps")
    axes.legend(title="γ", title_fontsize=7, loc="upper left", handlelength=1.0)


def _times(axes: Axes, rows: pd.DataFrame) -> None:
    """Both times against γ, and the slope of 1/γ."""
    for decay, colour in decay_colours(rows.weight_decay).items():
        own = rows[rows.weight_decay == decay]
        shift = 1 + 0.03 * (own.seed - own.seed.mean())
        axes.plot(decay * shift, own.t_fit, "s", ms=2.8, mfc="w", mec=colour)
        axes.plot(decay * shift, own.t_gen, "o", ms=2.8, color=colour)
        never = own[own.t_gen.isna()]
        axes.plot(decay * shift[never.index], never.steps, "^", ms=3.5, mfc="none", mec=colour)
    x = np.array([rows.weight_decay.min(), rows.weight_decay.max()])
    axes.plot(x, np.exp(np.log(rows.t_gen * rows.weight_decay).mean()) / x, color=GREY, ls="--", lw=0.9, zorder=0)
    axes.set(xlabel="γ")
    number_axis(axes.xaxis, rows.weight_decay)
    number_axis(axes.yaxis, round_values(rows[["t_fit", "t_gen"]]))


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """Curves above; times against weight decay, and delays, below."""
    verdicts = study.rival
    curves = {task: (kind, runs) for task, kinds in CURVES.items() for kind in reversed(kinds)
              if (runs := study.runs(f"omnigrok/{task}/{kind}"))}  # fmt: skip
    times = {task: rows[rows.weight_decay > 0] for task in TASKS if len(rows := verdicts.rows("O2a", "times", task))}
    times = {task: rows for task, rows in times.items() if rows.weight_decay.nunique() > 1}
    delays, missing = shown(task for task in TASKS if verdicts.column("O3", task).findings)
    fig = plt.figure(figsize=(7.0, 4.2))
    upper, lower = fig.subfigures(2, 1) if curves else (None, fig)
    if upper is not None:
        row = upper.subplots(1, len(curves), sharey=True, squeeze=False)[0]
        for axes, (task, (kind, runs)) in zip(row, curves.items(), strict=True):
            gamma, marks = RUNS.get(task, (1.0, {}))
            _curves(axes, runs, gamma, marks if kind == next(iter(CURVES[task])) else {})
            axes.set_title(CURVES[task][kind])
        row[0].set_ylabel("accuracy")
    *panels, last = lower.subplots(1, len(times) + 1, squeeze=False)[0]
    for axes, (task, rows) in zip(panels, times.items(), strict=True):
        _times(axes, rows)
        slope = verdicts.number("O2a", GEN, task)
        verdicts.number("O2a", FIT, task)
        axes.set_title(f"{TASKS[task]}: {number_words(slope.value) if slope.exists else '–'}")
    if panels:
        panels[0].set_ylabel("steps")
    lines = [(TASKS[task], "O3", task, DELAYS) for task in delays]
    lines += [("addition, held", "O4", "addition", HELD)] if verdicts.column("O4", "addition").findings else []
    for k, (_, id, task, names) in enumerate(lines):
        for j, name in enumerate(names):
            found = verdicts.number(id, name, task)
            finding = next(f for f in verdicts.column(id, task).findings if f.criterion.name == name)
            colour, y = VERDICTS[finding.verdict], k + 0.3 * j - 0.15
            if found.exists:
                last.plot(np.clip([found.interval.low, found.interval.high], -2, 9), [y, y], color=colour, lw=1.1)
            last.plot(found.value, y, "os"[j], ms=4, color=colour, mfc="w" if j else colour)
    last.axvline(GROKS, color=GREY, lw=0.8, ls="--", zorder=0)
    last.set(yticks=range(len(lines)), yticklabels=[label for label, *_ in lines], ylim=(len(lines) - 0.5, -0.5))
    last.set(xlabel="ln(t_gen / t_fit)")
    return fig, {
        "n": sum(len(runs) for _, runs in curves.values()) + sum(map(len, times.values())),
        "gammas": ", ".join(f"{RUNS[task][0]:g}" for task in curves if task in RUNS),
        "remark": remark(delays, missing),
    }
