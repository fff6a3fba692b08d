"""How much better a forecast is than a simple rule, on the same cells (experiments.md 3).

A cell is a kind of run, a data set size and a weight decay. Its outcome is what most of its seeds do, generalise or not; a
tie is half an error for every forecast. Skill = 1 − error/error of the baseline, on the cells that both speak about: 1 for a
forecast without error, 0 for one no better than the rule, nan where the rule itself makes no error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit

from validate.intervals import Interval, bootstrap

__all__ = ["cells", "error", "leave_kind_out", "leave_seed_out", "logistic_line", "majority", "skill", "skills"]

Array = npt.NDArray[np.float64]
CELL = ["kind", "dataset_size", "weight_decay"]
RIDGE = 0.01
"""Penalty on the slope of the logistic regression, which separable outcomes leave infinite"""


def cells(runs: pd.DataFrame) -> pd.DataFrame:
    """A row for each cell of `runs`, a column for each seed: whether it generalises, 1 or 0, nan where there is no run."""
    return runs.pivot_table(index=CELL, columns="seed", values="generalises", aggfunc="mean")


def majority(outcomes: Array) -> Array:
    """Of each row (c,): 1, 0, or 1/2 for a tie; nan without any run."""
    there = np.isfinite(outcomes)
    share = np.where(there, outcomes, 0.0).sum(1) / np.where(there.any(1), there.sum(1), np.nan)
    return np.where(np.isnan(share), np.nan, 0.5 * (1 + np.sign(share - 0.5)))


def error(forecast: Array, outcomes: Array) -> float:
    """Share of wrong cells; forecast (c,) of 1 and 0, nan where it says nothing, outcomes (c, seeds)."""
    wrong = np.abs(forecast - majority(outcomes))
    wrong = wrong[np.isfinite(wrong)]
    return float(wrong.mean()) if len(wrong) else math.nan


def skill(forecast: Array, baseline: Array, outcomes: Array, resamples: int = 2000) -> Interval:
    """1 − error(forecast)/error(baseline) with its bootstrap interval over seeds.

    forecast, baseline (c,), outcomes (c, seeds). Seeds are drawn whole, as columns. The interval says how the score would
    vary with other seeds on these cells, not on other cells; with three seeds it is a rough one.
    """
    both = np.isfinite(forecast) & np.isfinite(baseline)

    def score(columns: npt.NDArray[np.int_]) -> float:
        seen = outcomes[both][:, columns]
        rule = error(baseline[both], seen)
        return 1 - error(forecast[both], seen) / rule if rule > 0 else math.nan

    return bootstrap(score, np.arange(outcomes.shape[1]), resamples=resamples)


def logistic_line(x: Array, y: Array) -> tuple[float, float]:
    """(a, b) of P(generalises) = 1/(1 + e^−(a + b x)), by Newton's method with a small ridge; x, y (n,)."""
    middle = float(x.mean())
    design = np.stack([np.ones_like(x), x - middle], axis=1)
    # The ridge on the level is weaker, so that one class alone has a finite answer too.
    ridge, weights = np.diag([1e-3, RIDGE]), np.zeros(2)
    for _ in range(100):
        p = expit(design @ weights)
        gradient = design.T @ (p - y) + ridge @ weights
        step = np.linalg.solve(design.T * (p * (1 - p)) @ design + ridge, gradient)
        weights = weights - step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-8:
            break
    return float(weights[0] - weights[1] * middle), float(weights[1])


def _predict(train: pd.DataFrame, sizes: Sequence[float]) -> Array:
    if train.empty:
        return np.full(len(sizes), np.nan)
    level, slope = logistic_line(np.log(train.dataset_size.to_numpy(float)), train.generalises.to_numpy(float))
    return np.asarray(level + slope * np.log(np.asarray(sizes, float)) > 0, float)


def leave_seed_out(runs: pd.DataFrame) -> pd.Series:
    """Logistic regression on ln D within a kind, each seed forecast from the other seeds; majority of a cell's forecasts.

    It is told the outcomes of other seeds in the very cells it is judged on, which the model never is: an upper bound on
    what D alone can say, not a forecast. It has all held-out runs of its kind and does not starve.
    """
    parts = []
    for _, kind in runs.groupby("kind"):
        for seed, own in kind.groupby("seed"):
            parts.append(own.assign(generalises=_predict(kind[kind.seed != seed], own.dataset_size.tolist())))
    table = cells(pd.concat(parts))
    return pd.Series(majority(table.to_numpy(float)), table.index)


def leave_kind_out(runs: pd.DataFrame) -> pd.Series:
    """Logistic regression on ln D, each kind forecast from all the others: told thresholds, but of other protocols."""
    parts = []
    for kind, own in runs.groupby("kind"):
        parts.append(own.assign(generalises=_predict(runs[runs.kind != kind], own.dataset_size.tolist())))
    table = cells(pd.concat(parts))
    return pd.Series(majority(table.to_numpy(float)), table.index)


def skills(
    rows: pd.DataFrame, outcomes: pd.DataFrame, forecasters: Sequence[str], baselines: Sequence[str]
) -> list[dict[str, Any]]:
    """A row for each kind of run (and all), forecaster and baseline: errors and skill on the held-out cells.

    rows       cells with a column for each forecaster and baseline, `kind` and `held_out`
    outcomes   of `cells`, in the same order
    """
    held = rows.held_out.to_numpy()
    found = []
    for kind in ("all", *dict.fromkeys(rows.kind[held])):
        here = held & ((rows.kind == kind).to_numpy() | (kind == "all"))
        seen = outcomes[here].to_numpy(float)
        seen = seen[:, np.isfinite(seen).any(0)]
        for name in forecasters:
            own = rows[name][here].to_numpy(float)
            for rule in baselines:
                base = rows[rule][here].to_numpy(float)
                both = np.isfinite(own) & np.isfinite(base)
                score = skill(own, base, seen)
                found.append({"kind": kind, "forecaster": name, "baseline": rule, "cells": int(both.sum()),
                              "error": error(own[both], seen[both]), "baseline_error": error(base[both], seen[both]),
                              "skill": score.value, "low": score.low, "high": score.high, "seeds": score.n})  # fmt: skip
    return found
