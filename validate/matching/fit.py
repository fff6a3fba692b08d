"""The theory's numbers from nets at rest: κ, η_gen, β, D_crit from single circuits, μ from mixtures.

Everything is fitted in ln s and ln ‖w‖, whose errors are relative, by least squares; a number's interval is over seeds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize

from validate.matching.rest import Numbers, Rest, at_rest, sharing_from_sharpness
from validate.statistics.intervals import Interval, over_seeds

__all__ = [
    "Matched",
    "corrupted_sharing",
    "forecast",
    "match",
    "mixture_sharing",
    "residuals",
    "sharpness",
    "single_numbers",
]

Array = npt.NDArray[np.float64]

START = (4.0, 0.1, 0.3, 300.0)
NAMES = ("κ", "η_gen", "β", "D_crit")
WITHIN = math.log(2)
"""Sharpness is measured within a factor of two of D_crit, on both sides"""
LEAST_SHARING = 0.7
"""μ of corrupted labels is looked for from here: circuits that do not serve the same labels coexist below κ too"""
MOST_SHARING = 100.0
"""μ beyond this is wholly shared norm for every purpose"""


@dataclass(frozen=True)
class Matched:
    """The four numbers fitted to all seeds, each seed's own fit in intervals, and how well they describe the nets."""

    numbers: Numbers
    intervals: dict[str, Interval]
    rms: float
    classes: int


def forecast(
    numbers: Numbers, nets: pd.DataFrame, classes: int, present: tuple[int, int] = (1, 1), sharing: float = math.inf
) -> Rest:
    """Rest states of the rows of `nets`; `present` says which of Gen and Mem there are."""
    eta = numbers.efficiencies(nets.dataset_size.to_numpy(float)) * np.array(present)
    return at_rest(eta, numbers.kappa, nets.weight_decay.to_numpy(float), classes, sharing)


def residuals(rest: Rest, nets: pd.DataFrame) -> tuple[Array, Array]:
    """ln of forecast over measured: total logit (n,) and norm (n,)."""
    return np.log(rest.logit / nets.logit.to_numpy(float)), np.log(rest.norm / nets.norm.to_numpy(float))


def single_numbers(gen: pd.DataFrame, mem: pd.DataFrame) -> tuple[Numbers, float]:
    """κ, η_gen, β, D_crit from Gen-only and Mem-only nets, and the rms of the fit's residuals.

    Errors: ValueError unless there are Gen nets and Mem nets of two sizes.
    """
    if gen.empty or mem.dataset_size.nunique() < 2:
        raise ValueError(
            f"matching needs Gen-only nets and Mem-only nets of two sizes; received {len(gen)} and sizes "
            f"{sorted(set(mem.dataset_size))}. Train memorising_coupled and generalising_coupled."
        )
    classes = int(mem.p.iloc[0])

    def errors(x: Array) -> Array:
        numbers = Numbers(*np.exp(x))
        parts = [
            residuals(forecast(numbers, nets, classes, present), nets)
            for nets, present in ((gen, (1, 0)), (mem, (0, 1)))
        ]
        return np.asarray(np.nan_to_num(np.concatenate([r for pair in parts for r in pair]), nan=1e3))

    found = optimize.least_squares(errors, np.log(START), x_scale=(0.1, 0.1, 0.3, 0.3))
    return Numbers(*(float(x) for x in np.exp(found.x))), float(np.sqrt(np.mean(found.fun**2)))


def match(gen: pd.DataFrame, mem: pd.DataFrame) -> Matched:
    """Fit to all nets, and to each seed that has both circuits. Errors: ValueError where nets are missing."""
    numbers, rms = single_numbers(gen, mem)
    own = []
    for seed in sorted(set(gen.seed) & set(mem.seed)):
        nets = mem[mem.seed == seed]
        if nets.dataset_size.nunique() >= 2:
            own.append(single_numbers(gen[gen.seed == seed], nets)[0])
    intervals = {}
    for i, name in enumerate(NAMES):
        intervals[name] = over_seeds([math.log(one[i]) for one in own]).exp()
    return Matched(numbers, intervals, rms, int(mem.p.iloc[0]))


