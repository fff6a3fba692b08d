"""Points by flow, over lanes, or by descent, one after the other: what `simulate` calls with one point and `sweep` with a
thread's share.  Arrays have the point as first axis; `circuits` (points, CIRCUIT, n) and `numbers` are named in `rows`."""

from . import jit, lane, launch, rows
from .descent import descent
from .elementary import Vector
from .equations import margins, rates
from .rodas import step
from .wall import park


@jit
def refresh(n: int, lanes: int, room: Vector) -> None:
    """Logits, rates and p of every lane from its θ."""
    rates(room[rows.THETA], n, lanes, room, room[rows.LOGITS], room[rows.P], room[rows.RATE])


@jit
def settle(n: int, lanes: int, room: Vector) -> None:
    """`refresh`, and parks or releases circuits at their walls."""
    refresh(n, lanes, room)
    changed = False
    for k in range(lanes):
        if room[rows.NEAR][k] > 0.0 and room[rows.STAGE][k] != lane.IDLE and park(k, n, lanes, room):
            changed = True
    if changed:
        refresh(n, lanes, room)


@jit
def flow_points(
    circuits: Vector, numbers: Vector, n_gen: int, tol: float, times: Vector,
    samples: Vector, events: Vector, final: Vector, limits: Vector, n: int, lanes: int, room: Vector,
) -> None:  # fmt: skip
    """All points by gradient flow.

    circuits with mirror coordinates, and an infinite slope for an absent circuit; tol the error per step allowed in
    ln(1 + W); times (k,) rising, and samples (points, k * n) for the logits there; events (points,
    N_COLUMNS); final and limits (points, n) the logits at T_END and where the flow would go on to; room: ROOM vectors of
    max(n, N_EVENTS) * lanes.
    """
    for k in range(lanes):
        lane.rest(k, n, lanes, room)
    coming, last = 0, len(numbers)
    stage, t, until, h = room[rows.STAGE], room[rows.T], room[rows.T_END], room[rows.H]
    now, before = room[rows.NOW], room[rows.BEFORE]
    while True:
        busy = False
        for k in range(lanes):
            if stage[k] == lane.IDLE and coming < last:
                lane.load(k, coming, circuits[coming], numbers[coming], n, lanes, room)
                coming += 1
            busy = busy or stage[k] != lane.IDLE
        if not busy:
            break
        settle(n, lanes, room)
        margins(room[rows.LOGITS], n, n_gen, 0, lanes, room, now)
        moved = False
        for k in range(lanes):
            if stage[k] == lane.IDLE:
                continue
            point = int(room[rows.POINT][k])
            if stage[k] == lane.LOADED:
                moved |= launch.launch(k, n, lanes, tol, times, samples[point], events[point], room)
            elif stage[k] == lane.RUNNING and room[rows.PART][k] > 0.0:
                crossed = room[rows.SAMPLED][k] < len(times)
                for e in range(rows.N_EVENTS):
                    if (now[e * lanes + k] > 0.0) != (before[e * lanes + k] > 0.0):
                        crossed = True
                if crossed:
                    lane.observe(k, n, lanes, n_gen, times, samples[point], events[point], room)
            for e in range(rows.N_EVENTS):
                before[e * lanes + k] = now[e * lanes + k]
            if now[rows.GEN * lanes + k] > 0.0 and stage[k] == lane.RUNNING:
                room[rows.EVER][k] = 1.0
            if t[k] >= until[k]:
                lane.finish(k, rows.DONE, n, lanes, events[point], final[point], limits[point], room)
            # The last step ends at T_END, and a remainder too small to count is not left over.
            left = until[k] - t[k]
            if stage[k] != lane.IDLE and (h[k] > left or h[k] < 1e-15 * t[k]):
                h[k] = left
        if moved:
            refresh(n, lanes, room)
            margins(room[rows.LOGITS], n, n_gen, 0, lanes, room, now)
            for k in range(lanes):
                if stage[k] == lane.RUNNING and room[rows.PART][k] == launch.JUST_LAUNCHED:
                    launch.greet(k, lanes, events[int(room[rows.POINT][k])], room)
                    for e in range(rows.N_EVENTS):
                        before[e * lanes + k] = now[e * lanes + k]
        step(n, lanes, room)
        lane.control(lanes, tol, room)
        for k in range(lanes):
            if stage[k] != lane.IDLE:
                outcome = lane.advance(k, n, lanes, room)
                if outcome != rows.DONE:
                    point = int(room[rows.POINT][k])
                    lane.finish(k, outcome, n, lanes, events[point], final[point], limits[point], room)


@jit
def descent_points(
    circuits: Vector, numbers: Vector, n_gen: int, marks: Vector,
    u: Vector, v: Vector, samples: Vector, kept: Vector, events: Vector, n: int, room: Vector,
) -> None:  # fmt: skip
    """All points by gradient descent, from u, v (points, n), which receive where each ends."""
    for point in range(len(numbers)):
        lane.rest(0, n, 1, room)
        descent(
            u[point], v[point], circuits[point], numbers[point], n_gen, marks, samples[point], kept[point],
            events[point], n, room,
        )  # fmt: skip
