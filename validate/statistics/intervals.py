"""Numbers with a 95 % interval over seeds, and what follows from one.

Seeds are the independent units: everything is averaged or fitted within a seed before it comes here. With 3 to 10 of
them the Student-t interval is the default, because it is exact for normal seeds; a bootstrap of 3 seeds is far too narrow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, special, stats

__all__ = [
    "Interval",
    "area_under_curve",
    "decide",
    "over_bounds",
    "over_seeds",
    "proportion",
    "rank_correlation",
    "welch",
]

Array = npt.NDArray[np.float64]


END = 0.975
"""Quantile at which a two-sided interval of 95 % ends"""


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval: nan in (-inf, inf) if it cannot be estimated.

    n   number of independent units behind it: seeds, or runs of a proportion
    """

    value: float
    low: float
    high: float
    n: int

    @classmethod
    def unknown(cls, n: int) -> Interval:
        """What cannot be estimated."""
        return cls(math.nan, -math.inf, math.inf, n)

    def exp(self) -> Interval:
        """The interval of e^x, in which this one is of x."""
        value, low, high = (math.inf if x > 700 else math.exp(x) for x in (self.value, self.low, self.high))
        return Interval(value, low, high, self.n)

    @property
    def exists(self) -> bool:
        """Whether it could be estimated."""
        return not math.isnan(self.value)


def over_seeds(values: npt.ArrayLike) -> Interval:
    """Mean over seeds with its Student-t interval, mean ± t s/√n: exact for normal seeds.

    values (n,), one for each seed. Those that are not finite are missing and dropped; `n` is what is left. One
    cannot say how seeds vary: its interval has no bounds. Errors: ValueError if `values` is not 1-D.
    """
    seeds = np.asarray(values, np.float64)
    if seeds.ndim != 1:
        raise ValueError(
            f"values must be one number for each seed, (n,), got shape {seeds.shape}. Pass a flat sequence."
        )
    seeds = seeds[np.isfinite(seeds)]
    n = len(seeds)
    if n == 0:
        return Interval.unknown(0)
    mean = float(seeds.mean())
    if n == 1:
        return Interval(mean, -math.inf, math.inf, 1)
    half = float(stats.t.ppf(END, n - 1) * seeds.std(ddof=1) / math.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)


def over_bounds(low: npt.ArrayLike, high: npt.ArrayLike) -> Interval:
    """Mean over seeds of which some are known by bounds alone, `low` <= value <= `high` (n,): greatest normal likelihood.

    The interval holds each mean whose profile likelihood falls short of the greatest by at most
    k/2 ln(1 + t²/(k − 1)), k the seeds that have a value: only these tell how seeds spread, and with no bound among them
    it is exactly Student's. Seeds between -inf and inf are missing. Unknown with k < 2. Errors: ValueError for different
    shapes or low > high.
    """
    a, b = np.asarray(low, np.float64), np.asarray(high, np.float64)
    if a.ndim != 1 or a.shape != b.shape or (a > b).any():
        raise ValueError(
            f"bounds must be (n,) each with low <= high, got {a.tolist()} and {b.tolist()}. Pass the lower end first."
        )
    known = ~(np.isnan(a) | np.isnan(b) | (np.isinf(a) & np.isinf(b)))
    a, b = a[known], b[known]
    exact, n = a == b, len(a)
    k = int(exact.sum())
    if exact.all():
        return over_seeds(a)
    if k < 2 or np.ptp(a[exact]) == 0:
        return Interval.unknown(n)

    def misfit(mean: float, ln_spread: float) -> float:
        spread = math.exp(ln_spread)
        points = -0.5 * (((a[exact] - mean) / spread) ** 2).sum() - k * ln_spread
        x, y = (a[~exact] - mean) / spread, (b[~exact] - mean) / spread
        # By the nearer tail: differences of probabilities near 1 lose every digit.
        turn = x > 0
        x, y = np.where(turn, -y, x), np.where(turn, -x, y)
        below = special.log_ndtr(y)
        inside = below + np.log1p(-np.exp(special.log_ndtr(x) - below))
        return -float(points + inside.sum())

    start = float(a[exact].mean()), math.log(a[exact].std())
    options = {"xatol": 1e-10, "fatol": 1e-10, "maxiter": 4000}
    best = optimize.minimize(lambda x: misfit(x[0], x[1]), start, method="Nelder-Mead", options=options)
    value, spread = float(best.x[0]), math.exp(best.x[1])
    allowed = best.fun + 0.5 * k * math.log1p(stats.t.ppf(END, k - 1) ** 2 / (k - 1))

    def excess(mean: float) -> float:
        around = (math.log(spread) - 8, math.log(spread) + 8)
        return float(optimize.minimize_scalar(lambda x: misfit(mean, x), bounds=around, method="bounded").fun - allowed)

    def end(sign: int) -> float:
        reach = spread
        while excess(value + sign * reach) < 0:
            reach *= 2
            if reach > 1e3 * spread:
                return sign * math.inf
        return float(optimize.brentq(lambda x: excess(value + sign * x), 0.0, reach)) * sign + value

    return Interval(value, end(-1), end(1), n)


