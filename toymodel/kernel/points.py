"""A block of points, by flow over lanes or by descent one after the other: what `simulate` calls with one point and
`sweep` with a thread's share."""

from . import jit
from .descent import descent
from .elementary import Vector
from .equations import GEN, N_EVENTS, margins, slopes
from .lane import (
    BEFORE,
    CRITERIA,
    D1,
    D2,
    D3,
    DONE,
    EDGE,
    END,
    ERROR,
    EVER,
    FLOOR,
    IDLE,
    INVARIANT,
    JUST_LAUNCHED,
    LAST_H,
    LEAST,
    LOADED,
    LOG_RIVALS,
    LOGITS,
    NEAR,
    NOW,
    PARKED,
    PART,
    POINT,
    POWER,
    RATE,
    RUNNING,
    SAMPLED,
    SCRATCH,
    SLOPE,
    STAGE,
    T_END,
    THETA,
    H,
    P,
    R,
    T,
    advance,
    control,
    finish,
    greet,
    launch,
    load,
    observe,
    rest,
)  # fmt: skip
from .rodas import step
from .wall import park


@jit
def refresh(n: int, lanes: int, room: Vector) -> None:
    """Logits, rates and p of every lane from its θ."""
    slopes(
        room[THETA], room[PARKED], room[INVARIANT], room[SLOPE], room[LEAST], room[POWER], room[LOG_RIVALS], n, lanes,
        room[LOGITS], room[P], room[RATE],
    )  # fmt: skip


@jit
def settle(n: int, lanes: int, room: Vector) -> None:
    """`refresh`, and parks or releases circuits at their walls."""
    refresh(n, lanes, room)
    changed = False
    for k in range(lanes):
        if room[NEAR][k] > 0.0 and room[STAGE][k] != IDLE and park(
            k, room[T][k], room[THETA], room[LOGITS], room[RATE], room[PARKED], room[INVARIANT], room[SLOPE], room[EDGE],
            room[LEAST], room[FLOOR][k], room[R][k], room[P][k], n, lanes,
        ):  # fmt: skip
            changed = True
    if changed:
        refresh(n, lanes, room)


@jit
def flow_points(
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
    tol: float,
    criteria: Vector,
    times: Vector,
    samples: Vector,
    events: Vector,
    final: Vector,
    limits: Vector,
    status: Vector,
    n: int,
    lanes: int,
    room: Vector,
) -> None:
    """Points first..last-1 by gradient flow; arrays have the point as first axis.

    theta, invariant, slope (points, n) with an infinite slope for an absent circuit; tol the error per step allowed in
    ln(1 + W); times (m,) rising, and samples (points, m * n) for the logits there; events (points, N_EVENTS + 2) receives
    the event times (nan: does not hold at the end), whether it ever generalised, and the number of steps; final and limits
    (points, n) the logits at t_end and where the flow would go on to; room: lane.ROOM vectors of max(n, N_CRITERIA) * lanes.
    """
    for k in range(lanes):
        rest(k, n, lanes, room)
        room[LOG_RIVALS][k] = 0.0
        room[LAST_H][k] = 1.0
    coming = first
    stage, t, until, h, now, before = room[STAGE], room[T], room[T_END], room[H], room[NOW], room[BEFORE]
    while True:
        busy = False
        for k in range(lanes):
            if stage[k] == IDLE and coming < last:
                load(
                    k, coming, theta[coming], invariant[coming], slope[coming], r[coming], log_rivals[coming],
                    floor[coming], t_end[coming], tol, criteria[coming], n, lanes, room,
                )  # fmt: skip
                coming += 1
            busy = busy or stage[k] != IDLE
        if not busy:
            break
        settle(n, lanes, room)
        margins(room[LOGITS], room[CRITERIA], n, n_gen, lanes, room[NOW], room[SCRATCH:])
        moved = False
        for k in range(lanes):
            if stage[k] == IDLE:
                continue
            if stage[k] == LOADED:
                point = int(room[POINT][k])
                moved |= launch(k, n, lanes, tol, times, samples[point], events[point], room)
            elif stage[k] == RUNNING and room[PART][k] > 0.0:
                crossed = room[SAMPLED][k] < len(times)
                for e in range(N_EVENTS):
                    if (now[e * lanes + k] > 0.0) != (before[e * lanes + k] > 0.0):
                        crossed = True
                if crossed:
                    point = int(room[POINT][k])
                    observe(k, n, lanes, n_gen, criteria[point], times, samples[point], events[point], room)
            for e in range(N_EVENTS):
                before[e * lanes + k] = now[e * lanes + k]
            if now[GEN * lanes + k] > 0.0 and stage[k] == RUNNING:
                room[EVER][k] = 1.0
            if t[k] >= until[k]:
                point = int(room[POINT][k])
                finish(k, DONE, n, lanes, events[point], final[point], limits[point], room)
            # The last step ends at T_END, and a remainder too small to count is not left over.
            left = until[k] - t[k]
            if stage[k] != IDLE and (h[k] > left or h[k] < 1e-15 * t[k]):
                h[k] = left
        if moved:
            refresh(n, lanes, room)
            margins(room[LOGITS], room[CRITERIA], n, n_gen, lanes, room[NOW], room[SCRATCH:])
            for k in range(lanes):
                if stage[k] == RUNNING and room[PART][k] == JUST_LAUNCHED:
                    greet(k, lanes, events[int(room[POINT][k])], room)
                    for e in range(N_EVENTS):
                        before[e * lanes + k] = now[e * lanes + k]
        step(
            room[THETA], room[LOGITS], room[RATE], room[P], room[H], room[PARKED], room[INVARIANT], room[SLOPE],
            room[LEAST], room[POWER], room[LOG_RIVALS], n, lanes, room[END], room[D1], room[D2], room[D3], room[ERROR],
            room[SCRATCH:],
        )  # fmt: skip
        control(lanes, tol, room)
        for k in range(lanes):
            if stage[k] != IDLE:
                outcome = advance(k, n, lanes, room)
                if outcome != DONE:
                    point = int(room[POINT][k])
                    status[point] = outcome
                    finish(k, outcome, n, lanes, events[point], final[point], limits[point], room)


@jit
def descent_points(
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
    status: Vector,
    n: int,
    lanes: int,
    room: Vector,
) -> None:
    """Points first..last-1 by gradient descent.  u and v are used up; final and invariant receive W and v² - u²."""
    for point in range(first, last):
        status[point] = descent(
            n, u[point], v[point], slope[point], r[point], log_rivals[point], floor[point], n_gen,
            learning_rate[point], steps[point], criteria[point], marks, samples[point], kept[point], events[point], room,
        )  # fmt: skip
        for i in range(n):
            final[point][i] = u[point][i] * v[point][i]
            invariant[point][i] = (v[point][i] - u[point][i]) * (v[point][i] + u[point][i])
