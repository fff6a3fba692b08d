"""P4: near D_crit, and only there, nets from scratch end between chance and generalisation."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from validate.measured import THRESHOLDS, Results
from validate.prediction import Criterion, Estimate, Measurement, Prediction
from validate.sweeps import crossings, finished, mean, nothing, records, threshold

__all__ = ["P4"]

DECAY = 1.0
NEAR = math.log(1.15)
"""Within 15 % of the from-scratch threshold counts as near"""
EXCESS = "share of semi-grokked runs near D_crit less that elsewhere"


def _measure(results: Results) -> Measurement:
    table = finished(results.table("base/scratch"))
    table = table[table.weight_decay == DECAY] if len(table) else table
    if table.empty:
        return Measurement({EXCESS: nothing("no finished runs")})
    critical = threshold(crossings(table, "rising"))
    if "long/scratch" in results:  # the same runs, trained on: they replace the shorter ones
        longer = finished(results.table("long/scratch"))
        replaced = table.set_index(["dataset_size", "seed"]).index.isin(
            longer.set_index(["dataset_size", "seed"]).index
        )
        table = pd.concat([table[~replaced], longer], ignore_index=True)
    chance = 1.0 / table.p.iloc[0]
    decided = table.settled.astype(bool) | (table.unseen >= THRESHOLDS.performance)
    semi = decided & table.unseen.between(chance + THRESHOLDS.chance_margin, THRESHOLDS.performance)
    near = np.abs(np.log(table.dataset_size) - critical.interval.value) <= NEAR
    marked = table.assign(decided=decided, semi=semi, near=near)
    by_seed = []
    for _, group in marked[marked.decided].groupby("seed"):
        if group.near.any() and (~group.near).any():
            by_seed.append(group[group.near].semi.mean() - group[~group.near].semi.mean())
    close = marked[marked.near]
    note = (
        f"{int(close.semi.sum())} of {int(close.decided.sum())} decided runs near the threshold, "
        f"{int(marked[~marked.near].semi.sum())} of {int(marked[~marked.near].decided.sum())} elsewhere"
    )
    unsettled = marked[~marked.decided]
    between = unsettled.unseen.between(chance + THRESHOLDS.chance_margin, THRESHOLDS.performance)
    controls = {
        "ln D_crit from scratch": Estimate(
            critical.interval, len(table), critical.censored, f"{math.exp(critical.interval.value):.0f} pairs"
        )
    }
    remarks = (
        f"{int(between.sum())} of {len(table)} runs end between chance and {THRESHOLDS.performance:g} but still move: "
        "they are censored, neither semi-grokked nor not.",
    )
    columns = [
        "dataset_size",
        "weight_decay",
        "seed",
        "steps",
        "unseen",
        "train",
        "settled",
        "decided",
        "semi",
        "near",
        "behaviour",
    ]
    estimate = mean(by_seed, len(close), int((~close.decided).sum()), note)
    return Measurement({EXCESS: estimate}, controls, {"scratch": records(marked[columns])}, remarks)


P4 = Prediction(
    "P4",
    "Semi-grokking: from scratch, near the critical data set size, nets settle between chance and generalisation.",
    "Varma et al. 2023, section 4.3 and figures 5, 6; model.md 7",
    "Share of decided runs that end level, with never-seen accuracy between chance + 0.05 and 0.9; weight decay 1.",
    "per seed, share within 15 % of the from-scratch threshold less share elsewhere; t interval over seeds",
    ("base/scratch", "long/scratch"),
    (Criterion(EXCESS, "1", low=0.0, why="more near D_crit than elsewhere"),),
    _measure,
)
