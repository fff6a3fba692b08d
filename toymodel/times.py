"""How long grokking and ungrokking take: estimates and their measured error (README 6.1, 6.2).

The closed form (6.1) lets the rival climb at the leader's plateau rate, to half of the leader's logit.  The adiabatic one
follows the slow path: the total relaxes fast, so that p(S) is the mean of the pushes with weights √(s_i⁴ + 4 W_i²), and the
time is the integral of dθ / (p - push) of the rival.  It keeps the rival's own penalty, the falling plateau, and the head
start that the rival gets while the leader is still learning.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import flow
from .behaviours import Criteria
from .equilibrium import critical_dataset_size, steady_state
from .integration.problem import Problem, pack
from .losses import wrong_probability
from .model import TwoCircuitModel, as_model
from .parameters import FloatArray
from .results.display import Rows, Shown, number
from .simulate import simulate

NEVER = float("nan")


@dataclass(frozen=True, repr=False)
class TimeEstimate(Shown):
    """Flow time until the rival circuit takes the lead for good; nan: never, or no estimate.

    closed_form     (6.1) (θ(W_cross) - θ(start)) / p*; for κ < m only
    adiabatic       the integral along the slow path; nan where there is none
    simulated       by `simulate`; nan if the lead does not change
    plateau_logit, plateau_rate   W* and p*
    """

    closed_form: float
    adiabatic: float
    simulated: float
    plateau_logit: float
    plateau_rate: float

    def error(self, which: str = "closed_form") -> float:
        """estimate / simulated - 1, of "closed_form" or "adiabatic"; nan where either is never, or at once."""
        return float(getattr(self, which)) / self.simulated - 1.0 if self.simulated > 0.0 else NEVER

    def _rows(self) -> Rows:
        rows = [("simulated", number(self.simulated))]
        for name in ("closed_form", "adiabatic"):
            error = self.error(name)
            rows.append((name, number(getattr(self, name)) + ("" if np.isnan(error) else f" ({error:+.1%})")))
        return [*rows, ("plateau", f"logit {number(self.plateau_logit)}, rate {number(self.plateau_rate)}")]


def plateau(model: TwoCircuitModel, circuit: int) -> tuple[float, float]:
    """(W*, p*) with only one circuit off its floor: p(W*) = push; (nan, nan) where it could not stay grown."""
    problem = pack(model, {}, 1, None, Criteria())
    logit = float(problem.at_rest(np.arange(len(model.circuits))[None] == circuit)[0, circuit])
    return logit, float(wrong_probability(logit, model.num_classes))


def adiabatic_time(problem: Problem, pair: list[int], top: float, seed: float) -> float:
    """Flow time along the slow path for the second of `pair` to grow from mirror coordinate `seed` to the first's logit.

    top is the first's plateau.  nan if the path does not get there.
    """
    s, slope, r = problem.invariant[0, pair], problem.slope[0, pair], problem.r[0]

    def excess(lead: FloatArray, follow: FloatArray) -> tuple[FloatArray, FloatArray]:
        """p(S) less the weighted mean of the pushes, and the rival's rate."""
        both = np.stack([lead, follow], axis=-1)
        w = flow.mobility(both, s)
        push = flow.pushes(both, slope, r)
        mean = np.sum(w * push, axis=-1) / np.sum(w, axis=-1)
        return wrong_probability(lead + follow, problem.num_classes[0]) - mean, mean - push[..., 1]

    # The two meet where they are equal on the slow path; before that the leader lies between there and its plateau.
    meet = float(_bisect(lambda x: excess(x, x)[0], np.zeros(1), np.full(1, top))[0])
    end = float(flow.mirror(meet, s[1]))
    if not end > seed:
        return NEVER
    nodes, weights = np.polynomial.legendre.leggauss(200)
    follow = flow.logit_from_mirror(seed + 0.5 * (end - seed) * (nodes + 1.0), s[1])
    lead = _bisect(lambda x: excess(x, follow)[0], np.full(200, 0.5 * meet), np.full(200, 1.5 * top))
    rate = excess(lead, follow)[1]
    return float(0.5 * (end - seed) * np.sum(weights / rate)) if np.all(rate > 0.0) else NEVER


