"""P16: what a network that has grokked still memorises has a pole at D_crit."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize

from validate.matching.laws import NEW, decisive, paired, settings
from validate.measured import MissingResult, Results
from validate.prediction import Criterion, Estimate, Measurement, Prediction
from validate.predictions.shared import ANSWER, NO_FORMULA, at_rest, estimate, records, total, weaker

__all__ = ["P16"]

POLE = "rms error of u/t, pole at D_crit"
SEEN = "the same, settings that the rule had seen"
POWER = "the same, power law m/u = (D_crit/D)^ν"
DECAY = ANSWER["coupled"]
FROM = 1.1
"""The law is held to hold from this multiple of D_crit on; set after looking at the runs that suggested it"""

Array = npt.NDArray[np.float64]


def pole(size: Array, critical: float, scale: float) -> Array:
    """(8.3) u/t at sizes (n,) above D_crit: (D − D_crit)/(D − D_crit + D_1)."""
    return np.asarray((size - critical) / (size - critical + scale))


def power_law(size: Array, critical: float, exponent: float) -> Array:
    """u/t at sizes (n,) if m/u were a power of D, 1 at D_crit."""
    return np.asarray(1 / (1 + (size / critical) ** -exponent))


def one(nets: pd.DataFrame, critical: float) -> dict[str, float]:
    """One seed: a number each fitted to every other size, errors at those between."""
    nets = nets[nets.dataset_size >= FROM * critical].sort_values("dataset_size")
    size, share = nets.dataset_size.to_numpy(float), (nets.unseen_margin / nets.train_margin).to_numpy(float)
    found: dict[str, float] = {}
    for name, law, start in (("pole", pole, 0.15 * critical), ("power law", power_law, 4.0)):
        fit = optimize.least_squares(
            lambda x, law=law: law(size[::2], critical, math.exp(x[0])) - share[::2],
            [math.log(start)],
        )
        number = math.exp(fit.x[0])
        left = law(size[1::2], critical, number) - share[1::2]
        found |= {name: math.sqrt(float((left**2).mean())), f"{name}, fitted": number}
    return found


def _over(rows: pd.DataFrame, column: str) -> Estimate:
    basis = weaker(*(total(rows[nets]) for nets in ("alone", "grokked")))
    return estimate(rows[column], basis, f"settings: {', '.join(rows.setting.unique())}; weight decay {DECAY:g}")


def _measure(results: Results, protocol: str) -> Measurement:
    if protocol == "AdamW":
        raise MissingResult("lone circuits under AdamW do not rest at a penalty that is known.")
    rows = []
    for pair in paired(results, settings(results, "memorising_coupled"), lambda setting: DECAY):
        critical = pair.lone.critical_size
        near = pair.grokked[pair.grokked.dataset_size >= FROM * critical]
        if near.dataset_size.nunique() >= 4:
            rows.append({"setting": pair.setting, "seed": pair.seed, "critical_size": critical, **one(near, critical),
                         "alone": at_rest(pair.alone, "norm"), "grokked": at_rest(near, "norm")})  # fmt: skip
    if not rows:
        raise MissingResult("lone circuits and four sizes of networks that have grokked; profile standard has them.")
    new, old = decisive(pd.DataFrame(rows))
    beside = {POWER: _over(new, "power law")} | ({SEEN: _over(old, "pole")} if len(old) else {})
    return Measurement(
        {POLE: _over(new, "pole")}, beside, {"seeds": records(pd.DataFrame(rows).drop(columns=["alone", "grokked"]))}
    )


P16 = Prediction(
    id="P16",
    claim="What a network that has grokked still memorises has a pole at D_crit: u/(t − u) = (D − D_crit)/D_1.",
    source="(8.3), found in saved runs; beyond the paper",
    statistic="per seed, the rms of u/t at every other size from 1.1 D_crit on; D_crit of the same seed's lone "
    "circuits, D_1 fitted to the sizes between; mean and t interval over seeds",
    claimed={"coupled": "a law of networks at rest under the penalty"},
    unclaimed={"AdamW": "D_crit of lone circuits is not defined where they do not rest"},
    experiments=tuple(
        f"{s}/{k}_coupled"
        for s in ("laws-113", "laws-67", "laws-97", "laws-width-128", "laws-div")
        for k in ("ungrokking", "generalising", "memorising")
    ),
    criteria=(Criterion(name=POLE, high=0.02, why="u/t to 0.02", truth=0.012, spread=0.006, seeds=6),),
    measure=_measure,
    registered="f9b9128",
    new=NEW,
    changed="Registered in 128eeb7 with one D_crit for all seeds of a setting; they differ by as much as a factor of 1.5, "
    "which hides a pole. Now each seed has its own.",
    says=NO_FORMULA,
)
