"""Omnigrok's forecast of when a net generalises is off by factors; 1/γ with one fitted unit is not.

Claim: how far ln(w_0/w_c)/(γ × rate) is from the time that free runs take, beside a law of the norm and the toy's clock,
which both have constants fitted to the other weight decays.
Source: Liu, Michaud & Tegmark 2022 (arXiv 2210.01117), section 2; Truong 2605.18845; toymodel/README.md (9.1); O5 of
validate.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..lines import number_axis
from ..palette import GREY
from ..study import Study
from ..verdicts import NOT_MEASURED, short
from .tasks import TASKS, remark, round_values, shown

DATA = ("omnigrok/verdicts.json", "omnigrok/teacher/free.nc")
MARGIN = 1.5
# How each law is shown: column of the forecasts, mark, colour, name.
LAWS = {
    "lu_time": ("o", "k", "LU"),
    "lu_at_level_time": ("s", "0.5", "LU, last norm that works"),
    "norm_law_time": ("^", "#0072B2", "norm law, 2 fitted"),
    "toy_time": ("x", "#7B3294", "toy's 1/γ, 1 fitted"),
}

CAPTION = """
Free runs, large start, by seed and γ; band: a factor {margin}; on the axis: at
once, starting below w_c. Rms of ln(forecast/measured) by LU, LU to the last norm that works, norm law, toy:
{errors}. Truong reports 0.18. The toy's unit of time and the norm law's constants are fitted to the other γ.
{remark}n = {n} runs.
"""


def clock(rows: pd.DataFrame) -> list[float]:
    """(9.1): t ∝ 1/α, its unit the geometric mean of γ t over the runs of the other weight decays; nan without any."""
    found = []
    for run in rows.itertuples():
        others = rows[(rows.weight_decay != run.weight_decay) & rows.t_gen.notna()]
        unit = np.log(others.t_gen * others.weight_decay).mean() if len(others) else np.nan
        found.append(float(np.exp(unit) / run.weight_decay))
    return found


def rms(rows: pd.DataFrame, name: str) -> float:
    """Root mean square of ln(forecast/measured) of each seed, then the mean over seeds."""
    error = np.log(rows[name] / rows.t_gen).dropna()
    return float(((error**2).groupby(rows.seed[error.index]).mean() ** 0.5).mean()) if len(error) else np.nan


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """A panel for each task."""
    verdicts = study.rival
    tables = {task: rows for task in TASKS if len(rows := verdicts.rows("O5", "forecasts", task))}
    there, _ = shown(tables)
    missing = [task for task in ("teacher", "addition", "digits") if task not in there]
    fig, row = plt.subplots(1, len(there), figsize=(7.0, 2.8), squeeze=False)
    errors: dict[str, dict[str, float]] = {}
    for axes, task in zip(row[0], there, strict=True):
        rows = tables[task].assign(toy_time=clock(tables[task]))
        entry = verdicts.column("O5", task)["findings"][0]
        verdicts.number("O5", entry["criterion"], task)
        errors[task] = {name: rms(rows, name) for name in LAWS}
        known = rows[rows.t_gen.notna()]
        later = known[["t_gen", *LAWS]].to_numpy(float)
        ends = np.array([np.nanmin(later[later > 1]) / 1.5, np.nanmax(later) * 1.5])
        for name, (mark, colour, label) in LAWS.items():
            face = "w" if mark in "s^" else colour
            forecast = known[name].where(known[name] > 1, ends[0])
            axes.plot(known.t_gen, forecast, mark, ms=4, color=colour, mfc=face, label=label, mew=0.9, clip_on=False)
        axes.plot(ends, ends, color=GREY, lw=0.8, zorder=0)
        axes.fill_between(ends, ends / MARGIN, ends * MARGIN, color="0.92", lw=0, zorder=-1)
        for axis in (axes.xaxis, axes.yaxis):
            number_axis(axis, round_values(ends))
        axes.set(xlim=ends, ylim=ends, xlabel="measured steps")
        axes.set_title(f"{TASKS[task]}: {entry['verdict']}")
    row[0, 0].set_ylabel("forecast steps")
    fig.legend(*row[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(LAWS))
    words = [
        f"{TASKS[t]} " + ", ".join(short(e) if np.isfinite(e) else NOT_MEASURED for e in own.values())
        for t, own in errors.items()
    ]
    return fig, {
        "n": sum(map(len, tables.values())),
        "margin": MARGIN,
        "errors": "; ".join(words),
        "remark": remark(there, missing),
        "rms": errors,
    }
