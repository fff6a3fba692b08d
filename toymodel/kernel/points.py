"""A block of points, one after the other: what `simulate` calls with one point and `sweep` with a thread's share.

No point reads what another wrote, so a point's result does not depend on its neighbours.
"""

from collections.abc import Sequence

from . import jit
from .descent import descent
from .equations import Vector
from .flow import DONE, flow
from .limit import limit
from .wall import mirror_of


@jit
def flow_points(
    each: Sequence[int],
    first: int,
    last: int,
    theta: Vector,
    invariant: Vector,
    slope: Vector,
    r: Vector,
    log_rivals: Vector,
    floor: Vector,
    n_gen: int,
    t_end: Vector,
    rtol: float,
    criteria: Vector,
    times: Vector,
    samples: Vector,
    events: Vector,
    final: Vector,
    limits: Vector,
    status: Vector,
    nothing: Vector,
    spare: Vector,
    room: Vector,
) -> None:
    """Points first..last-1 by gradient flow.  Arrays have the point as first axis; theta is used up."""
    for k in range(first, last):
        status[k] = flow(
            each, theta[k], invariant[k], slope[k], r[k], log_rivals[k], floor[k], n_gen, t_end[k], rtol, criteria[k],
            times, samples[k], events[k], room,
        )  # fmt: skip
        for i in range(len(each)):
            final[k][i] = room[0][i]
        if status[k] == DONE:
            status[k] = limit(
                each, theta[k], invariant[k], slope[k], r[k], log_rivals[k], floor[k], n_gen, criteria[k],
                nothing, spare, room, limits[k],
            )  # fmt: skip


@jit
def descent_points(
    each: Sequence[int],
    first: int,
    last: int,
    u: Vector,
    v: Vector,
    slope: Vector,
    r: Vector,
    log_rivals: Vector,
    floor: Vector,
    n_gen: int,
    learning_rate: Vector,
    steps: Vector,
    criteria: Vector,
    marks: Vector,
    samples: Vector,
    kept: Vector,
    events: Vector,
    final: Vector,
    invariant: Vector,
    limits: Vector,
    status: Vector,
    nothing: Vector,
    spare: Vector,
    room: Vector,
) -> None:
    """Points first..last-1 by gradient descent.  u and v are used up; `invariant` receives the final v² - u²."""
    for k in range(first, last):
        status[k] = descent(
            each, u[k], v[k], slope[k], r[k], log_rivals[k], floor[k], n_gen, learning_rate[k], steps[k],
            criteria[k], marks, samples[k], kept[k], events[k], room,
        )  # fmt: skip
        for i in range(len(each)):
            final[k][i] = u[k][i] * v[k][i]
            invariant[k][i] = max((v[k][i] - u[k][i]) * (v[k][i] + u[k][i]), 1e-280)
            u[k][i] = mirror_of(final[k][i], invariant[k][i])
        if status[k] == DONE:
            status[k] = limit(
                each, u[k], invariant[k], slope[k], r[k], log_rivals[k], floor[k], n_gen, criteria[k],
                nothing, spare, room, limits[k],
            )  # fmt: skip
