"""What predictions share: each seed's threshold with its motion, and tables as rows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from validate.measured import Results
from validate.prediction import Estimate
from validate.statistics.intervals import Interval, over_seeds, welch
from validate.statistics.thresholds import crossing

__all__ = [
    "ANSWER",
    "LARGE",
    "MARGIN",
    "STILL",
    "accuracy_at",
    "apart",
    "kind_of",
    "ln_sizes",
    "mean",
    "records",
    "thresholds",
]

MARGIN = math.log(1.15)
"""±15 %: the margin within which two data set sizes are the same"""
STILL = 0.05
"""A threshold rests if it moved by no more than this, in ln D, from the sixth tenth of the runs to the last"""
LARGE = "p113"
"""The setting of the paper's size: what it says stands beside"""
ANSWER = {"coupled": 1e-4, "AdamW": 1.0}
"""Weight decay at which thresholds are compared with other things"""


def kind_of(kind: str, protocol: str) -> str:
    """The experiment's name under a protocol."""
    return f"{kind}_coupled" if protocol == "coupled" else kind


def records(table: pd.DataFrame) -> list[dict[str, object]]:
    """Rows as plain dicts, in the order of the table."""
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def thresholds(table: pd.DataFrame, level: float = 0.5, accuracy: str = "test") -> pd.DataFrame:
    """A row for each weight decay and seed: ln_size at which its accuracy passes `level`, and how far that moved."""
    rows = []
    for (decay, seed), runs in table.groupby(["weight_decay", "seed"]):
        chance = 1.0 / runs.p.iloc[0]
        size, now = runs.dataset_size.to_numpy(float), runs[accuracy].to_numpy(float)
        before = np.clip(now - runs.motion.to_numpy(float), 0, 1) if accuracy == "test" else now
        ln_size = crossing(size, np.clip(now, 0, 1), level, chance)
        rows.append({"weight_decay": decay, "seed": seed, "ln_size": ln_size,
                     "motion": ln_size - crossing(size, before, level, chance)})  # fmt: skip
    return pd.DataFrame(rows, columns=["weight_decay", "seed", "ln_size", "motion"])


def moving(found: pd.DataFrame) -> int:
    """How many of the thresholds are not known to rest."""
    return int((~(found.motion.abs() <= STILL)).sum())


def at_answer(table: pd.DataFrame, protocol: str) -> pd.DataFrame:
    """Runs at the weight decay of `ANSWER`, or at the geometric middle of those there are."""
    decays = np.array(sorted(decay for decay in set(table.weight_decay) if decay > 0))
    if not len(decays):
        return table.iloc[:0]
    middle = decays[np.argmin(np.abs(np.log(decays / ANSWER[protocol])))]
    return table[table.weight_decay == middle]


class Basis(NamedTuple):
    """The runs (or thresholds) that a number was measured on, and how many of them were still moving."""

    runs: int
    moving: int


def at_rest(table: pd.DataFrame, what: str) -> Basis:
    """The rows of `table`, of which those move whose "accuracy" or "norm" does: that which the number is made of."""
    column = {"accuracy": "rests", "norm": "norm_rests"}[what]
    return Basis(len(table), int((~table[column].astype(bool)).sum()))


def estimate(values: Iterable[float], basis: Basis, note: str = "") -> Estimate:
    """Estimate from one value a seed, or another unit that `note` names."""
    return Estimate(over_seeds(np.asarray(list(values), float)), *basis, note)


def mean(values: Iterable[float], runs: int, moving: int = 0, note: str = "") -> Estimate:
    """Estimate from one value a seed."""
    return Estimate(over_seeds(np.asarray(list(values), float)), runs, moving, note)


def apart(first: pd.Series, second: pd.Series, runs: int, moving: int = 0, note: str = "") -> Estimate:
    """Mean of `first` less mean of `second`, both indexed by seed.

    Seeds with a value on both sides are compared with themselves; where no two are, Welch's interval between seeds.
    """
    own = (first - second).dropna()
    interval = over_seeds(own) if len(own) > 1 else welch(first, second)
    return Estimate(interval, runs, moving, note)


def ln_sizes(interval: Interval) -> str:
    """An interval in ln D, in pairs."""
    size = interval.exp()
    return f"{size.value:.0f} ({size.low:.0f} to {size.high:.0f}) pairs"


def accuracy_at(results: Results, name: str, clock: float) -> pd.DataFrame:
    """Rows of experiment `name` with the accuracy that each run had when weight decay × steps was `clock`, as `test`."""
    rows = []
    for run in results.runs(name):
        decay = run.config["weight_decay"]
        if run.status == "finished" and decay > 0 and run.step[-1] >= clock / decay - 1e-6:
            about = {k: run.config[k] for k in ("dataset_size", "weight_decay", "seed", "p")}
            rows.append(about | {"test": float(np.interp(clock / decay, run.step, run.test)), "motion": 0.0})
    return pd.DataFrame(rows, columns=["dataset_size", "weight_decay", "seed", "p", "test", "motion"])
