"""The critical data set size of one seed, from accuracies at several sizes. Sizes are handled as ln D."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

__all__ = ["PLATEAU", "bounds", "crossing", "width"]

PLATEAU = 0.01
"""Accuracies nearer than this to 0 (or chance) or 1 are taken to be this near: they do not say how far the threshold is"""


def crossing(dataset_size: npt.ArrayLike, accuracy: npt.ArrayLike, level: float = 0.5, chance: float = 0.0) -> float:
    """ln D at which the accuracies (k,) of one seed rise through `level`; nan where the sizes (k,) do not span it.

    Errors: as `bounds`.
    """
    low, high = bounds(dataset_size, accuracy, level, chance)
    return low if low == high else math.nan


def bounds(
    dataset_size: npt.ArrayLike, accuracy: npt.ArrayLike, level: float = 0.5, chance: float = 0.0
) -> tuple[float, float]:
    """Bounds on ln D at which the accuracies (k,) of one seed rise through `level`: equal if the sizes (k,) span it.

    (ln of the largest size, inf) if all lie below the level, (-inf, ln of the smallest) if all lie above it. Accuracy is
    taken to rise with D but for noise: the curve is the isotonic regression of accuracy on ln D (pool adjacent
    violators). Between neighbouring sizes it is interpolated linearly in logit(accuracy), which is exact for a logistic
    transition. nan accuracies are missing. Errors: ValueError for values outside their range or of different shapes.
    """
    size, share = np.asarray(dataset_size, np.float64), np.asarray(accuracy, np.float64)
    if size.ndim != 1 or size.shape != share.shape:
        raise ValueError(
            f"there must be one accuracy for each dataset_size, (k,), got shapes {share.shape} and {size.shape}. "
            "Pass two sequences of the same length."
        )
    if (~(size > 0)).any() or ((share < 0) | (share > 1)).any():
        raise ValueError(
            f"sizes must be positive and accuracies in [0, 1], got {size.tolist()} and {share.tolist()}. "
            "Pass one of each a run; nan where it is missing."
        )
    if not chance + PLATEAU < level < 1 - PLATEAU:
        raise ValueError(f"level must lie between chance {chance:g} and 1, got {level!r}. Choose 0.5, say.")
    order = np.argsort(size)[np.isfinite(share[np.argsort(size)])]
    if not len(order):
        return -math.inf, math.inf
    x, curve = np.log(size[order]), optimize.isotonic_regression(share[order]).x
    below = int(np.sum(curve < level)) - 1
    if below < 0:
        return -math.inf, float(x[0])
    if below + 1 == len(x):
        return float(x[-1]), math.inf
    ends = special.logit(np.clip(curve[[below, below + 1]], chance + PLATEAU, 1 - PLATEAU)) - special.logit(level)
    found = float(x[below] + (x[below + 1] - x[below]) * ends[0] / (ends[0] - ends[1]))
    return found, found


def width(dataset_size: npt.ArrayLike, accuracy: npt.ArrayLike, chance: float = 0.0) -> float:
    """How far apart in ln D one seed's accuracies pass 0.1 and 0.9; nan where the sizes do not span both.

    With few classes 0.1 is chance itself: the lower level is then just above chance.
    """
    low = max(0.1, chance + 2 * PLATEAU)
    return crossing(dataset_size, accuracy, 0.9, chance) - crossing(dataset_size, accuracy, low, chance)
