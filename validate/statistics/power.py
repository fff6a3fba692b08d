"""How often a rule decides, before anything is measured: simulated from the spread over seeds."""

from __future__ import annotations

import functools

import numpy as np
from scipy import stats

__all__ = ["power"]


@functools.cache
def power(low: float, high: float, truth: float, spread: float, seeds: int, draws: int = 4000) -> float:
    """Probability that the 95 % t interval of `seeds` normal seeds lies wholly within [low, high], or wholly outside.

    truth    the mean over all seeds
    spread   their standard deviation
    """
    values = truth + spread * np.random.default_rng(0).standard_normal((draws, seeds))
    mean = values.mean(1)
    half = stats.t.ppf(0.975, seeds - 1) * values.std(1, ddof=1) / np.sqrt(seeds)
    inside = (low <= mean - half) & (mean + half <= high)
    outside = (mean + half < low) | (high < mean - half)
    return float((inside | outside).mean())
