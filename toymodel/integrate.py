"""simulate(): one trajectory of a model, by gradient flow or gradient descent (model.md 3)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import flow
from .behaviours import FAILED, Thresholds
from .circuits import Dynamics, TwoCircuitModel
from .kernel.lane import DONE
from .losses import wrong_probability
from .parameters import FloatArray, check, unknown
from .problem import Problem, State, pack
from .solve import REASONS, RTOL, follow_to_limit, solve_descent, solve_flow
from .trajectory import Trajectory

METHODS = ("flow", "descent")
# A descent longer than this is worth the half second that loading the compiler takes.
COMPILE_FROM = 2_000_000


def simulate(
    model: Dynamics | None = None,
    t_end: float | None = None,
    method: str = "flow",
    *,
    learning_rate: float = 0.01,
    steps: int | None = None,
    start: State | Sequence[float] | None = None,
    times: npt.ArrayLike | None = None,
    rtol: float = RTOL,
    thresholds: Thresholds | None = None,
    **parameters: Any,
) -> Trajectory:
    """Trains the circuits and returns their Trajectory.  With no arguments: the paper's simulation (appendix C).

    Main arguments
        model       a TwoCircuitModel or CircuitModel; default TwoCircuitModel(), the paper's values
        t_end       flow time at which to stop (learning rate × steps); default 1000
        method      "flow": gradient flow, error-controlled; "descent": the paper's gradient descent
        parameters  any of `model.parameters()`, for this run only: kappa=1.5, gen_learning_speed=1e-3, dataset_size=400

    Other arguments
        learning_rate   λ: the step of descent, and what turns flow time into `Trajectory.step`
        steps           number of descent steps, instead of t_end
        start           a State to go on from, or logits (n,) to start at instead of the model's
        times           (k,) rising flow times in [0, t_end] to keep; default about 700, dense in ln t and in t
        rtol            flow: error allowed per step in ln(1 + W)
        thresholds      where the vocabulary of behaviours draws its lines

    Raises ValueError or TypeError for an argument out of range, for a circuit that could never leave W = 0 (kappa above
    norm_power and no positive start), and for a learning rate at which descent cannot settle (the message states the
    bound).  A t_end that is too short is no error: the behaviour is then "unfinished".

    >>> simulate().behaviour
    'grokking'
    """
    model = as_model(model)
    if parameters:
        model = model.with_parameters(**parameters)
    if method not in METHODS:
        raise unknown("method", str(method), METHODS)
    learning_rate = check("learning_rate", learning_rate)
    if steps is not None:
        if t_end is not None:
            raise ValueError(
                f"steps is given instead of t_end; got steps={steps!r}, t_end={t_end!r}. Pass one of them."
            )
        t_end = check("steps", steps) * learning_rate
    t_end = check("t_end", 1000.0 if t_end is None else t_end)
    rtol = check("rtol", rtol)
    thresholds = as_thresholds(thresholds)
    state = as_state(model, start)
    problem = pack(model, {}, 1, state, thresholds)
    saved = save_times(t_end, times)
    if method == "flow":
        solution = solve_flow(problem, np.array([t_end]), rtol, saved, compiled=False)
        kept = np.broadcast_to(solution.invariant[0], (saved.size, len(model.circuits)))
    else:
        _refuse_divergence(problem, learning_rate)
        count = number_of_steps(t_end, learning_rate)
        marks = np.unique(np.round(saved / learning_rate))
        saved = marks * learning_rate
        compiled = count * len(model.circuits) > COMPILE_FROM
        solution = solve_descent(problem, np.array([learning_rate]), np.array([count]), marks, compiled)
        kept = solution.kept[0]
    status = int(solution.status[0])
    behaviour = str(problem.behaviours(solution.events, solution.final, solution.limits)[0])
    return Trajectory(
        model=model,
        method=method,
        learning_rate=learning_rate,
        t_end=t_end,
        rtol=rtol,
        thresholds=thresholds,
        time=saved,
        logits=solution.samples[0],
        invariants=kept,
        events=solution.events[0],
        final_state=State(solution.final[0], solution.invariant[0]),
        limit_logits=solution.limits[0],
        behaviour=behaviour if status == DONE else FAILED,
        status=REASONS[status],
    )


def as_model(model: Dynamics | None) -> Dynamics:
    """The model that is meant: the paper's for None; TypeError for what is no model."""
    if model is None:
        return TwoCircuitModel()
    if not isinstance(model, Dynamics):
        raise TypeError(
            f"model must be a toymodel.TwoCircuitModel or CircuitModel, got {model!r}. Build one, or leave it out for the "
            f"paper's."
        )
    return model


