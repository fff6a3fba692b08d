"""From measurements to the model's numbers: lone circuits at rest, and networks that have grokked.

Axis order: networks (n,). Sizes are numbers of training examples, logits and margins are in nats, norms in units of norm.
`fit_circuits` measures the efficiency law (5.1); `critical_size_from_margins` finds D_crit without a network that ungroks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["CircuitFit", "MarginFit", "critical_size_from_margins", "fit_circuits"]

Array = npt.NDArray[np.float64]

LEAST_SPREAD = 0.05
"""Logits of one size must spread by this (rms of ln S within sizes and seeds) to say what κ is"""
LEAST_SHARE = 0.6
"""Networks whose held-out margin is below this share of the training margin lie too near D_crit for the straight line"""


REACH = 10.0
"""Beyond this factor from the sizes of Mem networks their line says nothing of D_crit"""


@dataclass(frozen=True)
class CircuitFit:
    """(1), (5.1): P_gen = S^(1/κ)/η, P_mem = P_gen (D/D_crit)^β at one total logit S.

    kappa           degree with which logits grow with norm
    efficiency      η of the generalising circuit, 1/norm
    beta            exponent with which Mem's efficiency falls: slope of ln P_mem on ln D
    critical_size   D_crit: training examples at which both circuits need the same norm for the same logit
    intervals       95 % t interval over seeds of each of these, by name; (nan, nan) with fewer than two seeds
    seeds           how many seeds have a fit of their own
    rms             of what the fit leaves of ln P
    """

    kappa: float
    efficiency: float
    beta: float
    critical_size: float
    intervals: Mapping[str, tuple[float, float]]
    seeds: int
    rms: float


@dataclass(frozen=True)
class MarginFit:
    """(8.3): u/(t − u) = (D − D_crit)/D_1 for networks that have grokked, t and u their margins in and out of training.

    critical_size   D_crit, training examples
    scale           D_1, training examples: at D_crit + D_1 half of the training margin is there without training; of
                    several seeds, D_crit and D_1 are geometric means
    interval        of D_crit, 95 %: over seeds if there are two or more, else from the scatter about the line; (nan, nan)
                    where two sizes of one seed leave no scatter
    seeds           how many seeds have a fit of their own; 0 where none was named
    sizes           those that were used
    rms             of what the fit, each seed's own, leaves of u/t
    """

    critical_size: float
    scale: float
    interval: tuple[float, float]
    seeds: int
    sizes: tuple[float, ...]
    rms: float


def _floats(values: Any, what: str) -> Array:
    """`values` as an array of floats. Errors: ValueError."""
    try:
        return np.asarray(values, float)
    except (TypeError, ValueError):
        raise ValueError(f"{what} must be numbers; received {values!r}. Pass one for each network.") from None


def _column(table: Mapping[str, Any], name: str, circuit: str) -> Array:
    try:
        values = _floats(table[name], f"{name} of the {circuit} networks")
    except (KeyError, TypeError):
        received = ", ".join(map(str, table)) if hasattr(table, "keys") else type(table).__name__
        raise ValueError(
            f"the {circuit} networks must have a column {name!r}; received {received}. "
            "Pass dataset_size, logit, norm and, for intervals, seed."
        ) from None
    if not (values.ndim == 1 and len(values) and np.isfinite(values).all() and (values > 0).all()):
        raise ValueError(
            f"{name} of the {circuit} networks must be positive numbers (n,); received {values.tolist()}. "
            "Leave out networks that were not measured."
        )
    return values


@dataclass(frozen=True)
class _Networks:
    size: Array
    logit: Array
    norm: Array
    seed: npt.NDArray[np.str_]
    """"" where none is named"""

    @classmethod
    def of(cls, table: Mapping[str, Any], circuit: str) -> _Networks:
        size, logit, norm = (np.log(_column(table, name, circuit)) for name in ("dataset_size", "logit", "norm"))
        seed = np.asarray(table["seed"]).astype(str) if "seed" in table else np.full(len(size), "")
        if len({len(size), len(logit), len(norm), len(seed)}) > 1:
            raise ValueError(
                f"columns of the {circuit} networks must have one length; received {len(size)}, {len(logit)}, "
                f"{len(norm)}, {len(seed)}. Pass one of each a network."
            )
        return cls(size, logit, norm, seed)

    def of_seed(self, seed: str) -> _Networks:
        mine = self.seed == seed
        return _Networks(self.size[mine], self.logit[mine], self.norm[mine], self.seed[mine])


def _within(x: Array, nets: _Networks) -> Array:
    """`x` less its mean over the networks of the same size and seed."""
    seeds = np.unique(nets.seed, return_inverse=True)[1]
    group = np.unique(np.stack([nets.size, seeds]), axis=1, return_inverse=True)[1].ravel()
    return np.asarray(x - (np.bincount(group, x) / np.bincount(group))[group])


def _degree(gen: _Networks, mem: _Networks) -> float:
    x = np.concatenate([_within(nets.logit, nets) for nets in (gen, mem)])
    y = np.concatenate([_within(nets.norm, nets) for nets in (gen, mem)])
    if math.sqrt(float((x**2).mean())) < LEAST_SPREAD:
        raise ValueError(
            f"networks of one size must rest at several logits to give κ; received logits that spread by "
            f"{math.sqrt(float((x**2).mean())):.2g} in ln S. Train at several weight decays, or pass the measured degree "
            "of homogeneity as kappa=."
        )
    return float((x**2).sum() / (x * y).sum())


def _numbers(gen: _Networks, mem: _Networks, kappa: float) -> tuple[Array, float]:
    """ln κ, ln η, β, ln D_crit (4,), and the rms of what is left of ln P."""
    level = gen.norm - gen.logit / kappa
    price = mem.norm - mem.logit / kappa
    sizes, group = np.unique(mem.size, return_inverse=True)
    curve = np.bincount(group, price) / np.bincount(group)
    beta, start = np.polyfit(mem.size, price, 1)
    # Where Mem's norm passes Gen's: between two sizes if it does there, else on the line through all of them.
    above = curve >= level.mean()
    if above.any() and not above.all() and above[-1]:
        i = int(np.flatnonzero(~above)[-1])
        share = (level.mean() - curve[i]) / (curve[i + 1] - curve[i])
        critical = sizes[i] + share * (sizes[i + 1] - sizes[i])
    else:
        critical = (level.mean() - start) / beta
    left = np.concatenate([level - level.mean(), price - start - beta * mem.size])
    return np.array([math.log(kappa), -level.mean(), beta, critical]), math.sqrt(float((left**2).mean()))


def fit_circuits(gen: Mapping[str, Any], mem: Mapping[str, Any], *, kappa: float | None = None) -> CircuitFit:
    """(5.1), (5.2): κ, η, β and D_crit from networks that hold one circuit each, at rest (paper, section 3.2, figure 3).

    gen     networks that generalise: a mapping or table of dataset_size, logit, norm and, for intervals, seed; (n,) each
    mem     networks trained on random labels, at two sizes or more; likewise
    kappa   the measured degree of homogeneity, where all networks rest at nearly one logit

    ln P is a straight line in ln S of slope 1/κ for both circuits, and Mem's in ln D of slope β. D_crit is where Mem's norm,
    interpolated between its sizes, passes Gen's; beyond them it lies on that line.

    Errors: ValueError for missing or non-positive numbers, for Mem networks of one size or whose norm does not rise with
    size, for a D_crit beyond ten times or a tenth of their sizes, for logits that cannot tell κ.
    """
    one, other = _Networks.of(gen, "Gen"), _Networks.of(mem, "Mem")
    if len(np.unique(other.size)) < 2:
        raise ValueError(
            f"Mem networks must have two sizes or more; received {np.exp(np.unique(other.size)).round().tolist()}. "
            "Train more sizes about D_crit."
        )
    if kappa is not None and not (isinstance(kappa, int | float | np.number) and kappa > 0):
        raise ValueError(f"kappa must be positive, got {kappa!r}. Pass the measured degree, about 5 for one layer.")

    def fit(a: _Networks, b: _Networks) -> tuple[Array, float]:
        return _numbers(a, b, _degree(a, b) if kappa is None else kappa)

    whole, rms = fit(one, other)
    if not whole[2] > 0:
        raise ValueError(
            f"the norm of Mem networks must rise with their number of examples; received β = {whole[2]:.3g}. "
            "Train sizes further apart, if gen and mem are not swapped."
        )
    least, most = other.size.min() - math.log(REACH), other.size.max() + math.log(REACH)
    if not least <= whole[3] <= most:
        raise ValueError(
            f"D_crit must lie within a factor of {REACH:g} of the Mem networks' sizes, {math.exp(other.size.min()):.4g} to "
            f"{math.exp(other.size.max()):.4g}; their line meets Gen's norm at {math.exp(min(whole[3], 700.0)):.3g}. Train "
            "sizes nearer to it, if gen and mem are not swapped."
        )
    own = []
    for seed in np.unique(other.seed[other.seed != ""]):
        a, b = one.of_seed(seed), other.of_seed(seed)
        if len(np.unique(b.size)) >= 2:
            own.append(fit(a if len(a.size) else one, b)[0])
    names = ("kappa", "efficiency", "beta", "critical_size")
    values = {name: float(x if name == "beta" else math.exp(x)) for name, x in zip(names, whole, strict=True)}
    ends = {name: _over_seeds([x[i] for x in own]) for i, name in enumerate(names)}
    intervals = {n: (low, high) if n == "beta" else (math.exp(low), math.exp(high)) for n, (low, high) in ends.items()}
    return CircuitFit(**values, intervals=intervals, seeds=len(own), rms=rms)


def _student(freedom: int) -> float:
    """Half width of a 95 % t interval, in standard errors."""
    from scipy import special  # when it is needed: the package is imported without it

    return float(special.stdtrit(freedom, 0.975))


def _over_seeds(values: list[float]) -> tuple[float, float]:
    """95 % t interval of the mean; (nan, nan) for fewer than two."""
    if len(values) < 2:
        return math.nan, math.nan
    half = _student(len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
    return float(np.mean(values) - half), float(np.mean(values) + half)


def _line(size: Array, odds: Array) -> tuple[float, float, Array]:
    """D_crit and D_1 of odds = (D − D_crit)/D_1, relative errors equal; covariance (2, 2) of slope and intercept."""
    # Each equation divided by its odds: slope·D/odds + intercept/odds = 1.
    design = np.stack([size, np.ones_like(size)], 1) / odds[:, None]
    (slope, intercept), *_ = np.linalg.lstsq(design, np.ones_like(odds), rcond=None)
    free = len(odds) - 2
    left = float(((design @ [slope, intercept] - 1) ** 2).sum())
    scatter = left / free if free > 0 else math.nan
    return float(-intercept / slope), float(1 / slope), np.asarray(np.linalg.pinv(design.T @ design) * scatter)


def critical_size_from_margins(
    sizes: npt.ArrayLike,
    train_margin: npt.ArrayLike,
    test_margin: npt.ArrayLike,
    seed: npt.ArrayLike | None = None,
    *,
    least_share: float = LEAST_SHARE,
) -> MarginFit:
    """(8.3): D_crit from networks that have grokked, by the straight line of u/(t − u) against D.

    sizes          training examples D of each network (n,), two different ones or more, all above D_crit
    train_margin   t (n,): mean over training examples of the correct logit less the largest other, in nats
    test_margin    u (n,): the same over examples never seen
    seed           of each network (n,): each seed is fitted alone, the interval is over seeds
    least_share    networks with u/t below it are left out: the line is held to hold from about 1.3 D_crit on; so are those
                   with u >= t, which memorise nothing that could be measured

    A measured regularity, not a theorem. Errors: ValueError where the sizes cannot tell D_crit: too few networks above it,
    one size, margins that do not rise with size.
    """
    named = (("sizes", sizes), ("train_margin", train_margin), ("test_margin", test_margin))
    size, t, u = (_floats(values, name) for name, values in named)
    labels = np.zeros(size.shape, int) if seed is None else np.unique(np.asarray(seed), return_inverse=True)[1]
    if not 0 < least_share < 1:
        raise ValueError(f"least_share must be a share between 0 and 1, got {least_share!r}. 0.6 is about 1.3 D_crit.")
    if size.ndim != 1 or not len(size) or not size.shape == t.shape == u.shape == labels.shape:
        raise ValueError(
            f"sizes, margins and seed must be (n,) each; received {size.shape}, {t.shape}, {u.shape}, {labels.shape}. "
            "Pass one of each a network."
        )
    if not (np.isfinite(size) & (size > 0) & np.isfinite(t) & (t > 0) & np.isfinite(u)).all():
        raise ValueError(
            "sizes and training margins must be positive and margins finite; received "
            f"sizes {size.tolist()}, train {t.tolist()}, test {u.tolist()}. Leave out networks that do not fit."
        )
    share = u / t
    # A network whose held-out margin is no smaller than its training margin has memorised nothing that could be measured.
    used = (share >= least_share) & (share < 1)
    if (share >= 1).all():
        raise ValueError(
            f"held-out margins must lie below training margins; the least ratio received is {share.min():.2g}. Pass "
            "them in this order."
        )
    if not used.any():
        raise ValueError(
            f"D_crit is read off networks that have grokked, held-out margin at least {least_share:g} of the training "
            f"margin; the largest share received is {share.max():.2g}. All sizes lie below D_crit or near it: train larger."
        )
    size, share, labels = size[used], share[used], labels[used]
    odds = share / (1 - share)
    if len(np.unique(size)) < 2:
        raise ValueError(
            f"a line needs two sizes or more; of those received only {size[0]:g} has grokked networks. Train another."
        )
    critical, scale, covariance = _line(size, odds)
    if not (scale > 0 and critical > 0):
        raise ValueError(
            f"u/(t − u) must rise with size and meet 0 at a positive size; it gives D_crit = {critical:.3g} and D_1 = "
            f"{scale:.3g}. The margins are noisier than their trend: train sizes further apart, or more seeds."
        )
    own = []
    left = share - (size - critical) / (size - critical + scale)
    for one in np.unique(labels):
        mine = labels == one
        if len(np.unique(size[mine])) >= 2:
            alone, its_scale, _ = _line(size[mine], odds[mine])
            if its_scale > 0 and alone > 0:
                own.append((math.log(alone), math.log(its_scale)))
                left[mine] = share[mine] - (size[mine] - alone) / (size[mine] - alone + its_scale)
    if seed is not None and len(own) >= 2:
        critical, scale = (math.exp(x) for x in np.mean(own, axis=0))
        interval = tuple(math.exp(x) for x in _over_seeds([x for x, _ in own]))
    else:
        # dD_crit = −(d intercept + D_crit d slope)/slope
        along = np.array([critical, 1.0]) * scale
        error = math.sqrt(max(float(along @ covariance @ along), 0.0)) if len(odds) > 2 else math.nan
        half = _student(len(odds) - 2) * error if len(odds) > 2 else math.nan
        interval = (critical - half, critical + half)
    rms = math.sqrt(float((left**2).mean()))
    return MarginFit(critical, scale, (interval[0], interval[1]), 0 if seed is None else len(own),
                     tuple(np.unique(size).tolist()), rms)  # fmt: skip
