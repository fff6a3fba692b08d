"""How a time depends on weight decay: exponents per seed (P5, P6; model.md 6)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from validate.prediction import Criterion, Estimate
from validate.sweeps import finished, mean

__all__ = ["INVERSE", "criterion", "exponents", "pace"]

INVERSE = (-1.25, -0.75)
"""1/α up to logarithms: the toy's own exponents, from simulation at the paper's values, are -0.93 and -0.95"""


def criterion(name: str, equation: str) -> Criterion:
    """The exponent's criterion."""
    return Criterion(name, "1", *INVERSE, why=f"{equation}: 1/α up to logarithms, -1 ± 0.25")


def exponents(table: pd.DataFrame, time: str) -> pd.DataFrame:
    """d ln time / d ln α for each seed and data set size with two weight decays at which it happened.

    Columns dataset_size, seed, exponent, decays. Happened after the first measured step: what is there from the start
    has no time.
    """
    table = finished(table)
    if time not in table:
        return pd.DataFrame(columns=["dataset_size", "seed", "exponent", "decays"])
    there = table[(table[time] > 0) & (table.weight_decay > 0)]
    rows = []
    for (size, seed), group in there.groupby(["dataset_size", "seed"]):
        if group.weight_decay.nunique() >= 2:
            slope = np.polyfit(np.log(group.weight_decay), np.log(group[time]), 1)[0]
            rows.append({"dataset_size": size, "seed": seed, "exponent": slope, "decays": len(group)})
    return pd.DataFrame(rows, columns=["dataset_size", "seed", "exponent", "decays"])


def pace(table: pd.DataFrame, time: str, sizes: list[int]) -> Estimate:
    """The mean exponent over `sizes` for each seed, as one estimate; runs in which it did not happen are censored."""
    table = finished(table)
    table = table[table.dataset_size.isin(sizes)]
    found = exponents(table, time)
    waiting = int(table[time].isna().sum()) if time in table else 0
    decays = ", ".join(f"{decay:g}" for decay in sorted(set(table.weight_decay)))
    note = f"sizes {', '.join(str(size) for size in sizes)}; weight decays {decays}"
    return mean(found.groupby("seed").exponent.mean(), len(table), waiting, note)
