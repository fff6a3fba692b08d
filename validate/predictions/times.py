"""How a time depends on weight decay: an exponent for each seed (P5, P6; (6.1), (6.2))."""

from __future__ import annotations

import numpy as np
import pandas as pd

from validate.measured import Results
from validate.prediction import Criterion, Estimate, Measurement
from validate.predictions.shared import kind_of, mean, records

__all__ = ["INVERSE", "criterion", "exponent", "measurement"]

INVERSE = (-1.25, -0.75)
"""1/α up to logarithms: the toy's own exponents, from simulation at the paper's values, are -0.93 and -0.95"""


def criterion(name: str, equation: str, truth: float, spread: float, seeds: int) -> Criterion:
    """The exponent's criterion."""
    return Criterion(name, "1", *INVERSE, f"{equation}: 1/α up to logarithms, −1 ± 0.25", truth, spread, seeds)


def exponent(table: pd.DataFrame, time: str) -> Estimate:
    """d ln time / d ln α for each seed, mean over data set sizes; runs in which it did not happen count as moving."""
    there = table[(table[time] > 0) & (table.weight_decay > 0)]
    rows = []
    for (seed, _), runs in there.groupby(["seed", "dataset_size"]):
        if runs.weight_decay.nunique() >= 2:
            rows.append((seed, np.polyfit(np.log(runs.weight_decay), np.log(runs[time]), 1)[0]))
    found = pd.DataFrame(rows, columns=["seed", "exponent"]).groupby("seed").exponent.mean()
    decays = ", ".join(f"{decay:g}" for decay in sorted(set(table.weight_decay)))
    sizes = ", ".join(str(size) for size in sorted(set(table.dataset_size)))
    return mean(found, len(table), int(table[time].isna().sum()), f"sizes {sizes}; weight decays {decays}")


def measurement(
    results: Results, protocol: str, kind: str, name: str, time: str, low: float, high: float
) -> Measurement:
    """The exponent at sizes from `low` to `high` that were tried at two weight decays or more."""
    table = results.deciding(kind_of(kind, protocol))
    tried = table.groupby("dataset_size").weight_decay.nunique()
    table = table[table.dataset_size.isin(tried[tried >= 2].index) & table.dataset_size.between(low, high)]
    columns = ["dataset_size", "weight_decay", "seed", "t_fit", "t_half", "t_gen", "t_lost", "test"]
    return Measurement({name: exponent(table, time)}, {}, {"times": records(table[columns])})
