"""Equilibria of the flow and their stability: model.md 4 and (5.2).

With r = m/κ, an equilibrium has p(S) = a_i W_i^(r-1) for every circuit that is alive, and a push onto its wall for every
other one.

    r > 1 (κ < m)   one equilibrium; every present circuit lives (4.1)
    r = 1 (κ = m)   the least slope takes all; equal slopes share as the start decides (4.2)
    r < 1 (κ > m)   every subset of circuits has up to two; only pure states can be stable (4.3)
"""

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from . import flow, losses
from .behaviours import Thresholds
from .circuits import Dynamics
from .integrate import as_model, as_state
from .parameters import FloatArray
from .problem import Problem, State, pack
from .solve import follow_to_limit

if TYPE_CHECKING:
    from collections.abc import Sequence

# Beyond this many circuits the 2^n mixed states of r < 1, all unstable, are left out.
MOST_MIXED = 10


@dataclass(frozen=True, eq=False)
class SteadyState:
    """An equilibrium of the flow.

    logits, norms (n,)    of each circuit, generalising first; gen_logit, mem_logit, gen_norm, mem_norm by kind
    train_loss, test_loss, train_accuracy, test_accuracy
    stable                no direction leads away from it
    slowest_rate          the least curvature, 1 / flow time: how fast the last distance closes (negative: unstable)
    others                every other equilibrium, the stable ones first
    """

    model: Dynamics
    logits: FloatArray
    stable: bool
    slowest_rate: float
    others: tuple["SteadyState", ...] = ()

    @property
    def norms(self) -> FloatArray:
        """P (n,)."""
        return flow.norm_from_logit(self.logits, self.model.efficiencies, self.model.kappa)

    @property
    def gen_logit(self) -> float:
        """W of the generalising circuits together, nats."""
        return float(self.logits[: self.model.num_gen].sum())

    @property
    def mem_logit(self) -> float:
        """W of the memorising circuits together, nats."""
        return float(self.logits[self.model.num_gen :].sum())

    @property
    def gen_norm(self) -> float:
        """Norm of the generalising circuits together."""
        return float(np.linalg.norm(self.norms[: self.model.num_gen]))

    @property
    def mem_norm(self) -> float:
        """Norm of the memorising circuits together."""
        return float(np.linalg.norm(self.norms[self.model.num_gen :]))

    @property
    def train_loss(self) -> float:
        """(2.1), nats."""
        return float(losses.train_loss(self.logits.sum(), self.model.num_classes))

    @property
    def test_loss(self) -> float:
        """(2.2), nats."""
        return float(losses.test_loss(self.gen_logit, self.mem_logit, self.model.num_classes))

    @property
    def train_accuracy(self) -> float:
        """(5.4) on the training set."""
        return float(losses.train_accuracy(self.logits, self.model.num_classes, self.model.logit_spread))

    @property
    def test_accuracy(self) -> float:
        """(5.4) on unseen examples."""
        m = self.model
        return float(losses.test_accuracy(self.logits, m.num_gen, m.num_classes, m.logit_spread))

    def __repr__(self) -> str:
        from .display import steady_rows, text

        return text("SteadyState", steady_rows(self))

    def _repr_html_(self) -> str:
        from .display import html, steady_rows

        return html("SteadyState", steady_rows(self))


def steady_state(model: Dynamics | None = None, start: "State | Sequence[float] | None" = None) -> SteadyState:
    """The equilibrium that training from `start` (default: the model's own) ends in, with all others beside it.

    ValueError without weight decay, where logits grow for ever, and where no circuit could leave W = 0 (κ > m).

    >>> state = steady_state()
    >>> round(state.gen_logit / state.mem_logit, 6)  # (η_gen / η_mem)^(2κ/(2-κ))
    8.0
    """
    model = as_model(model)
    if model.weight_decay == 0.0:
        raise ValueError(
            "a steady state needs weight_decay > 0 (theorem D.4 as repaired in model.md 4.4), got 0: without it logits "
            "grow for ever. Choose a positive weight_decay, or look at a finite time with simulate()."
        )
    problem = pack(model, {}, 1, as_state(model, start), Thresholds())
    reached = follow_to_limit(problem)[0]
    if np.isnan(reached).any():
        raise ArithmeticError(f"the flow of {model!r} could not be followed to its end. Please report this model.")
    found = [reached] if problem.r[0] >= 1.0 else _all_of_the_divided(problem)
    # The integration ends within its tolerance of an equilibrium; the list has it exactly.
    nearest = int(np.argmin([np.abs(logits - reached).max() for logits in found]))
    states = [_judge(model, problem, logits) for logits in found]
    others = sorted(states[:nearest] + states[nearest + 1 :], key=lambda s: not s.stable)
    chosen = states[nearest]
    return SteadyState(model, chosen.logits, chosen.stable, chosen.slowest_rate, tuple(others))


