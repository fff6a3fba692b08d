"""simulate(): one trajectory of a model, by gradient flow or gradient descent (model.md 3)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import flow
from .behaviours import FAILED, Thresholds
from .circuits import Dynamics, TwoCircuitModel
from .kernel.descent import descent
from .kernel.equations import N_EVENTS
from .kernel.flow import DONE, NOT_FINITE, ROOM, TOO_MANY_STEPS
from .kernel.limit import limit
from .kernel.points import descent_points, flow_points
from .parameters import FloatArray, check, unknown
from .problem import Problem, State, pack
from .trajectory import Trajectory

METHODS = ("flow", "descent")
# A descent longer than this is worth the half second that loading the compiler takes.
COMPILE_FROM = 2_000_000

REASONS = {
    DONE: "reached t_end",
    TOO_MANY_STEPS: "too many steps: loosen rtol, or shorten t_end",
    NOT_FINITE: "the state left the finite numbers: tighten rtol (flow) or lower the learning rate (descent)",
}


def simulate(
    model: Dynamics | None = None,
    t_end: float | None = None,
    method: str = "flow",
    *,
    learning_rate: float = 0.01,
    steps: int | None = None,
    start: State | Sequence[float] | None = None,
    times: npt.ArrayLike | None = None,
    rtol: float = 1e-8,
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
    if model is None:
        model = TwoCircuitModel()
    if not isinstance(model, Dynamics):
        raise TypeError(
            f"model must be a toymodel.TwoCircuitModel or CircuitModel, got {model!r}. Build one, or leave it out for the "
            f"paper's."
        )
    if parameters:
        model = model.with_parameters(**parameters)
    if method not in METHODS:
        raise unknown("method", str(method), METHODS)
    learning_rate = check("learning_rate", learning_rate)
    if steps is not None:
        if t_end is not None or isinstance(steps, bool) or int(steps) != steps or steps < 0:
            raise ValueError(
                f"steps must be a whole number >= 0, given instead of t_end; got steps={steps!r}, t_end={t_end!r}. "
                f"Pass one of them."
            )
        t_end = int(steps) * learning_rate
    t_end = check("t_end", 1000.0 if t_end is None else t_end)
    rtol = check("rtol", rtol)
    thresholds = thresholds or Thresholds()
    state = _state(model, start)
    problem = pack(model, {}, 1, state, thresholds)
    run = _flow if method == "flow" else _descent
    saved, logits, invariants, events, final, status, end = run(model, problem, t_end, learning_rate, rtol, times)
    behaviour = FAILED if status != DONE else str(problem.behaviours(events[None], final.logit[None], end[None])[0])
    return Trajectory(
        model=model,
        method=method,
        learning_rate=learning_rate,
        t_end=t_end,
        rtol=rtol,
        thresholds=thresholds,
        time=saved,
        logits=logits,
        invariants=invariants,
        events=events,
        final_state=final,
        limit_logits=end,
        behaviour=behaviour,
        status=REASONS[status],
    )


def _state(model: Dynamics, start: State | Sequence[float] | None) -> State | None:
    if start is None or isinstance(start, State):
        state = start
    else:
        logits = np.array([check("initial_logit", x, f"start[{k}]") for k, x in enumerate(start)])
        state = State(logits, model.invariants)
    if state is not None and state.logit.shape != (len(model.circuits),):
        raise ValueError(
            f"start must hold one logit for each circuit ({', '.join(model.labels)}), got {state.logit.size}. Pass "
            f"{len(model.circuits)} numbers, generalising circuits first."
        )
    return state


def save_times(t_end: float, times: npt.ArrayLike | None = None) -> FloatArray:
    """Flow times to keep: the caller's, or a default grid that is dense both in ln t and in t."""
    if times is None:
        if t_end == 0.0:
            return np.zeros(1)
        return np.unique(np.concatenate([[0.0], t_end * np.geomspace(1e-5, 1.0, 401), np.linspace(0.0, t_end, 301)]))
    wanted = np.asarray(times, dtype=np.float64)
    good = wanted.ndim == 1 and wanted.size > 0 and np.all(np.isfinite(wanted)) and np.all(np.diff(wanted) > 0)
    if not (good and wanted[0] >= 0 and wanted[-1] <= t_end):
        raise ValueError(
            f"times must be 1-D, not empty, strictly rising and within [0, t_end = {t_end:g}], got {times!r}. Sort them, "
            f"drop repetitions, or raise t_end."
        )
    return wanted


Run = tuple[FloatArray, FloatArray, FloatArray, FloatArray, State, int, FloatArray]


def _scratch(n: int) -> tuple[list[float], list[list[float]]]:
    """A spare event vector, and the vectors that the kernel works in."""
    return [0.0] * (N_EVENTS + 2), [[0.0] * max(n, N_EVENTS) for _ in range(ROOM)]


