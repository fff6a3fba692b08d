"""The run of one lane: how it is loaded, launched, advanced step by step and finished.  model.md (3.2), (3.6), (3.9).

A lane's vectors are rows of `room`; those of one number a lane use the first `lanes` entries.
"""

import math
from typing import Any

from . import jit
from .elementary import Vector, exp_all, log_all
from .equations import N_EVENTS, logit_of, margins
from .limit import shared_equilibrium
from .rodas import ROOM as STEP_ROOM
from .rodas import inside, logits_inside
from .wall import edge_of, least_of, parked_logit

# Rows of `room`: n numbers a lane, then N_EVENTS or five, then one.  Rows from SCRATCH on are free between two calls.
THETA, LOGITS, RATE, PARKED, LEAST, EDGE, END, D1, D2, D3 = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
INVARIANT, SLOPE, POWER, START, LOOK, NOW, BEFORE, CRITERIA = 10, 11, 12, 13, 14, 15, 16, 17
P, H, T, T_END, LOG_RIVALS, ERROR, LAST_H, LAST_ERROR = 18, 19, 20, 21, 22, 23, 24, 25
HELD, STEPS, EVER, SAMPLED, STAGE, POINT, FLOOR, R, PART, GROWTH, SHRINK, NEAR = (
    26,
    27,
    28,
    29,
    30,
    31,
    32,
    33,
    34,
    35,
    36,
    37,
)
SCRATCH = 38
ROOM = SCRATCH + STEP_ROOM

# Stages of a lane, and how a run can end.
IDLE, LOADED, RUNNING, TO_LIMIT = 0.0, 1.0, 2.0, 3.0
N_CRITERIA = 5
# What PART says of a lane whose first step was taken analytically.
JUST_LAUNCHED = -1.0
DONE, TOO_MANY_STEPS, NOT_FINITE = 0, 1, 2
MAX_STEPS = 100_000
# Flow time that stands for ever where the limit has no closed form.
FOREVER = 1e13


@jit
def rest(k: int, n: int, lanes: int, room: Vector) -> None:
    """Makes lane k idle: everything parked, so that stepping it with the others does no harm."""
    room[STAGE][k] = IDLE
    room[H][k] = 1.0
    for i in range(n):
        j = i * lanes + k
        room[PARKED][j] = 1.0
        room[THETA][j] = room[LEAST][j] = room[LOGITS][j] = 0.0
        room[INVARIANT][j] = room[SLOPE][j] = 1.0


@jit
def load(
    k: int,
    point: int,
    theta: Vector,
    invariant: Vector,
    slope: Vector,
    r: float,
    log_rivals: float,
    floor: float,
    t_end: float,
    tol: float,
    criteria: Vector,
    n: int,
    lanes: int,
    room: Vector,
) -> None:
    """Puts a point, with mirror coordinates theta (n,), into lane k."""
    for i in range(n):
        j = i * lanes + k
        room[INVARIANT][j] = invariant[i]
        room[SLOPE][j] = slope[i]
        room[POWER][j] = r - 1.0
        room[PARKED][j] = 0.0
        room[EDGE][j] = edge_of(invariant[i], floor, tol)
        room[LEAST][j] = least_of(invariant[i], room[EDGE][j], floor, r)
        room[THETA][j] = max(theta[i], room[EDGE][j]) if floor > 0.0 else theta[i]
    for c in range(N_CRITERIA):
        room[CRITERIA][c * lanes + k] = criteria[c]
    room[R][k], room[FLOOR][k], room[LOG_RIVALS][k] = r, floor, log_rivals
    room[T][k], room[T_END][k], room[POINT][k] = 0.0, t_end, point
    room[STEPS][k] = room[EVER][k] = room[SAMPLED][k] = room[HELD][k] = room[PART][k] = 0.0
    room[LAST_ERROR][k] = 0.0
    room[NEAR][k] = 1.0
    room[STAGE][k] = LOADED


