"""Equilibria of the flow and their stability: README 4, (5.2), (5.3) and 8.

At an equilibrium every circuit off its wall has the push p(S), so that all logits follow from one number: each set of live
circuits has its equilibria by one scalar equation (8.4).  Which sets there are, (4.1) to (4.3) and (8.3) say.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from . import flow, losses
from .behaviours import Criteria
from .integration.engine import follow_to_limit
from .integration.problem import Problem, pack
from .model import TwoCircuitModel, as_model
from .parameters import FloatArray
from .results.display import Rows, Shown
from .results.readings import Readings
from .state import State, as_state

IntArray = npt.NDArray[np.int_]
# Beyond this many circuits the 2^n mixed states of κ > μ, all unstable, are left out.
MOST_MIXED = 10


@dataclass(frozen=True, eq=False, repr=False)
class SteadyState(Readings, Shown):
    """An equilibrium of the flow.

    logits, norms (n,)    of each circuit, generalising first; gen_logit, mem_logit, gen_norm, mem_norm by kind
    norm                  the network's, ‖w‖ (8.1)
    train_loss, test_loss, regularised_loss, train_accuracy, test_accuracy
    stable                no direction leads away from it
    slowest_rate          the least curvature, 1 / flow time: how fast the last distance closes (negative: unstable)
    others                every other equilibrium, the stable ones first
    """

    model: TwoCircuitModel
    logits: FloatArray
    stable: bool
    slowest_rate: float
    problem: Problem = field(repr=False)
    others: tuple["SteadyState", ...] = ()

    def _rows(self) -> Rows:
        def listed(values: FloatArray) -> str:
            return ", ".join(f"{label} {value:.6g}" for label, value in zip(self.model.labels, values, strict=True))

        return [
            ("logits", listed(self.logits)),
            ("norms", f"{listed(self.norms)}; network {self.norm:.6g}"),
            ("losses", f"train {self.train_loss:.6g}, test {self.test_loss:.6g}"),
            ("accuracies", f"train {self.train_accuracy:.6g}, test {self.test_accuracy:.6g}"),
            ("stable", "yes" if self.stable else "no"),
            ("other equilibria", str(len(self.others))),
        ]


def steady_state(
    model: TwoCircuitModel | None = None, start: State | Sequence[float] | None = None, **parameters: Any
) -> SteadyState:
    """The equilibrium that training from `start` (default: the model's own) ends in, with all others beside it.

    parameters   any of the model's, as in `simulate`: kappa=4.8, sharing=7, dataset_size=160

    ValueError without weight decay, where logits grow for ever, and where no circuit could leave W = 0 (README 8.3).

    >>> state = steady_state()
    >>> round(state.gen_logit / state.mem_logit, 6)  # (η_gen / η_mem)^(2κ/(2-κ))
    8.0
    """
    model = as_model(model, parameters)
    if model.weight_decay == 0.0:
        raise ValueError(
            "a steady state needs weight_decay > 0 (theorem D.4 as repaired in README 4.4), got 0: without it logits "
            "grow for ever. Choose a positive weight_decay, or look at a finite time with simulate()."
        )
    problem = pack(model, {}, 1, as_state(model, start), Criteria())
    reached = follow_to_limit(problem)[0]
    if np.isnan(reached).any():
        raise ArithmeticError(f"the flow of {model!r} could not be followed to its end. Please report this model.")
    found = equilibria(problem, reached)
    # The integration ends within its tolerance of an equilibrium; the list has it exactly.
    nearest = int(np.argmin([np.abs(logits - reached).max() for logits in found]))
    states = [_judge(model, problem, logits) for logits in found]
    others = sorted(states[:nearest] + states[nearest + 1 :], key=lambda s: not s.stable)
    chosen = states[nearest]
    return SteadyState(model, chosen.logits, chosen.stable, chosen.slowest_rate, problem, tuple(others))


def steady_ratio(model: TwoCircuitModel | None = None, **parameters: Any) -> float:
    """(4.1), (8.3) W_mem / W_gen = Σ_mem η^χ / Σ_gen η^χ over present circuits, for κ < μ; ValueError otherwise."""
    model = as_model(model, parameters)
    if model.kappa >= model.sharing:
        raise ValueError(
            f"the steady ratio needs kappa < sharing, got kappa={model.kappa}, sharing={model.sharing}: one takes all."
        )
    gen, mem = (_joint(model, circuits) for circuits in (model.generalising, model.memorising))
    return float(np.exp(_chi(model) * (mem - gen)))


def mixture_efficiency(model: TwoCircuitModel | None = None, **parameters: Any) -> float:
    """(8.4) η_mix = (Σ η^χ)^(1/χ) over present circuits: the efficiency of the rest state as one circuit, for κ < μ."""
    model = as_model(model, parameters)
    return float(np.exp(_joint(model, model.circuits)))


def _chi(model: TwoCircuitModel) -> float:
    """(8.3) χ in W_i ∝ η_i^χ."""
    return model.kappa * model.sharing / (model.sharing - model.kappa)


def _joint(model: TwoCircuitModel, circuits: Any) -> float:
    """ln of the efficiency of these circuits' mixture."""
    present = [
        c.efficiency for c in circuits if c.learning_speed > 0.0 or max(c.initial_logit, model.logit_floor) > 0.0
    ]
    return float(np.logaddexp.reduce(_chi(model) * np.log(present)) / _chi(model)) if present else -np.inf


def sharpness(model: TwoCircuitModel | None = None, **parameters: Any) -> float:
    """(8.5) ν in W_mem / W_gen = (D_crit / D)^ν: minus the slope of ln ratio on ln D at D_crit; inf for κ >= μ.

    For a power law ν = β κ μ / (μ - κ), which is (5.3) for μ = 2.
    """
    model = as_model(model, parameters)
    if model.kappa >= model.sharing:
        return float("inf")
    step = 1e-4
    size = model.law.critical_size * np.exp([-step, step])
    steep = -np.diff(np.log(model.law.ratio(size)))[0] / (2 * step)
    return float(steep * _chi(model))


def critical_dataset_size(model: TwoCircuitModel | None = None, **parameters: Any) -> float:
    """(5.2) D_crit: where η_mem(D) = η_gen by the model's law.  Weight decay, classes and sharing play no part (P3)."""
    return float(as_model(model, parameters).law.critical_size)


def _judge(model: TwoCircuitModel, problem: Problem, logits: FloatArray) -> SteadyState:
    """Stability from the curvatures (8.6) of the circuits off their wall; the walls themselves hold by construction."""
    off = np.flatnonzero(logits > problem.floor[0])
    if not off.size:
        return SteadyState(model, logits, True, float("inf"), problem)
    curvature = np.linalg.eigvalsh(problem.hessian(logits[None])[0][np.ix_(off, off)])
    least = float(curvature[0])
    # Equal slopes at κ = μ leave a direction along which nothing changes.
    return SteadyState(model, logits, least > -1e-9 * float(curvature[-1]), least, problem)


def equilibria(problem: Problem, reached: FloatArray) -> list[FloatArray]:
    """Logits (n,) of every equilibrium of a problem of one point; `reached` is where its flow ends."""
    slope, floor, r = problem.slope[0], float(problem.floor[0]), float(problem.r[0])
    degree = float(problem.norm_power[0] / problem.kappa[0])
    present = np.flatnonzero(np.isfinite(slope))
    if (r > 1.0 and degree > 1.0) or not present.size:
        return [reached]
    if r > 1.0:
        live_sets = [present]
    elif r == 1.0:
        live_sets = [np.flatnonzero(reached > floor * (1.0 + 1e-9))]
    else:
        sizes = range(1, len(present) + 1) if len(present) <= MOST_MIXED else (1,)
        live_sets = [np.array(c) for size in sizes for c in combinations(present, size)]
    found = []
    for live in live_sets:
        for logits in pure_or_mixed(problem, live, reached) if live.size else []:
            walled = np.setdiff1d(present, live)
            if r > 1.0 or (np.all(logits[live] > floor) and _held(problem, logits, walled)):
                found.append(logits)
    origin = np.where(np.isfinite(slope), floor, 0.0)
    if floor > 0.0:
        if _held(problem, origin, present) and not any(np.array_equal(x, origin) for x in found):
            found.append(origin)
    elif degree < 1.0 or not found:
        found.append(origin)
    return found


def _held(problem: Problem, logits: FloatArray, walled: IntArray) -> bool:
    """Whether circuits at their floor are pushed onto it; at W = 0 the push is infinite for κ > μ, and nothing for κ < μ."""
    p = losses.wrong_probability(logits.sum(), problem.num_classes[0])
    with np.errstate(divide="ignore"):
        return bool(np.all(problem.log_pushes(logits[None])[0, walled] >= np.log(p) - 1e-12))


def pure_or_mixed(problem: Problem, live: IntArray, reached: FloatArray | None = None) -> list[FloatArray]:
    """(8.4) equilibria with these circuits off their floor and the others on it: roots y of ln p(S) = ln push, W = e^y x.

    For κ != μ the shares x are (a_i)^(-1/(r-1)); for κ = μ they are those of `reached`.
    """
    from scipy.optimize import brentq, minimize_scalar

    log_slope, floor, r = problem.log_slope[0], float(problem.floor[0]), float(problem.r[0])
    shares = np.full(log_slope.size, -np.inf)
    if r != 1.0:
        shares[live] = -log_slope[live] / (r - 1.0)
    else:
        shares[live] = 0.0 if reached is None else np.log(reached[live])
    lead = int(np.argmax(shares))
    shares -= shares[lead]

    def logits(y: Any) -> FloatArray:
        grown = np.exp(np.asarray(y)[..., None] + shares)
        held = np.where(np.isfinite(problem.slope[0]), floor, 0.0)
        return np.maximum(grown, held) if r > 1.0 else np.where(np.isfinite(shares), grown, held)

    def gap(y: Any) -> Any:
        w = logits(y)
        # The leader's push as if it were off its floor.
        push = flow.log_pushes(w, problem.log_slope[0], r, problem.bend[0], problem.scale[0])[..., lead]
        push += (r - 1.0) * (np.asarray(y) - np.log(w[..., lead]))
        x = w.sum(axis=-1) - np.log(problem.num_classes[0] - 1.0)
        return -np.logaddexp(0.0, x) - push

    grid = np.concatenate([np.linspace(-600.0, -30.0, 600), np.linspace(-29.9, np.log(1e3), 1500)])
    values = gap(grid)
    if not np.any(values > 0.0):
        # Two roots near a fold may lie between two points of the grid.
        top = int(np.clip(np.argmax(values), 1, grid.size - 2))
        best = minimize_scalar(
            lambda y: -gap(y), bounds=(grid[top - 1], grid[top + 1]), method="bounded", options={"xatol": 1e-12}
        )
        grid = np.insert(grid, np.searchsorted(grid, best.x), best.x)
        values = gap(grid)
    turns = np.flatnonzero(np.diff(np.sign(values)) != 0)
    return [logits(brentq(gap, grid[k], grid[k + 1], xtol=1e-14)) for k in turns]
