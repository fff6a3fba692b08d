"""Scalar forms of model.md (2.2), (2.4), (3.1), (3.6), (3.7), and the margins by which events are told."""

import math
from collections.abc import Sequence
from typing import Any

from . import jit

Vector = Any  # a list of floats here, a numpy array once compiled

# Events: each is the time since which a condition has held for good.
FIT, GEN, CROSS, LEAVE = 0, 1, 2, 3
N_EVENTS = 4


@jit
def logit_of(theta: float, invariant: float) -> float:
    """(3.6) W = (s^2 / 2) sinh(2 theta), accurate for small theta."""
    if theta < 0.2:
        e = math.expm1(2.0 * theta)
        return 0.25 * invariant * (e + e / (1.0 + e))
    e = math.exp(2.0 * theta)
    return 0.25 * invariant * (e - 1.0 / e)


@jit
def wrong_probability(total: float, log_rivals: float) -> float:
    """(2.4) p(S) = (q-1) / (e^S + q - 1), with log_rivals = ln(q-1)."""
    x = total - log_rivals
    if x > 0.0:
        e = math.exp(-x)
        return e / (1.0 + e)
    return 1.0 / (1.0 + math.exp(x))


@jit
def slopes(
    theta: Vector,
    parked: Vector,
    invariant: Vector,
    slope: Vector,
    least: Vector,
    r: float,
    log_rivals: float,
    each: Sequence[int],
    logits: Vector,
    out: Vector,
) -> float:
    """(3.6) d theta / dt = p(S) - a W^(r-1), and 0 for a parked circuit.

    `least` is the logit of a parked circuit and the lower bound of every other.  Fills `logits` and `out`; returns p.
    """
    total = 0.0
    for i in range(len(each)):
        w = least[i]
        if not parked[i]:
            w = max(w, logit_of(theta[i], invariant[i]))
        logits[i] = w
        total += w
    p = wrong_probability(total, log_rivals)
    for i in range(len(each)):
        if parked[i]:
            out[i] = 0.0
        elif logits[i] > 0.0:
            out[i] = p - slope[i] * math.exp((r - 1.0) * math.log(logits[i]))
        else:
            out[i] = p - slope[i] if r == 1.0 else p
    return p


@jit
def solve(
    inverse: Vector,
    weight: Vector,
    pull: float,
    rhs: Vector,
    parked: Vector,
    each: Sequence[int],
    out: Vector,
) -> None:
    """(3.7) solves (diag(1 / inverse) + rank one) x = rhs in O(n), by Sherman-Morrison.

    `pull` is rho / (1 + rho sum(weight inverse)), with rho 1 weight^T the rank-one part.
    """
    along = 0.0
    for i in range(len(each)):
        if parked[i]:
            out[i] = 0.0
        else:
            out[i] = rhs[i] * inverse[i]
            along += weight[i] * out[i]
    along *= pull
    for i in range(len(each)):
        if not parked[i]:
            out[i] -= along * inverse[i]


@jit
def margins(logits: Vector, each: Sequence[int], n_gen: int, criteria: Sequence[float], out: Vector) -> None:
    """Four numbers, each positive exactly when its condition holds: FIT, GEN, CROSS, LEAVE.

    criteria = (logit at which the training set is fitted, spread, ln(q-2), bar for GEN, bar for LEAVE).  A bar is
    ln(e^loss - 1) of a test loss when the spread is 0, and the normal quantile of an accuracy otherwise.
    """
    gen = 0.0
    mem = 0.0
    square = 0.0
    for i in range(len(each)):
        w = logits[i]
        square += w * w
        if i < n_gen:
            gen += w
        else:
            mem += w
    out[FIT] = gen + mem - criteria[0]
    out[CROSS] = gen - mem
    if criteria[1] > 0.0:
        noise = criteria[1] * math.sqrt(square)
        out[GEN] = gen - mem - criteria[3] * noise
        out[LEAVE] = gen - mem - criteria[4] * noise
    else:
        # (2.2) e^(M-G) + (q-2) e^(-G) < e^loss - 1, in logarithms so that nothing overflows.
        high = max(mem, criteria[2])
        low = min(mem, criteria[2])
        gap = gen - high - math.log1p(math.exp(low - high))
        out[GEN] = gap + criteria[3]
        out[LEAVE] = gap + criteria[4]
