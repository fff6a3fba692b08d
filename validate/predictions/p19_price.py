"""P19: the price of one more training example, and with it how fast a circuit's efficiency falls with data."""

from __future__ import annotations

import math

import pandas as pd

import toymodel as tm
from validate.matching.laws import GROKKED, MODULAR_LAWS, alone, mixtures
from validate.measured import MissingResult, Results
from validate.prediction import Criterion, Estimate, Measurement, Prediction, nothing
from validate.predictions.shared import NO_CIRCUITS, at_rest, estimate, records

__all__ = ["GROUPS", "P19", "pairs_of_sizes"]

GROUPS = ("memorising", "ungrokked", "grokked")
DIGITS = {"memorising": "digits, shuffled labels", "true": "digits, true labels"}
BETA = "ln(β forecast with γ = 1/2 / β of Mem-only networks)"


def _gamma(name: str) -> str:
    return f"γ, {name}"


def pairs_of_sizes(nets: pd.DataFrame, spread_margins: bool = False) -> pd.DataFrame:
    """Neighbouring sizes of one seed and weight decay: slope = κ d ln‖w‖/d ln D at equal t, x = 1 − u/t between them.

    ln‖w‖ is brought to equal training margin by t^(1/κ), κ the measured homogeneity of the two.
    spread_margins    margins of examples differ much (images): x is the mean positive part of t − u_i, over t
    """
    share = nets.shortfall / nets.train_margin if spread_margins else 1 - nets.unseen_margin / nets.train_margin
    nets = nets.assign(x=share)
    rows = []
    for (decay, seed), own in nets.groupby(["weight_decay", "seed"]):
        own = own.sort_values("dataset_size").drop_duplicates("dataset_size")
        for a, b in zip(own.iloc[:-1].itertuples(), own.iloc[1:].itertuples(), strict=True):
            kappa = (a.homogeneity + b.homogeneity) / 2
            growth = math.log(b.norm / a.norm) - math.log(b.train_margin / a.train_margin) / kappa
            rows.append({"weight_decay": decay, "seed": seed, "dataset_size": math.sqrt(a.dataset_size * b.dataset_size),
                         "slope": kappa * growth / math.log(b.dataset_size / a.dataset_size), "x": (a.x + b.x) / 2,
                         "grokked": max(a.x, b.x) <= 1 - GROKKED,
                         "norm_rests": bool(a.norm_rests and b.norm_rests)})  # fmt: skip
    return pd.DataFrame(rows)


def _through_origin(pairs: pd.DataFrame) -> float:
    """γ of slope = γ x."""
    return float((pairs.slope * pairs.x).sum() / (pairs.x**2).sum())


def _estimate(pairs: pd.DataFrame) -> Estimate:
    """A γ for each seed of each setting."""
    if pairs.empty:
        return nothing("no networks of this kind are among these results")
    own = pairs.groupby(["setting", "seed"])[["slope", "x"]].apply(_through_origin)
    note = f"{len(pairs)} pairs of sizes, 1 − u/t from {pairs.x.min():.2g} to {pairs.x.max():.2g}; n: seeds of "
    note += f"{pairs.setting.nunique()} settings"
    return estimate(own, at_rest(pairs, "norm"), note)


def _betas(results: Results, there: list[str]) -> pd.DataFrame:
    """β of Mem-only networks beside what the law says with γ = 1/2: (1 − u/t)/(2κ)."""
    rows = []
    for setting in there:
        mem = alone(results, setting)
        for decay, nets in mem.groupby("weight_decay"):
            if nets.dataset_size.nunique() < 3:
                continue
            kappa = float(nets.homogeneity.mean())
            # Any networks stand in for Gen, which β does not depend on.
            beta = tm.fit_circuits(nets, nets, kappa=kappa).beta
            forecast = float((1 - nets.unseen_margin / nets.train_margin).mean()) / (2 * kappa)
            rows.append({"setting": setting, "weight_decay": decay, "kappa": kappa, "beta": beta, "forecast": forecast,
                         "ln_ratio": math.log(forecast / beta)})  # fmt: skip
    return pd.DataFrame(rows, columns=["setting", "weight_decay", "kappa", "beta", "forecast", "ln_ratio"])


