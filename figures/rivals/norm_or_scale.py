"""At one norm large outputs delay generalising by factors; a large norm does too, on modular addition as much as they.

Claim: by how much the scale of the outputs slows generalising at one norm, and the norm at one scale.
Source: Kumar et al. 2023 (arXiv 2310.06110); Truong 2606.18465; toymodel/README.md (9.4); O7 of validate.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from validate.predictions.omnigrok.o07_scale import DEGREE, FACTORS
from validate.words import number_words, region

from ..lines import number_axis
from ..study import Study
from .tasks import TASKS, remark, round_values, shown

DATA = ("omnigrok/verdicts.json", "omnigrok/teacher/scale.nc")
ALSO = ("omnigrok/addition/scale.nc", "omnigrok/digits/scale.nc")
PARTS = {"outputs": "scale", "norm": "norm"}
LOOKS = {False: ("0.55", "o", "--"), True: ("k", "D", "-")}

CAPTION = """
Steps to generalise against the starting norm (addition: held), at two output scales; lines: geometric means; carets:
not within the steps trained, counted as these: bounds. Slower by a factor, large outputs; large norm: {factors}.
{remark}n = {n} runs.
"""


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """A panel for each task."""
    verdicts = study.rival
    tables = {task: rows for task in DEGREE if len(rows := verdicts.rows("O7", "cells", task))}
    there, _ = shown(tables)
    fig, row = plt.subplots(1, len(there), figsize=(7.0, 2.6), squeeze=False)
    words, ends = [], {}
    for axes, task in zip(row[0], there, strict=True):
        rows = tables[task]
        steps = max((run.config["steps"] for run in study.runs(f"omnigrok/{task}/scale")), default=np.nan)
        scale = DEGREE[task] * np.log(rows.init_scale / rows.init_scale.min()) - np.log(rows.temperature)
        rows = rows.assign(bound=rows.t_gen.isna(), time=rows.t_gen.fillna(steps), large=scale > scale.min() + 0.01)
        for large, own in rows.groupby("large"):
            colour, mark, style = LOOKS[bool(large)]
            shift = 1 + 0.01 * (own.seed - own.seed.mean())
            for bound, some in own.groupby("bound"):
                axes.plot(some.start_norm * shift[some.index], some.time, "^" if bound else mark, ms=4, color=colour,
                          mfc="w" if bound else colour)  # fmt: skip
            mean = np.exp(np.log(own.time).groupby(own.init_scale).mean())
            norm = own.start_norm.groupby(own.init_scale).mean()
            axes.plot(norm, mean, style, color=colour, lw=1.2, label="large outputs" if large else "small outputs")
            ends |= {f"{task} {'large' if large else 'small'} {alpha:g}": time for alpha, time in mean.items()}
        found = {what: verdicts.number("O7", FACTORS[part], task) for what, part in PARTS.items()}
        ranges = "; ".join(
            f"{number_words(x.value)} ({region(x.interval.low, x.interval.high)})" for x in found.values() if x.exists
        )
        words.append(f"{TASKS[task]} {ranges} (n = {found['norm'].interval.n})")
        factors = ", ".join(f"{what} ×{number_words(factor.value)}" for what, factor in found.items() if factor.exists)
        axes.set(xlabel="norm", title=f"{TASKS[task]}\n{factors}")
        number_axis(axes.xaxis, rows.groupby("init_scale").start_norm.mean().round(1))
        number_axis(axes.yaxis, round_values(rows.time))
        axes.margins(x=0.15, y=0.15)
    row[0, 0].set_ylabel("steps to generalise")
    row[0, 0].legend(loc="best")
    missing = [task for task in DEGREE if task not in there]
    return fig, {
        "n": sum(map(len, tables.values())),
        "factors": ", ".join(words),
        "remark": remark(there, missing),
        "times": ends,
    }
