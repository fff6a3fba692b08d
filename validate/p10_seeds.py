"""P10: seeds differ in their thresholds because they differ in efficiency."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from validate.efficiency import common_logit, gen_nets, mem_nets, norms_at
from validate.intervals import rank_correlation
from validate.measured import Results
from validate.p8_critical_size import crossing_of_efficiencies
from validate.prediction import Criterion, Estimate, Measurement, Prediction
from validate.sweeps import crossings, mean, middles, nothing, records

__all__ = ["P10"]

DECAY = 1.0
RANK = "rank correlation of a seed's Gen norm with its ungrokking threshold"
ERROR = "error of a seed's own isologit crossing, |ln ratio|, less that of the mean crossing"


def _measure(results: Results) -> Measurement:
    table = results.table("base/ungrokking")
    table = table[table.weight_decay == DECAY]
    measured = middles(crossings(table, "falling"))
    # All nets that generalise, not only those of the trigonometric subspace: that choice would pick the seeds.
    gen, mem = gen_nets(results, coupled=False, by="accuracy"), mem_nets(results, coupled=False)
    if gen.empty or mem.empty or measured.empty:
        return Measurement({RANK: nothing("no seeds"), ERROR: nothing("no seeds")})
    # Over all nets: those at the largest D′ alone have one logit a seed, which cannot say what another logit would cost.
    norms = norms_at(gen, common_logit(mem, gen))
    norms = norms[norms.dataset_size == table.dataset_size.max()].set_index("seed").norm
    both = norms.index.intersection(measured.index)
    estimate = Estimate(rank_correlation(norms[both].to_numpy(), measured[both].to_numpy()), len(table))
    found, _ = crossing_of_efficiencies(results, coupled=False, by="accuracy")
    own = found.set_index("seed").ln_size if len(found) else norms * math.nan
    errors = [abs(own[s] - measured[s]) - abs(own.mean() - measured[s]) for s in own.index.intersection(measured.index)]
    rows = [{"seed": int(s), "gen_norm": float(norms[s]), "ln_threshold": float(measured[s])} for s in both]
    spread = f"standard deviation over seeds {np.std(measured, ddof=1):.2g}"
    controls = {"ln D_crit": mean(measured, len(table), note=spread)}
    tables: dict[str, list[dict[str, Any]]] = {"seeds": rows, "isologit": records(found)}
    return Measurement({RANK: estimate, ERROR: mean(errors, len(table))}, controls, tables)


P10 = Prediction(
    "P10",
    "Seeds differ in D_crit because their circuits differ in efficiency.",
    "model.md (5.2), beyond the paper",
    "A net's own Gen norm at a common logit, at the largest D′, and its own ungrokking threshold; weight decay 1.",
    "Spearman correlation over seeds with its interval; error of each seed's own isologit crossing",
    ("base/ungrokking", "base/memorising", "base/scratch"),
    (
        Criterion(RANK, "1", low=0.0, why="a less efficient Gen is lost at larger D′", least_seeds=10),
        Criterion(
            ERROR, "ln pairs", high=0.0, why="a seed's own crossing forecasts better than the mean", least_seeds=10
        ),
    ),
    _measure,
)
