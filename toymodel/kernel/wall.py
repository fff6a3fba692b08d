"""The wall at W = 0, or at a floor: README (3.9), (8.3).

A circuit that has come down to its wall while its gradient still pushes it down is *parked*: it leaves the
integration, and returns when the push turns.  For κ >= μ this is the projected flow.  For κ < μ the wall is
never quite reached beside a grown circuit: there a circuit is parked when both it and its own equilibrium lie below what
the tolerance resolves, and follows that equilibrium.  A seed grows linearly in θ, so this moves no event by more than
the tolerance does.
"""

import math

from . import jit, rows
from .elementary import Vector


@jit
def push_at(logit: float, slope: float, r: float, p: float) -> float:
    """(3.1) g = a W^(r-1) - p, also at W = 0 where it is infinite for r < 1."""
    if slope == math.inf:  # an absent circuit
        return math.inf
    if logit > 0.0:
        return slope * math.exp((r - 1.0) * math.log(logit)) - p
    if r > 1.0:
        return -p
    return slope - p if r == 1.0 else math.inf


@jit
def slope_beside(logit: float, j: int, k: int, coupled: bool, room: Vector) -> float:
    """(8.2) the a of circuit j's push a W^(r-1) at `logit`, in the company of what has grown in lane k."""
    slope: float = room[rows.SLOPE][j]
    if not coupled or slope == math.inf:
        return slope
    norm = room[rows.LOG_NORM][k]
    if logit > 0.0:
        own = room[rows.LOG_SLOPE][j] + room[rows.R][k] * math.log(logit)
        norm = max(norm, own) + math.log1p(math.exp(-abs(norm - own)))
    log_slope = room[rows.LOG_SLOPE][j] + room[rows.BEND][k] * (norm - room[rows.LOG_SCALE][k])
    beside: float = math.exp(min(max(log_slope, -700.0), 700.0))
    return beside


@jit
def parked_logit(j: int, k: int, coupled: bool, room: Vector) -> float:
    """Logit of a parked circuit: its vanishing equilibrium p = a W^(r-1) where there is one (r > 1), else its wall."""
    r, p = room[rows.R][k], room[rows.P][k]
    floor: float = room[rows.FLOOR][k]
    slope = slope_beside(0.0, j, k, coupled, room)
    silent = coupled and room[rows.LOG_NORM][k] < -1e200
    if floor == 0.0 and r > 1.0 and slope < math.inf and p > 0.0 and not silent:
        floor = math.exp(max(math.log(p / slope) / (r - 1.0), -700.0))
    return floor


@jit
def push_from_origin(cost: float, logit: float, k: int, room: Vector) -> float:
    """(8.3) the push at `logit` on a ray from the origin, on which the norm is `cost` W^(μ/κ): c W^(m/κ-1) - p."""
    r, bend = room[rows.R][k], room[rows.BEND][k]
    log_push = (1.0 + bend) * cost - bend * room[rows.LOG_SCALE][k] + (r * (1.0 + bend) - 1.0) * math.log(logit)
    push: float = math.exp(min(log_push, 700.0)) - room[rows.P][k]
    return push


@jit
def push_at_origin(j: int, k: int, n: int, lanes: int, room: Vector) -> float:
    """(8.3) the push on circuit j where all are at 0, of which those leave that gain.

    For μ > κ all leave together, in the mixture that costs least; else each by itself, and beside those that leave with
    it must either still gain or be the cheapest.  The origin holds them for κ > m; at κ = m if c > p; and for κ < m if
    their equilibrium lies below what the tolerance resolves.
    """
    r, bend, log_slope = room[rows.R][k], room[rows.BEND][k], room[rows.LOG_SLOPE]
    if r * (1.0 + bend) < 1.0 - 1e-12:
        return math.inf
    cost = log_slope[j]
    least = 2.0 * room[rows.INVARIANT][j] * room[rows.EDGE][j]
    if r > 1.0:
        # Measured from the cheapest: the others' shares would overflow where r is near 1.
        for i in range(n):
            cost = min(cost, log_slope[i * lanes + k])
        shares = 0.0
        for i in range(n):
            shares += math.exp((cost - log_slope[i * lanes + k]) / (r - 1.0))
        cost -= (r - 1.0) * math.log(shares)
    push: float = push_from_origin(cost, least, k, room)
    if r >= 1.0 or push > 0.0:
        return push
    cheapest, norm = True, 0.0
    for i in range(n):
        other = i * lanes + k
        there = 2.0 * room[rows.INVARIANT][other] * room[rows.EDGE][other]
        if there > 0.0 and push_from_origin(log_slope[other], there, k, room) < 0.0:
            norm += math.exp(log_slope[other] - cost + r * math.log(there / least))
            cheapest = cheapest and (other == j or log_slope[other] > cost)
    beside: float = math.exp(min(bend * math.log(norm), 700.0)) * (push + room[rows.P][k]) - room[rows.P][k]
    return push if cheapest else beside


@jit
def park(k: int, n: int, lanes: int, coupled: bool, room: Vector) -> bool:
    """In lane k, parks circuits that are pushed against their wall and releases those pulled off it; True if any changed."""
    theta, logits, rate, parked = room[rows.THETA], room[rows.LOGITS], room[rows.RATE], room[rows.PARKED]
    invariant, edge, least = room[rows.INVARIANT], room[rows.EDGE], room[rows.LEAST]
    floor, r, p = room[rows.FLOOR][k], room[rows.R][k], room[rows.P][k]
    changed = False
    origin = coupled and floor == 0.0
    for i in range(n):
        if theta[i * lanes + k] > 0.0:
            origin = False
    for i in range(n):
        j = i * lanes + k
        if parked[j] == 0.0 and theta[j] > edge[j]:
            if rate[j] >= 0.0 or (r >= 1.0 and floor == 0.0):
                continue
            # At r < 1 a circuit falls ever faster; it is there when the clock cannot tell the time that is left.
            fall = -rate[j] * math.sqrt(invariant[j] * invariant[j] + 4.0 * logits[j] * logits[j])
            if logits[j] - floor > 1e-13 * room[rows.T][k] * fall:
                continue
            theta[j] = edge[j] if floor > 0.0 else 0.0
        # Where the push is judged: the floor; else what the tolerance resolves (r > 1), or the wall itself.  At r < 1 the
        # push is infinite on the wall, and a circuit may start just off it.
        ground = floor
        if floor == 0.0 and r > 1.0:
            ground = 2.0 * invariant[j] * edge[j]
        elif floor == 0.0 and r < 1.0 and parked[j] == 0.0 and theta[j] > 0.0:
            ground = invariant[j] * edge[j]
        push = push_at(ground, slope_beside(ground, j, k, coupled, room), r, p)
        if origin and room[rows.SLOPE][j] < math.inf:
            push = push_at_origin(j, k, n, lanes, room)
        if parked[j] > 0.0 and push < 0.0:
            parked[j] = 0.0
            theta[j] = edge[j] if floor > 0.0 or r <= 1.0 else 2.0 * edge[j]
            least[j] = floor
            changed = True
        elif parked[j] == 0.0 and push > 0.0:
            parked[j] = 1.0
            theta[j] = edge[j] if floor > 0.0 else 0.0
            least[j] = parked_logit(j, k, coupled, room)
            changed = True
    return changed
