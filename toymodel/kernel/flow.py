"""Gradient flow of one point from t = 0 to t_end: model.md (3.2) in the mirror coordinate of (3.6)."""

import math
from collections.abc import Sequence

from . import jit
from .equations import GEN, N_EVENTS, Vector, logit_of, margins, slopes
from .rodas import inside, logits_inside, step
from .wall import edge_of, park

# How an integration ended, and how many vectors of length max(n, N_EVENTS) it works in.
DONE, TOO_MANY_STEPS, NOT_FINITE = 0, 1, 2
ROOM = 26
MAX_STEPS = 100_000


@jit
def start_slope(
    t: float,
    theta: Vector,
    parked: Vector,
    invariant: Vector,
    slope: Vector,
    logits: Vector,
    rate: Vector,
    r: float,
    p: float,
    each: Sequence[int],
    out: Vector,
) -> float:
    """Mean of d theta / dt over the first instants [0, t], where W^(r-1) is not smooth for a circuit at W = 0.

    There theta = p t to leading order, so the penalty's part integrates to a (s^2 p t)^(r-1) / r.  Returns a bound on
    the error in theta at t.
    """
    climb = 0.0
    for i in range(len(each)):
        if not parked[i]:
            climb += math.sqrt(invariant[i] * invariant[i] + 4.0 * logits[i] * logits[i]) * abs(rate[i])
    sag = 0.5 * p * (1.0 - p) * climb * t
    worst = 0.0
    for i in range(len(each)):
        if parked[i]:
            out[i] = 0.0
        elif logits[i] > 0.0:
            out[i] = rate[i] - sag
            weight = math.sqrt(invariant[i] * invariant[i] + 4.0 * logits[i] * logits[i])
            worst = max(worst, abs((r - 1.0) * (p - rate[i]) * weight / logits[i] * rate[i]) * t)
        else:
            lag = slope[i] * (invariant[i] * p * t) ** (r - 1.0) / r
            out[i] = p - sag - lag
            worst = max(worst, 2.0 * lag * lag / p + lag * (p * t) ** 2)
    return (worst + sag * (climb * t + p * t)) * t