@jit
def start_slope(t: float, k: int, n: int, lanes: int, room: Vector, out: Vector) -> Any:
    """Mean of dθ/dt over the first instants [0, t], where W^(r-1) is not smooth for a circuit at W = 0.

    There θ = p t to leading order, so the penalty's part integrates to a (s² p t)^(r-1) / r.  Returns a bound on the error
    at t, in ln(1 + W) as in `rodas.step`.
    """
    invariant, slope, logits, rate = room[INVARIANT], room[SLOPE], room[LOGITS], room[RATE]
    p, r = room[P][k], room[R][k]
    climb = 0.0
    stretch = 1.0
    for i in range(n):
        j = i * lanes + k
        weight = math.sqrt(invariant[j] * invariant[j] + 4.0 * logits[j] * logits[j])
        climb += weight * abs(rate[j])
        stretch = max(stretch, weight / (1.0 + 2.0 * logits[j]))
    sag = 0.5 * p * (1.0 - p) * climb * t
    worst = 0.0
    for i in range(n):
        j = i * lanes + k
        if room[PARKED][j] > 0.0:
            out[j] = 0.0
        elif logits[j] > 0.0:
            out[j] = rate[j] - sag
            weight = math.sqrt(invariant[j] * invariant[j] + 4.0 * logits[j] * logits[j])
            worst = max(worst, abs((r - 1.0) * (p - rate[j]) * weight / logits[j] * rate[j]) * t)
        else:
            lag = slope[j] * (invariant[j] * p * t) ** (r - 1.0) / r
            out[j] = p - sag - lag
            worst = max(worst, 2.0 * lag * lag / p + lag * (p * t) ** 2)
    return (worst + sag * (climb * t + p * t)) * t * stretch


@jit
def launch(
    k: int, n: int, lanes: int, tol: float, times: Vector, samples: Vector, events: Vector, room: Vector
) -> bool:
    """First margins and samples, the first step size, and the first step itself where a circuit starts at W = 0.

    Needs the start's logits, rate, p and margins; True if θ has changed since.
    """
    logits, theta, look = room[LOGITS], room[THETA], room[LOOK]
    for e in range(N_EVENTS):
        events[e] = 0.0 if room[NOW][e * lanes + k] > 0.0 else math.nan
    room[STAGE][k] = RUNNING
    fastest = 1e-300
    at_wall = False
    for i in range(n):
        j = i * lanes + k
        look[i] = logits[j]
        fastest = max(fastest, abs(room[RATE][j]))
        if room[PARKED][j] == 0.0 and logits[j] == 0.0 and room[R][k] != 1.0:
            at_wall = True
    sampled = keep(0.0, 0, times, look, n, samples)
    h = min(0.01 / fastest, room[T_END][k])
    if at_wall and h > 0.0:
        while start_slope(h, k, n, lanes, room, room[D1]) > 0.1 * tol:
            h *= 0.25
        while sampled < len(times) and times[sampled] <= h:
            s = times[sampled]
            start_slope(s, k, n, lanes, room, room[D2])
            for i in range(n):
                j = i * lanes + k
                look[i] = max(room[LEAST][j], logit_of(theta[j] + s * room[D2][j], room[INVARIANT][j]))
            sampled = keep(s, sampled, times, look, n, samples)
        for i in range(n):
            theta[i * lanes + k] += h * room[D1][i * lanes + k]
        room[T][k] = h
        room[PART][k] = JUST_LAUNCHED
    room[SAMPLED][k] = sampled
    room[H][k] = room[LAST_H][k] = h if h > 0.0 else 1.0
    return at_wall


@jit
def greet(k: int, lanes: int, events: Vector, room: Vector) -> None:
    """Events within the analytic first step, over which logits grow in proportion to time; needs the margins at its end."""
    for e in range(N_EVENTS):
        then, now = room[BEFORE][e * lanes + k], room[NOW][e * lanes + k]
        if now > 0.0 and not then > 0.0:
            events[e] = room[T][k] * then / (then - now) + 0.0  # never -0
        elif not now > 0.0:
            events[e] = math.nan
    room[PART][k] = 0.0