def as_thresholds(thresholds: Thresholds | None) -> Thresholds:
    """The project's for None; TypeError for what are no thresholds."""
    if thresholds is not None and not isinstance(thresholds, Thresholds):
        raise TypeError(
            f"thresholds must be toymodel.Thresholds, got {thresholds!r}. Pass toymodel.Thresholds(performance=...), or "
            f"leave it out for the defaults."
        )
    return thresholds or Thresholds()


def number_of_steps(t_end: float, learning_rate: float) -> int:
    """Descent steps to t_end; ValueError for more than can be counted."""
    return int(check("steps", float(np.round(t_end / learning_rate)), "t_end / learning_rate"))


def as_state(model: Dynamics, start: State | Sequence[float] | None) -> State | None:
    """`start` of `simulate` as a State; ValueError or TypeError for logits out of range or of the wrong number."""
    if start is None:
        return None
    logits = start.logit if isinstance(start, State) else start
    if np.ndim(logits) != 1:
        raise TypeError(
            f"start must be a State or a sequence of logits, one for each circuit ({', '.join(model.labels)}), got "
            f"{start!r}. Pass {len(model.circuits)} numbers, generalising circuits first."
        )
    invariants = start.invariant if isinstance(start, State) else model.invariants
    if not len(logits) == np.size(invariants) == len(model.circuits):
        raise ValueError(
            f"start must hold one logit for each circuit ({', '.join(model.labels)}), got {len(logits)}, and as many "
            f"invariants, got {np.size(invariants)}. Pass {len(model.circuits)} numbers, generalising circuits first."
        )
    limit = "logit" if isinstance(start, State) else "initial_logit"
    return State(
        np.array([check(limit, x, f"start[{k}]") for k, x in enumerate(logits)]),
        np.array([check("invariant", x, f"start.invariant[{k}]") for k, x in enumerate(invariants)]),
    )


def save_times(t_end: float, times: npt.ArrayLike | None = None) -> FloatArray:
    """Flow times to keep: the caller's, or a default grid that is dense both in ln t and in t."""
    if times is None:
        if t_end == 0.0:
            return np.zeros(1)
        return np.unique(np.concatenate([[0.0], t_end * np.geomspace(1e-5, 1.0, 401), np.linspace(0.0, t_end, 301)]))
    try:
        wanted = np.asarray(times, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"times must be a 1-D sequence of numbers, got {times!r}. Pass a list or an array.") from None
    good = wanted.ndim == 1 and wanted.size > 0 and np.all(np.isfinite(wanted)) and np.all(np.diff(wanted) > 0)
    if not (good and wanted[0] >= 0 and wanted[-1] <= t_end):
        raise ValueError(
            f"times must be 1-D, not empty, strictly rising and within [0, t_end = {t_end:g}], got {times!r}. Sort them, "
            f"drop repetitions, or raise t_end."
        )
    return wanted


# Share of all logits below which a circuit's oscillation does no harm.
HARMLESS = 1e-3


def _refuse_divergence(problem: Problem, learning_rate: float) -> None:
    """ValueError if descent cannot settle where the flow ends: λ must be below 2 / (largest curvature) there.

    A circuit with next to no logit left has a curvature of about p s² / W without bound, but its oscillation is bounded: it
    bounces off W = 0 and gains at most λ p s² a step.  It is left out where both are a small share of all logits.
    """
    end = follow_to_limit(problem)[0]
    if not np.isfinite(end).all():
        return
    q = problem.num_classes[0]
    gain = learning_rate * wrong_probability(end.sum(), q) * flow.mobility(end, problem.invariant[0])
    alive = (end > 0.0) & (np.maximum(end, gain) > HARMLESS * end.sum())
    if not alive.any():
        return
    curvature = flow.curvatures(end[alive], problem.invariant[0, alive], problem.slope[0, alive], problem.r[0], q).max()
    if learning_rate * curvature >= 2.0:
        raise ValueError(
            f"descent can settle where the flow ends only with learning_rate < 2 / curvature = {2.0 / curvature:.4g}; got "
            f"{learning_rate:g}, with which it diverges or oscillates. Lower it, or use method='flow'."
        )
