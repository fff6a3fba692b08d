"""From parameters to the arrays that the kernel takes, for one point or a million: shape (P,) or (P, n).

Every formula of a point's set-up is here, once, as array arithmetic; `simulate` packs one point, `sweep` a chunk.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import flow, losses
from ..behaviours import BETWEEN, Criteria, classify, standing
from ..efficiency import PowerLaw, power_law
from ..kernel.rows import CROSS, FIT, GEN, GENERALISED, LEAVE, LOST
from ..model import TwoCircuitModel
from ..parameters import TABLE, FloatArray
from ..state import State

# An invariant of 0 stands for u = v; this stands for it where a mirror coordinate must stay finite.
TINY = 1e-280


@dataclass(frozen=True)
class Problem:
    """P points of a model with n circuits, num_gen of them generalising."""

    num_gen: int
    efficiency: FloatArray  # (P, n)
    kappa: FloatArray  # (P,), as all below but where said
    weight_decay: FloatArray
    num_classes: FloatArray
    penalty: npt.NDArray[Any]
    logit_spread: FloatArray
    sharing: FloatArray
    norm_power: FloatArray
    floor: FloatArray
    slope: FloatArray  # (P, n) a of (8.2), infinite for an absent circuit
    log_slope: FloatArray  # (P, n) its logarithm, also where it has no float
    bend: FloatArray  # m/μ - 1, 0 without weight decay
    scale: FloatArray  # ln of the penalty's factor
    logit: FloatArray  # (P, n) at t = 0
    signed_invariant: FloatArray  # (P, n) v² - u² at t = 0
    criteria: Criteria

    @property
    def size(self) -> int:
        return len(self.kappa)

    @property
    def r(self) -> FloatArray:
        """μ/κ: above 1 circuits share, at or below 1 one takes all (8.3)."""
        return self.sharing / self.kappa

    @property
    def coupled(self) -> npt.NDArray[np.bool_]:
        """Where the penalty is no sum over circuits."""
        return np.asarray(self.bend != 0.0)

    @property
    def invariant(self) -> FloatArray:
        """(P, n) |v² - u²|, with a stand-in for 0: all that the flow of W depends on."""
        size = np.maximum(np.abs(self.signed_invariant), TINY)
        return np.where(np.isinf(self.slope), 1.0, size)

    def at(self, logit: FloatArray, invariant: FloatArray) -> "Problem":
        """The same points with other starts, each (P, n)."""
        return replace(self, logit=logit, signed_invariant=invariant)

    def take(self, which: npt.NDArray[Any]) -> "Problem":
        """Some of the points, or some points several times."""
        arrays: dict[str, Any] = {
            name: value[which] for name, value in vars(self).items() if isinstance(value, np.ndarray)
        }
        return replace(self, **arrays)

    def alone(self, circuit: int) -> "Problem":
        """The same with every other circuit absent."""
        others = np.arange(self.slope.shape[1]) != circuit
        slope, log_slope = (np.where(others, np.inf, x) for x in (self.slope, self.log_slope))
        return replace(self, slope=slope, log_slope=log_slope, logit=np.where(others, 0.0, self.logit))

    def circuits(self, tol: float) -> FloatArray:
        """(P, CIRCUIT, n) for the kernel: θ, s², a, ln a, the θ at and below which it may be parked at its wall, and its
        least logit off it: at r < 1 the push is infinite at W = 0, and a trial that steps over it sees a large one."""
        absent, s, floor = np.isinf(self.slope), self.invariant, self.floor[:, None]
        edge = np.where(floor > 0.0, flow.mirror(floor, s), tol / np.maximum(1.0, s))
        least = np.where((floor == 0.0) & (self.r[:, None] < 1.0) & ~absent, s * edge, floor)
        theta = np.where(absent, 0.0, flow.mirror(self.logit, s))
        theta = np.where(floor > 0.0, np.maximum(theta, edge), theta)
        return np.stack([theta, s, self.slope, self.log_slope, edge, np.where(absent, 0.0, least)], axis=1)

    def numbers(self, t_end: FloatArray, *others: FloatArray) -> FloatArray:
        """(P, N_NUMBERS or more) for the kernel, in the order of `kernel.rows`."""
        q, spread, size = self.num_classes, self.logit_spread, self.size
        log_q = np.log(q)
        bars = np.full(size, self.criteria.performance), np.full(size, self.criteria.chance_margin)
        with np.errstate(divide="ignore"):
            others_left = np.log(q - 2.0)
        bar_of_loss = [np.log(np.expm1((1.0 - bar) * log_q)) for bar in bars]
        if np.any(spread > 0.0):
            from scipy.special import ndtri

            quantiles = [ndtri(bars[0]), ndtri(np.minimum(self.chance + bars[1], 1.0))]
            bar_of_loss = [np.where(spread > 0.0, a, b) for a, b in zip(quantiles, bar_of_loss, strict=True)]
        columns = [self.r, self.bend, np.where(np.isfinite(self.scale), self.scale, 0.0), np.log(q - 1.0), self.floor]
        return np.stack([*columns, self.fit_bar, spread, others_left, *bar_of_loss, t_end, *others], axis=1)

    def log_pushes(self, logits: FloatArray) -> FloatArray:
        """(8.2) at logits (P, n)."""
        return flow.log_pushes(logits, self.log_slope, self.r, self.bend, self.scale)

    def hessian(self, logits: FloatArray) -> FloatArray:
        """(8.6) at logits (P, n): (P, n, n)."""
        settings = (self.invariant, self.log_slope, self.r, self.bend, self.scale, self.num_classes)
        return flow.hessian(logits, *settings)

    @property
    def fit_bar(self) -> FloatArray:
        """Logit at which the training set is fitted: train loss (1 - performance) ln q."""
        return np.log(self.num_classes - 1.0) - np.log(
            np.expm1((1.0 - self.criteria.performance) * np.log(self.num_classes))
        )

    @property
    def chance(self) -> FloatArray:
        """Performance of a pure memoriser."""
        spread = self.logit_spread
        return np.where(spread > 0.0, losses.chance_accuracy(self.num_classes, spread), 0.0)

    def performance(self, logits: FloatArray) -> FloatArray:
        """Test performance (P,) of logits (P, n): accuracy, or 1 - loss / ln q where inputs are all alike."""
        gen, mem = logits[:, : self.num_gen].sum(axis=1), logits[:, self.num_gen :].sum(axis=1)
        score = 1.0 - losses.test_loss(gen, mem, self.num_classes) / np.log(self.num_classes)
        accuracy = losses.test_accuracy(logits, self.num_gen, self.num_classes, self.logit_spread)
        return np.where(self.logit_spread > 0.0, accuracy, score)

    def behaviours(self, events: FloatArray, final: FloatArray, limits: FloatArray) -> npt.NDArray[np.str_]:
        """Names of behaviours (P,) from the kernel's events (P, N_COLUMNS), final logits and limits (P, n)."""
        # Points that failed carry nan; their callers name them so.
        final, limits = np.nan_to_num(final), np.nan_to_num(limits)
        where = [
            standing(x.sum(axis=1) > self.fit_bar, self.performance(x), self.chance, self.criteria)
            for x in (final, limits)
        ]
        to_come = np.abs(self.performance(limits) - self.performance(final))
        settled = (where[0] == where[1]) & ((where[0] != BETWEEN) | (to_come <= self.criteria.level))
        t_fit, t_gen, t_leave = (events[:, e] for e in (FIT, GEN, LEAVE))
        return classify(where[0], settled, t_fit, t_gen, t_leave, events[:, GENERALISED] > 0.0, self.criteria)


