"""Times that some runs never reach: the time to generalise from scratch, which is censored at the end of a run."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

__all__ = ["EscapeLaw", "fit_escape", "median_time"]


def median_time(time: npt.ArrayLike, end: npt.ArrayLike) -> float:
    """Kaplan and Meier's median of times (n,), nan where a run ended at `end` (n,) without it; inf if over half did."""
    t, e = np.asarray(time, np.float64), np.asarray(end, np.float64)
    happened = np.isfinite(t)
    at = np.where(happened, t, e)
    survival = 1.0
    for moment in np.unique(at[happened]):
        survival *= 1 - float((at[happened] == moment).sum()) / float((at >= moment).sum())
        if survival <= 0.5:
            return float(moment)
    return math.inf


class EscapeLaw(NamedTuple):
    """ln t = level + slope·x + spread·normal noise."""

    level: float
    slope: float
    spread: float

    def score(self, x: npt.ArrayLike, time: npt.ArrayLike, end: npt.ArrayLike) -> float:
        """Log-likelihood of runs (n,): of their ln times, or of not having escaped by `end` where the time is nan."""
        at, t, e = (np.asarray(v, np.float64) for v in (x, time, end))
        happened = np.isfinite(t)
        z = (np.log(np.where(happened, t, e)) - self.level - self.slope * at) / self.spread
        return float(np.where(happened, stats.norm.logpdf(z) - math.log(self.spread), stats.norm.logsf(z)).sum())

    def share(self, x: npt.ArrayLike, end: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Share of runs that escape by `end`."""
        z = (np.log(np.asarray(end, float)) - self.level - self.slope * np.asarray(x, float)) / self.spread
        return np.asarray(stats.norm.cdf(z))


def fit_escape(x: npt.ArrayLike, time: npt.ArrayLike, end: npt.ArrayLike) -> EscapeLaw:
    """Greatest likelihood for a log-normal time whose ln median is linear in x (n,); nan times are censored at `end`.

    Errors: ValueError with fewer than three escapes, or all at one x.
    """
    x, t, e = (np.asarray(v, np.float64) for v in (x, time, end))
    happened = np.isfinite(t)
    if happened.sum() < 3 or np.ptp(x[happened]) == 0:
        raise ValueError(
            f"a law of escape needs three escapes at two sizes or more; received {int(happened.sum())}. Train longer."
        )

    def loss(p: npt.NDArray[np.float64]) -> float:
        return -EscapeLaw(p[0], p[1], math.exp(p[2])).score(x, t, e)

    slope, level = np.polyfit(x[happened], np.log(t[happened]), 1)
    found = optimize.minimize(loss, (level, slope, 0.0), method="Nelder-Mead", options={"maxiter": 4000, "fatol": 1e-9})
    return EscapeLaw(float(found.x[0]), float(found.x[1]), math.exp(found.x[2]))
