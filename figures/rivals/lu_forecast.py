"""Omnigrok's forecast of when a network generalises is off by factors; a law of the norm with two fitted constants is not.

Claim: how far ln(w_0/w_c)/(γ × rate) is from the time that free runs take, beside a law of the norm whose constants are
fitted to the other weight decays.
Source: Liu, Michaud & Tegmark 2022 (arXiv 2210.01117), section 2; Truong 2605.18845; O5 of validate.
"""

import math

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from validate.predictions.omnigrok.o05_forecast import ERROR, LAWS, MARGIN
from validate.words import number_words

from ..lines import number_axis
from ..palette import GREY
from ..study import Study
from .tasks import TASKS, remark, round_values, shown

DATA = ("omnigrok/verdicts.json", "omnigrok/teacher/free.nc")
# How each law is shown, what lies below first: mark, size, colours of edge and face, name.
LOOKS = {
    "lu_at_level": ("s", 6.5, "0.5", "none", "LU, last norm that works"),
    "lu": ("o", 3.2, "k", "k", "LU"),
    "norm_law": ("^", 4, "#0072B2", "w", "norm law, 2 fitted"),
}

CAPTION = """
Free runs, large start, by seed and γ; band: a factor {margin}; on the axis: at once, starting below w_c. Rms of
ln(forecast/measured) by LU, LU to the last norm that works, norm law: {errors}. Truong reports 0.18. The norm law's
constants are fitted to the other γ. {remark}n = {n} runs.
"""


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """A panel for each task."""
    verdicts, margin = study.rival, math.exp(MARGIN)
    tables = {task: rows for task in TASKS if len(rows := verdicts.rows("O5", "forecasts", task))}
    there, _ = shown(tables)
    missing = [task for task in ("teacher", "addition", "digits") if task not in there]
    fig, row = plt.subplots(1, len(there), figsize=(7.0, 2.8), squeeze=False)
    words = []
    for axes, task in zip(row[0], there, strict=True):
        known = tables[task][tables[task].t_gen.notna()]
        later = known[["t_gen", *(f"{name}_time" for name in LOOKS)]].to_numpy(float)
        ends = np.array([np.nanmin(later[later > 1]) / 1.5, np.nanmax(later) * 1.5])
        for name, (mark, size, edge, face, label) in LOOKS.items():
            forecast = known[f"{name}_time"].where(known[f"{name}_time"] > 1, ends[0])
            axes.plot(known.t_gen, forecast, mark, ms=size, mec=edge, mfc=face, mew=0.9, label=label, clip_on=False)
        axes.plot(ends, ends, color=GREY, lw=0.8, zorder=0)
        axes.fill_between(ends, ends / margin, ends * margin, color="0.92", lw=0, zorder=-1)
        for axis in (axes.xaxis, axes.yaxis):
            number_axis(axis, round_values(ends))
        axes.set(xlim=ends, ylim=ends, xlabel="measured steps")
        axes.set_title(f"{TASKS[task]}: {verdicts.column('O5', task).verdict}")
        names = (ERROR, LAWS["lu_at_level"], LAWS["norm_law"])
        words.append(
            f"{TASKS[task]} {', '.join(number_words(verdicts.number('O5', name, task).value) for name in names)}"
        )
    row[0, 0].set_ylabel("forecast steps")
    fig.legend(*row[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(LOOKS))
    return fig, {
        "n": sum(map(len, tables.values())),
        "margin": margin,
        "errors": "; ".join(words),
        "remark": remark(there, missing),
    }