def steady_ratio(model: Dynamics | None = None) -> float:
    """(4.1), (4.4) W_mem / W_gen = (η_mem / η_gen)^(mκ/(m-κ)), for κ < m; ValueError otherwise."""
    model = as_model(model)
    m, kappa = model.norm_power, model.kappa
    if kappa >= m:
        raise ValueError(
            f"the steady ratio needs kappa < norm_power, got kappa={kappa}, norm_power={m}: one takes all."
        )
    return float(model.efficiency_ratio ** (m * kappa / (m - kappa)))


def sharpness(model: Dynamics | None = None) -> float:
    """(5.3) ν in W_mem / W_gen = (D_crit / D)^ν: minus the slope of ln ratio on ln D at D_crit; inf for κ >= m.

    For a power law ν = β m κ / (m - κ).
    """
    model = as_model(model)
    m, kappa = model.norm_power, model.kappa
    if kappa >= m:
        return float("inf")
    step = 1e-4
    size = model.law.critical_size * np.exp([-step, step])
    steep = -np.diff(np.log(model.law.ratio(size)))[0] / (2 * step)
    return float(steep * m * kappa / (m - kappa))


def critical_dataset_size(model: Dynamics | None = None) -> float:
    """(5.2) D_crit: where η_mem(D) = η_gen by the model's law.  It does not depend on weight decay or classes (P3)."""
    return float(as_model(model).law.critical_size)


def _judge(model: Dynamics, problem: Problem, logits: FloatArray) -> SteadyState:
    """Stability from the curvatures (3.7) of the circuits off their wall; the walls themselves hold by construction."""
    off = logits > problem.floor[0]
    if not off.any():
        return SteadyState(model, logits, True, float("inf"))
    curvature = flow.curvatures(
        logits[off], problem.invariant[0, off], problem.slope[0, off], problem.r[0], problem.num_classes[0]
    )
    least = float(curvature[0])
    # Equal slopes at κ = m leave a direction along which nothing changes.
    return SteadyState(model, logits, least > -1e-9 * float(curvature[-1]), least)


def _all_of_the_divided(problem: Problem) -> list[FloatArray]:
    """Every equilibrium for r < 1: for each set of live circuits the roots of Σ W_i(p(S)) = S, the rest on the wall."""
    slope, floor, r, q = (
        problem.slope[0],
        float(problem.floor[0]),
        float(problem.r[0]),
        float(problem.num_classes[0]),
    )
    present = np.flatnonzero(np.isfinite(slope))
    sizes = range(1, len(present) + 1) if len(present) <= MOST_MIXED else (1,)
    found = []
    for live in [[], *(list(c) for size in sizes for c in combinations(present, size))]:
        for total in _totals(slope[live], floor * (slope.size - len(live)), r, q) if live else [floor * slope.size]:
            p = float(losses.wrong_probability(total, q))
            logits = np.full(slope.size, floor)
            logits[live] = (slope[live] / p) ** (1.0 / (1.0 - r))
            walled = np.setdiff1d(present, live)
            with np.errstate(divide="ignore"):
                pushed = slope[walled] * floor ** (r - 1.0) - p if floor > 0.0 else np.full(walled.size, np.inf)
            if np.all(logits[live] > floor) and np.all(pushed >= 0.0):
                found.append(logits)
    return found


def _totals(slope: FloatArray, rest: float, r: float, num_classes: float) -> list[float]:
    """Roots S of Σ (a_i / p(S))^(1/(1-r)) + rest = S.  ln Σ is convex in ln S, so there are at most two."""
    from scipy.optimize import brentq, minimize_scalar

    def gap(y: float) -> float:
        log_p = -np.logaddexp(0.0, np.exp(y) - np.log(num_classes - 1.0))
        parts = (np.log(slope) - log_p) / (1.0 - r)
        return float(np.logaddexp.reduce([*parts, np.log(rest)] if rest > 0.0 else parts) - y)

    low, high = -600.0, np.log(700.0)
    grid = np.linspace(-30.0, high, 500)
    best = int(np.argmin([gap(y) for y in grid]))
    bounds = (grid[max(best - 1, 0)], grid[min(best + 1, grid.size - 1)])
    bottom = float(minimize_scalar(gap, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x)
    if gap(bottom) > 0.0:
        return []
    return [
        float(np.exp(brentq(gap, *ends, xtol=1e-14)))
        for ends in ((low, bottom), (bottom, high))
        if gap(ends[0]) * gap(ends[1]) < 0
    ]
