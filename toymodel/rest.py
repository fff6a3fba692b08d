"""The equation at rest, solved for many cells at once: README (4.1) to (4.3).

At rest every circuit off its floor has the push p(S) = a_i W_i^(r-1), r = m/κ.  So their logits keep fixed shares of the
leader's, W_i = e^y x_i with x_i = (a_i/a_leader)^(-1/(r-1)), and one equation is left:

    gap(y) = ln p(S(y)) - ln a_leader - (r - 1) y = 0

The gap is concave in y.  For r > 1 it has one root; for r = 1 one or none; for r < 1 two or none, of which the larger is
stable.  Newton's method from beyond a root of a concave function closes in on it from one side.
Arrays have shape (P,), or (P, n) with one entry a circuit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from . import flow
from .parameters import PENALTIES, TABLE, FloatArray, unknown

# ln of the least logit that counts as grown, and ln of the least that is told from none.
LEAST_GROWN, LEAST = -600.0, -700.0
MOST_STEPS = 200


def logits_at_rest(
    log_slopes: FloatArray, live: npt.NDArray[np.bool_], r: FloatArray, num_classes: FloatArray, floor: FloatArray,
    smaller: bool = False, shares: FloatArray | None = None,
) -> FloatArray:  # fmt: skip
    """Logits (P, n) with the circuits `live` (P, n) off their floor, the others on it; nan where the live cannot be.

    log_slopes   (P, n) ln a of (3.1), inf for an absent circuit, which has no logit
    smaller      the smaller of the two roots for r < 1, which is unstable
    shares       (P, n) how live circuits of one slope divide their logit at r = 1, where the equation leaves it open

    For r > 1 a live circuit whose equilibrium lies below the floor is on it.
    """
    r, floor = flow.last(r), flow.last(floor)
    held = np.where(log_slopes < np.inf, floor, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        given = np.log(shares) if shares is not None else np.zeros(log_slopes.shape)
        logs = np.where(live, np.where(r == 1.0, given, -log_slopes / (r - 1.0)), -np.inf)
    lead = np.argmax(logs, axis=-1, keepdims=True)
    most = np.take_along_axis(logs, lead, axis=-1)
    logs -= np.where(np.isfinite(most), most, 0.0)
    cost = np.take_along_axis(log_slopes, lead, axis=-1)
    y = _roots(cost[:, 0], logs, held, r[:, 0], np.log(num_classes - 1.0), smaller)[:, None]
    y = np.where(r > 1.0, np.fmax(y, LEAST), np.where(y > LEAST_GROWN, y, np.nan))
    grown = np.exp(y + logs)
    return np.where(live & (r <= 1.0), grown, np.fmax(grown, held))


def _roots(
    cost: FloatArray, logs: FloatArray, held: FloatArray, r: FloatArray, log_rivals: FloatArray, smaller: bool
) -> FloatArray:
    """y (P,) where ln p(S) = cost + (r - 1) y and W = max(e^(y + logs), held); nan or far below LEAST where nowhere."""
    # Bounds beyond the roots, from p <= 1 and from p <= (q-1) e^(-S) with S >= e^y >= (1 - 1/e)^-1 (e^y - y).
    with np.errstate(divide="ignore", invalid="ignore"):
        by_share = -cost / (r - 1.0)
        by_rivals = np.log(np.maximum((log_rivals - cost) / np.where(r < 1.0, 1.0 - np.exp(-1.0), 1.0), 1.0))
    y = by_share if smaller else np.where(r > 1.0, np.clip(by_share, LEAST, by_rivals), by_rivals)
    found, todo = np.full(y.shape, np.nan), np.flatnonzero(~np.isnan(y))
    for _ in range(MOST_STEPS):
        if not todo.size:
            break
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            grown = np.exp(y[todo, None] + logs[todo])
            total = np.maximum(grown, held[todo]).sum(axis=-1)
            free = np.where(grown >= held[todo], grown, 0.0).sum(axis=-1)
            log_p = -np.logaddexp(0.0, total - log_rivals[todo])
            slope = np.expm1(log_p) * free - (r[todo] - 1.0)
            move = (cost[todo] + (r[todo] - 1.0) * y[todo] - log_p) / slope
        on = slope > 0.0 if smaller else slope < 0.0  # beyond the top there is no root on this side
        # A move back is rounding, and the end.
        ended = on & (
            (move <= 0.0 if smaller else move >= 0.0) | (np.abs(move) < 1e-15 * np.maximum(1.0, np.abs(y[todo])))
        )
        y[todo] += np.where(on, move, 0.0)
        found[todo[ended]] = y[todo[ended]]
        todo = todo[on & ~ended & (np.abs(y[todo]) < 1e6)]
    found[todo] = y[todo]
    return found


def rest_logit(
    efficiency: npt.ArrayLike, kappa: npt.ArrayLike = 1.2, weight_decay: npt.ArrayLike = 0.005,
    num_classes: npt.ArrayLike = 113, *, penalty: str = "half", norm_power: npt.ArrayLike = 2.0,
) -> FloatArray:  # fmt: skip
    """(4.1), (4.3) the logit S at which one circuit alone rests, nats: p(S) = a S^(m/κ-1), grown and stable.

    efficiency     η, 1/norm; its norm at rest is S^(1/κ)/η
    others         as in `simulate`; all may be arrays, which broadcast

    For κ > m there are two roots, and the larger is meant.  nan where only the origin rests, and where an argument is nan.
    ValueError for an argument out of range and without weight decay, where logits grow for ever.

    >>> rest_logit(0.5).round(5).item()
    7.41199
    """
    names = ("efficiency", "kappa", "weight_decay", "num_classes", "norm_power")
    given = np.broadcast_arrays(
        *(np.asarray(x, float) for x in (efficiency, kappa, weight_decay, num_classes, norm_power))
    )
    for name, values in zip(names, given, strict=True):
        wrong = ~(TABLE[name].legal(values) | np.isnan(values)) | ((values == 0.0) if name == "weight_decay" else False)
        if wrong.any():
            positive = " and above 0: without weight decay logits grow for ever" if name == "weight_decay" else ""
            raise ValueError(
                f"{name} ({TABLE[name].meaning}) must be {TABLE[name].range_text()}{positive}, got {values[wrong][0]:g}. "
                f"Choose values in that range."
            )
    if penalty not in PENALTIES:
        raise unknown("penalty", str(penalty), PENALTIES)
    known = ~np.any(np.isnan(given), axis=0)
    eta, degree, decay, classes, power = (values[known] for values in given)
    log_slopes = flow.log_slopes(eta[:, None], flow.penalty_scale(degree, decay, penalty, power), power)
    out = np.full(known.shape, np.nan)
    alone = np.full(log_slopes.shape, True)
    out[known] = logits_at_rest(log_slopes, alone, power / degree, classes, np.zeros(eta.size))[:, 0]
    return out
