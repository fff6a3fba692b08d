"""κ, the degree with which logits grow with norm, measured three ways (experiments.md 3; model.md 1 and 5.3).

    fit         d ln s / d ln P along nets at rest with different weight decays, within one data set size and seed
    local       d ln s / d ln‖w‖ of each net under scaling of all its weights
    sharpness   from ν = 2βκ/(2 − κ), the steepness of W_mem/W_gen in D

The first two are equal for nets that have come to rest on one branch: s*(P), the largest logit at norm P, has by the
envelope theorem the slope of s along w itself. A difference says that nets of different weight decay do not lie on one
curve P(s), whatever its shape.
The third holds for κ < 2 only, and there it cannot come out at 2 or more: κ = 2ν/(2β + ν) < 2 for every ν > 0. Above 2
the theory has no mixture at rest and ν is not defined; a finite ν is then evidence against it, not a κ.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from validate.intervals import Interval, proportion
from validate.measured import THRESHOLDS

__all__ = ["balance", "fitted", "from_sharpness", "local", "mixtures", "rival_share", "sharpness"]


def fitted(nets: pd.DataFrame) -> pd.Series:
    """κ of each seed, by regression of ln P on ln s within data set sizes; pooled over a seed's sizes.

    ln P is regressed, not ln s, because weight decay sets s closely and nets scatter in P: the other way round the
    scatter would bias κ low. Seeds without two weight decays at some size are left out.
    """
    found = {}
    for seed, group in nets.groupby("seed"):
        by_size = group.groupby("dataset_size")[["logit", "norm"]]
        within = by_size.transform(lambda x: np.log(x) - np.log(x).mean())
        spread = float((within.logit**2).sum())
        if spread > 1e-6:
            found[seed] = spread / float((within.logit * within.norm).sum())
    return pd.Series(found, dtype=float)


def local(nets: pd.DataFrame) -> pd.Series:
    """Local degree of homogeneity of each seed: mean over its nets."""
    return nets.groupby("seed").homogeneity.mean()


def sharpness(table: pd.DataFrame) -> pd.Series:
    """(5.3) ν of each seed: minus the slope of ln(mem_logit/gen_logit) on ln D, averaged over weight decays.

    Circuit logits come from the trigonometric projection, which over-estimates Gen (experiments.md 2): a constant factor
    drops out, one that depends on D does not. Accuracy is not used: (5.4) adds an unknown spread σ to it.
    """
    found: dict[int, float] = {}
    if not {"mem_logit", "gen_logit"} <= set(table):
        return pd.Series(found, dtype=float)
    both = table[(table.status == "finished") & (table.mem_logit > 0) & (table.gen_logit > 0)]
    for seed, group in both.groupby("seed"):
        slopes = []
        for _, one in group.groupby("weight_decay"):
            if one.dataset_size.nunique() >= 3:
                slopes.append(-np.polyfit(np.log(one.dataset_size), np.log(one.mem_logit / one.gen_logit), 1)[0])
        if slopes:
            found[seed] = float(np.mean(slopes))
    return pd.Series(found, dtype=float)


def from_sharpness(nu: pd.Series, beta: float) -> pd.Series:
    """(5.3) solved for κ = 2ν/(2β + ν), on the branch κ < 2; nan where ν is not positive."""
    return (2 * nu / (2 * beta + nu)).where(nu > 0)


def balance(nets: pd.DataFrame, decay: pd.Series, kappa: float | pd.Series) -> pd.Series:
    """(2.4), (3.1) p(S) κ S / (α P²) of each net (n,): 1 where gradient and penalty balance along w.

    decay   α of each net, or 1 for the effective weight decay itself
    kappa   each net's local degree, which makes it an identity in α_eff/α; or one number for all nets, which tests
            whether one power law serves them all
    """
    wrong = (nets.p - 1.0) / (np.exp(nets.logit) + nets.p - 1.0)
    return wrong * kappa * nets.logit / (decay * nets.norm**2)


def rival_share(ln_size: float, ln_critical: float, kappa: float, beta: float) -> float:
    """(3.1) at κ > 2: the share of the leader's logit above which a less grown but more efficient rival takes over.

    On the leader's plateau p = a W*^(r−1), the rival's push changes sign at W_u/W* = (η_rival/η_leader)^(−2κ/(κ−2)), so a
    threshold found at D means a rival of this share: exp(−|ln(D/D_crit)| 2βκ/(κ−2)). nan for κ ≤ 2, where any rival does.
    """
    return math.exp(-abs(ln_size - ln_critical) * 2 * beta * kappa / (kappa - 2)) if kappa > 2 else math.nan


def mixtures(table: pd.DataFrame) -> Interval:
    """Share of nets that came to rest with an accuracy between chance and 0.9, of those at rest: over runs, not seeds.

    Winner-takes-all has none: with one circuit alone accuracy is that circuit's, whatever the spread over inputs (5.4).
    """
    rest = table[(table.status == "finished") & (table.settled == True)]  # noqa: E712
    low = 1.0 / rest.p + THRESHOLDS.chance_margin
    between = (rest.unseen > low) & (rest.unseen < THRESHOLDS.performance)
    return proportion(int(between.sum()), len(rest))
