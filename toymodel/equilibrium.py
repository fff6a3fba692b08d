"""Equilibria of the flow and their stability: README 4, (5.2) and (5.3).

`rest` has the equilibria of each set of live circuits.  Which sets there are, (4.1) to (4.3) say.
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
# Beyond this many circuits the 2^n mixed states of κ > m, all unstable, are left out.
MOST_MIXED = 10


@dataclass(frozen=True, eq=False, repr=False)
class SteadyState(Readings, Shown):
    """An equilibrium of the flow.

    logits, norms (n,)    of each circuit, generalising first; gen_logit, mem_logit, gen_norm, mem_norm by kind
    norm                  the network's, ‖w‖ (2.3)
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

    parameters   any of the model's, as in `simulate`: kappa=1.5, dataset_size=160

    ValueError without weight decay, where logits grow for ever, and where no circuit could leave W = 0 (README 4.3).

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
    """(4.1), (4.4) W_mem / W_gen = Σ_mem η^χ / Σ_gen η^χ over present circuits, for κ < m; ValueError otherwise."""
    model = as_model(model, parameters)
    chi = _chi(model)
    if not np.isfinite(chi):
        raise ValueError(
            f"the steady ratio needs kappa < norm_power, got kappa={model.kappa}, norm_power={model.norm_power}: one takes "
            f"all."
        )

    def log_sum(circuits: Any) -> Any:
        present = [c.efficiency for c in circuits if max(c.learning_speed, c.initial_logit, model.logit_floor) > 0.0]
        return np.logaddexp.reduce(chi * np.log(present)) if present else -np.inf

    return float(np.exp(log_sum(model.memorising) - log_sum(model.generalising)))


def _chi(model: TwoCircuitModel) -> float:
    """(4.4) χ in W_i ∝ η_i^χ; inf where one circuit takes all."""
    kappa, m = model.kappa, model.norm_power
    return kappa * m / (m - kappa) if kappa < m else float("inf")


def sharpness(model: TwoCircuitModel | None = None, **parameters: Any) -> float:
    """(5.3) ν in W_mem / W_gen = (D_crit / D)^ν: minus the slope of ln ratio on ln D at D_crit; inf for κ >= m.

    For a power law ν = β κ m / (m - κ).
    """
    model = as_model(model, parameters)
    step = 1e-4
    size = model.law.critical_size * np.exp([-step, step])
    steep = -np.diff(np.log(model.law.ratio(size)))[0] / (2 * step)
    return float(steep * _chi(model))


def critical_dataset_size(model: TwoCircuitModel | None = None, **parameters: Any) -> float:
    """(5.2) D_crit: where η_mem(D) = η_gen by the model's law.  Weight decay and classes play no part (P3)."""
    size = getattr(parameters.get("law"), "critical_size", None)
    if model is None and size is not None:  # a law's range need not hold the default D
        parameters = {"dataset_size": size} | parameters
    return float(as_model(model, parameters).law.critical_size)


def _judge(model: TwoCircuitModel, problem: Problem, logits: FloatArray) -> SteadyState:
    """Stability from the curvatures (3.7) of the circuits off their wall; the walls themselves hold by construction."""
    off = np.flatnonzero(logits > problem.floor[0])
    if not off.size:
        return SteadyState(model, logits, True, float("inf"), problem)
    curvature = np.linalg.eigvalsh(problem.hessian(logits[None])[0][np.ix_(off, off)])
    least = float(curvature[0])
    # Equal slopes at κ = m leave a direction along which nothing changes.
    return SteadyState(model, logits, least > -1e-9 * float(curvature[-1]), least, problem)


def equilibria(problem: Problem, reached: FloatArray) -> list[FloatArray]:
    """Logits (n,) of every equilibrium of a problem of one point; `reached` is where its flow ends."""
    floor, r = float(problem.floor[0]), float(problem.r[0])
    present = np.flatnonzero(~problem.absent[0])
    if r > 1.0 or not present.size:
        return [reached]
    if r == 1.0:
        sets = [np.flatnonzero(reached > floor * (1.0 + 1e-9))]
    else:
        sizes = range(1, len(present) + 1) if len(present) <= MOST_MIXED else (1,)
        sets = [np.array(c) for size in sizes for c in combinations(present, size)]
    sets = [live for live in sets if live.size]
    live = np.array([np.isin(np.arange(reached.size), live) for live in sets]).reshape(len(sets), reached.size)
    same = problem.take(np.zeros(len(sets), int))
    shares = np.broadcast_to(reached, live.shape)
    roots = [same.at_rest(live, smaller, shares) for smaller in ((False, True) if r < 1.0 else (False,))]
    found = []
    for k, off in enumerate(live):
        for logits in (root[k] for root in roots):
            if np.all(logits[off] > floor) and _held(problem, logits, present[~off[present]]):
                found.append(logits)
    origin = np.where(problem.absent[0], 0.0, floor)
    if (_held(problem, origin, present) if floor > 0.0 else r < 1.0 or not found) and not any(
        np.array_equal(x, origin) for x in found
    ):
        found.append(origin)
    return found


def _held(problem: Problem, logits: FloatArray, walled: IntArray) -> bool:
    """Whether circuits at their floor are pushed onto it."""
    p = losses.wrong_probability(logits.sum(), problem.num_classes[0])
    push = flow.pushes(logits[None], problem.slope, problem.r)[0]
    return bool(np.all(push[walled] >= p * (1.0 - 1e-12)))
