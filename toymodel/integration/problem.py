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
from ..rest import logits_at_rest
from ..state import State

# Flow time that stands for ever where the limit has no closed form, in units of 1 and of the penalty's scale.
FOREVER = 1e13
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
    norm_power: FloatArray
    floor: FloatArray
    log_slope: FloatArray  # (P, n) ln a of (3.1), infinite for an absent circuit
    logit: FloatArray  # (P, n) at t = 0
    signed_invariant: FloatArray  # (P, n) v² - u² at t = 0
    criteria: Criteria

    @property
    def size(self) -> int:
        return len(self.kappa)

    @property
    def r(self) -> FloatArray:
        """m/κ: above 1 all circuits live, at or below 1 one takes all (4.1), (4.2)."""
        return self.norm_power / self.kappa

    @property
    def one_end(self) -> npt.NDArray[np.bool_]:
        """(P,) where the flow ends in one place whatever the start: κ < m, and weight decay."""
        return np.asarray((self.r > 1.0) & np.all(self.log_slope > -np.inf, axis=1))

    @property
    def slope(self) -> FloatArray:
        """(P, n) a of (3.1), infinite for an absent circuit."""
        return np.exp(self.log_slope)

    @property
    def invariant(self) -> FloatArray:
        """(P, n) |v² - u²|, with a stand-in for 0: all that the flow of W depends on."""
        size = np.maximum(np.abs(self.signed_invariant), TINY)
        return np.where(self.absent, 1.0, size)

    @property
    def absent(self) -> npt.NDArray[np.bool_]:
        """(P, n) circuits that are not there, and never will be."""
        return np.asarray(self.log_slope == np.inf)

    def at(self, logit: FloatArray, invariant: FloatArray) -> "Problem":
        """The same points with other starts, each (P, n)."""
        return replace(self, logit=logit, signed_invariant=invariant)

    def take(self, which: npt.NDArray[Any]) -> "Problem":
        """Some of the points, or some points several times."""
        arrays: dict[str, Any] = {
            name: value[which] for name, value in vars(self).items() if isinstance(value, np.ndarray)
        }
        return replace(self, **arrays)

    def circuits(self, tol: float) -> FloatArray:
        """(P, CIRCUIT, n) for the kernel: θ, s², a, the θ at and below which it may be parked at its wall, and its
        least logit off it: at r < 1 the push is infinite at W = 0, and a trial that steps over it sees a large one."""
        absent, s, floor = self.absent, self.invariant, self.floor[:, None]
        edge = np.where(floor > 0.0, flow.mirror(floor, s), tol / np.maximum(1.0, s))
        least = np.where((floor == 0.0) & (self.r[:, None] < 1.0) & ~absent, s * edge, floor)
        theta = np.where(absent, 0.0, flow.mirror(self.logit, s))
        theta = np.where(floor > 0.0, np.maximum(theta, edge), theta)
        return np.stack([theta, s, self.slope, edge, np.where(absent, 0.0, least)], axis=1)

    def numbers(self, t_end: FloatArray, *others: FloatArray) -> FloatArray:
        """(P, N_NUMBERS or more) for the kernel, in the order of `kernel.rows`."""
        q, spread, size = self.num_classes, self.logit_spread, self.size
        log_q = np.log(q)
        levels = np.full(size, self.criteria.performance), np.full(size, self.criteria.chance_margin)
        with np.errstate(divide="ignore"):
            others_left = np.log(q - 2.0)
        bar_of_loss = [np.log(np.expm1((1.0 - level) * log_q)) for level in levels]
        if np.any(spread > 0.0):
            from scipy.special import ndtri

            quantiles = [ndtri(levels[0]), ndtri(np.minimum(self.chance + levels[1], 1.0))]
            bar_of_loss = [np.where(spread > 0.0, a, b) for a, b in zip(quantiles, bar_of_loss, strict=True)]
        scale = flow.penalty_scale(self.kappa, self.weight_decay, self.penalty, self.norm_power)
        forever = FOREVER / np.minimum(np.where(scale > 0.0, scale, 1.0), 1.0)
        bars = [self.fit_bar, spread, others_left, *bar_of_loss]
        return np.stack([self.r, np.log(q - 1.0), self.floor, *bars, t_end, forever, *others], axis=1)

    def hessian(self, logits: FloatArray) -> FloatArray:
        """(3.7) at logits (P, n): (P, n, n)."""
        return flow.hessian(logits, self.invariant, self.slope, self.r, self.num_classes)

    def at_rest(
        self, live: npt.NDArray[np.bool_], smaller: bool = False, shares: FloatArray | None = None
    ) -> FloatArray:
        """(4.1) logits (P, n) at rest with the circuits `live` (P, n) off their floor, as `rest.logits_at_rest` has them."""
        return logits_at_rest(self.log_slope, live, self.r, self.num_classes, self.floor, smaller, shares)

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

    names = ("kappa", "weight_decay", "num_classes", "logit_spread", "norm_power", "logit_floor")
    kappa, alpha, q, spread, power, floor = (column(name).astype(np.float64) for name in names)
    log_slope = flow.log_slopes(efficiency, flow.penalty_scale(kappa, alpha, column("penalty"), power), power)
    with np.errstate(over="ignore", under="ignore"):
        slope = np.exp(log_slope)
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
        _refuse_stuck(model, logit, absent, kappa, power)
    return Problem(
        num_gen=g, efficiency=efficiency, kappa=kappa, weight_decay=alpha, num_classes=q, penalty=column("penalty"),
        logit_spread=spread, norm_power=power, floor=floor, log_slope=np.where(absent, np.inf, log_slope),
        logit=logit,
        signed_invariant=np.where(absent, 0.0, invariant), criteria=criteria,
    )  # fmt: skip


def _refuse_stuck(
    model: TwoCircuitModel, logit: FloatArray, absent: npt.NDArray[np.bool_], kappa: FloatArray, power: FloatArray
) -> None:
    """(4.3) ValueError for a circuit that can never leave W = 0."""
    stuck = (kappa > power)[:, None] & (logit == 0.0) & ~absent
    if not stuck.any():
        return
    point, circuit = np.argwhere(stuck)[0]
    raise ValueError(
        f"with kappa > norm_power a circuit needs a positive start, because the penalty's slope is infinite at W = 0 and it "
        f"could never grow (README 4.3); got {model.labels[circuit]} at W = 0 with kappa = {kappa[point]:g}, norm_power = "
        f"{power[point]:g}. Give it an initial_logit > 0 or the model a logit_floor > 0; for a circuit that is not there, "
        f"learning_speed = 0."
    )
