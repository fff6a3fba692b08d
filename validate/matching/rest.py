"""The two circuits at rest when they share norm, (8.1) to (8.5) of toymodel/README.md, for many cells at once.

    ‖w‖^μ = Σ P_i^μ, P_i = W_i^(1/κ)/η_i;   W_i ∝ η_i^χ, χ = κμ/(μ − κ);   p(S) S = (α/κ) ‖w‖²

η_mem(D) = η_gen (D/D_crit)^(−β). A circuit that is absent has efficiency 0. Axis order: cells, then circuits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

__all__ = ["Numbers", "Rest", "at_rest", "sharing_from_sharpness"]

Array = npt.NDArray[np.float64]


class Numbers(NamedTuple):
    """The four numbers of single circuits: degree κ, η_gen (1/norm), β, D_crit (pairs)."""

    kappa: float
    eta: float
    beta: float
    critical: float

    def efficiencies(self, dataset_size: npt.ArrayLike) -> Array:
        """η_gen and η_mem (n, 2) at data set sizes (n,)."""
        size = np.asarray(dataset_size, float)
        return self.eta * np.stack([np.ones_like(size), (size / self.critical) ** -self.beta], -1)


class Rest(NamedTuple):
    """Total logit (n,), norm (n,) and logits of the circuits (n, 2) at rest."""

    logit: Array
    norm: Array
    logits: Array


def at_rest(
    efficiency: npt.ArrayLike, kappa: float, weight_decay: npt.ArrayLike, classes: int, sharing: float = np.inf
) -> Rest:
    """(8.3), (8.4): the rest state of cells with efficiencies (n, circuits), some of them 0, and α (n,).

    sharing   μ; it does not matter to a circuit alone. nan where only the origin rests. Errors: ValueError unless κ < μ.
    """
    if not sharing > kappa:
        raise ValueError(
            f"circuits share norm only for μ > κ, got μ = {sharing:g}, κ = {kappa:g}. Above it the winner takes all."
        )
    eta, alpha = np.asarray(efficiency, float), np.asarray(weight_decay, float)
    chi = kappa if np.isinf(sharing) else kappa * sharing / (sharing - kappa)
    scale = eta.max(-1)
    shares = (eta / scale[..., None]) ** chi
    mixed = scale * shares.sum(-1) ** (1 / chi)
    # p(S) S = (α/κ) (S^(1/κ)/η_mix)². For κ > 2 the origin is stable too and there are two roots: the larger one is meant,
    # beyond the S at which the logarithm of left over right is greatest, (1 − p) S = 1 − 2/κ.
    odds = np.log(classes - 1.0)
    grid = np.linspace(1e-9, 10.0, 20_001)
    start = grid[np.searchsorted(special.expit(grid - odds) * grid, max(1.0 - 2.0 / kappa, 0.0))]
    low, high = np.full(alpha.shape, np.log(start)), np.full(alpha.shape, np.log(700.0))
    needed = np.log(alpha / kappa) - 2 * np.log(mixed)

    def excess(x: Array) -> Array:
        return np.asarray(special.log_expit(odds - np.exp(x)) + (1 - 2 / kappa) * x - needed)

    none = excess(low) < 0
    for _ in range(60):
        x = 0.5 * (low + high)
        above = excess(x) > 0
        low, high = np.where(above, x, low), np.where(above, high, x)
    x = np.where(none, np.nan, 0.5 * (low + high))
    logit = np.exp(x)
    return Rest(logit, logit ** (1 / kappa) / mixed, logit[..., None] * shares / shares.sum(-1, keepdims=True))


def sharing_from_sharpness(nu: npt.ArrayLike, kappa: float, beta: float) -> Array:
    """(8.5) ν = β κ μ/(μ − κ), solved for μ: κ ν/(ν − β κ); inf where ν = βκ, negative below (no μ > κ is so blunt)."""
    v = np.asarray(nu, float)
    with np.errstate(divide="ignore"):
        return np.asarray(kappa * v / (v - beta * kappa))
