"""P17: accuracy outside the training set is one function of the share of the margin that is there without training."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special

from validate.matching.laws import mixtures, settings
from validate.measured import MissingResult, Results
from validate.prediction import Criterion, Measurement, Prediction
from validate.predictions.shared import NO_FORMULA, at_rest, estimate, records

__all__ = ["P17", "accuracy_of_margins"]

CURVE = "rms error of accuracy"
SHIFT, WIDTH = 0.19, 0.67
"""Fitted to the runs that suggested the law, and fixed since"""


def accuracy_of_margins(share: pd.Series) -> pd.Series:
    """(8.4) Φ((u/t + 0.19)/0.67)."""
    return special.ndtr((share + SHIFT) / WIDTH)


def _measure(results: Results, protocol: str) -> Measurement:
    if protocol == "AdamW":
        raise MissingResult("no networks were trained for the laws under AdamW.")
    rows, used = [], []
    for setting in settings(results, "ungrokking_coupled"):
        nets = mixtures(results, setting)
        error = accuracy_of_margins(nets.unseen_margin / nets.train_margin) - nets.test
        between = error[(nets.test > 0.1) & (nets.test < 0.9)]
        rows.append({"setting": setting, "networks": len(nets), "rms": float(np.sqrt((error**2).mean())),
                     "between": len(between), "rms_between": float(np.sqrt((between**2).mean()))})  # fmt: skip
        used.append(nets)
    table, basis = pd.DataFrame(rows), at_rest(pd.concat(used), "accuracy")
    note = f"settings: {', '.join(table.setting)}"
    return Measurement(
        {CURVE: estimate(table.rms, basis, note, "settings")},
        {"the same, accuracies from 0.1 to 0.9": estimate(table.rms_between, basis, note, "settings")},
        {"settings": records(table)},
    )


P17 = Prediction(
    id="P17",
    claim="At rest accuracy is one function of u/t, Φ((u/t + 0.19)/0.67), the same in all settings.",
    source="(8.4), found in saved runs; beyond the paper",
    statistic="per setting, rms of measured less forecast accuracy over networks that had grokked, nothing fitted; "
    "t interval over settings",
    claimed={"coupled": "a law of networks at rest under the penalty"},
    unclaimed={"AdamW": "no networks were trained for it under AdamW"},
    experiments=tuple(
        f"{s}/{k}_coupled"
        for s in ("laws-113", "laws-67", "laws-97", "laws-width-128", "laws-div", "laws-43")
        for k in ("ungrokking", "generalising")
    ),
    criteria=(
        Criterion(
            name=CURVE,
            high=0.07,
            why="a tenth of the way from chance to 1 is 0.1",
            truth=0.053,
            spread=0.01,
            seeds=6,
        ),
    ),
    measure=_measure,
    registered="128eeb7",
    says=NO_FORMULA,
)
