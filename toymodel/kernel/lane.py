"""The run of one lane: how it is loaded, advanced step by step, observed and finished.  README (3.2), (3.6), (3.9)."""

import math

from . import jit, rows
from .elementary import Vector, exp_all, log_all
from .equations import margins
from .rodas import dense, logits_inside, theta_inside
from .wall import parked_logit

# Stages of a lane.
IDLE, LOADED, RUNNING, TO_LIMIT = 0.0, 1.0, 2.0, 3.0
MAX_STEPS = 100_000


@jit
def rest(k: int, n: int, lanes: int, room: Vector) -> None:
    """Makes lane k idle: everything parked, so that stepping it with the others does no harm."""
    room[rows.STAGE][k] = IDLE
    room[rows.H][k] = room[rows.LAST_H][k] = 1.0
    room[rows.LAST_ERROR][k] = room[rows.LOG_RIVALS][k] = 0.0
    for i in range(n):
        j = i * lanes + k
        room[rows.PARKED][j] = 1.0
        room[rows.THETA][j] = room[rows.LEAST][j] = room[rows.LOGITS][j] = 0.0
        room[rows.INVARIANT][j] = room[rows.SLOPE][j] = 1.0


@jit
def load(k: int, point: int, circuits: Vector, numbers: Vector, n: int, lanes: int, room: Vector) -> None:
    """Puts a point, with its circuits (CIRCUIT, n) and numbers (N_NUMBERS,), into lane k."""
    for c in range(rows.N_NUMBERS):
        room[c][k] = numbers[c]
    for i in range(n):
        j = i * lanes + k
        for c in range(rows.CIRCUIT):
            room[rows.THETA + c][j] = circuits[c][i]
        room[rows.POWER][j] = numbers[rows.R] - 1.0
        room[rows.PARKED][j] = 0.0
    room[rows.T][k], room[rows.POINT][k] = 0.0, point
    room[rows.TAKEN][k] = room[rows.EVER][k] = room[rows.SAMPLED][k] = room[rows.HELD][k] = room[rows.PART][k] = 0.0
    room[rows.LAST_ERROR][k] = 0.0
    room[rows.NEAR][k] = 1.0
    room[rows.STAGE][k] = LOADED


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
    error, growth, shrink = room[rows.ERROR], room[rows.GROWTH], room[rows.SHRINK]
    for k in range(lanes):
        # nan fails every comparison and counts as the largest error.
        size = error[k] / tol
        error[k] = max(size, 1e-9) if size < 1e30 else 1e30
    log_all(error, lanes)
    for k in range(lanes):
        shrink[k] = -0.2 * error[k]
        growth[k] = 0.2 * (room[rows.LAST_ERROR][k] - 2.0 * error[k])
    exp_all(shrink, lanes)
    exp_all(growth, lanes)
    for k in range(lanes):
        shrink[k] *= 0.9
        growth[k] = min(shrink[k], 0.9 * growth[k] * room[rows.H][k] / room[rows.LAST_H][k])


@jit
def advance(k: int, n: int, lanes: int, room: Vector) -> int:
    """Accepts or rejects the step that lane k has just made; PART becomes the share of it that was taken.

    Returns DONE while all is well.
    """
    theta, end, parked, edge = room[rows.THETA], room[rows.END], room[rows.PARKED], room[rows.EDGE]
    h, r, floor, error = room[rows.H][k], room[rows.R][k], room[rows.FLOOR][k], room[rows.ERROR][k]
    room[rows.TAKEN][k] += 1.0
    room[rows.PART][k] = 0.0
    if room[rows.TAKEN][k] > MAX_STEPS:
        return rows.TOO_MANY_STEPS
    if error > 0.0:
        room[rows.H][k] = h * max(room[rows.SHRINK][k], 0.1)
        room[rows.HELD][k] = 1.0
        return rows.NOT_FINITE if error > 69.0 and h < 1e-12 * (room[rows.T][k] + h) else rows.DONE

    # A circuit that goes through its wall ends the step there.  For r > 1 without a floor there is none to reach.
    x = 1.0
    if floor > 0.0 or r <= 1.0:
        for i in range(n):
            j = i * lanes + k
            bound = edge[j] if floor > 0.0 else 0.0
            if parked[j] == 0.0 and theta[j] > bound and end[j] < bound:
                if x == 1.0:
                    dense(k, n, lanes, room)
                low = 0.0
                while x - low > 1e-12 and theta_inside(x, j, theta, room) < bound:
                    middle = 0.5 * (low + x)
                    if theta_inside(middle, j, theta, room) < bound:
                        x = middle
                    else:
                        low = middle
    # Where no wall is near, `park` need not look.
    near = 1.0 if floor > 0.0 or r < 1.0 else 0.0
    for i in range(n):
        j = i * lanes + k
        room[rows.START][j] = theta[j]
        theta[j] = end[j] if x == 1.0 else theta_inside(x, j, theta, room)
        if parked[j] > 0.0:
            near = 1.0
            # Here and not where lanes are refreshed together: another lane must not decide when this one is told.
            room[rows.LEAST][j] = parked_logit(j, k, room)
        elif theta[j] <= edge[j]:
            near = 1.0
            if r > 1.0:
                theta[j] = edge[j]
    room[rows.NEAR][k] = near
    arrives = x == 1.0 and h >= room[rows.T_END][k] - room[rows.T][k]
    room[rows.T][k] = room[rows.T_END][k] if arrives else room[rows.T][k] + x * h
    room[rows.PART][k] = x
    # Right after a rejection growth is held back, or the step size would swing.
    room[rows.H][k] = h * max(0.1, min(room[rows.GROWTH][k], 1.0 if room[rows.HELD][k] > 0.0 else 10.0))
    room[rows.LAST_H][k], room[rows.LAST_ERROR][k], room[rows.HELD][k] = h, error, 0.0
    return rows.DONE


