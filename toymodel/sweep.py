"""sweep(): many points at once, as a labelled grid.  Axes are named parameters, in the order in which they are given."""

import os
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt

from .behaviours import BEHAVIOURS, FAILED, Criteria, as_criteria
from .integration.compilation import available
from .integration.engine import LANES, RTOL, Solution, solve_descent, solve_flow
from .integration.problem import Problem, event_times, pack
from .kernel.rows import COUNT, DONE, STATUS
from .keywords import Axes
from .model import HELP, TwoCircuitModel, as_model
from .parameters import PENALTIES, RUN_AXES, TABLE, FloatArray, check, check_axis, unknown
from .results.export import describe, provenance
from .results.readings import Readings
from .simulate import METHODS, number_of_steps, refuse_noise, save_times
from .state import State, as_state

if TYPE_CHECKING:
    import xarray

# Points that a thread takes at a time: enough to fill its lanes, few enough for an even load and a bar that moves.
LEAST_BLOCK, MOST_BLOCK = 2 * LANES, 2048
SETTINGS = (
    "t_end", "method", "learning_rate", "noise", "seed", "start", "times", "rtol", "criteria", "threads", "progress",
)  # fmt: skip


def sweep(
    model: TwoCircuitModel | None = None,
    t_end: float | npt.ArrayLike = 1000.0,
    method: str = "flow",
    *,
    learning_rate: float | npt.ArrayLike = 0.01,
    noise: float | npt.ArrayLike = 0.0,
    seed: int | npt.ArrayLike = 0,
    start: State | Any = None,
    times: npt.ArrayLike | None = None,
    rtol: float = RTOL,
    criteria: Criteria | None = None,
    threads: int | None = None,
    progress: bool | None = None,
    **axes: Unpack[Axes],
) -> "xarray.Dataset":
    """Trains the model at every point of a grid and returns an xarray.Dataset over its axes.

    Main arguments
        model     a TwoCircuitModel; default the paper's
        t_end     flow time at which every run stops
        method    "flow" or "descent", as in `simulate`
        axes      one sequence for each axis: any parameter of the model (listed below), for example
                  kappa=np.linspace(1, 1.9, 64), dataset_size=np.geomspace(100, 1e4, 64); a single number changes all points.
                  t_end, learning_rate, noise and seed can be sequences too, and are then the last axes

    Other arguments
        learning_rate, noise, seed, start, criteria   as in `simulate`; one start serves every point
        times     (k,) rising flow times: keep the logits there too, as gen_logit_at, mem_logit_at and logit_at
        rtol      flow: error allowed per step in ln(1 + W)
        threads   default: one for each core
        progress  a progress bar; default: when the sweep takes longer than a second

    Returns variables over the axes: behaviour, t_fit, t_gen, t_cross, t_lost (nan: does not hold at the end); at the end
    gen_logit, mem_logit, logit (with an axis `circuit`), gen_norm, mem_norm, norm (the network's), train_loss, test_loss,
    train_accuracy, test_accuracy; where the flow ends, t → ∞, limit_gen_logit, limit_mem_logit and limit_norm; and
    num_steps.  Memory grows with the number of points, not with their steps.

    Over two axes `ds.behaviour.plot()` draws a map of the behaviours (`plot_map`); the rest plots as in xarray.

    A point's result is a function of its own parameters: it is the same in every grid, and that of `simulate` to
    within rtol.  A point whose integration fails, descent at too large a rate included, has behaviour "failed" and no
    numbers.  Raises ValueError or TypeError for an unknown, empty or illegal axis.
    """
    from .results.dataset import Dataset

    model = as_model(model)
    if method not in METHODS:
        raise unknown("method", str(method), METHODS)
    rtol, criteria = check("rtol", rtol), as_criteria(criteria)
    crew = (os.cpu_count() or 1) if threads is None else int(check("threads", threads))
    settings: dict[str, Any] = {"t_end": t_end, "learning_rate": learning_rate, "noise": noise, "seed": seed}
    run_axes = {name: value for name, value in settings.items() if np.ndim(value) > 0}
    model.check_names(axes, SETTINGS)
    named: dict[str, Any] = {**axes}
    whole = {name: value for name, value in named.items() if np.ndim(value) == 0}
    if len(whole) == len(named) and not run_axes:
        model.with_parameters(**whole)  # a value that is wrong is told before that nothing is an axis
    # Axes are checked first: a number that none of them replaces belongs to all points.
    grid = _axes({name: value for name, value in named.items() if name not in whole} | run_axes)
    model = model.with_parameters(**whole) if whole else model
    fixed = {name: check(name, value) for name, value in settings.items() if name not in run_axes}
    if times is not None and run_axes.keys() & {"t_end", "learning_rate"}:
        name = next(iter(run_axes))
        raise ValueError(f"times needs one {name} for all points, got {name} as an axis. Drop one of the two.")
    refuse_noise(grid.get("noise", noise), grid.get("seed", seed), method)
    kept = np.zeros(0) if times is None else save_times(fixed["t_end"], times)
    state = as_state(model, start)

    shape = tuple(values.size for values in grid.values())
    total, n = int(np.prod(shape, dtype=np.int64)), len(model.circuits)
    result = _Result(total, n, kept.size)
    compiled = available()
    length = min(max(-(-total // (2 * crew)), LEAST_BLOCK), MOST_BLOCK) if compiled else 16

    def block(first: int) -> int:
        last = min(first + length, total)
        where = np.unravel_index(np.arange(first, last), shape) if shape else ()
        values = {name: grid[name][index] for name, index in zip(grid, where, strict=True)}
        run = {name: np.full(last - first, values.pop(name) if name in run_axes else fixed[name]) for name in RUN_AXES}
        problem = pack(model, values, last - first, state, criteria)
        if method == "flow":
            solution = solve_flow(problem, run["t_end"], rtol, kept, compiled)
        else:
            steps = np.array([number_of_steps(*x) for x in zip(run["t_end"], run["learning_rate"], strict=True)])
            marks = np.round(kept / run["learning_rate"][0])
            solution = solve_descent(problem, run["learning_rate"], steps, run["noise"], run["seed"], marks, compiled)
        result.store(slice(first, last), problem, solution)
        return last - first

    _spread(block, range(0, total, length), total, crew if compiled else 1, progress)

    ds = Dataset(
        {name: (tuple(grid), values.reshape(shape)) for name, values in result.variables.items()},
        coords=dict(grid),
        attrs=provenance(model, criteria, method=method, rtol=rtol, **fixed),
    )
    ds["logit"] = ((*grid, "circuit"), result.final.reshape(*shape, n))
    ds = ds.assign_coords(circuit=list(model.labels))
    if times is not None:
        ds["logit_at"] = ((*grid, "time", "circuit"), result.samples.reshape(*shape, kept.size, n))
        ds = ds.assign_coords(time=kept)
        ds["gen_logit_at"] = ds.logit_at[..., : model.num_gen].sum("circuit", skipna=False)
        ds["mem_logit_at"] = ds.logit_at[..., model.num_gen :].sum("circuit", skipna=False)
    return describe(ds)


sweep.__doc__ = f"{sweep.__doc__}\n    Parameters of the model\n{HELP}\n"


@dataclass
class _Reading(Readings):
    logits: FloatArray
    problem: Problem


AT_END = (
    "gen_logit", "mem_logit", "gen_norm", "mem_norm", "norm", "train_loss", "test_loss", "train_accuracy", "test_accuracy",
)  # fmt: skip
AT_LIMIT = ("gen_logit", "mem_logit", "norm")
TIMES = ("t_fit", "t_gen", "t_cross", "t_lost")


class _Result:
    """Flat arrays over all points, filled block by block; each block writes its own slice."""

    def __init__(self, total: int, n: int, kept: int) -> None:
        self.variables: dict[str, npt.NDArray[Any]] = {"behaviour": np.zeros(total, f"<U{max(map(len, BEHAVIOURS))}")}
        for name in (*TIMES, *AT_END, *(f"limit_{name}" for name in AT_LIMIT)):
            self.variables[name] = np.full(total, np.nan)
        self.variables["num_steps"] = np.zeros(total, dtype=np.int64)
        self.final = np.full((total, n), np.nan)
        self.samples = np.full((total, kept, n), np.nan)

    def store(self, where: slice, problem: Problem, solution: Solution) -> None:
        done = solution.events[:, STATUS] == DONE
        self.final[where] = np.where(done[:, None], solution.final, np.nan)
        self.samples[where] = solution.samples
        end = _Reading(np.where(done[:, None], solution.final, 0.0), problem)
        limit = _Reading(np.where(done[:, None], solution.limits, 0.0), problem)
        values = event_times(solution.events) | {name: getattr(end, name) for name in AT_END}
        values |= {f"limit_{name}": getattr(limit, name) for name in AT_LIMIT}
        for name, value in values.items():
            self.variables[name][where] = np.where(done, value, np.nan)
        behaviours = problem.behaviours(solution.events, solution.final, solution.limits)
        self.variables["behaviour"][where] = np.where(done, behaviours, FAILED)
        self.variables["num_steps"][where] = solution.events[:, COUNT]


def _axes(axes: dict[str, Any]) -> dict[str, npt.NDArray[Any]]:
    """Axes checked and as arrays."""
    if not axes:
        raise ValueError(
            "sweep needs at least one axis, got none. Pass for example kappa=[1.0, 1.5]; for one run use simulate()."
        )
    grid: dict[str, npt.NDArray[Any]] = {}
    for name, values in axes.items():
        if name == "law":
            raise TypeError(
                f"law must be one law for all points, got {values!r}. Use critical_size or exponent as axes."
            )
        if name == "penalty":
            if np.ndim(values) != 1 or not len(values):
                raise ValueError(
                    f"axis penalty must be a 1-D sequence with at least one of {', '.join(PENALTIES)}, got {values!r}. For "
                    f"a single value pass it bare."
                )
            for value in set(map(str, values)) - set(PENALTIES):
                raise unknown("penalty", value, PENALTIES)
            grid[name] = np.asarray(values)
            continue
        row = name if name in TABLE else name.split("_", 1)[1]
        grid[name] = check_axis(row, values, name)
    return grid


def _spread(block: Any, firsts: range, total: int, threads: int, progress: bool | None) -> None:
    """Runs the blocks on threads; the kernel holds no lock, so that they share the cores."""
    from tqdm.auto import tqdm

    # tqdm's delay keeps quick sweeps silent.
    bar = tqdm(total=total, unit="point", unit_scale=True, delay=0.0 if progress else 1.0, disable=progress is False)
    with bar, ThreadPoolExecutor(min(threads, len(firsts))) as pool:
        jobs = [pool.submit(block, first) for first in firsts]
        try:
            for job in as_completed(jobs):
                bar.update(job.result())
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
