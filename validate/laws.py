"""Which law joins norm and logit, fitted over runs (prediction P9; model.md 1 assumes the power law).

Efficiency scales the norm: W = f(η_g P), with one f for all runs and an efficiency η_g for each group g of runs (a data
set size, a circuit). Each law is an f with one shape parameter:

    power         s = (η_g P)^κ                                                     ln P = ln s / κ - ln η_g
    affine        s = a + η_g P: a, the logit at no norm, is shared                 ln P = ln(s - a) - ln η_g
    logarithmic   s = b ln(η_g P): b, the logit for e times the norm, is shared     ln P = s / b - ln η_g

Residuals are always errors in ln P, because the theory says what norm a logit costs; so AICs of the laws compare, and
all have the same number of parameters. Runs are rows: norm P (n,), logit s (n,) in nats, group (n,) of any labels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize

__all__ = ["LAWS", "Fit", "compare", "curvature", "delta_aic", "fit", "local_exponents"]

Array = npt.NDArray[np.float64]

LAWS = {"power": "kappa", "affine": "a", "logarithmic": "b"}
"""Each law's shape parameter"""
EXACT = 1e-12
"""Relative error of the norm that counts as none, so that AICs of exact fits are finite"""


@dataclass(frozen=True, eq=False)
class Fit:
    """A law fitted to runs.

    parameters   the shape, 'kappa', 'a' or 'b' ('kappa[g]' if each group has its own), and 'ln_efficiency[g]', -ln norm
    residuals    (n,) measured less fitted ln norm, in the order of the runs
    aic          corrected for few runs (AICc), of normal errors in ln norm; nan if there are too few runs to tell
    n            number of runs
    """

    law: str
    parameters: Mapping[str, float]
    residuals: Array
    aic: float
    n: int

    @property
    def error(self) -> float:
        """Root mean square residual: relative error of the norm."""
        return math.sqrt(float(np.mean(self.residuals**2)))


def _checked(
    norm: npt.ArrayLike, logit: npt.ArrayLike, group: npt.ArrayLike
) -> tuple[Array, Array, npt.NDArray[np.int_], list[str]]:
    """ln P (n,), s (n,), the index of each run's group (n,), and the groups' labels."""
    p, s, g = np.asarray(norm, np.float64), np.asarray(logit, np.float64), np.asarray(group)
    if p.ndim != 1 or p.shape != s.shape or p.shape != g.shape or not p.size:
        raise ValueError(
            f"norm, logit and group must have one value for each run, (n,), got shapes {p.shape}, {s.shape} and "
            f"{g.shape}. Pass columns of one table."
        )
    for name, x in (("norm", p), ("logit", s)):
        bad = x[~((x > 0) & np.isfinite(x))]
        if bad.size:
            raise ValueError(f"{name} must be positive and finite, got {bad[0]:g}. Drop runs that have not fitted.")
    labels, index = np.unique(g, return_inverse=True)
    return np.log(p), s, index, [str(x) for x in labels.tolist()]


def _within(x: Array, index: npt.NDArray[np.int_]) -> Array:
    """x (n,) less its mean in each group."""
    return np.asarray(x - (np.bincount(index, x) / np.bincount(index))[index])


def _slope(x: Array, y: Array, index: npt.NDArray[np.int_]) -> float:
    """Least-squares slope of y (n,) on x (n,), common to the groups, each with its own level; nan without spread in x."""
    dx = _within(x, index)
    spread = float(dx @ dx)
    return float(dx @ _within(y, index)) / spread if spread > 1e-24 * float(x @ x) else math.nan


def _shape(law: str, ln_p: Array, s: Array, index: npt.NDArray[np.int_]) -> tuple[float, Array]:
    """The law's shape parameter by least squares, and ln(η P) at each run's logit (n,)."""
    if law != "affine":
        x = np.log(s) if law == "power" else s
        slope = _slope(x, ln_p, index)
        return (1 / slope if slope else math.inf), slope * x
    least, width = float(s.min()), float(np.ptp(s))
    if width == 0:
        return math.nan, np.full_like(s, np.nan)

    def below(t: float) -> Array:
        # a = min s - width e^t; ln((s - a)/width), the constant being the level's
        return np.log((s - least) / width + math.exp(t))

    def error(t: float) -> float:
        return float(np.sum(_within(ln_p - below(t), index) ** 2))

    grid = np.linspace(math.log(1e-6), math.log(1e4), 93)
    best = int(np.clip(np.argmin([error(t) for t in grid]), 1, len(grid) - 2))
    t = float(optimize.minimize_scalar(error, bounds=(grid[best - 1], grid[best + 1]), options={"xatol": 1e-10}).x)
    return least - width * math.exp(t), below(t) + math.log(width)


