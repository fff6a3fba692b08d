"""The paper's gradient descent on the subweights: README (3.3), projected at the wall (3.9), with noise if wanted (3.10)."""

import math

from . import jit, rows
from .elementary import Vector
from .equations import margins, wrong_probability
from .wall import push_at

# L'Ecuyer 1988, "Efficient and portable combined random number generators", CACM 31:742: plain and compiled alike.
MODULUS_1, MODULUS_2 = 2147483563, 2147483399  # states are whole numbers from 1 to these, less 1


@jit
def uniform(state: Vector) -> float:
    """The next number in (0, 1) of the generator with this state (2,)."""
    state[0] = (40014 * int(state[0])) % MODULUS_1
    state[1] = (40692 * int(state[1])) % MODULUS_2
    z = (int(state[0]) - int(state[1])) % (MODULUS_1 - 1)
    return (z if z > 0 else MODULUS_1 - 1) / MODULUS_1


@jit
def normal(state: Vector) -> float:
    """The next standard normal number, by Box and Muller."""
    radius = math.sqrt(-2.0 * math.log(uniform(state)))
    return radius * math.cos(2.0 * math.pi * uniform(state))


@jit
def descent(
    u: Vector, v: Vector, circuits: Vector, numbers: Vector, n_gen: int, marks: Vector,
    samples: Vector, kept: Vector, events: Vector, n: int, room: Vector,
) -> None:  # fmt: skip
    """Steps from subweights u, v (n,), which receive the final ones.

    marks (m,) rising step numbers at which the logits go to samples (m * n,) and the invariants v² - u² to kept
    (m * n,); the rest as in `points.flow_points`.  An event's time is that of the first step at which it holds for good.
    """
    logits, now, before = room[rows.LOGITS], room[rows.NOW], room[rows.BEFORE]
    state = room[rows.K1]
    for c in range(rows.N_NUMBERS):
        room[c][0] = numbers[c]
    slope = circuits[rows.SLOPE - rows.THETA]
    r, floor, log_rivals = numbers[rows.R], numbers[rows.FLOOR], numbers[rows.LOG_RIVALS]
    learning_rate, noise = numbers[rows.LEARNING_RATE], numbers[rows.NOISE]
    shake = noise * math.sqrt(learning_rate)
    state[0], state[1] = numbers[rows.SEED], numbers[rows.SEED + 1]
    n_marks, steps = len(marks), int(numbers[rows.STEPS])
    marked, k = 0, 0
    for e in range(rows.N_EVENTS):
        events[e] = math.nan
        before[e] = -1.0
    events[rows.GENERALISED] = 0.0
    events[rows.STATUS] = rows.DONE
    while True:
        total = 0.0
        for i in range(n):
            logits[i] = u[i] * v[i]
            total += logits[i]
        if not total < 1e6:
            events[rows.STATUS] = rows.NOT_FINITE
            break
        margins(logits, n, n_gen, 0, 1, room, now)
        for e in range(rows.N_EVENTS):
            if now[e] > 0.0:
                if not before[e] > 0.0:
                    events[e] = k * learning_rate
            else:
                events[e] = math.nan
            before[e] = now[e]
        if now[rows.GEN] > 0.0:
            events[rows.GENERALISED] = 1.0
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
            if v[i] > 0.0 or u[i] > 0.0:
                g = push_at(logits[i], slope[i], r, p)
                if logits[i] <= floor and g > 0.0 and shake == 0.0:
                    continue
                change = learning_rate * g if logits[i] > floor or g < 0.0 else 0.0
                u_new = u[i] - change * v[i]
                v_new = v[i] - change * u[i]
                if shake > 0.0:
                    u_new += shake * normal(state)
                    v_new += shake * normal(state)
                if u_new * v_new < floor or u_new < 0.0:
                    # Projected onto the wall along the invariant, of either sign.
                    c = (v[i] - u[i]) * (v[i] + u[i])
                    larger = math.sqrt(0.5 * (abs(c) + math.sqrt(c * c + 4.0 * floor * floor)))
                    smaller = floor / larger if larger > 0.0 else 0.0
                    u_new, v_new = (smaller, larger) if c >= 0.0 else (larger, smaller)
                    if larger == 0.0 and r > 1.0:  # where all live none can end
                        events[rows.STATUS] = rows.EXTINCT
                u[i] = u_new
                v[i] = v_new
    events[rows.COUNT] = k
