"""What the rival theory is judged by: a row for each finished run, landscapes, and the norm at the bottom of the U."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from validate.measured import REST, MissingResult, Results, Run, crossing_time
from validate.prediction import Basis
from validate.predictions.shared import OWN_CLAIM

__all__ = ["BASE", "LEVELS", "NORM_GIVEN", "at", "bottom", "delays", "landscape", "rows"]

Array = npt.NDArray[np.float64]

LEVELS: Mapping[str, tuple[str, float, float]] = {
    "teacher": ("accuracy", 0.95, 0.95),
    "addition": ("accuracy", 0.95, 0.95),
    "addition-113": ("accuracy", 0.95, 0.95),
    "digits": ("accuracy", 0.95, 0.8),
    "text": ("accuracy", 0.95, 0.65),
    "molecules": ("loss", 1.0, 1.0),
    "edge": ("accuracy", 0.95, 0.95),
}
"""Setting: what is followed, from where a run has fitted, and from where it has generalised. Å⁶ of molecules"""

LOSS_REST = 0.05
"""Where a loss is followed a run rests if ln of it moved by no more than this, in the time in which accuracy must rest"""

BASE: Mapping[str, Mapping[str, float]] = {
    "teacher": {"size": 100, "large": 2.0, "small": 0.5, "decay": 0.1, "small_decay": 0.1},
    "addition": {"size": 1000, "large": 1.0, "small": 0.4, "decay": 1.0, "small_decay": 1.0},
    "digits": {"size": 1000, "large": 9.0, "small": 1.0, "decay": 0.1, "small_decay": 0.1},
    "text": {"size": 750, "large": 6.0, "small": 1.0, "decay": 1.0, "small_decay": 0.0},
    "molecules": {"size": 50, "large": 3.0, "small": 1.0, "decay": 0.0, "small_decay": 0.0},
}
"""Setting: the size of its landscape, and α and γ of the runs that are to grok and of those that are not"""

NORM_GIVEN = {
    "circuit efficiency": (
        "allows",
        "with the norm given, or a large start, it does not say which circuit comes first",
    ),
    "Omnigrok": OWN_CLAIM,
}
"""What the theories say where the norm, or the start, is what is asked about"""


def _curve(run: Run, name: str, light: Array) -> tuple[Array, Array]:
    """Steps and values on both grids, log-spaced and even."""
    full = run.full[name].dropna("step")
    step, value = full.step.values.astype(float), full.values.astype(float)
    there = np.isfinite(light)
    step, value = np.concatenate([step, run.step[there]]), np.concatenate([value, light[there]])
    step, first = np.unique(step, return_index=True)
    return step, value[first]


def _end(step: Array, value: Array) -> float:
    """Mean over the last tenth; nan for what a task has not, as molecules have no accuracy."""
    return float(value[step > 0.9 * step[-1]].mean()) if len(step) else math.nan


def _row(run: Run, setting: str) -> dict[str, float | str]:
    c = run.config
    what, fitted, generalised = LEVELS[setting]
    names = ("init_scale", "weight_decay", "dataset_size", "seed", "steps", "temperature", "learning_rate", "optimizer")
    row = {name: c[name] for name in (*names, "loss", "gradient_filter", "dtype", "fixed_norm", "corrupted")}
    row["softmax_dtype"] = dict(c["options"]).get("softmax_dtype", "")
    train, test = _curve(run, "train_accuracy", run.train), _curve(run, "unseen_accuracy", run.unseen)
    train_loss, test_loss = _curve(run, "train_loss", run.loss), _curve(run, "unseen_loss", run.unseen_loss)
    norm = _curve(run, "norm", run.norm)
    fit, gen = (train, test) if what == "accuracy" else (train_loss, test_loss)
    rising = what == "accuracy"
    t_fit, t_gen = (crossing_time(*x, y, rising=rising) for x, y in ((fit, fitted), (gen, generalised)))
    row |= {"t_fit": t_fit, "t_gen": t_gen, "start_norm": norm[1][0], "norm": _end(*norm)}
    for moment, t in (("fit", t_fit), ("gen", t_gen)):
        row[f"norm_at_{moment}"] = float(np.interp(t, *norm)) if math.isfinite(t) else math.nan
    followed, still = (run.unseen, REST) if rising else (np.log(run.unseen_loss), LOSS_REST)
    motion = run.tenth(followed) - run.tenth(followed, 6)
    row |= {"motion": motion, "rests": abs(motion) <= still, "norm_rests": run.norm_rests}
    row |= {name: run.last(name) for name in ("train_margin", "unseen_margin")}
    return row | {"train_loss": _end(*train_loss), "test_loss": _end(*test_loss), "train": _end(*train),
                  "test": _end(*test)}  # fmt: skip


def rows(results: Results, *names: str) -> pd.DataFrame:
    """A row for each finished run of those experiments `names` that are there. Errors: MissingResult if there is none.

    Ends are means over the last tenth; t_fit and t_gen are steps from which the level of `LEVELS` is passed for good, nan
    where it never is; start_norm, norm (end), norm_at_fit, norm_at_gen; motion of what is followed, whether that rests, and
    whether the norm does; margins at the end, nan where they were not measured.
    """
    found = [
        _row(run, name.partition("/")[0])
        for name in names
        if name in results
        for run in results.runs(name)
        if run.status == "finished"
    ]
    if not found:
        raise MissingResult(
            f"finished runs of {' or '.join(names)} must be among the saved results; {str(results.folder)!r} has none. "
            f"Train them: python -m validate run --profile {results.folder.name}"
        )
    return pd.DataFrame(found)


def at(table: pd.DataFrame, name: str, value: float) -> pd.DataFrame:
    """Rows whose `name` is `value`."""
    return table[np.isclose(table[name].to_numpy(float), value)]


def landscape(results: Results, setting: str) -> pd.DataFrame:
    """The rows of a setting's landscape, by size, seed and norm. Errors: MissingResult."""
    return rows(results, f"{setting}/landscape").sort_values(["dataset_size", "seed", "start_norm"])


def bottom(norm: npt.ArrayLike, loss: npt.ArrayLike) -> float:
    """ln of the norm at which ln loss (k,), over ln norm (k,) rising, is least: the parabola through the three least
    neighbours; nan if the least lies at an end."""
    x, y = np.log(np.asarray(norm, float)), np.log(np.asarray(loss, float) + 1e-12)
    i = int(np.argmin(y))
    if not 0 < i < len(x) - 1:
        return math.nan
    a, b, _ = np.polyfit(x[i - 1 : i + 2] - x[i], y[i - 1 : i + 2], 2)
    return float(x[i] - b / (2 * a)) if a > 0 else float(x[i])


def delays(table: pd.DataFrame) -> tuple[pd.Series, Basis]:
    """ln(t_gen/t_fit) of each run by seed, and the runs, of which those move that lack one of the two times.

    A run that never generalises counts to its end, one that never fits has no delay. A time below one step counts as one.
    """
    late = table.t_gen.fillna(table.steps)
    value = np.log(late.clip(lower=1)) - np.log(table.t_fit.clip(lower=1))
    open_ended = int(table[["t_fit", "t_gen"]].isna().any(axis=1).sum())
    return pd.Series(value.to_numpy(), index=table.seed.to_numpy()), Basis(len(table), open_ended)
