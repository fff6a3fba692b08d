"""The dynamics as pure functions: model.md 1 and 3.  Arrays are (..., n), one entry a circuit on the last axis.

These are the definitions; `kernel` holds their scalar forms for the hot loops, and the tests hold the two together.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from .losses import penalty_factor, wrong_probability
from .parameters import FloatArray

Numbers = FloatArray | float


def logit_from_norm(norm: Numbers, efficiency: Numbers, kappa: Numbers) -> FloatArray:
    """W = (η P)^κ (paper section 3; model.md 1)."""
    return np.asarray((np.asarray(efficiency, float) * norm) ** np.asarray(kappa, float))


def norm_from_logit(logit: Numbers, efficiency: Numbers, kappa: Numbers) -> FloatArray:
    """P = W^(1/κ) / η."""
    return np.asarray(np.asarray(logit, float) ** (1.0 / np.asarray(kappa, float)) / efficiency)


def penalty_slope(
    efficiency: Numbers,
    kappa: Numbers,
    weight_decay: Numbers,
    penalty: str | npt.NDArray[Any] = "half",
    norm_power: Numbers = 2.0,
) -> FloatArray:
    """(3.1) a in dR/dW = a W^(r-1), with r = m/κ: a = α r / (2 η^m) for "half", twice that for "full"."""
    m = np.asarray(norm_power, float)
    r = m / np.asarray(kappa, float)
    return np.asarray(
        penalty_factor(penalty) * np.asarray(weight_decay, float) * r / np.asarray(efficiency, float) ** m
    )


def gradient(logits: FloatArray, slopes: FloatArray, r: float, num_classes: float) -> FloatArray:
    """(3.1) g_i = -p(S) + a_i W_i^(r-1).  At W = 0 it is -p for r > 1, a - p for r = 1 and +inf for r < 1."""
    p = wrong_probability(logits.sum(axis=-1), num_classes)[..., None]
    with np.errstate(divide="ignore"):
        return np.asarray(-p + slopes * logits ** (r - 1.0))


def subweight_flow(u: FloatArray, v: FloatArray, g: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(3.2) du/dt = -g v, dv/dt = -g u."""
    return -g * v, -g * u


def descent_step(u: FloatArray, v: FloatArray, g: FloatArray, learning_rate: float) -> tuple[FloatArray, FloatArray]:
    """(3.3) one step of gradient descent, all subweights at once; multiplies v² - u² by exactly 1 - λ² g²."""
    return u - learning_rate * g * v, v - learning_rate * g * u


def invariant(u: FloatArray, v: FloatArray) -> FloatArray:
    """(3.4) v² - u² = s², constant under the flow."""
    return (v - u) * (v + u)


def subweights(logits: FloatArray, invariants: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(u, v) with u v = W and v² - u² = s²: v² = (s² + √(s⁴ + 4W²)) / 2."""
    v = np.sqrt(0.5 * (invariants + np.hypot(invariants, 2.0 * logits)))
    return np.divide(logits, v, out=np.zeros_like(v), where=v > 0.0), v


def mobility(logits: FloatArray, invariants: FloatArray) -> FloatArray:
    """√(s⁴ + 4W²) = dW/dθ, so that (3.5) reads dW/dt = -g √(s⁴ + 4W²)."""
    return np.asarray(np.hypot(invariants, 2.0 * logits))


def mirror(logits: Numbers, invariants: Numbers) -> FloatArray:
    """(3.6) θ = ½ asinh(2W / s²), in which dθ/dt = -g."""
    return np.asarray(0.5 * np.arcsinh(2.0 * np.asarray(logits, float) / invariants))


def logit_from_mirror(theta: Numbers, invariants: Numbers) -> FloatArray:
    """(3.6) W = (s²/2) sinh 2θ."""
    return np.asarray(0.5 * np.asarray(invariants, float) * np.sinh(2.0 * np.asarray(theta, float)))


def jacobian(
    logits: FloatArray, invariants: FloatArray, slopes: FloatArray, r: float, num_classes: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(3.7) d(dθ/dt)/dθ = -diag(D) - ρ 1 wᵀ, returned as (D (..., n), ρ (...), w (..., n)).

    w = dW/dθ, ρ = p (1-p) and D_i = a_i (r-1) W_i^(r-2) w_i.
    """
    w = mobility(logits, invariants)
    p = wrong_probability(logits.sum(axis=-1), num_classes)
    with np.errstate(divide="ignore"):
        return slopes * (r - 1.0) * logits ** (r - 2.0) * w, p * (1.0 - p), w


def curvatures(
    logits: FloatArray, invariants: FloatArray, slopes: FloatArray, r: float, num_classes: float
) -> FloatArray:
    """Eigenvalues (n,) of minus the Jacobian (3.7), rising: at an equilibrium, the non-zero ones of the Hessian of L + R
    in the subweights.  It is similar to the symmetric diag(D) + ρ √w √wᵀ."""
    d, rho, w = jacobian(logits, invariants, slopes, r, num_classes)
    root = np.sqrt(w)
    return np.linalg.eigvalsh(np.diag(d) + rho * np.outer(root, root))
