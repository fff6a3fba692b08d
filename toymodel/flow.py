"""The dynamics and the penalty as pure functions: README 3 and 8.  Arrays are (..., n), one entry a circuit.

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


def network_norm(norms: FloatArray, sharing: Numbers) -> FloatArray:
    """(8.1) ‖w‖ = (Σ P^μ)^(1/μ) of norms (..., n), the largest taken out so that no power overflows."""
    top = norms.max(axis=-1, keepdims=True)
    shares = np.divide(norms, top, out=np.zeros_like(norms), where=top > 0.0)
    return np.asarray(top[..., 0] * np.sum(shares ** last(sharing), axis=-1) ** (1.0 / np.asarray(sharing, float)))


def log_scale(
    kappa: Numbers, weight_decay: Numbers, penalty: str | npt.NDArray[Any], norm_power: Numbers
) -> FloatArray:
    """(8.2) ln of the penalty's factor, α/κ at m = 2 for "half", twice that for "full"; -inf without weight decay."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(penalty_factor(penalty) * np.asarray(weight_decay, float) * norm_power / kappa))


def log_pushes(logits: FloatArray, log_slopes: FloatArray, r: Numbers, bend: Numbers, scale: Numbers) -> FloatArray:
    """(8.2) ln of dR/dW_i = a_i W_i^(r-1) ‖w‖^(m-μ), with r = μ/κ; ln a_i = log_slopes = scale - μ ln η_i, bend = m/μ - 1.

    At W = 0 the push is 0 for r > 1, a ‖w‖^(m-μ) for r = 1 and infinite for r < 1.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        log_w = np.log(logits)
        norm = np.logaddexp.reduce(np.where(logits > 0.0, log_slopes + last(r) * log_w, -np.inf), axis=-1)
        own = np.where(last(r) == 1.0, 0.0, (last(r) - 1.0) * log_w)
        return np.asarray(log_slopes + own + last(np.where(np.asarray(bend) == 0.0, 0.0, bend * (norm - scale))))


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
    logits: FloatArray, invariants: FloatArray, log_slopes: FloatArray, r: Numbers, bend: Numbers, scale: Numbers,
    num_classes: Numbers,
) -> FloatArray:  # fmt: skip
    """(3.7), (8.6) minus the Jacobian of dθ/dt, made symmetric: (..., n, n) of diagonal plus rank two.

    At an equilibrium its eigenvalues are the non-zero curvatures of L + R in the subweights.  A circuit at W = 0 has none.
    """
    live = logits > 0.0
    push = np.exp(np.where(live, log_pushes(logits, log_slopes, r, bend, scale), -np.inf))
    w = np.where(live, mobility(logits, invariants), 0.0)
    p = wrong_probability(logits.sum(axis=-1), num_classes)
    diagonal = (last(r) - 1.0) * push * w / np.where(live, logits, 1.0)
    total = np.sum(push * logits, axis=-1)
    root, pull = np.sqrt(w), push * np.sqrt(w)
    sigma = np.asarray(r) * np.asarray(bend) / np.where(total > 0.0, total, 1.0)
    first = (p * (1.0 - p))[..., None, None] * root[..., :, None] * root[..., None, :]
    second = np.asarray(sigma)[..., None, None] * pull[..., :, None] * pull[..., None, :]
    return np.asarray(diagonal[..., :, None] * np.eye(logits.shape[-1]) + first + second)
