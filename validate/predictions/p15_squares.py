"""P15: circuits that serve different labels add the squares of their norms."""

from __future__ import annotations

import math

import pandas as pd
from scipy import optimize

from validate.matching.laws import alone
from validate.measured import MissingResult, Results
from validate.prediction import Criterion, Measurement, Prediction
from validate.predictions.shared import ANSWER, NO_CIRCUITS, at_rest, estimate, records

__all__ = ["P15"]

NORM, POWER = "rms error of ln norm, nothing fitted", "power with which the two norms add"
PLACES = ("laws-43-labels", "laws-113-labels")
"""Where some labels are wrong, and as many random labels were learned alone"""


def _power(gen: float, mem: float, norm: float) -> float:
    """x of norm^x = gen^x + mem^x; nan unless both are smaller than the whole."""
    if not max(gen, mem) < norm:
        return math.nan
    return float(optimize.brentq(lambda x: (gen / norm) ** x + (mem / norm) ** x - 1, 0.1, 200.0))


def _cells(results: Results) -> pd.DataFrame:
    """A row for each network with wrong labels whose two lone circuits were trained on its seed."""
    rows = []
    for setting in PLACES:
        if not {f"{setting}/corrupted_coupled", f"{setting}/memorising_coupled"} <= set(results.names):
            continue
        nets, memorised = results.table(f"{setting}/corrupted_coupled"), alone(results, setting)
        nets = nets[nets.train >= 0.99]
        memorised = memorised[memorised.weight_decay == ANSWER["coupled"]]
        clean = nets[nets.corrupted == 0].set_index("seed")
        for net in nets[nets.corrupted > 0].itertuples():
            wrong = round(net.corrupted * net.dataset_size)
            mem = memorised[(memorised.seed == net.seed) & (memorised.dataset_size == wrong)]
            if net.seed not in clean.index or mem.empty:
                continue
            gen, one = clean.loc[net.seed], mem.iloc[0]
            # Each at its own lone norm for the mixture's logit.
            p_gen = gen.norm * (net.logit / gen.logit) ** (1 / gen.homogeneity)
            p_mem = one.norm * (net.logit / one.logit) ** (1 / one.homogeneity)
            rows.append({"setting": setting, "p": net.p, "seed": net.seed, "wrong_labels": wrong, "norm": net.norm,
                         "gen_norm": p_gen, "mem_norm": p_mem, "error": math.log(math.hypot(p_gen, p_mem) / net.norm),
                         "power": _power(p_gen, p_mem, net.norm),
                         "norm_rests": bool(net.norm_rests and gen.norm_rests and one.norm_rests)})  # fmt: skip
    return pd.DataFrame(rows)


def _measure(results: Results, protocol: str) -> Measurement:
    if protocol == "AdamW":
        raise MissingResult("AdamW networks do not rest at a penalty that is known: the law of norms does not apply.")
    cells = _cells(results)
    if cells.empty:
        raise MissingResult(
            "networks with wrong labels and lone circuits of the same seeds; profile standard has them."
        )
    own = cells.groupby(["setting", "seed"])
    moduli = " and ".join(f"{p}" for p in sorted(set(cells.p)))
    note = f"{len(cells)} networks, p = {moduli}, {cells.wrong_labels.min()} to {cells.wrong_labels.max()} wrong labels"
    rms = own.error.apply(lambda e: math.sqrt(float((e**2).mean())))
    estimates = {
        NORM: estimate(rms, at_rest(cells, "norm"), note),
        POWER: estimate(own.power.mean(), at_rest(cells, "norm"), note),
    }
    return Measurement(estimates, {}, {"networks": records(cells)})


P15 = Prediction(
    id="P15",
    claim="Circuits that serve different labels add the squares of their norms.",
    source="(2.3), the paper's premise; (8.2)",
    statistic="per seed and modulus, rms of ln(forecast / measured) norm of networks with wrong labels, and the "
    "power that fits; forecast from lone circuits of the same seed at the same logit; t interval",
    claimed={"coupled": "the law is of norms at rest under an L2 penalty"},
    unclaimed={"AdamW": "its decay is not a penalty in the loss"},
    experiments=(
        "laws-43-labels/corrupted_coupled",
        "laws-43-labels/memorising_coupled",
        "laws-113-labels/corrupted_coupled",
        "laws-113-labels/memorising_coupled",
    ),
    criteria=(
        Criterion(name=NORM, high=0.03, why="3 %", truth=0.01, spread=0.006, seeds=9),
        Criterion(name=POWER, low=1.8, high=2.2, why="2 to a tenth", truth=1.95, spread=0.12, seeds=9),
    ),
    measure=_measure,
    registered="128eeb7",
    changed="The rule stands. Networks with wrong labels were trained for 6000 steps, then 12 000, then 36 000, and lone "
    "Mem on as many for 16 000, then 36 000, since more than a third still moved; each length is a new run.",
    says={
        "circuit efficiency": ("predicts", "its premise: circuits add the squares of their norms"),
        "Omnigrok": NO_CIRCUITS,
    },
)
