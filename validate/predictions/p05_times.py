"""P5, P6: times to generalise from scratch and to ungrok fall with weight decay, as the toy model says ((6.1), (6.2))."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from validate.measured import MissingResult, Results
from validate.prediction import Criterion, Estimate, Measurement, Prediction
from validate.predictions.shared import NO_CIRCUITS, estimate, kind_of, of_times, records

__all__ = ["P5", "P6", "exponent"]

GROK, UNGROK = "exponent of grokking time on weight decay", "exponent of ungrokking time on weight decay"
INVERSE = (-1.25, -0.75)
"""1/α up to logarithms: the toy's own exponents, from simulation at the paper's values, are -0.93 and -0.95"""
UNUSED = 26
"""Seeds from here on had never been used when P5's seeds were last added to: where there are any, they decide alone"""


def _criterion(name: str, equation: str, truth: float, spread: float, seeds: int) -> Criterion:
    """The exponent's criterion."""
    low, high = INVERSE
    why = f"{equation}: 1/α up to logarithms, −1 ± 0.25"
    return Criterion(name=name, low=low, high=high, why=why, truth=truth, spread=spread, seeds=seeds)


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
    left_out = table.seed.nunique() - found.notna().sum()
    note = f"sizes {sizes}; weight decays {decays}" + (f"; {left_out} seeds without both times" if left_out else "")
    return estimate(found, of_times(table, time), note)


def _measurement(
    results: Results, protocol: str, kind: str, name: str, time: str, low: float, high: float
) -> Measurement:
    """The exponent at sizes from `low` to `high` that were tried at two weight decays or more."""
    table = results.table(results.deciding(kind_of(kind, protocol), "fresh", "base"))
    tried = table.groupby("dataset_size").weight_decay.nunique()
    table = table[table.dataset_size.isin(tried[tried >= 2].index) & table.dataset_size.between(low, high)]
    if table.empty:
        raise MissingResult(
            f"runs of {kind_of(kind, protocol)} on one size under two weight decays must be among the saved results. "
            "Train them: profile standard has them under AdamW."
        )
    columns = ["dataset_size", "weight_decay", "seed", "t_fit", "t_half", "t_gen", "t_lost", "test"]
    seen, unused = table[table.seed < UNUSED], table[table.seed >= UNUSED]
    beside = {f"the same, the {seen.seed.nunique()} seeds before": exponent(seen, time)} if len(unused) else {}
    found = exponent(unused if len(unused) else table, time)
    return Measurement({name: found}, beside, {"times": records(table[columns])})


def _grokking(results: Results, protocol: str) -> Measurement:
    # Where there is a plateau: about 1.25 times the from-scratch threshold. Coupled runs have theirs at smaller sizes.
    low, high = (840, 900) if protocol == "AdamW" else (0, math.inf)
    return _measurement(results, protocol, "scratch", GROK, "t_gen", low, high)


P5 = Prediction(
    id="P5",
    claim="Under AdamW, grokking time is inversely proportional to weight decay, up to logarithms.",
    source="(6.1), beyond the paper",
    statistic="per seed, slope of ln t on ln weight decay, t until accuracy outside the training set is 0.9 for "
    "good; t interval",
    claimed={"AdamW": "decoupled decay shrinks weights at the rate λ per step, which is the toy's clock"},
    unclaimed={
        "coupled": "Adam divides the penalty by the same moments as the gradient: α sets where a network rests, not how fast"
    },
    experiments=("base/scratch", "fresh/scratch", "base/scratch_coupled"),
    criteria=(_criterion(GROK, "(6.1)", -1.0, 0.47, 80),),
    measure=_grokking,
    registered="1f22f9b",
    changed="Asked at the largest size that three decays had, where networks generalise almost as they fit; now at 850 "
    "pairs, 1.25 times the threshold, where there is a plateau, with times interpolated on a grid of 25 steps, on "
    "new seeds. Ten seeds left the interval across the rule's edge (−1.79 to −1.21): six more were added, once, "
    "and the third decay for five. A quarter of those runs had not generalised when they ended, so that all were "
    "trained for longer. They gave −1.45 (−1.72 to −1.18), a spread over seeds of 0.47 where 0.15 had been "
    "expected: eighty seeds never used, as many as decide four times in five if the exponent is −1.4, were then "
    "trained at the two outer decays and decide alone.",
    says={
        "circuit efficiency": ("predicts", "decay is the clock of a competition for norm"),
        "Omnigrok": ("predicts", "t = ln(w_0/w_c)/(γ × rate)"),
    },
)


def _ungrokking(results: Results, protocol: str) -> Measurement:
    # Below half of D_crit every network loses it.
    return _measurement(results, protocol, "ungrokking", UNGROK, "t_lost", 0, 130)


P6 = Prediction(
    id="P6",
    claim="Under AdamW, ungrokking time is inversely proportional to weight decay, up to logarithms.",
    source="(6.2), beyond the paper",
    statistic="per seed, slope of ln t on ln weight decay, t until accuracy outside the training set is 1/2 for "
    "good; t interval",
    claimed={"AdamW": "decoupled decay shrinks weights at the rate λ per step, which is the toy's clock"},
    unclaimed={
        "coupled": "Adam divides the penalty by the same moments as the gradient: α sets where a network rests, not how fast"
    },
    experiments=("base/ungrokking", "fresh/ungrokking", "base/ungrokking_coupled"),
    criteria=(_criterion(UNGROK, "(6.2)", -0.9, 0.06, 6),),
    measure=_ungrokking,
    registered="f1978ee",
    changed="The claim did not name its optimizer. Sizes were those at which most runs lose it, which selects on "
    "the outcome; now all below half of D_crit, with times interpolated on a grid of 25 steps.",
    says={"circuit efficiency": ("predicts", "decay is the clock of a competition for norm"), "Omnigrok": NO_CIRCUITS},
)
