"""At one norm large outputs delay generalising; on modular addition only where the norm is large too.

Claim: the share of ln t_gen that the scale of the outputs explains at one norm, and the norm at one scale.
Source: Kumar et al. 2023 (arXiv 2310.06110); Truong 2606.18465; toymodel/README.md (9.4); O7 of validate.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from ..lines import number_axis
from ..study import Study
from ..verdicts import short
from .tasks import TASKS, remark, round_values, shown

DATA = ("omnigrok/verdicts.json", "omnigrok/teacher/scale.nc")
SHARE = "share of ln t_gen that the scale of the outputs explains, not the norm"
DEGREE = {"addition": 4, "teacher": 3, "digits": 3}  # outputs grow about as α to this power
LOOKS = {False: ("0.55", "o", "--"), True: ("k", "D", "-")}

CAPTION = """
Steps to generalise against the starting norm (addition: held), at two output scales; lines: geometric means;
carets: not within the steps trained, counted as these. Norm alone would make both lines rise
alike; scale alone, flat and apart. Share of the scale: {shares}. {remark}n = {n} runs.
"""


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """A panel for each task."""
    verdicts = study.rival
    whole = (task for task in DEGREE if verdicts.number("O7", SHARE, task).exists)
    tables = {task: verdicts.rows("O7", "cells", task) for task in whole}
    there, _ = shown(tables)
    fig, row = plt.subplots(1, len(there), figsize=(7.0, 2.6), squeeze=False)
    shares, ends = [], {}
    for axes, task in zip(row[0], there, strict=True):
        rows = tables[task]
        steps = max((run.config["steps"] for run in study.runs(f"omnigrok/{task}/scale")), default=np.nan)
        rows = rows.assign(bound=rows.t_gen.isna(), time=rows.t_gen.fillna(steps))
        low = rows.init_scale.min()
        scale = DEGREE[task] * np.log(rows.init_scale / low) - np.log(rows.temperature)
        rows = rows.assign(large=scale > scale.min() + 0.01)
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
        share = verdicts.number("O7", SHARE, task)
        shares.append(f"{TASKS[task]} {share}")
        axes.set(xlabel="norm", title=f"{TASKS[task]}: {short(round(share.value, 3))}")
        number_axis(axes.xaxis, rows.groupby("init_scale").start_norm.mean().round(1))
        number_axis(axes.yaxis, round_values(rows.time))
        axes.margins(x=0.15, y=0.15)
    row[0, 0].set_ylabel("steps to generalise")
    row[0, 0].legend(loc="best")
    missing = [task for task in DEGREE if task not in there]
    return fig, {
        "n": sum(map(len, tables.values())),
        "shares": "; ".join(shares),
        "remark": remark(there, missing),
        "times": ends,
    }