@jit
def observe(
    k: int, n: int, lanes: int, n_gen: int, times: Vector, samples: Vector, events: Vector, room: Vector
) -> None:
    """Events and samples within the step just accepted, from its dense output; needs the margins at its end."""
    look, found = room[rows.LOOK], room[rows.SCRATCH + 3]
    dense(k, n, lanes, room)
    x, h = room[rows.PART][k], room[rows.LAST_H][k]
    t = room[rows.T][k] - x * h
    for e in range(rows.N_EVENTS):
        f_high = room[rows.NOW][e * lanes + k]
        f_low = room[rows.BEFORE][e * lanes + k]
        if f_high > 0.0 and not f_low > 0.0:
            low, high, least, last = 0.0, x, 1e-12 * x, 0.0
            for _ in range(60):  # regula falsi, Illinois variant; `least` from the ends, so that both close in
                if high - low <= 1.5 * least:
                    break
                middle = high - f_high * (high - low) / (f_high - f_low)
                if not low < middle < high:
                    middle = 0.5 * (low + high)
                middle = min(max(middle, low + least), high - least)
                logits_inside(middle, k, n, lanes, room, look)
                margins(look, n, n_gen, k, 1, room, found)
                # An end that stays twice in a row counts for half.
                stays = 0.5 if last * found[e] > 0.0 else 1.0
                last = found[e]
                if last > 0.0:
                    high, f_high, f_low = middle, last, stays * f_low
                else:
                    low, f_low, f_high = middle, last, stays * f_high
            events[e] = t + high * h
        elif not f_high > 0.0:
            events[e] = math.nan
    sampled = int(room[rows.SAMPLED][k])
    while sampled < len(times) and times[sampled] <= room[rows.T][k]:
        at = min((times[sampled] - t) / h, x)
        logits_inside(at, k, n, lanes, room, look)
        sampled = keep(times[sampled], sampled, times, look, n, samples)
    room[rows.SAMPLED][k] = sampled


@jit
def finish(
    k: int, status: int, n: int, lanes: int, events: Vector, final: Vector, limits: Vector, room: Vector
) -> None:
    """Called with the logits at T_END: writes them out and goes on to the limit, or writes the limit out and rests.

    Where all circuits live (r > 1 with weight decay) the limit is left to the caller, who has it from (4.1).
    """
    logits, slope = room[rows.LOGITS], room[rows.SLOPE]
    events[rows.STATUS] = status
    if room[rows.STAGE][k] == TO_LIMIT or status != rows.DONE:
        for i in range(n):
            limits[i] = logits[i * lanes + k] if status == rows.DONE else math.nan
            if room[rows.STAGE][k] == RUNNING:
                final[i] = math.nan
        rest(k, n, lanes, room)
        return
    least = math.inf
    for i in range(n):
        j = i * lanes + k
        final[i] = parked_logit(j, k, room) if room[rows.PARKED][j] > 0.0 else logits[j]
        least = min(least, slope[j])
    events[rows.GENERALISED] = room[rows.EVER][k]
    events[rows.COUNT] = room[rows.TAKEN][k]
    if room[rows.R][k] > 1.0 and least > 0.0:
        rest(k, n, lanes, room)
    else:
        room[rows.STAGE][k] = TO_LIMIT
        room[rows.T_END][k] += room[rows.FOREVER][k]
        room[rows.LAST_ERROR][k] = 0.0
