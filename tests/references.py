"""Independent routes to the toy model's numbers: slow, direct, and sharing no code with it.

trajectory      four-subweight equations (3.2) by scipy's stiff solvers
descent         (3.3) written out, in Python floats
steady_logits   the equation at rest (4.1) by scipy's brentq
train_loss ...  (2.1), (2.2), (2.4) in 60 digits by mpmath
"""

import mpmath as mp
import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

import toymodel as tm
from toymodel.parameters import FloatArray

mp.mp.dps = 60


def slopes(model: tm.TwoCircuitModel) -> FloatArray:
    """a_i of (3.1), from its definition dR/dW = a W^(r-1)."""
    factor = {"half": 0.5, "full": 1.0}[model.penalty]
    m, kappa = model.norm_power, model.kappa
    return np.array([factor * model.weight_decay * m / kappa / c.efficiency**m for c in model.circuits])


def push(model: tm.TwoCircuitModel, logits: FloatArray) -> FloatArray:
    """-g of (3.1)."""
    w = np.maximum(logits, 0.0)
    p = 1.0 / (1.0 + np.exp(np.sum(logits) - np.log(model.num_classes - 1.0)))
    return p - slopes(model) * w ** (model.norm_power / model.kappa - 1.0)


def trajectory(model: tm.TwoCircuitModel, times: FloatArray, method: str = "Radau", rtol: float = 1e-9) -> FloatArray:
    """Logits (k, n) at `times`, by integrating u and v themselves."""
    s = np.array([c.learning_speed for c in model.circuits])
    logits = np.array([c.initial_logit for c in model.circuits])
    v = np.sqrt(0.5 * (s**2 + np.sqrt(s**4 + 4.0 * logits**2)))
    u = np.divide(logits, v, out=np.zeros_like(v), where=v > 0.0)
    n = len(s)

    def rate(_: float, y: FloatArray) -> FloatArray:
        g = -push(model, y[:n] * y[n:])
        return np.concatenate([-g * y[n:], -g * y[:n]])

    solution = solve_ivp(
        rate, (0.0, times[-1]), np.concatenate([u, v]), method, t_eval=times, rtol=rtol, atol=1e-12, first_step=1e-8
    )
    assert solution.success, solution.message
    return (solution.y[:n] * solution.y[n:]).T


def descent(model: tm.TwoCircuitModel, learning_rate: float, steps: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(u, v, g), each (steps + 1, n): every state, and the gradient there."""
    s = np.array([c.learning_speed for c in model.circuits])
    logits = np.array([c.initial_logit for c in model.circuits])
    v = np.sqrt(0.5 * (s**2 + np.sqrt(s**4 + 4.0 * logits**2)))
    u = np.divide(logits, v, out=np.zeros_like(v), where=v > 0.0)
    path = []
    for _ in range(steps + 1):
        g = -push(model, u * v)
        path.append((u, v, g))
        u, v = u - learning_rate * g * v, v - learning_rate * g * u
    us, vs, gs = (np.array(x) for x in zip(*path, strict=True))
    return us, vs, gs


def steady_logits(model: tm.TwoCircuitModel) -> FloatArray:
    """(4.1), (4.4) for κ < m: S by p(S) S = (W·∇R)(S), and its shares by W ∝ η^χ."""
    factor = {"half": 0.5, "full": 1.0}[model.penalty] * model.weight_decay
    m, kappa = model.norm_power, model.kappa
    chi = kappa * m / (m - kappa)
    present = np.array([c.learning_speed > 0 or c.initial_logit > 0 for c in model.circuits])
    logs = chi * np.log([c.efficiency for c in model.circuits])[present]
    total = np.logaddexp.reduce(logs)

    def gap(y: float) -> float:
        log_p = -np.logaddexp(0.0, np.exp(y) - np.log(model.num_classes - 1.0))
        return float(log_p + y - np.log(factor * m / kappa) - m * (y / kappa - total / chi))

    out = np.zeros(present.size)
    out[present] = np.exp(brentq(gap, -700.0, 20.0, xtol=1e-14, rtol=1e-14) + logs - total)
    return out


def train_loss(total: float, num_classes: float) -> mp.mpf:
    """(2.1)"""
    return mp.log1p((mp.mpf(num_classes) - 1) * mp.exp(-mp.mpf(total)))


def test_loss(gen: float, mem: float, num_classes: float) -> mp.mpf:
    """(2.2)"""
    gen, mem = mp.mpf(gen), mp.mpf(mem)
    return mp.log1p(mp.exp(mem - gen) + (mp.mpf(num_classes) - 2) * mp.exp(-gen))


def wrong_probability(total: float, num_classes: float) -> mp.mpf:
    """(2.4)"""
    return (mp.mpf(num_classes) - 1) / (mp.exp(mp.mpf(total)) + mp.mpf(num_classes) - 1)