def welch(first: npt.ArrayLike, second: npt.ArrayLike) -> Interval:
    """Mean of `first` (m,) less mean of `second` (n,), independent seeds, with Welch's t interval; n is the smaller number.

    Values that are not finite are missing; with fewer than two of either there is no interval.
    """
    a, b = (x[np.isfinite(x)] for x in (np.asarray(first, np.float64), np.asarray(second, np.float64)))
    n = min(len(a), len(b))
    if n < 2:
        return Interval.unknown(n)
    va, vb = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    freedom = (va + vb) ** 2 / max(va**2 / (len(a) - 1) + vb**2 / (len(b) - 1), 1e-300)
    value = float(a.mean() - b.mean())
    half = float(stats.t.ppf(END, max(freedom, 1.0)) * math.sqrt(va + vb))
    return Interval(value, value - half, value + half, n)


def proportion(successes: int, trials: int) -> Interval:
    """Share of successes with the Clopper-Pearson interval, which covers every true share at 95 % or more.

    Errors: ValueError unless 0 <= successes <= trials.
    """
    if not 0 <= successes <= trials:
        raise ValueError(
            f"proportion needs 0 <= successes <= trials, got {successes} of {trials}. Pass counts of runs."
        )
    if trials == 0:
        return Interval.unknown(0)
    low, high = stats.binomtest(successes, trials).proportion_ci(method="exact")
    return Interval(successes / trials, float(low), float(high), int(trials))


def rank_correlation(x: npt.ArrayLike, y: npt.ArrayLike) -> Interval:
    """Spearman's rank correlation of x (n,) and y (n,), one pair for each seed.

    The interval is Fisher's, tanh(artanh r ± z √((1 + r²/2)/(n - 3))), with the variance of Bonett and Wright (2000).
    At r = ±1 artanh diverges; there the interval is centred half a step of r inside, 6/(n(n² - 1)), and ends at ±1.
    Pairs that are not finite are dropped; fewer than 4, or a constant, give nan. Errors: ValueError if the shapes differ.
    """
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(
            f"x and y must be pairs, (n,) each, got shapes {a.shape} and {b.shape}. Pass one of each a seed."
        )
    both = np.isfinite(a) & np.isfinite(b)
    a, b, n = a[both], b[both], int(both.sum())
    if n < 4 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return Interval.unknown(n)
    r = float(np.corrcoef(stats.rankdata(a), stats.rankdata(b))[0, 1])
    most = 1 - 6 / (n * (n**2 - 1))
    r = math.copysign(1.0, r) if abs(r) > most else r
    inside = min(max(r, -most), most)
    half = stats.norm.ppf(END) * math.sqrt((1 + 0.5 * inside**2) / (n - 3))
    low, high = math.tanh(math.atanh(inside) - half), math.tanh(math.atanh(inside) + half)
    return Interval(r, min(low, r), max(high, r), n)


def area_under_curve(score: npt.ArrayLike, happened: npt.ArrayLike) -> Interval:
    """AUC: how often a run in which it happened has the larger score (n,) than one in which it did not; ties count half.

    The interval is Hanley and McNeil's (1982), cut at 0 and 1, with the variance of one discordant pair where none or all
    are (a perfect AUC of few runs is not certain). n is the number of runs; nan if all or none happened.
    Errors: ValueError if the shapes differ.
    """
    x, y = np.asarray(score, np.float64), np.asarray(happened, bool)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"score and happened must be (n,) each, got {x.shape} and {y.shape}. Pass one of each a run.")
    x, y = x[np.isfinite(x)], y[np.isfinite(x)]
    m, n = int(y.sum()), int((~y).sum())
    if not m or not n:
        return Interval.unknown(len(x))
    apart = x[y][:, None] - x[~y]
    area = float((apart > 0).mean() + 0.5 * (apart == 0).mean())
    a = min(max(area, 0.5 / (m * n)), 1 - 0.5 / (m * n))
    q1, q2 = a / (2 - a), 2 * a**2 / (1 + a)
    variance = (a * (1 - a) + (m - 1) * (q1 - a**2) + (n - 1) * (q2 - a**2)) / (m * n)
    half = float(stats.norm.ppf(END)) * math.sqrt(variance)
    return Interval(area, max(a - half, 0.0), min(a + half, 1.0), len(x))


def decide(interval: Interval, low: float, high: float, least_seeds: int) -> str:
    """'confirmed', 'refuted' or 'inconclusive': where the interval lies about the region [low, high].

    Confirmed if all of it lies inside, refuted if it lies wholly outside; inconclusive otherwise, with fewer than
    `least_seeds`, or if there is no value. With two finite ends, confirming is the equivalence test of two one-sided
    tests, each at 2.5 % for a 95 % interval: stricter than the usual 5 %, for which a 90 % interval would do.
    Errors: ValueError unless low <= high.
    """
    if not low <= high:
        raise ValueError(f"a region needs low <= high, got [{low}, {high}]. Pass its lower end first.")
    if interval.n < least_seeds or math.isnan(interval.value):
        return "inconclusive"
    if low <= interval.low and interval.high <= high:
        return "confirmed"
    if interval.high < low or high < interval.low:
        return "refuted"
    return "inconclusive"
