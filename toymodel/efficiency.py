"""Efficiency laws: how much less efficient memorising gets as the data set grows (README 5).

A law gives the ratio η_mem / η_gen at data set size D.  η_gen does not depend on D (5.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .parameters import FloatArray, check, check_axis


class EfficiencyLaw(Protocol):
    """What a law must offer: the ratio at a size, the size at a ratio, and the size at which the ratio is 1."""

    @property
    def critical_size(self) -> float:
        """(5.2) D_crit, where η_mem(D) = η_gen."""

    def ratio(self, dataset_size: npt.ArrayLike) -> FloatArray:
        """η_mem / η_gen at `dataset_size`; any shape."""

    def dataset_size(self, ratio: npt.ArrayLike) -> FloatArray:
        """The inverse of `ratio`; nan outside what the law covers."""


def power_law(dataset_size: npt.ArrayLike, critical_size: npt.ArrayLike, exponent: npt.ArrayLike) -> FloatArray:
    """(5.1) η_mem / η_gen = (D / D_crit)^(-β); broadcasts."""
    with np.errstate(over="ignore", under="ignore", divide="ignore"):  # far from D_crit: inf or 0, its limits
        return np.asarray((np.asarray(dataset_size, float) / critical_size) ** -np.asarray(exponent, float))


@dataclass(frozen=True)
class PowerLaw:
    """(5.1) η_mem(D) = η_gen (D / D_crit)^(-β).  β = 1/2 if memorised points cost orthogonal norm.

    >>> float(PowerLaw(critical_size=1000, exponent=0.5).ratio(4000))
    0.5
    """

    critical_size: float = 1000.0
    exponent: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "critical_size", check("critical_size", self.critical_size))
        object.__setattr__(self, "exponent", check("exponent", self.exponent))

    def ratio(self, dataset_size: npt.ArrayLike) -> FloatArray:
        """(D / D_crit)^(-β)."""
        return power_law(dataset_size, self.critical_size, self.exponent)

    def dataset_size(self, ratio: npt.ArrayLike) -> FloatArray:
        """D_crit ratio^(-1/β); nan where the ratio is not positive."""
        ratio = np.asarray(ratio, float)
        positive = ratio > 0.0
        with np.errstate(over="ignore", under="ignore"):
            size = self.critical_size * np.where(positive, ratio, 1.0) ** (-1.0 / self.exponent)
        return np.where(positive, size, np.nan)


class TabulatedLaw:
    """(5.1) a law through measured points: monotone (PCHIP) interpolation of ln(η_mem / η_gen) in ln D.

    dataset_size (k,) rising and efficiency_ratio (k,) falling, k >= 2.  The law covers the measured range only: outside
    it the ratio is an error, never an extrapolation.
    """

    def __init__(self, dataset_size: npt.ArrayLike, efficiency_ratio: npt.ArrayLike) -> None:
        from scipy.interpolate import PchipInterpolator

        size = check_axis("dataset_size", dataset_size)
        ratio = check_axis("efficiency", efficiency_ratio, "efficiency_ratio")
        if size.size < 2 or size.shape != ratio.shape:
            raise ValueError(
                f"TabulatedLaw needs at least two sizes and one efficiency ratio for each, got {size.size} and "
                f"{ratio.size}. Pass two sequences of the same length."
            )
        if not (np.all(np.diff(size) > 0) and np.all(np.diff(ratio) < 0)):
            raise ValueError(
                f"TabulatedLaw needs rising sizes and strictly falling ratios (P1b), got sizes {size.tolist()} and "
                f"ratios {ratio.tolist()}. Sort the points; merge or smooth those that do not fall."
            )
        self.sizes, self.ratios = size, ratio
        self._law = PchipInterpolator(np.log(size), np.log(ratio), extrapolate=False)

    def __repr__(self) -> str:
        return f"TabulatedLaw({self.sizes.tolist()}, {self.ratios.tolist()})"

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, TabulatedLaw) and (self.sizes.tolist(), self.ratios.tolist()) == (
            other.sizes.tolist(),
            other.ratios.tolist(),
        )

    def __hash__(self) -> int:
        return hash((*self.sizes.tolist(), *self.ratios.tolist()))

    @property
    def critical_size(self) -> float:
        """(5.2) D_crit; ValueError if the measured ratios do not bracket 1."""
        size = float(self.dataset_size(1.0))
        if np.isnan(size):
            raise ValueError(
                f"the critical size needs ratios on both sides of 1, got {self.ratios[-1]:g} to {self.ratios[0]:g}. "
                f"Measure {'larger' if self.ratios[-1] > 1 else 'smaller'} data sets."
            )
        return size

    def ratio(self, dataset_size: npt.ArrayLike) -> FloatArray:
        """η_mem / η_gen; ValueError outside the measured sizes."""
        size = np.asarray(dataset_size, float)
        outside = ~((size >= self.sizes[0]) & (size <= self.sizes[-1]))
        if outside.any():
            raise ValueError(
                f"this TabulatedLaw covers {self.sizes[0]:g} <= dataset_size <= {self.sizes[-1]:g}, got "
                f"{size[outside].ravel()[0]:g}. Pass a dataset_size that was measured, "
                f"or use a PowerLaw."
            )
        return np.asarray(np.exp(self._law(np.log(size))))

    def dataset_size(self, ratio: npt.ArrayLike) -> FloatArray:
        """The size at which the law gives `ratio`, by bisection of the monotone interpolant."""
        ratio = np.asarray(ratio, float)
        wanted = np.log(np.where(ratio > 0.0, ratio, np.nan))
        low = np.full(wanted.shape, np.log(self.sizes[0]))
        high = np.full(wanted.shape, np.log(self.sizes[-1]))
        # The ends belong to the range, also after a rounding on the way to `ratio` and back.
        covered = (wanted <= np.log(self.ratios[0]) + 1e-12) & (wanted >= np.log(self.ratios[-1]) - 1e-12)
        for _ in range(60):
            middle = 0.5 * (low + high)
            above = self._law(middle) > wanted
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        size = np.clip(np.exp(0.5 * (low + high)), self.sizes[0], self.sizes[-1])
        return np.where(covered, size, np.nan)
