"""The wall at W = 0, or at a floor: README (3.9).

A circuit that has come down to its wall while its gradient still pushes it down is *parked*: it leaves the
integration, and returns when the push turns.  For κ >= m this is the projected flow.  For κ < m the wall is
never quite reached: there a circuit is parked when both it and its own equilibrium lie below what
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
def parked_logit(j: int, k: int, room: Vector) -> float:
    """Logit of a parked circuit: its vanishing equilibrium p = a W^(r-1) where there is one (r > 1), else its wall."""
    r, p, slope = room[rows.R][k], room[rows.P][k], room[rows.SLOPE][j]
    floor: float = room[rows.FLOOR][k]
    if floor == 0.0 and r > 1.0 and slope < math.inf and p > 0.0:
        floor = math.exp(max(math.log(p / slope) / (r - 1.0), -700.0))
    return floor


@jit
def park(k: int, n: int, lanes: int, room: Vector) -> bool:
    """In lane k, parks circuits that are pushed against their wall and releases those pulled off it; True if any changed."""
    theta, logits, rate, parked = room[rows.THETA], room[rows.LOGITS], room[rows.RATE], room[rows.PARKED]
    invariant, edge, least = room[rows.INVARIANT], room[rows.EDGE], room[rows.LEAST]
    floor, r, p = room[rows.FLOOR][k], room[rows.R][k], room[rows.P][k]
    changed = False
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
        push = push_at(ground, room[rows.SLOPE][j], r, p)
        if parked[j] > 0.0 and push < 0.0:
            parked[j] = 0.0
            theta[j] = edge[j] if floor > 0.0 or r <= 1.0 else 2.0 * edge[j]
            least[j] = floor
            changed = True
        elif parked[j] == 0.0 and push > 0.0:
            parked[j] = 1.0
            theta[j] = edge[j] if floor > 0.0 else 0.0
            least[j] = parked_logit(j, k, room)
            changed = True
    return changed
