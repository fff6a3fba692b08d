"""Numbers with an interval over seeds, and what follows from one (experiments.md 4).

Seeds are the independent units: everything is averaged or fitted within a seed before it comes here. With 3 to 10 of
them the Student-t interval is the default, because it is exact for normal seeds; a bootstrap of 3 seeds is far too
narrow (tests/test_validate_intervals.py shows both by simulation).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

__all__ = ["Interval", "bootstrap", "decide", "over_seeds", "proportion", "rank_correlation"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval: nan in (-inf, inf) if it cannot be estimated.

    n   number of independent units behind it: seeds, or runs of a proportion

    >>> print(Interval(1.234, 1.1, 1.4, 5))
    1.23 [1.1, 1.4] (n = 5)
    """

    value: float
    low: float
    high: float
    n: int

    @classmethod
    def unknown(cls, n: int) -> Interval:
        """What cannot be estimated."""
        return cls(math.nan, -math.inf, math.inf, n)

    @property
    def half_width(self) -> float:
        """Half of high - low; inf if either is unknown."""
        return 0.5 * (self.high - self.low)

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}] (n = {self.n})"


def _check_level(level: float) -> None:
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must be a number with 0 < level < 1, got {level!r}. Choose 0.95 for a 95 % interval.")


def over_seeds(values: npt.ArrayLike, level: float = 0.95) -> Interval:
    """Mean over seeds with its Student-t interval, mean ± t s/√n: exact for normal seeds.

    values (n,), one for each seed. Those that are not finite are missing and dropped; `n` is what is left. Fewer than
    two cannot say how seeds vary: nan. Errors: ValueError if `level` is no probability or `values` not 1-D.
    """
    _check_level(level)
    seeds = np.asarray(values, np.float64)
    if seeds.ndim != 1:
        raise ValueError(
            f"values must be one number for each seed, (n,), got shape {seeds.shape}. Pass a flat sequence."
        )
    seeds = seeds[np.isfinite(seeds)]
    n = len(seeds)
    if n < 2:
        return Interval.unknown(n)
    mean = float(seeds.mean())
    half = float(stats.t.ppf(0.5 + 0.5 * level, n - 1) * seeds.std(ddof=1) / math.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)


def bootstrap(
    statistic: Callable[[npt.NDArray[np.int_]], float],
    seeds: npt.ArrayLike,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """BCa bootstrap (Efron 1987) of a statistic of a set of seeds.

    statistic   takes an array of seeds, some of them repeated, in any order, and returns a number; nan where these
                seeds do not determine it. Such resamples are dropped; if that leaves less than half, the ends are
                unknown. Each set is evaluated once, however often it is drawn
    seeds (n,)  the seeds that there are, whole numbers
    seed        of the resampling

    For statistics that are no mean over seeds. With fewer than about 8 seeds it covers too little: prefer a number for
    each seed and `over_seeds` where there is one. Errors: ValueError if `seeds` or `level` are unfit.
    """
    _check_level(level)
    units = np.asarray(seeds)
    if units.ndim != 1 or not (np.issubdtype(units.dtype, np.integer) or units.size == 0):
        raise ValueError(
            f"seeds must be whole numbers, (n,), got {units.dtype} of shape {units.shape}. Pass np.arange(n)."
        )
    n = len(units)
    value = float(statistic(units)) if n else math.nan
    if n < 2 or not math.isfinite(value):
        return Interval.unknown(n)
    drawn = np.sort(np.random.default_rng(seed).integers(n, size=(resamples, n)), axis=1)
    sets, times = np.unique(drawn, axis=0, return_counts=True)
    found = np.repeat([float(statistic(units[index])) for index in sets], times)
    found = found[np.isfinite(found)]
    if 2 * len(found) < resamples:
        return Interval(value, -math.inf, math.inf, n)

    # Ties count half, and neither end is put beyond what this many resamples can show.
    share = (np.sum(found < value) + 0.5 * np.sum(found == value)) / len(found)
    bias = stats.norm.ppf(np.clip(share, 0.5 / len(found), 1 - 0.5 / len(found)))
    without = np.array([float(statistic(np.delete(units, k))) for k in range(n)])
    lever = without.mean() - without if np.isfinite(without).all() else np.zeros(n)
    spread = float(np.sum(lever**2))
    acceleration = float(np.sum(lever**3)) / (6 * spread**1.5) if spread > 0 else 0.0
    z = bias + stats.norm.ppf([0.5 - 0.5 * level, 0.5 + 0.5 * level])
    low, high = np.quantile(found, stats.norm.cdf(bias + z / (1 - acceleration * z)))
    return Interval(value, float(low), float(high), n)


def proportion(successes: int, trials: int, level: float = 0.95) -> Interval:
    """Share of successes with the Clopper-Pearson interval, which covers at least `level` for every true share.

    Errors: ValueError unless 0 <= successes <= trials.
    """
    _check_level(level)
    if not 0 <= successes <= trials:
        raise ValueError(
            f"proportion needs 0 <= successes <= trials, got {successes} of {trials}. Pass counts of runs."
        )
    if trials == 0:
        return Interval.unknown(0)
    tail = 0.5 - 0.5 * level
    low = stats.beta.ppf(tail, successes, trials - successes + 1) if successes else 0.0
    high = stats.beta.ppf(1 - tail, successes + 1, trials - successes) if successes < trials else 1.0
    return Interval(successes / trials, float(low), float(high), int(trials))


def rank_correlation(x: npt.ArrayLike, y: npt.ArrayLike, level: float = 0.95) -> Interval:
    """Spearman's rank correlation of x (n,) and y (n,), one pair for each seed.

    The interval is Fisher's, tanh(artanh r ± z √((1 + r²/2)/(n - 3))), with the variance of Bonett and Wright (2000).
    At r = ±1 artanh diverges; there the interval is centred half a step of r inside, 6/(n(n² - 1)), and ends at ±1.
    Pairs that are not finite are dropped; fewer than 4, or a constant, give nan. Errors: ValueError if the shapes differ.
    """
    _check_level(level)
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
    half = stats.norm.ppf(0.5 + 0.5 * level) * math.sqrt((1 + 0.5 * inside**2) / (n - 3))
    low, high = math.tanh(math.atanh(inside) - half), math.tanh(math.atanh(inside) + half)
    return Interval(r, min(low, r), max(high, r), n)


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