@jit
def keep(t: float, sampled: int, times: Vector, logits: Vector, n: int, samples: Vector) -> int:
    """Writes logits (n,) for every wanted time up to t; returns how many are written now."""
    while sampled < len(times) and times[sampled] <= t:
        for i in range(n):
            samples[sampled * n + i] = logits[i]
        sampled += 1
    return sampled


@jit
def control(lanes: int, tol: float, room: Vector) -> None:
    """Step-size factors from the errors, GROWTH if the step is accepted and SHRINK if not; ERROR becomes its logarithm.

    Gustafsson's predictive controller: where steps must shrink, the last change of error says by how much.
    """
    error, growth, shrink = room[ERROR], room[GROWTH], room[SHRINK]
    for k in range(lanes):
        # nan fails every comparison and counts as the largest error.
        size = error[k] / tol
        error[k] = max(size, 1e-9) if size < 1e30 else 1e30
    log_all(error, lanes)
    for k in range(lanes):
        shrink[k] = -0.2 * error[k]
        growth[k] = 0.2 * (room[LAST_ERROR][k] - 2.0 * error[k])
    exp_all(shrink, lanes)
    exp_all(growth, lanes)
    for k in range(lanes):
        shrink[k] *= 0.9
        growth[k] = min(shrink[k], 0.9 * growth[k] * room[H][k] / room[LAST_H][k])


@jit
def advance(k: int, n: int, lanes: int, room: Vector) -> int:
    """Accepts or rejects the step that lane k has just made; PART becomes the share of it that was taken.

    Returns DONE while all is well.
    """
    theta, start, end, d1, d2, d3 = room[THETA], room[START], room[END], room[D1], room[D2], room[D3]
    parked, edge = room[PARKED], room[EDGE]
    h, r, floor = room[H][k], room[R][k], room[FLOOR][k]
    room[STEPS][k] += 1.0
    room[PART][k] = 0.0
    if room[STEPS][k] > MAX_STEPS:
        return TOO_MANY_STEPS
    if room[ERROR][k] > 0.0:
        room[H][k] = h * max(room[SHRINK][k], 0.1)
        room[HELD][k] = 1.0
        return NOT_FINITE if room[ERROR][k] > 69.0 and h < 1e-12 * (room[T][k] + h) else DONE

    # A circuit that goes through its wall ends the step there.  For r > 1 without a floor there is none to reach.
    x = 1.0
    if floor > 0.0 or r <= 1.0:
        for i in range(n):
            j = i * lanes + k
            bound = edge[j] if floor > 0.0 else 0.0
            if parked[j] == 0.0 and theta[j] > bound and inside(x, theta[j], end[j], d1[j], d2[j], d3[j]) < bound:
                low = 0.0
                while x - low > 1e-12:
                    middle = 0.5 * (low + x)
                    if inside(middle, theta[j], end[j], d1[j], d2[j], d3[j]) < bound:
                        x = middle
                    else:
                        low = middle
    # Where no wall is near, `park` need not look.
    near = 1.0 if floor > 0.0 or r < 1.0 else 0.0
    for i in range(n):
        j = i * lanes + k
        start[j] = theta[j]
        theta[j] = end[j] if x == 1.0 else inside(x, theta[j], end[j], d1[j], d2[j], d3[j])
        if parked[j] > 0.0:
            near = 1.0
            # Here and not where lanes are refreshed together: another lane must not decide when this one is told.
            room[LEAST][j] = parked_logit(room[SLOPE][j], floor, r, room[P][k])
        elif theta[j] <= edge[j]:
            near = 1.0
            if r > 1.0:
                theta[j] = edge[j]
    room[NEAR][k] = near
    arrives = x == 1.0 and h >= room[T_END][k] - room[T][k]
    room[T][k] = room[T_END][k] if arrives else room[T][k] + x * h
    room[PART][k] = x
    # Right after a rejection growth is held back, or the step size would swing.
    room[H][k] = h * max(0.1, min(room[GROWTH][k], 1.0 if room[HELD][k] > 0.0 else 10.0))
    room[LAST_H][k], room[LAST_ERROR][k], room[HELD][k] = h, room[ERROR][k], 0.0
    return DONE