def _flow(
    model: Dynamics, problem: Problem, t_end: float, learning_rate: float, rtol: float, times: npt.ArrayLike | None
) -> Run:
    n = len(model.circuits)
    saved = save_times(t_end, times)
    samples = [[0.0] * (n * saved.size)]
    events, final, limits, status = [[0.0] * (N_EVENTS + 2)], [[0.0] * n], [[float("nan")] * n], [0]
    flow_points(
        range(n), 0, 1, problem.theta.tolist(), problem.invariant.tolist(), problem.slope.tolist(), problem.r.tolist(),
        problem.log_rivals.tolist(), problem.floor.tolist(), problem.num_gen, [t_end], rtol, problem.criteria.tolist(),
        saved.tolist(), samples, events, final, limits, status, [], *_scratch(n),
    )  # fmt: skip
    logits = np.array(samples[0]).reshape(saved.size, n)
    # An absent circuit has no invariant of its own in the kernel.
    invariant = np.where(np.isinf(problem.slope[0]), 0.0, problem.invariant[0])
    end = State(np.array(final[0]), invariant)
    return saved, logits, np.tile(invariant, (saved.size, 1)), np.array(events[0]), end, status[0], np.array(limits[0])


def _descent(
    model: Dynamics, problem: Problem, t_end: float, learning_rate: float, rtol: float, times: npt.ArrayLike | None
) -> Run:
    n = len(model.circuits)
    steps = round(t_end / learning_rate)
    marks = np.unique(np.round(save_times(t_end, times) / learning_rate))
    _refuse_divergence(problem, limit_of(problem), learning_rate)
    present = ~np.isinf(problem.slope)
    u, v = flow.subweights(problem.logit, np.where(present, problem.invariant, 0.0))
    arrays: list[Any] = [u, v, problem.slope, problem.r, problem.log_rivals, problem.floor]
    out = [np.zeros((1, n * marks.size)), np.zeros((1, n * marks.size)), np.zeros((1, N_EVENTS + 2))]
    ends = [np.zeros((1, n)), np.zeros((1, n)), np.full((1, n), np.nan), np.zeros(1, dtype=np.int64)]
    if steps * n > COMPILE_FROM:
        from .compile import compiled

        each: Any = (0,) * n if n == 2 else np.zeros(n, dtype=np.int64)
        spare, room = (np.array(x) for x in _scratch(n))
        compiled().descent_points(
            each, 0, 1, *arrays, problem.num_gen, np.array([learning_rate]), np.array([steps]), problem.criteria, marks,
            *out, *ends, np.zeros(0), spare, room,
        )  # fmt: skip
    else:
        lists = [x.tolist() for x in (*out, *ends)]
        descent_points(
            range(n), 0, 1, *(x.tolist() for x in arrays), problem.num_gen, [learning_rate], [steps],
            problem.criteria.tolist(), marks.tolist(), *lists, [], *_scratch(n),
        )  # fmt: skip
        out, ends = [np.array(x) for x in lists[:3]], [np.array(x) for x in lists[3:]]
    samples, kept, events = out
    final, invariant, limits, status = ends
    state = State(final[0], np.where(present[0], invariant[0], 0.0))
    shape = (marks.size, n)
    return (
        marks * learning_rate, samples[0].reshape(shape), kept[0].reshape(shape), events[0], state, int(status[0]),
        limits[0],
    )  # fmt: skip


def limit_of(problem: Problem, point: int = 0) -> FloatArray:
    """Logits (n,) at which the flow from this point's start would end; nan if it could not be followed."""
    n = problem.logit.shape[1]
    out, (spare, room) = [0.0] * n, _scratch(n)
    status = limit(
        range(n), problem.theta[point].tolist(), problem.invariant[point].tolist(), problem.slope[point].tolist(),
        float(problem.r[point]), float(problem.log_rivals[point]), float(problem.floor[point]), problem.num_gen,
        problem.criteria[point].tolist(), [], spare, room, out,
    )  # fmt: skip
    return np.array(out) if status == DONE else np.full(n, np.nan)


def _refuse_divergence(problem: Problem, end: FloatArray, learning_rate: float) -> None:
    """ValueError if descent cannot settle where the flow ends: λ must be below 2 / (largest curvature) there."""
    alive = end > 0.0
    if not alive.any():
        return
    curvature = flow.curvatures(
        end[alive], problem.invariant[0, alive], problem.slope[0, alive], problem.r[0], problem.num_classes[0]
    ).max()
    if learning_rate * curvature >= 2.0:
        raise ValueError(
            f"descent can settle where the flow ends only with learning_rate < 2 / curvature = {2.0 / curvature:.4g}; got "
            f"{learning_rate:g}, with which it diverges or oscillates. Lower it, or use method='flow'."
        )
