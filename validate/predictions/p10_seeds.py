"""P10: seeds differ in their thresholds because they differ in efficiency."""

from __future__ import annotations

import numpy as np
import pandas as pd

from validate.measured import Results
from validate.prediction import Criterion, Estimate, Measurement, Prediction
from validate.predictions.shared import NO_CIRCUITS, at_answer, bounded, kind_of, of_thresholds, thresholds
from validate.statistics.intervals import rank_correlation

__all__ = ["P10"]

RANK = "rank correlation of a seed's Gen norm with its ungrokking threshold"
KAPPA = 4.8
"""Degree at which norms are brought to a common logit: a tenth more or less moves a norm by a thousandth"""


def _measure(results: Results, protocol: str) -> Measurement:
    kind = kind_of("ungrokking", protocol)
    table = at_answer(results.table(results.deciding(kind, "fresh", "base")), protocol)
    found, rank, rows = _rank(table)
    basis = of_thresholds(found)
    spread = f"standard deviation over seeds {found.ln_size.std():.2g}"
    beside = {"ln threshold": bounded(found[["low", "high"]], basis, spread)}
    other = f"laws-43/{kind}"
    for decay, own in results.table(other).groupby("weight_decay") if other in results else ():
        beside[f"the same, seeds of laws-43, weight decay {decay:g}"] = _rank(own)[1]
    return Measurement({RANK: rank}, beside, {"seeds": rows})


def _rank(table: pd.DataFrame) -> tuple[pd.DataFrame, Estimate, list[dict[str, float]]]:
    """Thresholds of runs of one weight decay, the correlation, and a row a seed."""
    found = thresholds(table).set_index("seed")
    # Every seed at the largest D′, whatever became of it: choosing among them would choose the outcome.
    top = table[table.dataset_size == table.dataset_size.max()].set_index("seed")
    norm = top.norm / (top.logit / top.logit.mean()) ** (1 / KAPPA)
    both = found.ln_size.dropna().index.intersection(norm.index)
    rows = [{"seed": int(s), "gen_norm": float(norm[s]), "ln_threshold": float(found.ln_size[s])} for s in both]
    x, y = np.log([r["gen_norm"] for r in rows]), [r["ln_threshold"] for r in rows]
    note = f"{len(found)} seeds at D′ = {table.dataset_size.max()}"
    return found, Estimate(rank_correlation(x, y), of_thresholds(found), note), rows


P10 = Prediction(
    id="P10",
    claim="Seeds whose generalising circuit needs more norm for the same logit ungrok at larger sizes.",
    source="(5.2), beyond the paper",
    statistic="Spearman correlation over seeds between ln Gen norm at a common logit, at the largest D′, and ln of "
    "the own threshold",
    claimed={
        "coupled": "a less efficient Gen is lost at larger D′",
        "AdamW": "the same, of networks that still move",
    },
    experiments=("fresh/ungrokking_coupled", "base/ungrokking_coupled", "base/ungrokking"),
    criteria=(
        Criterion(
            name=RANK,
            low=0.0,
            why="a less efficient Gen is lost at larger D′",
            truth=0.85,
            spread=0.55,
            seeds=10,
            least_seeds=8,
        ),
    ),
    measure=_measure,
    registered="f1978ee",
    changed="Gen networks had to lie in the trigonometric subspace or be right on 99 %, which dropped the seeds with "
    "the largest norms. Now every seed counts, on ten seeds never used before, at rest.",
    says={"circuit efficiency": ("predicts", "a seed's own efficiency sets its D_crit"), "Omnigrok": NO_CIRCUITS},
)
