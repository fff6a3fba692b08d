"""The paper's gradient descent on the subweights: model.md (3.3), projected at the wall (3.9)."""

import math

from . import jit
from .elementary import Vector
from .equations import GEN, N_EVENTS, margins, wrong_probability
from .lane import DONE, NOT_FINITE
from .wall import push_at


@jit
def descent(
    n: int,
    u: Vector,
    v: Vector,
    slope: Vector,
    r: float,
    log_rivals: float,
    floor: float,
    n_gen: int,
    learning_rate: float,
    steps: int,
    criteria: Vector,
    marks: Vector,
    samples: Vector,
    kept: Vector,
    events: Vector,
    room: Vector,
) -> int:
    """`steps` steps from subweights u, v (n,), which receive the final ones.

    marks (m,) rising step numbers at which the logits go to samples (m * n,) and the invariants v² - u² to kept
    (m * n,); the rest as in `points.flow_points`.  An event's time is that of the first step at which it holds for good.
    """
    logits, now, before = room[0], room[1], room[2]
    n_marks = len(marks)
    marked = 0
    ever = 0.0
    for e in range(N_EVENTS):
        events[e] = math.nan
        before[e] = -1.0
    status = DONE
    k = 0
    while True:
        total = 0.0
        for i in range(n):
            logits[i] = u[i] * v[i]
            total += logits[i]
        if not total < 1e6:
            status = NOT_FINITE
            break
        margins(logits, criteria, n, n_gen, 1, now, room[3:])
        for e in range(N_EVENTS):
            if now[e] > 0.0:
                if not before[e] > 0.0:
                    events[e] = k * learning_rate
            else:
                events[e] = math.nan
            before[e] = now[e]
        if now[GEN] > 0.0:
            ever = 1.0
        while marked < n_marks and marks[marked] <= k:
            for i in range(n):
                samples[marked * n + i] = logits[i]
                kept[marked * n + i] = (v[i] - u[i]) * (v[i] + u[i])
            marked += 1
        if k == steps:
            break
        k += 1
        p = wrong_probability(total, log_rivals)
        for i in range(n):
            if v[i] > 0.0:
                g = push_at(logits[i], slope[i], r, p)
                if logits[i] <= floor and g > 0.0:
                    continue
                change = learning_rate * g
                u_new = u[i] - change * v[i]
                v_new = v[i] - change * u[i]
                if u_new * v_new < floor or u_new < 0.0:
                    # Projected onto the wall along the invariant.
                    c = (v[i] - u[i]) * (v[i] + u[i])
                    v_new = math.sqrt(0.5 * (c + math.sqrt(c * c + 4.0 * floor * floor)))
                    u_new = floor / v_new if v_new > 0.0 else 0.0
                elif v_new <= 0.0:
                    status = NOT_FINITE
                u[i] = u_new
                v[i] = v_new
        if status != DONE:
            break
    while marked < n_marks:
        for i in range(n):
            samples[marked * n + i] = math.nan
            kept[marked * n + i] = math.nan
        marked += 1
    events[N_EVENTS] = ever
    events[N_EVENTS + 1] = k
    return status
