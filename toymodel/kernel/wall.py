"""The wall at W = 0, or at a floor: model.md (3.9).

A circuit that has come down to its wall while its gradient still pushes it down is *parked*: it leaves the
integration, and returns when the push turns.  For kappa >= m this is the projected flow.  For kappa < m the wall is
never quite reached: there a circuit is parked when both it and its own equilibrium p = a W^(r-1) lie below what the
tolerance resolves, and follows that equilibrium.  A seed grows linearly in theta, so this moves no event by more than
the tolerance does.
"""

import math
from collections.abc import Sequence

from . import jit
from .equations import Vector


@jit
def mirror_of(logit: float, invariant: float) -> float:
    """(3.6) theta = asinh(2 W / s^2) / 2, also where s^2 is so small that the quotient would overflow."""
    if logit > 1e20 * invariant:
        return 0.5 * (math.log(4.0 * logit) - math.log(invariant))
    return 0.5 * math.asinh(2.0 * logit / invariant)


@jit
def edge_of(invariant: float, floor: float, tol: float) -> float:
    """Mirror coordinate at and below which a circuit may be parked."""
    if floor > 0.0:
        return mirror_of(floor, invariant)
    return 0.1 * tol / max(1.0, invariant)


@jit
def push_at(logit: float, slope: float, r: float, p: float) -> float:
    """(3.1) g = a W^(r-1) - p, also at W = 0 where it is infinite for r < 1."""
    if logit > 0.0:
        return slope * math.exp((r - 1.0) * math.log(logit)) - p
    if r > 1.0 and slope < math.inf:
        return -p
    return slope - p if r == 1.0 else math.inf


@jit
def park(
    theta: Vector,
    parked: Vector,
    invariant: Vector,
    slope: Vector,
    edge: Vector,
    least: Vector,
    floor: float,
    r: float,
    p: float,
    each: Sequence[int],
) -> bool:
    """Parks the circuits that are pushed against their wall, releases those pulled off it.  True if any changed."""
    changed = False
    for i in range(len(each)):
        # Where the push is judged: the floor; else what the tolerance resolves (r > 1), or the wall itself.
        ground = floor
        if floor == 0.0 and r > 1.0:
            ground = 10.0 * invariant[i] * edge[i]
        elif floor == 0.0 and r < 1.0 and not parked[i]:
            ground = invariant[i] * edge[i]
        push = push_at(ground, slope[i], r, p)
        if parked[i] and push < 0.0:
            parked[i] = False
            theta[i] = edge[i] if floor > 0.0 or r <= 1.0 else 10.0 * edge[i]
            least[i] = floor
            changed = True
        elif not parked[i] and theta[i] <= edge[i] and push > 0.0:
            parked[i] = True
            theta[i] = edge[i] if floor > 0.0 else 0.0
            changed = True
        if parked[i]:
            least[i] = floor
            if floor == 0.0 and r > 1.0 and slope[i] < math.inf and p > 0.0:
                least[i] = math.exp(math.log(p / slope[i]) / (r - 1.0))
        elif floor == 0.0 and r < 1.0:
            # The push is infinite at W = 0; a trial that steps over the wall sees a large one instead.
            least[i] = ground
    return changed
