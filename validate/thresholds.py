"""The critical data set size from accuracies, with unfinished runs as censored (experiments.md 4).

Sizes are handled as ln D. One seed's accuracies (k,), over its k data set sizes, give a `Crossing`: where its final
accuracy passes a level, exactly or within bounds. The crossings of all seeds give a `Threshold`, the mean of a normal
distribution of seeds. Counting an unfinished run as final would bias it (tests/test_validate_thresholds.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from validate.censoring import normal_mean
from validate.intervals import Interval

__all__ = ["Crossing", "Threshold", "critical_size", "crossing", "logistic"]

Array = npt.NDArray[np.float64]

PLATEAU = 0.01
"""Accuracies this near to 0 (or chance) or 1 do not say how far the threshold is"""


@dataclass(frozen=True)
class Crossing:
    """Bounds on the ln D of one seed's threshold: exact if low == high, half-lines allowed.

    step   the bounds are due to the spacing of sizes (all runs that matter had settled), not to censoring
    """

    low: float
    high: float
    step: bool = False

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(
                f"a crossing needs low <= high, got {self.low} and {self.high}. Pass its lower bound first."
            )

    @property
    def censored(self) -> bool:
        """Whether unfinished runs, or sizes that do not reach it, leave the crossing open."""
        return self.low < self.high and not (self.step and math.isfinite(self.high - self.low))


@dataclass(frozen=True)
class Threshold:
    """The critical size of a population of seeds.

    interval   of the mean of ln D; n counts seeds that say anything
    spread     standard deviation of ln D between seeds; nan if unknown
    censored   seeds whose crossing is open
    """

    interval: Interval
    spread: float
    censored: int

    @property
    def size(self) -> float:
        """D_crit, in examples."""
        return _exp(self.interval.value)

    @property
    def size_low(self) -> float:
        """Lower end of its interval, in examples."""
        return _exp(self.interval.low)

    @property
    def size_high(self) -> float:
        """Upper end of its interval, in examples."""
        return _exp(self.interval.high)


def _exp(x: float) -> float:
    return math.exp(x) if x < 700 else math.inf if x > 0 else math.nan


def _checked(dataset_size: npt.ArrayLike, accuracy: npt.ArrayLike) -> tuple[Array, Array]:
    """Both as arrays (k,)."""
    size, share = np.asarray(dataset_size, np.float64), np.asarray(accuracy, np.float64)
    if size.ndim != 1 or size.shape != share.shape:
        raise ValueError(
            f"there must be one accuracy for each dataset_size, (k,), got shapes {share.shape} and {size.shape}. "
            f"Pass two sequences of the same length."
        )
    for name, bad, need in (
        ("dataset_size", size[~((size > 0) & np.isfinite(size))], "positive and finite"),
        ("accuracy", share[(share < 0) | (share > 1)], "in [0, 1]"),
    ):
        if bad.size:
            raise ValueError(
                f"{name} must be {need}, got {bad[0]:g}. Pass one value for each run; nan if it is missing."
            )
    return size, share


def _pass(x: Array, share: Array, level: float, chance: float) -> tuple[float, float]:
    """Bounds on the x at which the isotonic regression of `share` (k,) on x (k,) passes `level`."""
    curve = optimize.isotonic_regression(share).x
    below, above = int(np.sum(curve < level)) - 1, int(np.sum(curve <= level))
    if above > below + 1:  # level on the level: the middle
        middle = 0.5 * float(x[below + 1] + x[above - 1])
        return middle, middle
    if below < 0:
        return -math.inf, float(x[0])
    if above == len(x):
        return float(x[-1]), math.inf
    ends = np.clip(curve[[below, above]], chance + PLATEAU, 1 - PLATEAU)
    left, right = special.logit(ends) - special.logit(level)
    middle = float(x[below] + (x[above] - x[below]) * left / (left - right))
    # On a plateau the logit could be any that is further out, so the crossing could be nearer to the other end.
    low = float(x[below]) if curve[above] >= 1 - PLATEAU else middle
    return low, float(x[above]) if curve[below] <= chance + PLATEAU else middle


def crossing(
    dataset_size: npt.ArrayLike,
    accuracy: npt.ArrayLike,
    settled: npt.ArrayLike,
    level: float = 0.5,
    direction: str = "falling",
    *,
    chance: float = 0.0,
) -> Crossing:
    """The ln D at which one seed's final accuracy rises through `level`.

    dataset_size (k,)   distinct, any order
    accuracy (k,)       at the end of each run, in [0, 1]; nan: the run is missing
    settled (k,)        whether it will stay there
    direction           where unfinished runs are heading: 'falling' (ungrokking), 'rising' (from scratch)
    chance              accuracies at most 0.01 above it are on the lower plateau

    Final accuracy is taken to rise with D but for noise: the curve is the isotonic regression of accuracy on ln D (pool
    adjacent violators). Between neighbouring sizes it is interpolated linearly in logit(accuracy) against ln D, because
    that is exact for a logistic transition and nearly so for the toy's Φ (model.md 5.4), where straight lines in
    accuracy are bent. Where a neighbour is on a plateau (within 0.01 of chance or of 1) the crossing has bounds.

    An unfinished run has bounds: if falling, its end value lies between 0 and its accuracy, so below the level it is
    surely below, and above the level it is undetermined, unless a settled run of smaller size holds it up or one of
    larger size holds it down. The crossing falls as any accuracy rises, so its bounds are those of the two curves
    through all upper and all lower ends. Errors: ValueError, for values outside their range or of different shapes.
    """
    size, share = _checked(dataset_size, accuracy)
    done = np.asarray(settled)
    if done.shape != size.shape or done.dtype != np.bool_:
        raise ValueError(
            f"settled must be boolean, {size.shape}, got {done.dtype} {done.shape}. Pass one for each run."
        )
    if direction not in ("falling", "rising"):
        raise ValueError(f"direction must be 'falling' or 'rising', got {direction!r}. Choose where runs are heading.")
    if not chance + PLATEAU < level < 1 - PLATEAU:
        raise ValueError(f"level must lie between chance {chance:g} and 1, got {level!r}. Choose 0.5, say.")
    if len(np.unique(size)) < len(size):
        raise ValueError(f"dataset_size must be distinct, got {size.tolist()}. Pass the runs of one seed at a time.")
    known = np.isfinite(share)
    order = np.argsort(size[known])
    x, share, done = np.log(size[known][order]), share[known][order], done[known][order]
    if not len(x):
        return Crossing(-math.inf, math.inf)

    if direction == "falling":
        lower, upper = _bounds(share, done, level)
    else:  # the same seen from the other side
        lower, upper = (1 - b[::-1] for b in reversed(_bounds(1 - share[::-1], done[::-1], 1 - level)))
        lower[done] = upper[done] = share[done]  # without a rounding
    early, late = _pass(x, upper, level, chance), _pass(x, lower, level, chance)
    if late[1] - early[0] < 1e-9:
        return Crossing(early[0], early[0])
    return Crossing(early[0], late[1], step=early == late)


def _bounds(share: Array, done: npt.NDArray[np.bool_], level: float) -> tuple[Array, Array]:
    """Least and greatest end values (k,) of runs that can only fall, in the order of size."""
    lower, upper = share.copy(), share.copy()
    if done.all():
        return lower, upper
    held = optimize.isotonic_regression(share[done]).x if done.any() else np.empty(0)
    before = np.cumsum(done)[~done]  # settled runs of smaller size
    floor, ceiling = np.concatenate([[0.0], held])[before], np.concatenate([held, [1.0]])[before]
    top = np.minimum(share[~done], ceiling)
    # A run seen below the level though a smaller size has settled above it contradicts that one: nothing holds it up.
    lower[~done] = np.where((top < level) & (floor >= level), 0.0, np.minimum(floor, top))
    upper[~done] = top
    return lower, upper


def critical_size(crossings: Sequence[Crossing], level: float = 0.95) -> Threshold:
    """Mean threshold of a population of seeds, normal in ln D, from their crossings (`censoring.normal_mean`).

    A crossing without any bound is counted as censored, not in n. Errors: ValueError if `level` is no probability.
    """
    low, high = [c.low for c in crossings], [c.high for c in crossings]
    interval, spread = normal_mean(low, high, level)
    return Threshold(interval, spread, sum(c.censored for c in crossings))


def logistic(dataset_size: npt.ArrayLike, accuracy: npt.ArrayLike, chance: float) -> tuple[float, float]:
    """Middle and 10-90 % width, in ln D, of a transition from `chance` to a fitted top.

    Least squares of chance + (top - chance)/(1 + exp(-(ln D - ln_mid)/w)) through dataset_size (k,) and accuracy (k,),
    both in any order and sizes repeated at will; nan accuracies are missing. The width is w · 2 ln 9. If fewer than two
    sizes lie within the transition (1 to 99 % of its height) the sizes do not resolve it: the width returned is then
    the (larger) spacing next to the middle, an upper bound, as for a step between two neighbours.

    (nan, nan) if the data do not span the transition: fewer than three sizes, a rise over less than half of what there
    is above chance, or a fit that is not below 25 % at the least size and above 75 % at the largest.
    Errors: ValueError, for values outside their range or of different shapes.
    """
    size, share = _checked(dataset_size, accuracy)
    if not 0 <= chance < 1:
        raise ValueError(f"chance must be a number with 0 <= chance < 1, got {chance!r}. Pass 1/q for q classes.")
    x, y = np.log(size[np.isfinite(share)]), share[np.isfinite(share)]
    sizes = np.unique(x)
    nothing = (math.nan, math.nan)
    if len(sizes) < 3 or np.ptp(y) < 0.5 * (1 - chance):
        return nothing
    gaps, room = np.diff(sizes), 1.0 - chance
    ln_widths = np.linspace(math.log(gaps.min() / 100), math.log(2 * np.ptp(sizes)), 25)
    middles = np.linspace(sizes[0], sizes[-1], 65)
    rise = special.expit((x - middles[:, None, None]) / np.exp(ln_widths)[:, None])  # (middle, width, run)
    height = np.clip((rise * (y - chance)).sum(-1) / np.maximum((rise**2).sum(-1), 1e-30), 0.01 * room, 0.99 * room)
    error = ((chance + height[..., None] * rise - y) ** 2).sum(-1)
    i, j = np.unravel_index(int(np.argmin(error)), error.shape)
    found = optimize.least_squares(
        lambda p: chance + p[2] * special.expit((x - p[0]) / math.exp(p[1])) - y,
        (middles[i], np.clip(ln_widths[j], ln_widths[0] + 1e-9, ln_widths[-1] - 1e-9), height[i, j]),
        bounds=((sizes[0] - 1e-9, ln_widths[0], 0.0), (sizes[-1] + 1e-9, ln_widths[-1], room)),
        xtol=1e-12,
        ftol=1e-12,
        gtol=1e-12,
    )
    middle, scale = float(found.x[0]), math.exp(found.x[1])
    reached = special.expit((sizes - middle) / scale)
    if reached[0] > 0.25 or reached[-1] < 0.75:
        return nothing
    within = np.flatnonzero((reached > PLATEAU) & (reached < 1 - PLATEAU))
    if len(within) > 1:
        return middle, scale * 2 * math.log(9)
    if len(within) == 1:
        beside = [gaps[k] for k in (within[0] - 1, within[0]) if 0 <= k < len(gaps)]
        return middle, float(max(beside))
    k = int(np.sum(reached <= PLATEAU))
    return 0.5 * float(sizes[k - 1] + sizes[k]), float(gaps[k - 1])
