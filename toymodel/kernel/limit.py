"""Where the flow ends for r > 1: model.md (4.1), a scalar root.  For r <= 1 the lane is followed there instead."""

import math

from . import jit
from .elementary import Vector


@jit
def log_logit(log_p: float, slope: float, r: float, floor: float) -> float:
    """ln of the logit at which p = a W^(r-1), or of the floor if that is higher."""
    log_w = (log_p - math.log(slope)) / (r - 1.0) if slope < math.inf else -math.inf
    return max(log_w, math.log(floor)) if floor > 0.0 else log_w


@jit
def shared_equilibrium(
    k: int, n: int, lanes: int, slope: Vector, r: float, log_rivals: float, floor: float, out: Vector
) -> None:
    """(4.1) the equilibrium for r > 1 of lane k with every slope positive: the total logit S solves ln Σ W_i(p(S)) = ln S.

    Newton in ln S, kept inside a bracket: the left side falls with S and the right side rises.
    """
    low, high = -700.0, 20.0
    y = 1.0
    for _ in range(200):
        x = math.exp(y) - log_rivals
        log_p = -(max(x, 0.0) + math.log1p(math.exp(-abs(x))))
        top = -math.inf
        for i in range(n):
            top = max(top, log_logit(log_p, slope[i * lanes + k], r, floor))
        if top == -math.inf:
            break
        total = 0.0
        free = 0.0
        for i in range(n):
            log_w = log_logit(log_p, slope[i * lanes + k], r, floor)
            share = math.exp(log_w - top)
            total += share
            if floor == 0.0 or log_w > math.log(floor):
                free += share
        gap = top + math.log(total) - y
        if gap > 0.0:
            low = y
        else:
            high = y
        # d log_p / dy = -(1 - p) S
        steep = 1.0 + free / total * (1.0 - math.exp(log_p)) * math.exp(y) / (r - 1.0)
        move = gap / steep
        if not low < y + move < high:
            move = 0.5 * (low + high) - y
        y += move
        if abs(move) < 1e-15 * max(1.0, abs(y)):
            break
    x = math.exp(y) - log_rivals
    log_p = -(max(x, 0.0) + math.log1p(math.exp(-abs(x))))
    for i in range(n):
        out[i] = math.exp(log_logit(log_p, slope[i * lanes + k], r, floor))
