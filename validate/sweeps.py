"""Sweeps over data set size: each seed's threshold, at the end or at a moment of training (experiments.md 4, P2-P8).

A threshold is the data set size at which a seed's accuracy on never-seen examples crosses 1/2.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd

from validate.intervals import Interval, over_seeds
from validate.measured import Run
from validate.prediction import Estimate
from validate.thresholds import Crossing, Threshold, critical_size, crossing

__all__ = [
    "as_it_stood",
    "at_step",
    "crossings",
    "differences",
    "estimate",
    "finished",
    "mean",
    "middles",
    "nothing",
    "records",
    "threshold",
]


def finished(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of runs that trained to their end and have examples to be tested on."""
    if "unseen" not in table:
        return table.iloc[:0]
    return table[(table.status == "finished") & np.isfinite(table.unseen)]


def at_step(runs: Iterable[Run], step: float) -> pd.DataFrame:
    """The rows of `runs` as they stood at `step`; there is nothing to be censored in what has been."""
    rows = [run.until(step).row() for run in runs if run.status == "finished" and run.step[-1] >= step]
    return as_it_stood(pd.DataFrame(rows)) if rows else pd.DataFrame()


def as_it_stood(table: pd.DataFrame) -> pd.DataFrame:
    """The table with every run taken as final: what a reader of end values alone would see. Decides nothing."""
    return table.assign(settled=True)


def crossings(table: pd.DataFrame, direction: str, accuracy: str = "unseen") -> pd.DataFrame:
    """A row for each weight decay and seed with at least two sizes: weight_decay, seed, low, high, step (ln D).

    See thresholds.crossing: exact where low == high, bounds where runs are unfinished or a plateau lies between.
    """
    rows = []
    for (decay, seed), group in finished(table).groupby(["weight_decay", "seed"]):
        if group.dataset_size.nunique() < 2:
            continue
        found = crossing(
            group.dataset_size.to_numpy(float),
            group[accuracy].to_numpy(float),
            group.settled.to_numpy(bool),
            direction=direction,
            chance=1.0 / group.p.iloc[0],
        )
        rows.append({"weight_decay": decay, "seed": seed, "low": found.low, "high": found.high, "step": found.step})
    return pd.DataFrame(rows, columns=["weight_decay", "seed", "low", "high", "step"])


def differences(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Bounds on `first` less `second`, crossings of the same seeds: seed, low, high, step."""
    both = first.merge(second, on="seed", suffixes=("", "_less"))
    rows = {"seed": both.seed, "low": both.low - both.high_less, "high": both.high - both.low_less}
    return pd.DataFrame(rows | {"step": both.step.astype(bool) & both.step_less.astype(bool)})


def threshold(found: pd.DataFrame) -> Threshold:
    """Mean over the seeds of `found`, censored ones as such."""
    return critical_size([Crossing(row.low, row.high, bool(row.step)) for row in found.itertuples()])


def estimate(found: pd.DataFrame, note: str = "") -> Estimate:
    """Mean over seeds of crossings or their differences; a seed without a bound on one side is censored."""
    found = found.astype({"low": float, "high": float})  # a table without rows has no numbers to tell its types from
    open_ended = ~(np.isfinite(found.low) & np.isfinite(found.high))
    interval = threshold(found).interval
    if math.isnan(interval.value) and len(found) and not open_ended.any():
        # Bounds that the likelihood cannot weigh: from the interval of the lower ones to that of the upper ones.
        low, high = over_seeds(found.low), over_seeds(found.high)
        interval = Interval(0.5 * (low.value + high.value), low.low, high.high, len(found))
    return Estimate(interval, len(found), int(open_ended.sum()), note)


def middles(found: pd.DataFrame) -> pd.Series:
    """ln D halfway between the bounds of each seed that has both, by seed."""
    found = found.astype({"low": float, "high": float})
    both = found[np.isfinite(found.low) & np.isfinite(found.high)]
    return (0.5 * (both.low + both.high)).set_axis(both.seed)


def records(table: pd.DataFrame) -> list[dict[str, object]]:
    """Rows as plain dicts, in the order of the table."""
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def mean(values: Iterable[float], runs: int, censored: int = 0, note: str = "") -> Estimate:
    """Estimate from one value a seed."""
    return Estimate(over_seeds(list(values)), runs, censored, note)


def nothing(note: str, runs: int = 0, censored: int = 0) -> Estimate:
    """What could not be estimated, and why."""
    return Estimate(Interval(math.nan, -math.inf, math.inf, 0), runs, censored, note)