@jit
def observe(
    k: int,
    n: int,
    lanes: int,
    n_gen: int,
    criteria: Vector,
    times: Vector,
    samples: Vector,
    events: Vector,
    room: Vector,
) -> None:
    """Events and samples within the step just accepted, from its dense output; needs the margins at its end."""
    start, end, d1, d2, d3 = room[START], room[END], room[D1], room[D2], room[D3]
    parked, invariant, least = room[PARKED], room[INVARIANT], room[LEAST]
    look, now, before, found = room[LOOK], room[NOW], room[BEFORE], room[SCRATCH]
    x, h = room[PART][k], room[LAST_H][k]
    t = room[T][k] - x * h
    for e in range(N_EVENTS):
        f_high = now[e * lanes + k]
        f_low = before[e * lanes + k]
        if f_high > 0.0 and not f_low > 0.0:
            low, high = 0.0, x
            for _ in range(60):  # regula falsi, Illinois variant
                if high - low < 1e-12 * x:
                    break
                middle = high - f_high * (high - low) / (f_high - f_low)
                if not low < middle < high:
                    middle = 0.5 * (low + high)
                logits_inside(middle, k, start, end, d1, d2, d3, parked, invariant, least, n, lanes, look)
                margins(look, criteria, n, n_gen, 1, found, room[SCRATCH + 1 :])
                if found[e] > 0.0:
                    high, f_high, f_low = middle, found[e], 0.5 * f_low
                else:
                    low, f_low, f_high = middle, found[e], 0.5 * f_high
            events[e] = t + high * h
        elif not f_high > 0.0:
            events[e] = math.nan
    sampled = int(room[SAMPLED][k])
    while sampled < len(times) and times[sampled] <= room[T][k]:
        at = min((times[sampled] - t) / h, x)
        logits_inside(at, k, start, end, d1, d2, d3, parked, invariant, least, n, lanes, look)
        sampled = keep(times[sampled], sampled, times, look, n, samples)
    room[SAMPLED][k] = sampled


@jit
def finish(
    k: int, status: int, n: int, lanes: int, events: Vector, final: Vector, limits: Vector, room: Vector
) -> None:
    """Called with the logits at T_END: writes them out and goes on to the limit, or writes the limit out and rests."""
    logits, slope = room[LOGITS], room[SLOPE]
    if room[STAGE][k] == TO_LIMIT or status != DONE:
        for i in range(n):
            limits[i] = logits[i * lanes + k] if status == DONE else math.nan
            if room[STAGE][k] == RUNNING:
                final[i] = math.nan
        rest(k, n, lanes, room)
        return
    least = math.inf
    for i in range(n):
        j = i * lanes + k
        final[i] = logits[j]
        if room[PARKED][j] > 0.0:
            final[i] = parked_logit(slope[j], room[FLOOR][k], room[R][k], room[P][k])
        least = min(least, slope[j])
    events[N_EVENTS] = room[EVER][k]
    events[N_EVENTS + 1] = room[STEPS][k]
    if room[R][k] > 1.0 and least > 0.0:
        shared_equilibrium(k, n, lanes, slope, room[R][k], room[LOG_RIVALS][k], room[FLOOR][k], limits)
        rest(k, n, lanes, room)
    else:
        room[STAGE][k] = TO_LIMIT
        room[T_END][k] = FOREVER
        room[LAST_ERROR][k] = 0.0
