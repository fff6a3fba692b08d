"""P18: D_crit can be read off networks that have grokked, without ungrokking any."""

from __future__ import annotations

import math

import pandas as pd

import toymodel as tm
from validate.matching.laws import circuits, mixtures, settings
from validate.measured import MissingResult, Results
from validate.prediction import Criterion, Measurement, Prediction
from validate.predictions.shared import ANSWER, at_rest, estimate, records, weaker

__all__ = ["P18"]

OFF = "|ln(D_crit from margins / D_crit of lone circuits)|"
SIGNED = "ln(D_crit from margins / D_crit of lone circuits)"


def _measure(results: Results, protocol: str) -> Measurement:
    if protocol == "AdamW":
        raise MissingResult("lone circuits under AdamW do not rest at a penalty that is known.")
    rows, of_lone, of_grokked = [], [], []
    for setting in settings(results, "memorising_coupled"):
        decay = ANSWER["coupled"]
        if setting == "laws-43":  # whose networks that ungrok have two other decays
            decay = 1e-3
        try:
            lone, nets = circuits(results, setting, decay)
        except MissingResult:
            continue
        grokked = mixtures(results, setting)
        grokked = grokked[grokked.weight_decay == decay]
        try:
            found = tm.critical_size_from_margins(
                grokked.dataset_size, grokked.train_margin, grokked.unseen_margin, grokked.seed
            )
        except ValueError as error:
            rows.append({"setting": setting, "lone": lone.critical_size, "remark": str(error)})
            continue
        rows.append({"setting": setting, "lone": lone.critical_size, "margins": found.critical_size,
                     "low": found.interval[0], "high": found.interval[1], "seeds": found.seeds, "scale": found.scale,
                     "ln_ratio": math.log(found.critical_size / lone.critical_size)})  # fmt: skip
        of_lone.append(nets)
        of_grokked.append(grokked[grokked.dataset_size.isin(found.sizes)])
    table = pd.DataFrame(rows)
    if "ln_ratio" not in table:
        raise MissingResult("lone circuits and networks that have grokked on two sizes; profile standard has them.")
    runs = weaker(*(at_rest(pd.concat(nets), "norm") for nets in (of_lone, of_grokked)))
    note = f"settings: {', '.join(table.setting)}"
    return Measurement(
        {OFF: estimate(table.ln_ratio.abs(), runs, note, "settings")},
        {SIGNED: estimate(table.ln_ratio, runs, note, "settings")},
        {"settings": records(table)},
    )


P18 = Prediction(
    id="P18",
    claim="D_crit can be read off networks that have grokked: where the straight line of u/(t − u) against D meets 0.",
    source="(8.3), found in saved runs; beyond the paper",
    statistic="per setting, |ln| of D_crit by toymodel.critical_size_from_margins, sizes at which u/t is at least "
    "0.6, over D_crit of lone circuits; t interval over settings",
    claimed={"coupled": "a law of networks at rest under the penalty"},
    unclaimed={"AdamW": "D_crit of lone circuits is not defined where they do not rest"},
    experiments=tuple(
        f"{s}/{k}_coupled"
        for s in ("laws-113", "laws-67", "laws-97", "laws-width-128", "laws-div", "laws-43")
        for k in ("ungrokking", "generalising", "memorising")
    ),
    criteria=(
        Criterion(name=OFF, unit="ln pairs", high=math.log(1.1), why="within 10 %", truth=0.045, spread=0.03, seeds=6),
    ),
    measure=_measure,
    registered="128eeb7",
    says={
        "circuit efficiency": ("silent", "it has no formula for what is left of Mem"),
        "Omnigrok": ("silent", "it has no two circuits"),
    },
)
