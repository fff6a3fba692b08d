"""README (2.2), (2.4), (3.6) and (3.7) over lanes, and the margins by which events are told."""

import math

from . import jit, rows
from .elementary import Vector, exp, log

# The leader is ahead by more than what the tolerance resolves, or a tie would be told by rounding.
LEAD = 1e-6
C3, C5, C7, C9, C11 = (1.0 / math.factorial(k) for k in (3, 5, 7, 9, 11))


@jit
def logit_of(theta: float, invariant: float) -> float:
    """(3.6) W = (s²/2) sinh 2θ, accurate for small θ."""
    if theta < 0.2:
        e = math.expm1(2.0 * theta)
        return 0.25 * invariant * (e + e / (1.0 + e))
    far: float = exp(2.0 * theta)
    return 0.25 * invariant * (far - 1.0 / far)


@jit
def wrong_probability(total: float, log_rivals: float) -> float:
    """(2.4) p(S) = (q-1) / (e^S + q - 1)."""
    x = total - log_rivals
    if x > 0.0:
        e = math.exp(-x)
        return e / (1.0 + e)
    return 1.0 / (1.0 + math.exp(x))


@jit
def rates(theta: Vector, n: int, lanes: int, room: Vector, logits: Vector, p: Vector, out: Vector) -> None:
    """(3.6) dθ/dt = p(S) - a W^(r-1), and 0 for a parked circuit; fills logits, p and out."""
    parked, invariant, slope, least = room[rows.PARKED], room[rows.INVARIANT], room[rows.SLOPE], room[rows.LEAST]
    power, log_rivals = room[rows.POWER], room[rows.LOG_RIVALS]
    size = n * lanes
    for j in range(size):
        x = 2.0 * theta[j]
        z = x * x
        # The difference of exponentials would cancel for small arguments; this is sinh x to 2e-15 for |x| < 0.4.
        near = x + x * z * (C3 + z * (C5 + z * (C7 + z * (C9 + z * C11))))
        grown = exp(x)
        far = 0.5 * (grown - 1.0 / grown)
        w = 0.5 * invariant[j] * (near if x < 0.4 else far)
        w = least[j] if w < least[j] else w
        logits[j] = least[j] if parked[j] > 0.0 else w
    for k in range(lanes):
        p[k] = -log_rivals[k]
    for i in range(n):
        for k in range(lanes):
            p[k] += logits[i * lanes + k]
    for k in range(lanes):
        p[k] = 1.0 / (1.0 + exp(p[k]))
    for j in range(size):
        out[j] = slope[j] * exp(power[j] * log(logits[j] if logits[j] > 1e-300 else 1e-300))
    for i in range(n):
        for k in range(lanes):
            j = i * lanes + k
            push = 0.0 if logits[j] == 0.0 and power[j] > 0.0 else out[j]
            out[j] = 0.0 if parked[j] > 0.0 else p[k] - push


@jit
def solve_linear(rhs: Vector, n: int, lanes: int, room: Vector, out: Vector) -> None:
    """(3.7) solves (diagonal + rank one) x = rhs in O(n), by Sherman and Morrison's formula.

    `rodas.step` prepares: INVERSE of the diagonal, 0 where parked, SHARE = weight inverse and PULL = ρ / (1 + ρ Σ share).
    """
    share, inverse, pull, along = room[rows.SHARE], room[rows.INVERSE], room[rows.PULL], room[rows.ALONG]
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
def margins(logits: Vector, n: int, n_gen: int, first: int, lanes: int, room: Vector, out: Vector) -> None:
    """A number for each event in each of `lanes` lanes from `first` on, positive exactly when its condition holds.

    logits (n * lanes,), out (N_EVENTS * lanes,).  A point's bars: the logit at which the training set is fitted, and for GEN
    and LEAVE ln(e^loss - 1) of a test loss when the spread is 0, the normal quantile of an accuracy otherwise.
    """
    gen, mem, square = room[rows.SCRATCH], room[rows.SCRATCH + 1], room[rows.SCRATCH + 2]
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
    for k in range(lanes):
        # (2.2) e^(M-G) + (q-2) e^(-G) < e^loss - 1, in logarithms so that nothing overflows.
        others = room[rows.LOG_OTHERS][first + k]
        ahead = gen[k] - max(mem[k], others) - log(1.0 + exp(-abs(mem[k] - others)))
        lead, spread = gen[k] - mem[k], room[rows.SPREAD][first + k]
        noise = spread * math.sqrt(square[k])
        out[rows.FIT * lanes + k] = gen[k] + mem[k] - room[rows.FIT_BAR][first + k]
        out[rows.CROSS * lanes + k] = lead - LEAD * (gen[k] + mem[k])
        out[rows.LOST * lanes + k] = -lead - LEAD * (gen[k] + mem[k])
        gen_bar, leave_bar = room[rows.GEN_BAR][first + k], room[rows.LEAVE_BAR][first + k]
        out[rows.GEN * lanes + k] = lead - gen_bar * noise if spread > 0.0 else ahead + gen_bar
        out[rows.LEAVE * lanes + k] = lead - leave_bar * noise if spread > 0.0 else ahead + leave_bar
