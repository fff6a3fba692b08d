"""O10: without decay, grokking stops where the softmax collapses."""

from __future__ import annotations

import pandas as pd

from validate.measured import Results
from validate.prediction import Criterion, Measurement, Prediction
from validate.predictions.omnigrok.curves import rows
from validate.predictions.shared import NO_LANDSCAPE, at_rest, estimate, records

__all__ = ["O10"]

WHY = "it goes further"
PAIRS = {
    "accuracy, softmax of 32 bits less 16": ("float32", "float16"),
    "accuracy, softmax of 64 bits less 32": ("float64", "float32"),
    "accuracy, StableMax less softmax of 32 bits": ("stablemax", "float32"),
    "accuracy, ⊥Grad less softmax of 32 bits": ("perpendicular", "float32"),
}


def remedy(row: pd.Series) -> str:
    """What a run does about collapse."""
    if row.gradient_filter == "perpendicular":
        return "perpendicular"
    return "stablemax" if row.loss == "stablemax" else str(row.softmax_dtype or "float32")


def _measure(results: Results, column: str) -> Measurement:
    table = rows(results, "edge/collapse")
    table = table.assign(remedy=table.apply(remedy, axis=1))
    by_seed = table.pivot_table(index="seed", columns="remedy", values="test")
    estimates = {}
    for name, (more, less) in PAIRS.items():
        there = {more, less} <= set(by_seed.columns)
        rest = at_rest(table[table.remedy.isin((more, less))], "accuracy")
        estimates[name] = estimate(by_seed[more] - by_seed[less] if there else [], rest)
    columns = ["remedy", "seed", "t_fit", "t_gen", "train", "test", "train_loss", "norm", "steps"]
    return Measurement(estimates, {}, {"runs": records(table[columns])})


O10 = Prediction(
    id="O10",
    claim="Without decay grokking stops at softmax collapse: more bits go further, StableMax and ⊥Grad bring it back.",
    source="Prieto et al. 2025 (arXiv 2501.04697), sections 3 to 5",
    statistic="per seed, differences of the accuracy at the end; t interval over seeds",
    claimed={"edge": "Adam, no decay, 68 % of the pairs"},
    experiments=("edge/collapse",),
    criteria=tuple(Criterion(name=name, low=0.0, why=WHY, truth=0.3, spread=0.1, seeds=3) for name in PAIRS),
    measure=_measure,
    registered="88a6a2c",
    columns=("edge",),
    says={
        "circuit efficiency": NO_LANDSCAPE,
        "Omnigrok": ("opposite", "without decay norms only grow, away from the bottom of the U"),
    },
)
