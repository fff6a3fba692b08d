"""The dynamics and the penalty as pure functions: README 2 and 3.  Arrays are (..., n), one entry a circuit.

These are the definitions; `kernel` holds their forms for the hot loops, and the tests hold the two together.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from .losses import penalty_factor, wrong_probability
from .parameters import FloatArray

Numbers = FloatArray | float


def last(x: Numbers) -> FloatArray:
    """One number a point, ready to broadcast against one a circuit."""
    return np.asarray(x, float)[..., None]


def norm_from_logit(logits: FloatArray, efficiencies: FloatArray, kappa: Numbers) -> FloatArray:
    """P = W^(1/κ) / η (paper section 3)."""
    return np.asarray(logits ** (1.0 / last(kappa)) / efficiencies)


def network_norm(norms: FloatArray, norm_power: Numbers) -> FloatArray:
    """(2.3) ‖w‖ = (Σ P^m)^(1/m) of norms (..., n), the largest taken out so that no power overflows."""
    top = norms.max(axis=-1, keepdims=True)
    shares = np.divide(norms, top, out=np.zeros_like(norms), where=top > 0.0)
    return np.asarray(
        top[..., 0] * np.sum(shares ** last(norm_power), axis=-1) ** (1.0 / np.asarray(norm_power, float))
    )


def penalty_scale(
    kappa: Numbers, weight_decay: Numbers, penalty: str | npt.NDArray[Any], norm_power: Numbers
) -> FloatArray:
    """(3.1) α m / (2 κ) for "half", twice that for "full": the a_i of efficiency 1."""
    return np.asarray(penalty_factor(penalty) * np.asarray(weight_decay, float) * norm_power / kappa)


def log_slopes(efficiencies: FloatArray, scale: FloatArray, norm_power: Numbers) -> FloatArray:
    """(3.1) ln a_i (..., n) with a_i = scale / η_i^m; -inf without weight decay."""
    with np.errstate(divide="ignore"):
        return np.asarray(last(np.log(scale)) - last(norm_power) * np.log(efficiencies))


def pushes(logits: FloatArray, slopes: FloatArray, r: Numbers) -> FloatArray:
    """(3.1) dR/dW_i = a_i W_i^(r-1), r = m/κ.  At W = 0 it is 0 for r > 1, a for r = 1 and infinite for r < 1."""
    with np.errstate(divide="ignore", over="ignore", under="ignore", invalid="ignore"):  # absent circuits have a = inf
        return np.asarray(slopes * logits ** (last(r) - 1.0))


def subweights(logits: FloatArray, invariants: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(3.4) (u, v) with u v = W and v² - u² = s², of either sign: the larger² = (|s²| + √(s⁴ + 4W²)) / 2."""
    larger = np.sqrt(0.5 * (np.abs(invariants) + np.hypot(invariants, 2.0 * logits)))
    smaller = np.divide(logits, larger, out=np.zeros_like(larger), where=larger > 0.0)
    return np.where(invariants < 0.0, larger, smaller), np.where(invariants < 0.0, smaller, larger)


def mobility(logits: FloatArray, invariants: FloatArray) -> FloatArray:
    """√(s⁴ + 4W²) = dW/dθ, so that (3.5) reads dW/dt = -g √(s⁴ + 4W²)."""
    return np.asarray(np.hypot(invariants, 2.0 * logits))


def mirror(logits: Numbers, invariants: Numbers) -> FloatArray:
    """(3.6) θ = ½ asinh(2W / s²), in which dθ/dt = -g; also where the quotient would overflow."""
    logits, invariants = np.asarray(logits, float), np.asarray(invariants, float)
    x = logits / invariants
    far = 0.5 * (np.log(np.where(x > 1e20, 4.0 * logits, 1.0)) - np.log(invariants))
    return np.where(x > 1e20, far, 0.5 * np.arcsinh(2.0 * np.where(x > 1e20, 0.0, x)))


def logit_from_mirror(theta: Numbers, invariants: Numbers) -> FloatArray:
    """(3.6) W = (s²/2) sinh 2θ."""
    return np.asarray(0.5 * np.asarray(invariants, float) * np.sinh(2.0 * np.asarray(theta, float)))


def hessian(
    logits: FloatArray, invariants: FloatArray, slopes: FloatArray, r: Numbers, num_classes: Numbers
) -> FloatArray:
    """(3.7) minus the Jacobian of dθ/dt, made symmetric: (..., n, n) of diagonal plus rank one.

    At an equilibrium its eigenvalues are the non-zero curvatures of L + R in the subweights.  A circuit at W = 0 has none.
    """
    live = logits > 0.0
    push = np.where(live, pushes(logits, slopes, r), 0.0)
    w = np.where(live, mobility(logits, invariants), 0.0)
    p = wrong_probability(logits.sum(axis=-1), num_classes)
    diagonal = (last(r) - 1.0) * push * w / np.where(live, logits, 1.0)
    root = np.sqrt(w)
    rank_one = (p * (1.0 - p))[..., None, None] * root[..., :, None] * root[..., None, :]
    return np.asarray(diagonal[..., :, None] * np.eye(logits.shape[-1]) + rank_one)
