"""Problem in, Solution out: hands packed points to the kernel, as plain Python or compiled."""

import threading
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from . import flow
from .kernel import points
from .kernel.equations import N_EVENTS
from .kernel.lane import DONE, N_CRITERIA, NOT_FINITE, ROOM, TOO_MANY_STEPS
from .parameters import FloatArray
from .problem import Problem

# Error per step in ln(1 + W) at which final logits are right to 1e-6 on every phase diagram that we drew (README).
RTOL = 5e-8

REASONS = {
    DONE: "reached t_end",
    TOO_MANY_STEPS: "too many steps: loosen rtol, or shorten t_end",
    NOT_FINITE: "left the finite numbers: tighten rtol (flow) or lower the learning rate (descent)",
}


@dataclass(frozen=True)
class Solution:
    """What became of P points of n circuits; k logits of each were kept."""

    events: FloatArray  # (P, N_EVENTS + 2): event times, whether it ever generalised, number of steps
    final: FloatArray  # (P, n) logits at the end
    invariant: FloatArray  # (P, n) v² - u² at the end
    limits: FloatArray  # (P, n) logits to which the flow would go on from there
    samples: FloatArray  # (P, k, n) logits
    kept: FloatArray  # (P, k, n) invariants, of descent only
    status: npt.NDArray[np.int64]  # (P,) a key of REASONS


def solve_flow(problem: Problem, t_end: FloatArray, rtol: float, times: FloatArray, compiled: bool) -> Solution:
    """Gradient flow of every point to t_end (P,), logits kept at times (k,)."""
    size, n = problem.logit.shape
    events, final, limits, status = _outputs(size, n)
    samples = np.full((size, times.size * n), np.nan)
    _Engine(n, compiled).run(
        "flow_points",
        [0, size, problem.theta, problem.invariant, problem.slope, problem.r, problem.log_rivals, problem.floor,
         problem.num_gen, t_end, rtol, problem.criteria, times],
        [samples, events, final, limits, status],
    )  # fmt: skip
    shape = (size, times.size, n)
    return Solution(
        events, final, problem.own_invariant, limits, samples.reshape(shape), np.zeros((size, 0, n)), status
    )


def solve_descent(
    problem: Problem, learning_rate: FloatArray, steps: npt.NDArray[np.int64], marks: FloatArray, compiled: bool
) -> Solution:
    """Gradient descent of every point, steps (P,) of learning_rate (P,), state kept after marks (k,) steps."""
    size, n = problem.logit.shape
    events, final, limits, status = _outputs(size, n)
    invariant, samples, kept = np.zeros((size, n)), np.zeros((size, marks.size * n)), np.zeros((size, marks.size * n))
    u, v = flow.subweights(problem.logit, problem.own_invariant)
    _Engine(n, compiled).run(
        "descent_points",
        [0, size, u, v, problem.slope, problem.r, problem.log_rivals, problem.floor, problem.num_gen, learning_rate,
         steps, problem.criteria, marks],
        [samples, kept, events, final, invariant, status],
    )  # fmt: skip
    invariant[np.isinf(problem.slope)] = 0.0
    done = status == DONE
    if done.any():
        # Descent and flow share their fixed points; the flow says to which one this state leads.
        limits[done] = follow_to_limit(problem.at(final, invariant).take(done), compiled)
    shape = (size, marks.size, n)
    return Solution(events, final, invariant, limits, samples.reshape(shape), kept.reshape(shape), status)


def follow_to_limit(problem: Problem, compiled: bool = False) -> FloatArray:
    """Logits (P, n) at which the flow from each point's start ends; nan where it could not be followed."""
    solution = solve_flow(problem, np.zeros(problem.size), RTOL, np.zeros(0), compiled)
    return np.where((solution.status == DONE)[:, None], solution.limits, np.nan)


def _outputs(size: int, n: int) -> tuple[FloatArray, FloatArray, FloatArray, npt.NDArray[np.int64]]:
    events, final, limits = np.zeros((size, N_EVENTS + 2)), np.zeros((size, n)), np.full((size, n), np.nan)
    return events, final, limits, np.zeros(size, dtype=np.int64)


# Lanes of a compiled call: enough numbers in a row for the widest vector instructions, few enough to stay in the cache.
LANES = 32


class _Engine:
    """The kernel for n circuits: nested lists when plain, because Python indexes them fastest; arrays when compiled."""

    _local = threading.local()

    def __init__(self, n: int, compiled: bool) -> None:
        self.compiled = compiled
        self.module: ModuleType = points
        width = max(n, N_CRITERIA)
        if not compiled:
            self.scratch: list[Any] = [n, 1, [[0.0] * width for _ in range(ROOM)]]
            return
        from .compile import compiled as load

        self.module = load()
        rooms: dict[Any, Any] = self._local.__dict__
        if n not in rooms:
            rooms[n] = np.zeros((ROOM, width * LANES))
        self.scratch = [n, LANES, rooms[n]]

    def run(self, name: str, inputs: list[Any], outputs: list[npt.NDArray[Any]]) -> None:
        """Calls the kernel's function `name`; `outputs` are filled in place."""
        call = getattr(self.module, name)
        if self.compiled:
            # Copies, because the kernel uses its inputs up and wants them contiguous.
            ready = [np.array(x) if isinstance(x, np.ndarray) else x for x in inputs]
            call(*ready, *outputs, *self.scratch)
            return
        lists = [x.tolist() for x in outputs]
        call(*(x.tolist() if isinstance(x, np.ndarray) else x for x in inputs), *lists, *self.scratch)
        for array, filled in zip(outputs, lists, strict=True):
            array[...] = filled