def mixture_sharing(numbers: Numbers, nets: pd.DataFrame, classes: int) -> float:
    """μ from the norms of mixtures: least squares in ln ‖w‖ with the four numbers as they are."""

    def error(x: float) -> float:
        _, norm = residuals(forecast(numbers, nets, classes, sharing=numbers.kappa + math.exp(x)), nets)
        return float(np.sum(norm**2))

    top = math.log(MOST_SHARING - numbers.kappa)
    found = optimize.minimize_scalar(error, bounds=(-4.0, top), method="bounded")
    return numbers.kappa + math.exp(float(found.x))


def sharpness(nets: pd.DataFrame, critical: float) -> float:
    """ν, minus the slope of ln(W_mem/W_gen) on ln D within a factor of two of D_crit; nan with fewer than two sizes."""
    near = nets[(np.abs(np.log(nets.dataset_size / critical)) <= WITHIN) & (nets.gen > 0) & (nets.mem > 0)]
    if near.dataset_size.nunique() < 2:
        return math.nan
    return -float(np.polyfit(np.log(near.dataset_size.astype(float)), np.log(near.mem / near.gen), 1)[0])


def sharing_of_sharpness(numbers: Numbers, nu: float) -> float:
    """(8.5) μ from ν, at most MOST_SHARING; nan where no μ above κ gives so blunt a transition."""
    found = float(sharing_from_sharpness(nu, numbers.kappa, numbers.beta))
    return min(found, MOST_SHARING) if found > 0 else math.nan


def corrupted_rest(
    numbers: Numbers, size: int, share: float, decay: float, classes: int, sharing: float
) -> tuple[float, float, float]:
    """W_gen, W_mem and norm at rest when k = share·D of the labels are wrong: Gen for the rest, Mem for the k.

    The minimum of (1 − c) ln(1 + (q − 1)e^(−W_gen)) + c ln(1 + e^(W_gen − W_mem) + (q − 2)e^(−W_mem)) + (α/2)‖w‖² with
    ‖w‖^μ = P_gen^μ + P_mem^μ and Mem's efficiency that of k points.
    """
    eta = numbers.efficiencies([max(share * size, 1.0)])[0]

    def norm(x: Array) -> float:
        p = np.exp(x / numbers.kappa) / eta
        return float(p.max() * ((p / p.max()) ** sharing).sum() ** (1 / sharing))

    def cost(x: Array) -> float:
        gen, mem = np.exp(np.clip(x, -20, 6))
        clean = np.logaddexp(0.0, math.log(classes - 1) - gen)
        wrong = np.logaddexp(np.logaddexp(0.0, gen - mem), math.log(classes - 2) - mem)
        return float((1 - share) * clean + share * wrong + 0.5 * decay * norm(x) ** 2)

    start = np.log([10.0, 18.0])
    found = optimize.minimize(
        cost, start, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-12, "maxiter": 2000}
    )
    gen, mem = np.exp(found.x)
    return float(gen), float(mem), norm(found.x)


def corrupted_sharing(numbers: Numbers, nets: pd.DataFrame, classes: int) -> float:
    """μ from the norms of nets with corrupted labels (rows with dataset_size, corrupted, weight_decay, norm)."""
    cells = [tuple(row) for row in nets[["dataset_size", "corrupted", "weight_decay", "norm"]].to_numpy(float)]

    def error(x: float) -> float:
        forecasts = [corrupted_rest(numbers, int(d), c, a, classes, math.exp(x))[2] for d, c, a, _ in cells]
        return sum(math.log(f / cell[3]) ** 2 for f, cell in zip(forecasts, cells, strict=True))

    bounds = (math.log(LEAST_SHARING), math.log(MOST_SHARING))
    found = optimize.minimize_scalar(error, bounds=bounds, method="bounded", options={"xatol": 1e-3})
    return math.exp(float(found.x))