def _measure(results: Results, protocol: str) -> Measurement:
    if protocol == "AdamW":
        raise MissingResult("its decay is not a penalty in the loss: the price of margin is not known.")
    there = [s for s in MODULAR_LAWS if f"{s}/memorising_coupled" in results]
    if not there:
        raise MissingResult("no networks were trained for the laws; profile standard has them.")
    mem = pd.concat([pairs_of_sizes(alone(results, s)).assign(setting=s) for s in there], ignore_index=True)
    both = pd.concat([pairs_of_sizes(mixtures(results, s)).assign(setting=s) for s in there], ignore_index=True)
    groups = {"memorising": mem, "ungrokked": both[~both.grokked], "grokked": both[both.grokked]}
    for kind, name in (("memorising", DIGITS["memorising"]), ("generalising", DIGITS["true"])):
        experiment = f"laws-digits/{kind}_coupled"
        nets = results.table(experiment) if experiment in results else pd.DataFrame(columns=mem.columns)
        fitted = nets[nets.train >= 0.99] if len(nets) else nets
        groups[name] = pairs_of_sizes(fitted, True).assign(setting="laws-digits") if len(fitted) else fitted
    betas = _betas(results, there)
    estimates = {_gamma(name): _estimate(pairs) for name, pairs in groups.items()}
    networks = pd.concat([alone(results, s) for s in there], ignore_index=True)
    by_setting = betas.groupby("setting").ln_ratio.mean()
    estimates[BETA] = estimate(
        by_setting, at_rest(networks, "norm"), f"settings: {', '.join(by_setting.index)}", "settings"
    )
    points = [pairs.assign(group=name) for name, pairs in groups.items() if len(pairs)]
    return Measurement(estimates, {}, {"pairs": records(pd.concat(points)), "β": records(betas)})


P19 = Prediction(
    id="P19",
    claim="One more training example costs γ(1 − u/t)/κ of the norm, γ about 1/2: d ln‖w‖/d ln D at equal training "
    "margin.",
    source="(8.1), found in saved runs; beyond the paper, whose argument it puts in numbers",
    statistic="per seed and setting, slope through 0 of κ d ln‖w‖/d ln D on 1 − u/t over neighbouring sizes; on "
    "images the mean positive part of (t − u_i)/t; t interval over seeds of all settings; β over settings",
    claimed={"coupled": "the multiplier of a training example is known at rest under a penalty"},
    unclaimed={"AdamW": "its decay is not a penalty in the loss"},
    experiments=tuple(
        f"{s}/{k}_coupled"
        for s in (*MODULAR_LAWS, "laws-digits")
        for k in ("ungrokking", "generalising", "memorising")
        if (s, k) != ("laws-digits", "ungrokking")
    ),
    criteria=(
        Criterion(
            name=_gamma("memorising"),
            low=0.35,
            high=0.65,
            why="γ = 1/2 if the multiplier rises linearly",
            truth=0.42,
            spread=0.04,
            seeds=20,
        ),
        Criterion(name=_gamma("ungrokked"), low=0.35, high=0.65, why="the same", truth=0.55, spread=0.08, seeds=20),
        Criterion(name=_gamma("grokked"), low=0.35, high=0.65, why="the same", truth=0.5, spread=0.3, seeds=18),
        Criterion(
            name=_gamma(DIGITS["memorising"]),
            low=0.35,
            high=0.65,
            why="the same",
            truth=0.45,
            spread=0.05,
            seeds=3,
        ),
        Criterion(name=_gamma(DIGITS["true"]), low=0.35, high=0.65, why="the same", truth=0.5, spread=0.05, seeds=3),
        Criterion(
            name=BETA,
            low=-math.log(1.25),
            high=math.log(1.25),
            why="β forecast to 25 %, nothing fitted",
            truth=0.17,
            spread=0.03,
            seeds=6,
        ),
    ),
    measure=_measure,
    registered="128eeb7",
    says={"circuit efficiency": ("allows", "its argument in words; the number is ours"), "Omnigrok": NO_CIRCUITS},
)
