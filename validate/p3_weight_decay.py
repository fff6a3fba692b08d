"""P3: the place of the transition does not depend on weight decay."""

from __future__ import annotations

import math

import pandas as pd

from validate.measured import Results
from validate.prediction import Criterion, Estimate, Measurement, Prediction
from validate.sweeps import as_it_stood, crossings, differences, estimate, nothing, records

__all__ = ["P3"]

SHIFT = "ln D_crit at the least weight decay less that at the largest"


def _shift(table: pd.DataFrame) -> Estimate:
    found = crossings(table, "falling")
    decays = sorted(set(found.weight_decay))
    if len(decays) < 2:
        return nothing(f"needs two weight decays; there is {decays}", len(table))
    # Both thresholds of a seed come from the same parent, so that seeds are compared with themselves.
    apart = differences(found[found.weight_decay == decays[0]], found[found.weight_decay == decays[-1]])
    return estimate(apart, f"weight decays {decays[0]:g} and {decays[-1]:g}, a factor {decays[-1] / decays[0]:g}")


def _measure(results: Results) -> Measurement:
    table = results.table("base/ungrokking")
    controls = {f"{SHIFT}, runs as they stood at their end": _shift(as_it_stood(table))}
    tables = {"base/ungrokking": records(crossings(table, "falling"))}
    if "base/ungrokking_coupled" in results:
        coupled = results.table("base/ungrokking_coupled")
        controls[f"{SHIFT}, coupled L2 penalty"] = _shift(coupled)
        controls[f"{SHIFT}, coupled L2 penalty, runs as they stood at their end"] = _shift(as_it_stood(coupled))
        tables["base/ungrokking_coupled"] = records(crossings(coupled, "falling"))
    remark = "Under AdamW weight decay sets the pace as well, and thresholds still fall; coupled runs come to rest."
    return Measurement({SHIFT: _shift(table)}, controls, tables, (remark,))


P3 = Prediction(
    "P3",
    "The critical data set size does not depend on weight decay.",
    "Varma et al. 2023, section 3.3 and figure 4; model.md (5.2)",
    "Data set size at which a seed's final accuracy on never-seen pairs crosses 1/2, for each weight decay.",
    "difference of ln D_crit between weight decays, paired by seed; t interval over seeds; equivalence within ±15 %",
    ("base/ungrokking", "base/ungrokking_coupled"),
    (Criterion(SHIFT, "ln pairs", -math.log(1.15), math.log(1.15), "equivalence margin of experiments.md 4"),),
    _measure,
)