@jit
def flow(
    each: Sequence[int],
    theta: Vector,
    invariant: Vector,
    slope: Vector,
    r: float,
    log_rivals: float,
    floor: float,
    n_gen: int,
    t_end: float,
    tol: float,
    criteria: Sequence[float],
    times: Vector,
    samples: Vector,
    events: Vector,
    room: Vector,
) -> int:
    """Projected gradient flow from theta at t = 0 to t_end.

    theta (n,) receives the final mirror coordinates; invariant (n,) s^2; slope (n,) a_i of (3.1), infinite for an absent
    circuit; floor the least logit; tol the error per step allowed in ln(1 + W); times (m,) rising, and samples
    (m * n,) for the logits there; events (N_EVENTS + 2,) receives the event times (nan: does not hold at the end),
    whether it ever generalised, and the number of steps; room: ROOM vectors, the first receives the final logits.
    """
    n = len(each)
    logits, rate, parked, least, edge = room[0], room[1], room[2], room[3], room[4]
    end, d1, d2, d3, before, now = room[5], room[6], room[7], room[8], room[9], room[10]
    look, far, ahead = room[11], room[12], room[13]
    scratch = room[14:]

    at_rest_on_wall = False
    for i in range(n):
        edge[i] = edge_of(invariant[i], floor, tol)
        parked[i] = False
        least[i] = floor
        if floor > 0.0:
            theta[i] = max(theta[i], edge[i])
    p = slopes(theta, parked, invariant, slope, least, r, log_rivals, each, logits, rate)
    park(theta, parked, invariant, slope, edge, least, floor, r, p, each)
    p = slopes(theta, parked, invariant, slope, least, r, log_rivals, each, logits, rate)
    fastest = 1e-300
    for i in range(n):
        fastest = max(fastest, abs(rate[i]))
        if not parked[i] and logits[i] == 0.0 and r != 1.0:
            at_rest_on_wall = True

    margins(logits, each, n_gen, criteria, before)
    for e in range(N_EVENTS):
        events[e] = 0.0 if before[e] > 0.0 else math.nan
    ever = 1.0 if before[GEN] > 0.0 else 0.0
    n_times = len(times)
    sampled = 0
    while sampled < n_times and times[sampled] <= 0.0:
        for i in range(n):
            samples[sampled * n + i] = logits[i]
        sampled += 1

    t = 0.0
    h = min(0.01 / fastest, t_end)
    if at_rest_on_wall and t_end > 0.0:
        while start_slope(h, theta, parked, invariant, slope, logits, rate, r, p, each, d1) > 0.1 * tol:
            h *= 0.25
        while sampled < n_times and times[sampled] <= h:
            s = times[sampled]
            start_slope(s, theta, parked, invariant, slope, logits, rate, r, p, each, d2)
            for i in range(n):
                samples[sampled * n + i] = max(least[i], logit_of(theta[i] + s * d2[i], invariant[i]))
            sampled += 1
        for i in range(n):
            theta[i] += h * d1[i]
        t = h
        p = slopes(theta, parked, invariant, slope, least, r, log_rivals, each, logits, rate)
        margins(logits, each, n_gen, criteria, before)

    steps = 0
    rejected = False
    last_h, last_error = h, 0.0
    status = DONE
    while t < t_end:
        steps += 1
        if steps > MAX_STEPS:
            status = TOO_MANY_STEPS
            break
        h = min(h, t_end - t)
        if h < 1e-15 * t:
            h = t_end - t
        error = step(
            theta, logits, rate, p, h, parked, invariant, slope, least, r, log_rivals, each, end, d1, d2, d3, scratch
        )  # fmt: skip
        error /= tol
        if not error <= 1.0:
            if not error < math.inf and h < 1e-12 * (t + h):
                status = NOT_FINITE
                break
            h *= max(0.9 * error**-0.2, 0.1) if error < math.inf else 0.1
            rejected = True
            continue

        # A circuit that goes through its wall ends the step there.
        x = 1.0
        for i in range(n):
            bound = edge[i] if floor > 0.0 else 0.0
            wall = floor > 0.0 or r <= 1.0
            if wall and not parked[i] and theta[i] > bound and inside(x, theta[i], end[i], d1[i], d2[i], d3[i]) < bound:
                low = 0.0
                while x - low > 1e-12:
                    middle = 0.5 * (low + x)
                    if inside(middle, theta[i], end[i], d1[i], d2[i], d3[i]) < bound:
                        x = middle
                    else:
                        low = middle
        logits_inside(x, theta, end, d1, d2, d3, parked, invariant, least, each, ahead)
        margins(ahead, each, n_gen, criteria, now)

        for e in range(N_EVENTS):
            if now[e] > 0.0 and not before[e] > 0.0:
                low, high = 0.0, x
                f_low, f_high = before[e], now[e]
                for _ in range(60):  # regula falsi, Illinois variant
                    if high - low < 1e-12 * x:
                        break
                    middle = high - f_high * (high - low) / (f_high - f_low)
                    if not low < middle < high:
                        middle = 0.5 * (low + high)
                    logits_inside(middle, theta, end, d1, d2, d3, parked, invariant, least, each, look)
                    margins(look, each, n_gen, criteria, far)
                    if far[e] > 0.0:
                        high, f_high, f_low = middle, far[e], 0.5 * f_low
                    else:
                        low, f_low, f_high = middle, far[e], 0.5 * f_high
                events[e] = t + high * h
            elif not now[e] > 0.0:
                events[e] = math.nan
            before[e] = now[e]
        if now[GEN] > 0.0:
            ever = 1.0

        t_new = t_end if x == 1.0 and h == t_end - t else t + x * h
        while sampled < n_times and times[sampled] <= t_new:
            at = min((times[sampled] - t) / h, x)
            logits_inside(at, theta, end, d1, d2, d3, parked, invariant, least, each, look)
            for i in range(n):
                samples[sampled * n + i] = look[i]
            sampled += 1

        for i in range(n):
            theta[i] = end[i] if x == 1.0 else inside(x, theta[i], end[i], d1[i], d2[i], d3[i])
            if not parked[i] and r > 1.0:
                theta[i] = max(theta[i], edge[i])
        t = t_new
        p = slopes(theta, parked, invariant, slope, least, r, log_rivals, each, logits, rate)
        if park(theta, parked, invariant, slope, edge, least, floor, r, p, each):
            p = slopes(theta, parked, invariant, slope, least, r, log_rivals, each, logits, rate)
        # Gustafsson's predictive controller: where steps must shrink, the last change of error says by how much.
        error = max(error, 1e-9)
        growth = 0.9 * error**-0.2
        if last_error > 0.0:
            growth = min(growth, growth * h / last_h * (last_error / error) ** 0.2)
        last_h, last_error = h, error
        h *= max(0.1, min(growth, 1.0 if rejected else 10.0))
        rejected = False

    while sampled < n_times:
        for i in range(n):
            samples[sampled * n + i] = logits[i] if status == DONE else math.nan
        sampled += 1
    events[N_EVENTS] = ever
    events[N_EVENTS + 1] = steps
    return status
