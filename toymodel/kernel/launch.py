"""The first step of a lane, taken analytically where a circuit starts at W = 0 and its push is not smooth.  README (3.6)."""

import math
from typing import Any

from . import jit, lane, rows
from .elementary import Vector
from .equations import logit_of

# What PART says of a lane whose first step was taken analytically.
JUST_LAUNCHED = -1.0


@jit
def start_slope(t: float, k: int, n: int, lanes: int, room: Vector, out: Vector) -> Any:
    """Mean of dθ/dt over the first instants [0, t], where the push is not smooth for a circuit at W = 0.

    There θ = p t to leading order, so the push is a power of t and integrates.  Returns a bound on the error at t, in
    ln(1 + W) as in `rodas.step`.
    """
    invariant, logits, rate = room[rows.INVARIANT], room[rows.LOGITS], room[rows.RATE]
    p, r = room[rows.P][k], room[rows.R][k]
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
        if room[rows.PARKED][j] > 0.0:
            out[j] = 0.0
        elif logits[j] > 0.0:
            out[j] = rate[j] - sag
            weight = math.sqrt(invariant[j] * invariant[j] + 4.0 * logits[j] * logits[j])
            bent = abs(r - 1.0) * (p - rate[j])
            worst = max(worst, abs(bent * weight / logits[j] * rate[j]) * t)
        else:
            lag = room[rows.SLOPE][j] * (invariant[j] * p * t) ** (r - 1.0) / r
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
    logits, theta, look = room[rows.LOGITS], room[rows.THETA], room[rows.LOOK]
    for e in range(rows.N_EVENTS):
        events[e] = 0.0 if room[rows.NOW][e * lanes + k] > 0.0 else math.nan
    room[rows.STAGE][k] = lane.RUNNING
    fastest = 1e-300
    at_wall = False
    for i in range(n):
        j = i * lanes + k
        look[i] = logits[j]
        fastest = max(fastest, abs(room[rows.RATE][j]))
        if room[rows.PARKED][j] == 0.0 and logits[j] == 0.0 and room[rows.R][k] != 1.0:
            at_wall = True
    sampled = lane.keep(0.0, 0, times, look, n, samples)
    h = min(0.01 / fastest, room[rows.T_END][k])
    if at_wall and h > 0.0:
        mean = room[rows.D1]
        while start_slope(h, k, n, lanes, room, mean) > 0.1 * tol:
            h *= 0.25
        while sampled < len(times) and times[sampled] <= h:
            s = times[sampled]
            start_slope(s, k, n, lanes, room, room[rows.D2])
            for i in range(n):
                j = i * lanes + k
                look[i] = max(room[rows.LEAST][j], logit_of(theta[j] + s * room[rows.D2][j], room[rows.INVARIANT][j]))
            sampled = lane.keep(s, sampled, times, look, n, samples)
        for i in range(n):
            theta[i * lanes + k] += h * mean[i * lanes + k]
        room[rows.T][k] = h
        room[rows.PART][k] = JUST_LAUNCHED
    room[rows.SAMPLED][k] = sampled
    room[rows.H][k] = room[rows.LAST_H][k] = h if h > 0.0 else 1.0
    return at_wall


@jit
def greet(k: int, lanes: int, events: Vector, room: Vector) -> None:
    """Events within the analytic first step, over which logits grow in proportion to time; needs the margins at its end."""
    for e in range(rows.N_EVENTS):
        then, now = room[rows.BEFORE][e * lanes + k], room[rows.NOW][e * lanes + k]
        if now > 0.0 and not then > 0.0:
            events[e] = room[rows.T][k] * then / (then - now) + 0.0  # never -0
        elif not now > 0.0:
            events[e] = math.nan
    room[rows.PART][k] = 0.0
