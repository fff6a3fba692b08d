"""model.md (2.2), (2.4), (3.1), (3.6), (3.7) over lanes, and the margins by which events are told."""

import math

from . import jit
from .elementary import Vector, exp, exp_all, log_all

# Events: each is the time since which a condition has held for good.
FIT, GEN, CROSS, LEAVE = 0, 1, 2, 3
N_EVENTS = 4


@jit
def logit_of(theta: float, invariant: float) -> float:
    """(3.6) W = (s²/2) sinh 2θ, accurate for small θ."""
    if theta < 0.2:
        e = math.expm1(2.0 * theta)
        return 0.25 * invariant * (e + e / (1.0 + e))
    far: float = exp(2.0 * theta)
    return 0.25 * invariant * (far - 1.0 / far)


@jit
def mirror_of(logit: float, invariant: float) -> float:
    """(3.6) θ = ½ asinh(2W/s²), also where s² is so small that the quotient would overflow."""
    if logit > 1e20 * invariant:
        return 0.5 * (math.log(4.0 * logit) - math.log(invariant))
    return 0.5 * math.asinh(2.0 * logit / invariant)


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
    power: Vector,
    log_rivals: Vector,
    n: int,
    lanes: int,
    logits: Vector,
    p: Vector,
    out: Vector,
) -> None:
    """(3.6) dθ/dt = p(S) - a W^(r-1), and 0 for a parked circuit; fills logits, p and out.

    power (n * lanes,) is r - 1; `least` the logit of a parked circuit and the lower bound of every other.
    """
    size = n * lanes
    for j in range(size):
        out[j] = 2.0 * theta[j]
    exp_all(out, size)
    for j in range(size):
        x = 2.0 * theta[j]
        z = x * x
        # The difference of exponentials would cancel for small arguments; this is sinh x to 2e-15 for |x| < 0.4.
        near = x * (1.0 + z / 6.0 * (1.0 + z / 20.0 * (1.0 + z / 42.0 * (1.0 + z / 72.0 * (1.0 + z / 110.0)))))
        far = 0.5 * (out[j] - 1.0 / out[j])
        w = 0.5 * invariant[j] * (near if x < 0.4 else far)
        logits[j] = least[j] if parked[j] > 0.0 or w < least[j] else w
    for k in range(lanes):
        p[k] = -log_rivals[k]
    for i in range(n):
        for k in range(lanes):
            p[k] += logits[i * lanes + k]
    exp_all(p, lanes)
    for k in range(lanes):
        p[k] = 1.0 / (1.0 + p[k])
    for j in range(size):
        out[j] = logits[j] if logits[j] > 1e-300 else 1e-300
    log_all(out, size)
    for j in range(size):
        out[j] *= power[j]
    exp_all(out, size)
    for j in range(size):
        push = slope[j] * out[j]
        out[j] = 0.0 if logits[j] == 0.0 and power[j] > 0.0 else push
    for i in range(n):
        for k in range(lanes):
            j = i * lanes + k
            out[j] = 0.0 if parked[j] > 0.0 else p[k] - out[j]


@jit
def solve(
    share: Vector, inverse: Vector, pull: Vector, rhs: Vector, n: int, lanes: int, out: Vector, along: Vector
) -> None:
    """(3.7) solves (diag(1 / inverse) + rank one) x = rhs in O(n), by Sherman-Morrison.

    With ρ 1 weightᵀ the rank-one part, share = weight inverse and pull (lanes,) = ρ / (1 + ρ Σ share); inverse is 0 where
    parked.  along (lanes,) is work space.
    """
    for k in range(lanes):
        along[k] = 0.0
    for i in range(n):
        for k in range(lanes):
            along[k] += share[i * lanes + k] * rhs[i * lanes + k]
    for k in range(lanes):
        along[k] *= pull[k]
    for i in range(n):
        for k in range(lanes):
            out[i * lanes + k] = inverse[i * lanes + k] * (rhs[i * lanes + k] - along[k])


@jit
def margins(logits: Vector, criteria: Vector, n: int, n_gen: int, lanes: int, out: Vector, work: Vector) -> None:
    """Four numbers a lane, each positive exactly when its condition holds: FIT, GEN, CROSS, LEAVE; out (4 * lanes,).

    criteria (5 * lanes,): logit at which the training set is fitted, spread, ln(q-2), bar for GEN, bar for LEAVE.  A bar is
    ln(e^loss - 1) of a test loss when the spread is 0, and the normal quantile of an accuracy otherwise.
    work: 4 vectors of one number a lane.
    """
    gen, mem, square, gap = work[0], work[1], work[2], work[3]
    for k in range(lanes):
        gen[k] = 0.0
        mem[k] = 0.0
        square[k] = 0.0
    for i in range(n):
        total = gen if i < n_gen else mem
        for k in range(lanes):
            total[k] += logits[i * lanes + k]
        for k in range(lanes):
            square[k] += logits[i * lanes + k] * logits[i * lanes + k]
    # (2.2) e^(M-G) + (q-2) e^(-G) < e^loss - 1, in logarithms so that nothing overflows.
    for k in range(lanes):
        gap[k] = -abs(mem[k] - criteria[2 * lanes + k])
    exp_all(gap, lanes)
    for k in range(lanes):
        gap[k] += 1.0
    log_all(gap, lanes)
    for k in range(lanes):
        gap[k] = gen[k] - max(mem[k], criteria[2 * lanes + k]) - gap[k]
        out[FIT * lanes + k] = gen[k] + mem[k] - criteria[k]
        out[CROSS * lanes + k] = gen[k] - mem[k]
        out[GEN * lanes + k] = gap[k] + criteria[3 * lanes + k]
        out[LEAVE * lanes + k] = gap[k] + criteria[4 * lanes + k]
        if criteria[lanes + k] > 0.0:
            noise = criteria[lanes + k] * math.sqrt(square[k])
            out[GEN * lanes + k] = gen[k] - mem[k] - criteria[3 * lanes + k] * noise
            out[LEAVE * lanes + k] = gen[k] - mem[k] - criteria[4 * lanes + k] * noise
