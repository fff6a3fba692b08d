"""From parameters to the arrays that the kernel takes, for one point or a million: shape (P,) or (P, n).

Every formula of a point's set-up is here, once, as array arithmetic; `simulate` packs one point, `sweep` a chunk.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from . import flow, losses
from .behaviours import Thresholds, classify, standing
from .circuits import Dynamics
from .efficiency import PowerLaw, power_law
from .kernel.equations import CROSS, FIT, GEN, LEAVE, N_EVENTS
from .parameters import TABLE, FloatArray

# An invariant of 0 stands for u = v; this stands for it where a mirror coordinate must stay finite.
TINY = 1e-280


@dataclass(frozen=True)
class State:
    """Where the circuits are: logit (n,) in nats, and invariant (n,) v² - u² of (3.4)."""

    logit: FloatArray
    invariant: FloatArray

    @property
    def subweights(self) -> tuple[FloatArray, FloatArray]:
        """(u, v), each (n,)."""
        return flow.subweights(self.logit, self.invariant)


@dataclass(frozen=True)
class Problem:
    """P points of a model with n circuits, num_gen of them generalising."""

    num_gen: int
    efficiency: FloatArray  # (P, n)
    kappa: FloatArray  # (P,)
    num_classes: FloatArray  # (P,)
    logit_spread: FloatArray  # (P,)
    floor: FloatArray  # (P,)
    r: FloatArray  # (P,) m/κ
    slope: FloatArray  # (P, n) a, infinite for an absent circuit
    logit: FloatArray  # (P, n) at t = 0
    invariant: FloatArray  # (P, n)
    criteria: FloatArray  # (P, 5), see kernel.equations.margins
    thresholds: Thresholds

    @property
    def size(self) -> int:
        return len(self.kappa)

    def at(self, logit: FloatArray, invariant: FloatArray) -> "Problem":
        """The same points with other starts, each (P, n)."""
        absent = np.isinf(self.slope)
        return replace(self, logit=logit, invariant=np.where(absent, 1.0, np.maximum(invariant, TINY)))

    def take(self, which: npt.NDArray[np.bool_]) -> "Problem":
        """Some of the points."""
        arrays: dict[str, Any] = {
            name: value[which] for name, value in vars(self).items() if isinstance(value, np.ndarray)
        }
        return replace(self, **arrays)

    @property
    def log_rivals(self) -> FloatArray:
        """ln(q-1), (P,)."""
        return np.log(self.num_classes - 1.0)

    @property
    def own_invariant(self) -> FloatArray:
        """(3.4) (P, n), 0 for an absent circuit, which has a stand-in in `invariant`."""
        return np.where(np.isinf(self.slope), 0.0, self.invariant)

    @property
    def theta(self) -> FloatArray:
        """(3.6) mirror coordinates at t = 0, (P, n)."""
        # ln(x + √(1 + x²)) would overflow for the tiny invariants that stand for 0.
        x = self.logit / self.invariant
        far = 0.5 * (np.log(np.where(x > 1e20, 4.0 * self.logit, 1.0)) - np.log(self.invariant))
        return np.where(x > 1e20, far, 0.5 * np.arcsinh(2.0 * np.where(x > 1e20, 0.0, x)))

    def performance(self, logits: FloatArray) -> FloatArray:
        """Test performance (P,) of logits (P, n): accuracy, or 1 - loss / ln q where inputs are all alike."""
        gen, mem = logits[:, : self.num_gen].sum(axis=1), logits[:, self.num_gen :].sum(axis=1)
        score = 1.0 - losses.test_loss(gen, mem, self.num_classes) / losses.chance_loss(self.num_classes)
        accuracy = losses.test_accuracy(logits, self.num_gen, self.num_classes, self.logit_spread)
        return np.where(self.logit_spread > 0.0, accuracy, score)

    def behaviours(self, events: FloatArray, final: FloatArray, limits: FloatArray) -> npt.NDArray[np.str_]:
        """Names of behaviours (P,) from event times (P, N_EVENTS + 2), final logits and limits (P, n)."""
        chance = np.where(self.logit_spread > 0.0, 1.0 / self.num_classes, 0.0)
        # Points that failed carry nan; their callers name them so.
        final, limits = np.nan_to_num(final), np.nan_to_num(limits)
        where = [
            standing(x.sum(axis=1) > self.criteria[:, 0], self.performance(x), chance, self.thresholds)
            for x in (final, limits)
        ]
        to_come = np.abs(self.performance(limits) - self.performance(final))
        settled = (where[0] == where[1]) & ((where[0] != 2) | (to_come <= self.thresholds.level))
        t_fit, t_gen, t_leave = (events[:, e] for e in (FIT, GEN, LEAVE))
        return classify(where[0], settled, t_fit, t_gen, t_leave, events[:, N_EVENTS] > 0.0, self.thresholds)


def event_times(events: FloatArray) -> dict[str, FloatArray]:
    """t_fit, t_gen and t_cross (P,), nan for never."""
    return {"t_fit": events[..., FIT], "t_gen": events[..., GEN], "t_cross": events[..., CROSS]}


def pack(
    model: Dynamics,
    values: dict[str, npt.NDArray[Any]],
    size: int,
    start: State | None,
    thresholds: Thresholds,
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
    if values.keys() & {"dataset_size", "critical_size", "exponent"}:
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

    kappa, q, spread, floor, power = (
        column(name).astype(np.float64)
        for name in ("kappa", "num_classes", "logit_spread", "logit_floor", "norm_power")
    )
    slope = flow.penalty_slope(
        efficiency,
        kappa[:, None],
        column("weight_decay")[:, None],
        column("penalty")[:, None],
        power[:, None],
    )
    with np.errstate(invalid="ignore"):
        lost = ~np.isfinite(slope) | ((slope == 0.0) & (column("weight_decay")[:, None] > 0.0))
    if lost.any():
        point, circuit = np.argwhere(lost)[0]
        raise ValueError(
            f"weight_decay / efficiency ** norm_power must be a number that float64 can hold, got {model.labels[circuit]} "
            f"with efficiency {efficiency[point, circuit]:g} and norm_power {power[point]:g}. Bring it nearer to 1."
        )
    r = power / kappa
    if start is None:
        logit, speed = columns("initial_logit"), columns("learning_speed")
        invariant = speed**2
        stuck = (r[:, None] < 1.0) & (logit == 0.0) & (speed > 0.0) & (floor[:, None] == 0.0)
        if stuck.any():
            point, circuit = np.argwhere(stuck)[0]
            raise ValueError(
                f"with kappa > norm_power a circuit needs a positive start, because the penalty's slope is infinite at "
                f"W = 0 and it could never grow (model.md 4.3); got {model.labels[circuit]} at W = 0 with kappa = "
                f"{kappa[point]:g}, norm_power = {power[point]:g}. Give it an initial_logit > 0 or the model a "
                f"logit_floor > 0; for a circuit that is not there, learning_speed = 0."
            )
    else:
        logit = np.broadcast_to(start.logit, (size, len(model.labels))).astype(np.float64)
        invariant = np.broadcast_to(start.invariant, logit.shape)
    logit = np.maximum(logit, floor[:, None])
    absent = (invariant == 0.0) & (logit == 0.0)
    slope = np.where(absent, np.inf, slope)
    invariant = np.where(absent, 1.0, np.maximum(invariant, TINY))

    log_q = np.log(q)
    bar, margin = thresholds.performance, thresholds.chance_margin
    with np.errstate(divide="ignore"):
        criteria = [np.log(q - 1.0) - np.log(np.expm1((1.0 - bar) * log_q)), spread, np.log(q - 2.0)]
    if np.any(spread > 0.0):
        from scipy.special import ndtri

        quantiles = [ndtri(np.full(size, bar)), ndtri(1.0 / q + margin)]
    else:
        quantiles = [np.zeros(size)] * 2
    for quantile, level in zip(quantiles, (bar, margin), strict=True):
        criteria.append(np.where(spread > 0.0, quantile, np.log(np.expm1((1.0 - level) * log_q))))
    return Problem(
        num_gen=g,
        efficiency=efficiency,
        kappa=kappa,
        num_classes=q,
        logit_spread=spread,
        floor=floor,
        r=r,
        slope=slope,
        logit=logit,
        invariant=invariant,
        criteria=np.stack(criteria, axis=1),
        thresholds=thresholds,
    )
