"""Where the flow ends for κ < μ, when circuits share: README (8.4), with floors.  One scalar root.

Every circuit off its floor has the same push, so that logits follow from the largest: W_i = max(ε, e^y (a_i/a)^(-1/(r-1))).
"""

import math

from . import jit, rows
from .elementary import Vector
from .equations import log_wrong

LOW, HIGH = -700.0, 20.0


@jit
def shared_equilibrium(k: int, n: int, lanes: int, start: float, room: Vector, out: Vector) -> bool:
    """Writes lane k's rest state for r > 1 to out (n,): the y at which ln p(S) = ln push.

    Newton in y.  For m > κ the root is the only one and is kept inside a bracket; for m <= κ there are up to two, and it is
    the one near `start`: False, and nothing written, where none is.
    """
    slope, log_slope = room[rows.SLOPE], room[rows.LOG_SLOPE]
    r, bend, floor = room[rows.R][k], room[rows.BEND][k], room[rows.FLOOR][k]
    log_floor = math.log(floor) if floor > 0.0 else -math.inf
    best = math.inf
    for i in range(n):
        if slope[i * lanes + k] < math.inf:
            best = min(best, log_slope[i * lanes + k])
    if best == math.inf:
        for i in range(n):
            out[i] = floor
        return True
    unique = r * (1.0 + bend) > 1.0
    low, high, y = LOW, HIGH, start
    for _ in range(200):
        total, free, top, norm, freed = 0.0, 0.0, -math.inf, 0.0, 0.0
        for i in range(n):
            j = i * lanes + k
            log_w = y - (log_slope[j] - best) / (r - 1.0) if slope[j] < math.inf else -math.inf
            w = math.exp(max(log_w, log_floor))
            total += w
            off = log_w > log_floor and log_w > -math.inf
            free += w if off else 0.0
            if slope[j] < math.inf and w > 0.0:
                term = log_slope[j] + r * max(log_w, log_floor)
                if term > top:
                    norm, freed, top = norm * math.exp(top - term), freed * math.exp(top - term), term
                norm += math.exp(term - top)
                freed += math.exp(term - top) if off else 0.0
        log_p = log_wrong(total, room[rows.LOG_RIVALS][k])
        gap = log_p - best - (r - 1.0) * y - bend * (top + math.log(norm) - room[rows.LOG_SCALE][k])
        if gap > 0.0:
            low = y
        else:
            high = y
        move = gap / ((1.0 - math.exp(log_p)) * free + r - 1.0 + bend * r * freed / norm)
        if unique and not low <= y + move <= high:
            move = 0.5 * (low + high) - y
        y += move
        if not unique and not abs(y - start) < 0.1:
            return False
        if abs(move) < 1e-15 * max(1.0, abs(y)):
            break
    for i in range(n):
        j = i * lanes + k
        log_w = y - (log_slope[j] - best) / (r - 1.0) if slope[j] < math.inf else -math.inf
        out[i] = math.exp(max(log_w, log_floor))
    return True