def fit(law: str, norm: npt.ArrayLike, logit: npt.ArrayLike, group: npt.ArrayLike, *, shared: bool = True) -> Fit:
    """One of `LAWS` through runs by least squares in ln norm.

    shared   one shape for all groups, and an efficiency for each; otherwise each group has its own shape too

    AICc counts the variance as a parameter. If the runs do not determine a shape (groups of one run, or of one logit)
    it is nan, as are their residuals and the AICc. Errors: ValueError if the law is unknown, shapes differ, or a norm
    or logit is not positive and finite.
    """
    if law not in LAWS:
        raise ValueError(f"law must be one of {', '.join(LAWS)}, got {law!r}. Choose one of these.")
    ln_p, s, index, labels = _checked(norm, logit, group)
    parameters: dict[str, float] = {}
    expected = np.empty_like(s)
    if shared:
        parameters[LAWS[law]], expected = _shape(law, ln_p, s, index)
    for k, label in enumerate(labels):
        mine = index == k
        if not shared:
            shape = _shape(law, ln_p[mine], s[mine], np.zeros(int(mine.sum()), np.int_))
            parameters[f"{LAWS[law]}[{label}]"], expected[mine] = shape
        parameters[f"ln_efficiency[{label}]"] = float(np.mean(expected[mine] - ln_p[mine]))
    residuals = _within(ln_p - expected, index)
    n, count = len(s), len(parameters) + 1
    if n <= count + 1:
        return Fit(law, parameters, residuals, math.nan, n)
    variance = max(float(np.mean(residuals**2)), EXACT**2) if np.isfinite(residuals).all() else math.nan
    aic = n * math.log(variance) + 2 * count + 2 * count * (count + 1) / (n - count - 1)
    return Fit(law, parameters, residuals, aic, n)


def compare(norm: npt.ArrayLike, logit: npt.ArrayLike, group: npt.ArrayLike, *, shared: bool = True) -> dict[str, Fit]:
    """All laws through the same runs, by name. Errors: as `fit`."""
    return {law: fit(law, norm, logit, group, shared=shared) for law in LAWS}


def delta_aic(fits: Mapping[str, Fit]) -> float:
    """AICc of the power law less that of the best other law: below 0 if the power law is the best.

    nan if any is unknown. Errors: ValueError if the fits are of different runs, or there is none to compare with.
    """
    if "power" not in fits or len(fits) < 2 or len({f.n for f in fits.values()}) > 1:
        raise ValueError(
            f"delta_aic needs the power law and another, of the same runs, got "
            f"{ {name: f.n for name, f in fits.items()} }. Pass what compare() returns."
        )
    others = [f.aic for name, f in fits.items() if name != "power"]
    return fits["power"].aic - float(np.min(others))


def local_exponents(norm: npt.ArrayLike, logit: npt.ArrayLike) -> tuple[Array, Array]:
    """d ln s / d ln P between neighbouring logits of one group: κ everywhere if the power law holds.

    Returns logits (n - 1,), geometric means of the two neighbours in nats, and exponents (n - 1,), 1; nan between equal
    norms. Errors: as `fit`.
    """
    ln_p, s, _, _ = _checked(norm, logit, np.zeros(np.shape(norm), np.int_))
    order = np.lexsort((ln_p, s))
    x, y = ln_p[order], np.log(s[order])
    step = np.diff(x)
    exponents = np.diff(y) / np.where(step == 0, np.nan, step)
    return np.exp(0.5 * (y[1:] + y[:-1])), exponents


def curvature(norm: npt.ArrayLike, logit: npt.ArrayLike, group: npt.ArrayLike) -> float:
    """Relative change of the exponent from the lower half to the upper half of the range of ln s: 0 for a power law.

    κ_upper/κ_lower - 1, each κ from the power law fitted to that half with an own level for each group. Below 0 if a
    high logit costs more norm than the power law of the low ones says. nan if a half does not determine an exponent, or
    if one is not positive. Errors: as `fit`.
    """
    ln_p, s, index, _ = _checked(norm, logit, group)
    x = np.log(s)
    upper = x > 0.5 * (x.min() + x.max())
    slopes = []
    for half in (~upper, upper):
        _, inner = np.unique(index[half], return_inverse=True)
        slopes.append(_slope(x[half], ln_p[half], inner) if half.any() else math.nan)
    low, high = slopes
    return low / high - 1 if low > 0 and high > 0 else math.nan
