"""Sweeps over data set size: each seed's threshold, at the end or at a moment of training (experiments.md 4, P2-P8).

A threshold is the data set size at which a seed's accuracy on never-seen examples crosses 1/2.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd

from validate.intervals import Interval, over_seeds
from validate.measured import Results, Run
from validate.prediction import Estimate
from validate.thresholds import Crossing, Threshold, critical_size, crossing

__all__ = ["at_step", "crossings", "finished", "points", "records", "threshold"]


def finished(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of runs that trained to their end and have examples to be tested on."""
    if "unseen" not in table:
        return table.iloc[:0]
    return table[(table.status == "finished") & np.isfinite(table.unseen)]


def at_step(runs: Iterable[Run], step: float) -> pd.DataFrame:
    """The rows of `runs` as they stood at `step`; there is nothing to be censored in what has been."""
    rows = [run.until(step).row() for run in runs if run.status == "finished" and run.step[-1] >= step]
    return pd.DataFrame(rows).assign(settled=True) if rows else pd.DataFrame()


def crossings(table: pd.DataFrame, direction: str, accuracy: str = "unseen") -> pd.DataFrame:
    """A row for each weight decay and seed with at least two sizes: weight_decay, seed, low, high (ln D)."""
    rows = []
    for (decay, seed), group in finished(table).groupby(["weight_decay", "seed"]):
        if group.dataset_size.nunique() < 2:
            continue
        group = group.sort_values("dataset_size")
        found = crossing(
            group.dataset_size.to_numpy(float),
            group[accuracy].to_numpy(float),
            group.settled.to_numpy(bool),
            direction=direction,
        )
        rows.append({"weight_decay": decay, "seed": seed, "low": found.low, "high": found.high})
    return pd.DataFrame(rows, columns=["weight_decay", "seed", "low", "high"])


def threshold(found: pd.DataFrame) -> Threshold:
    """Mean threshold over the seeds of `found`, censored ones as such."""
    return critical_size([Crossing(row.low, row.high) for row in found.itertuples()])


def points(found: pd.DataFrame) -> pd.Series:
    """ln D of the crossings that are known exactly, by seed."""
    exact = found[np.isclose(found.low, found.high) & np.isfinite(found.low)]
    return exact.set_index("seed").low


def records(table: pd.DataFrame) -> list[dict[str, object]]:
    """Rows as plain dicts, in the order of the table."""
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def mean(values: Iterable[float], runs: int, censored: int = 0, note: str = "") -> Estimate:
    """Estimate from one value a seed."""
    return Estimate(over_seeds(list(values)), runs, censored, note)


def nothing(note: str, runs: int = 0, censored: int = 0) -> Estimate:
    """What could not be estimated, and why."""
    return Estimate(Interval(math.nan, -math.inf, math.inf, 0), runs, censored, note)