def event_times(events: FloatArray) -> dict[str, FloatArray]:
    """t_fit, t_gen, t_cross and t_lost (P,), nan for never."""
    return {name: events[..., e] for name, e in (("t_fit", FIT), ("t_gen", GEN), ("t_cross", CROSS), ("t_lost", LOST))}


def pack(
    model: TwoCircuitModel, values: dict[str, npt.NDArray[Any]], size: int, start: State | None, criteria: Criteria
) -> Problem:
    """`size` points: the model's parameters, with those in `values` (each (size,), already checked) put in their place.

    ValueError for a circuit that could never leave W = 0.
    """
    parameters: dict[str, Any] = {**model.parameters(), **values}

    def column(name: str) -> npt.NDArray[Any]:
        return np.broadcast_to(np.asarray(parameters[name]), (size,))

    def columns(field: str) -> FloatArray:
        return np.stack([column(f"{label}_{field}") for label in model.labels], axis=1).astype(np.float64)

    g = model.num_gen
    efficiency = columns("efficiency")
    if model.law_decides(values) and np.isfinite(column("dataset_size")).all():
        if isinstance(model.law, PowerLaw):
            ratio = power_law(column("dataset_size"), column("critical_size"), column("exponent"))
        else:
            ratio = model.law.ratio(column("dataset_size"))
        best = efficiency[:, :g].max(axis=1) / efficiency[:, g:].max(axis=1)
        # A law can ask for more than a circuit may have; `simulate` refuses that, circuit by circuit.
        with np.errstate(over="ignore", under="ignore"):
            efficiency[:, g:] *= (ratio * best)[:, None]
        legal = TABLE["efficiency"].legal(efficiency)
        if not legal.all():
            point, circuit = np.argwhere(~legal)[0]
            raise ValueError(
                f"{model.labels[circuit]}_efficiency must be {TABLE['efficiency'].range_text()}, got "
                f"{efficiency[point, circuit]:g} by the law at dataset_size = {column('dataset_size')[point]:g}. Choose "
                f"data set sizes nearer to the critical one."
            )

    kappa, alpha, q, spread, sharing, power, floor = (
        column(name).astype(np.float64)
        for name in (
            "kappa", "weight_decay", "num_classes", "logit_spread", "sharing", "norm_power", "logit_floor",
        )
    )  # fmt: skip
    scale = flow.log_scale(kappa, alpha, column("penalty"), power)
    bend = np.where(alpha > 0.0, power / sharing - 1.0, 0.0)
    log_slope = scale[:, None] - sharing[:, None] * np.log(efficiency)
    # Where the penalty is a sum over circuits, a itself is what the kernel takes.
    factor = losses.penalty_factor(column("penalty")) * alpha * (power / kappa)
    with np.errstate(over="ignore", under="ignore"):
        slope = factor[:, None] / efficiency ** sharing[:, None]
        slope = np.where((bend != 0.0)[:, None], np.exp(np.clip(log_slope, -700.0, 700.0)), slope)
    with np.errstate(invalid="ignore"):
        lost = ~np.isfinite(slope) | ((slope == 0.0) & (alpha[:, None] > 0.0))
    if lost.any():
        point, circuit = np.argwhere(lost)[0]
        raise ValueError(
            f"weight_decay / efficiency ** norm_power must be a number that float64 can hold, got {model.labels[circuit]} "
            f"with efficiency {efficiency[point, circuit]:g} and norm_power {power[point]:g}. Bring it nearer to 1."
        )
    if start is None:
        logit, invariant = columns("initial_logit"), columns("learning_speed") ** 2
    else:
        logit = np.broadcast_to(start.logit, (size, len(model.labels))).astype(np.float64)
        invariant = np.broadcast_to(start.invariant, logit.shape).astype(np.float64)
    logit = np.maximum(logit, floor[:, None])
    absent = (invariant == 0.0) & (logit == 0.0)
    if start is None:
        _refuse_stuck(model, logit, absent, kappa, sharing, power)
    return Problem(
        num_gen=g, efficiency=efficiency, kappa=kappa, weight_decay=alpha, num_classes=q, penalty=column("penalty"),
        logit_spread=spread, sharing=sharing, norm_power=power, floor=floor, slope=np.where(absent, np.inf, slope),
        log_slope=np.where(absent, np.inf, log_slope), bend=bend, scale=scale, logit=logit,
        signed_invariant=np.where(absent, 0.0, invariant), criteria=criteria,
    )  # fmt: skip


def _refuse_stuck(
    model: TwoCircuitModel, logit: FloatArray, absent: npt.NDArray[np.bool_], kappa: FloatArray, sharing: FloatArray,
    power: FloatArray,
) -> None:  # fmt: skip
    """(8.3) ValueError for a circuit that can never leave W = 0: beside a grown one for κ > μ, at the origin for κ > m."""
    beside = logit.max(axis=1) > 0.0
    stuck = np.where(beside, kappa > sharing, kappa > power)[:, None] & (logit == 0.0) & ~absent
    if not stuck.any():
        return
    point, circuit = np.argwhere(stuck)[0]
    what = "sharing" if beside[point] else "norm_power"
    raise ValueError(
        f"with kappa > {what} a circuit needs a positive start, because the penalty's slope is infinite at W = 0"
        f"{' beside a grown circuit' if beside[point] else ''} and it could never grow (README 8.3); got "
        f"{model.labels[circuit]} at W = 0 with kappa = {kappa[point]:g}, sharing = {sharing[point]:g}, norm_power = "
        f"{power[point]:g}. Give it an initial_logit > 0 or the model a logit_floor > 0; for a circuit that is not there, "
        f"learning_speed = 0."
    )
