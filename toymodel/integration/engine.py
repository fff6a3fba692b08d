"""Problem in, Solution out: hands packed points to the kernel, as plain Python or compiled."""

import threading
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import flow
from ..kernel import points
from ..kernel.descent import MODULUS_2
from ..kernel.rows import DONE, EXTINCT, N_COLUMNS, N_EVENTS, NOT_FINITE, ROOM, STATUS, TOO_MANY_STEPS, UNSTABLE
from ..losses import wrong_probability
from ..parameters import FloatArray
from .compilation import compiled as load
from .problem import Problem

# Error per step in ln(1 + W) at which final logits are right to 1e-6 on every phase diagram that we drew (README).
RTOL = 5e-8

REASONS = {
    DONE: "reached t_end",
    TOO_MANY_STEPS: "too many steps: loosen rtol, or shorten t_end",
    NOT_FINITE: "left the finite numbers: tighten rtol (flow) or lower the learning rate (descent)",
    EXTINCT: "a step threw a circuit onto W = 0 for ever: lower the learning rate",
    UNSTABLE: "the learning rate is too large to settle where the flow ends: lower it",
}


@dataclass(frozen=True)
class Solution:
    """What became of P points of n circuits; k logits of each were kept."""

    events: FloatArray  # (P, N_COLUMNS), see kernel.rows
    final: FloatArray  # (P, n) logits at the end
    invariant: FloatArray  # (P, n) v² - u² at the end
    limits: FloatArray  # (P, n) logits to which the flow would go on from there
    samples: FloatArray  # (P, k, n) logits
    kept: FloatArray  # (P, k, n) invariants


def solve_flow(problem: Problem, t_end: FloatArray, rtol: float, times: FloatArray, compiled: bool) -> Solution:
    """Gradient flow of every point to t_end (P,), logits kept at times (k,)."""
    size, n = problem.logit.shape
    final, limits = np.zeros((size, n)), np.full((size, n), np.nan)
    events, samples = np.zeros((size, N_COLUMNS)), np.full((size, times.size * n), np.nan)

    inputs = [problem.circuits(rtol), problem.numbers(t_end), problem.num_gen, rtol, times]
    _call("flow_points", inputs, [samples, events, final, limits], n, compiled)
    # Where all circuits live there is one end, whatever the start, and the kernel leaves it to the equation at rest.
    to_end = np.flatnonzero(problem.one_end & (events[:, STATUS] == DONE))
    if to_end.size:
        some = problem.take(to_end)
        limits[to_end] = some.at_rest(~some.absent)
    shape = (size, times.size, n)
    kept = np.broadcast_to(problem.signed_invariant[:, None, :], shape)
    return Solution(events, final, problem.signed_invariant, limits, samples.reshape(shape), kept)


def solve_descent(
    problem: Problem, learning_rate: FloatArray, steps: npt.NDArray[np.int64], noise: FloatArray, seed: FloatArray,
    marks: FloatArray, compiled: bool,
) -> Solution:  # fmt: skip
    """Gradient descent of every point, steps (P,) of learning_rate (P,), state kept after marks (k,) steps."""
    size, n = problem.logit.shape
    events = np.zeros((size, N_COLUMNS))
    samples, kept = np.full((2, size, marks.size * n), np.nan)
    u, v = flow.subweights(problem.logit, problem.signed_invariant)
    # Two whole numbers from one, scattered so that neighbouring seeds have nothing in common.
    states = {float(s): np.random.SeedSequence(int(s)).generate_state(2) for s in np.unique(seed)}
    scattered = np.array([states[float(s)] for s in seed]) % (MODULUS_2 - 1) + 1.0
    numbers = problem.numbers(np.zeros(size), learning_rate, steps.astype(float), noise, *scattered.T)

    inputs = [problem.circuits(RTOL), numbers, problem.num_gen, marks]
    _call("descent_points", inputs, [u, v, samples, kept, events], n, compiled, lanes=False)
    final, invariant = u * v, (v - u) * (v + u)
    # Descent and flow share their fixed points; the flow says to which one this state leads.
    limits = np.full((size, n), np.nan)
    done = np.flatnonzero(events[:, STATUS] == DONE)
    begun, reached, rate = problem.take(done), problem.at(final, invariant).take(done), learning_rate[done]
    limits[done] = follow_to_limit(reached, compiled)
    # Large steps can blow the invariants up, and with them the curvature: a run that bounces has not settled.
    bound = stable_rate(begun, follow_to_limit(begun, compiled), rate)
    bound = np.minimum(bound, stable_rate(reached, limits[done], rate))
    events[done[(rate >= bound) & (steps[done] > 0)], STATUS] = UNSTABLE
    shape = (size, marks.size, n)
    return Solution(events, final, invariant, limits, samples.reshape(shape), kept.reshape(shape))


def follow_to_limit(problem: Problem, compiled: bool = False) -> FloatArray:
    """Logits (P, n) at which the flow from each point's start ends; nan where it could not be followed."""
    solution = solve_flow(problem, np.zeros(problem.size), RTOL, np.zeros(0), compiled)
    return np.where((solution.events[:, STATUS] == DONE)[:, None], solution.limits, np.nan)


# Share of all logits below which a circuit's oscillation does no harm.
HARMLESS = 1e-3


def stable_rate(problem: Problem, end: FloatArray, learning_rate: FloatArray) -> FloatArray:
    """(P,) learning rates from which on descent cannot settle at `end` (P, n): 2 / (largest curvature) there (3.7).

    A circuit with next to no logit left has a curvature of about p s² / W without bound, but its oscillation is bounded: it
    bounces off W = 0 and gains at most λ p s² a step.  It is left out where both are a small share of all logits.
    """
    end = np.nan_to_num(end)
    p = wrong_probability(end.sum(axis=1), problem.num_classes)
    gain = (learning_rate * p)[:, None] * flow.mobility(end, problem.invariant)
    alive = (end > 0.0) & (np.maximum(end, gain) > HARMLESS * end.sum(axis=1)[:, None])
    curvature = problem.hessian(end)
    curvature = np.where(alive[:, :, None] & alive[:, None, :], curvature, 0.0)
    largest = np.linalg.eigvalsh(curvature)[:, -1]
    return np.asarray(np.divide(2.0, largest, out=np.full(problem.size, np.inf), where=largest > 0.0))


# Lanes of a compiled call: enough numbers in a row for the widest vector instructions, few enough to stay in the cache.
LANES = 32
_rooms = threading.local()


def _call(
    name: str, inputs: list[Any], outputs: list[npt.NDArray[Any]], n: int, compiled: bool, lanes: bool = True
) -> None:
    """Calls the kernel's function `name`; `outputs` are filled in place.

    Nested lists when plain, because Python indexes them fastest; arrays when compiled.
    """
    width = max(n, N_EVENTS)
    if compiled:
        module: ModuleType = load()
        rooms: dict[Any, Any] = _rooms.__dict__
        if n not in rooms:
            rooms[n] = np.zeros((ROOM, width * LANES))
        ready = [np.ascontiguousarray(x) if isinstance(x, np.ndarray) else x for x in inputs]
        getattr(module, name)(*ready, *outputs, n, *([LANES] if lanes else []), rooms[n])
        return
    lists = [x.tolist() for x in outputs]
    room = [[0.0] * width for _ in range(ROOM)]
    plain = [x.tolist() if isinstance(x, np.ndarray) else x for x in inputs]
    getattr(points, name)(*plain, *lists, n, *([1] if lanes else []), room)
    for array, filled in zip(outputs, lists, strict=True):
        array[...] = filled