def _estimate(
    model: TwoCircuitModel, leader: int, rival: int, start: Any, event: str, t_end: float | None
) -> TimeEstimate:
    """Time until `rival` takes the lead from `leader`, from the logits `start` (n,) or the model's own."""
    level, rate = plateau(model, leader)
    problem = pack(model, {}, 1, None, Criteria())
    logits = problem.logit[0] if start is None else np.maximum(start, model.logit_floor)
    s = problem.invariant[0]
    theta = flow.mirror(logits, s)
    head_start = logits[rival] > logits[leader]
    closed = slow = NEVER
    if model.kappa < model.norm_power and rate > 0.0:
        closed = float(max(flow.mirror(0.5 * level, s[rival]) - theta[rival], 0.0) / rate)
    if rate > 0.0:
        # While the leader learns, the penalties are small and all mirror coordinates climb together, at nearly 1.
        climb = max(float(flow.mirror(level, s[leader]) - theta[leader]), 0.0)
        slow = climb + adiabatic_time(problem, [leader, rival], level, float(theta[rival]) + climb)
    guess = max(np.nan_to_num(closed), np.nan_to_num(slow), 100.0 / rate if rate > 0.0 else 0.0, 1000.0)
    run = simulate(model, 10.0 * guess if t_end is None else t_end, start=None if start is None else start.tolist())
    simulated = getattr(run, event)
    # For κ < m the end decides; otherwise the race does, and only the run tells.
    end = steady_state(model, None if start is None else start.tolist()) if model.weight_decay > 0.0 else run
    ahead = np.sign(np.sum(end.gen_logit) - np.sum(end.mem_logit)) * (1 if event == "t_cross" else -1)
    if ahead <= 0.0:
        closed = slow = NEVER
    elif simulated == 0.0 and (head_start or logits[rival] == logits[leader]):
        closed = slow = 0.0
    return TimeEstimate(closed, slow, NEVER if simulated is None else simulated, level, rate)


def grokking_time(model: TwoCircuitModel | None = None, t_end: float | None = None, **parameters: Any) -> TimeEstimate:
    """(6.1) time from scratch until Gen takes the lead from Mem, estimated and simulated.

    t_end        how long to simulate; default ten times the estimate
    parameters   any of the model's, as in `simulate`

    With several circuits of a kind, the most efficient of each.  ValueError without weight decay.
    """
    model = as_model(model, parameters)
    steady_state(model)  # refuses what has no plateau
    gen, mem = _best(model)
    return _estimate(model, mem, gen, None, "t_cross", t_end)


def ungrokking_time(
    model: TwoCircuitModel | None = None,
    dataset_size: float | None = None,
    t_end: float | None = None,
    **parameters: Any,
) -> TimeEstimate:
    """(6.2) time until Mem takes the lead when a network that has grokked goes on with a smaller data set.

    The run starts at the steady state of `model` at its own data set size, and goes on with `dataset_size` (default: half
    of D_crit).  Mem grows from the seed that survives there.  ValueError if the model does not end with Gen in the lead.
    """
    model = as_model(model, parameters)
    before = steady_state(model)
    if before.gen_logit <= before.mem_logit:
        raise ValueError(
            f"ungrokking needs a model that generalises at its own data set size, got one that ends with gen "
            f"{before.gen_logit:.4g} and mem {before.mem_logit:.4g}. Start above D_crit: model.at_dataset_size(...)."
        )
    after = model.at_dataset_size(0.5 * critical_dataset_size(model) if dataset_size is None else dataset_size)
    gen, mem = _best(after)
    return _estimate(after, gen, mem, before.logits, "t_lost", t_end)


def _best(model: TwoCircuitModel) -> tuple[int, int]:
    """Positions of the most efficient circuit of each kind."""
    eta, g = model.efficiencies, model.num_gen
    return int(np.argmax(eta[:g])), g + int(np.argmax(eta[g:]))


def _bisect(f: Callable[[FloatArray], FloatArray], low: FloatArray, high: FloatArray) -> FloatArray:
    """Where a falling f is 0, elementwise; one of the ends where it does not change sign."""
    for _ in range(100):
        middle = 0.5 * (low + high)
        above = f(middle) > 0.0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return 0.5 * (low + high)
