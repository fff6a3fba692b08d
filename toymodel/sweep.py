"""sweep(): many points at once, as a labelled grid.  Axes are named parameters, in the order in which they are given."""

import os
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import losses
from .behaviours import BEHAVIOURS, FAILED, Thresholds
from .circuits import PENALTIES, Dynamics
from .integrate import METHODS, as_model, as_state, as_thresholds, number_of_steps, save_times
from .kernel.equations import N_EVENTS
from .kernel.lane import DONE
from .parameters import TABLE, check, check_axis, unknown
from .problem import Problem, State, event_times, pack
from .solve import LANES, RTOL, Solution, solve_descent, solve_flow

if TYPE_CHECKING:
    import xarray

# Points that a thread takes at a time: enough to fill its lanes, few enough for an even load and a bar that moves.
LEAST_BLOCK, MOST_BLOCK = 2 * LANES, 2048


def sweep(
    model: Dynamics | None = None,
    t_end: float | npt.ArrayLike = 1000.0,
    method: str = "flow",
    *,
    learning_rate: float | npt.ArrayLike = 0.01,
    start: State | Any = None,
    times: npt.ArrayLike | None = None,
    rtol: float = RTOL,
    thresholds: Thresholds | None = None,
    threads: int | None = None,
    progress: bool | None = None,
    **axes: npt.ArrayLike,
) -> "xarray.Dataset":
    """Trains the model at every point of a grid and returns an xarray.Dataset over its axes.

    Main arguments
        model     a TwoCircuitModel or CircuitModel; default the paper's
        t_end     flow time at which every run stops
        method    "flow" or "descent", as in `simulate`
        axes      one sequence for each axis: any name of `model.parameters()`, for example
                  kappa=np.linspace(1, 1.9, 64), dataset_size=np.geomspace(100, 1e4, 64);
                  t_end and learning_rate can be sequences too, and are then the last axes

    Other arguments
        learning_rate, start, thresholds   as in `simulate`; one start serves every point
        times     (k,) rising flow times: keep the logits there too, as gen_logit_at, mem_logit_at and logit_at
        rtol      flow: error allowed per step in ln(1 + W)
        threads   default: one for each core
        progress  a progress bar; default: when the sweep takes longer than a second

    Returns variables over the axes: behaviour, t_fit, t_gen, t_cross (nan: does not hold at the end), and at the end
    gen_logit, mem_logit, logit (with an axis `circuit`), train_loss, test_loss, train_accuracy, test_accuracy; and
    num_steps.  Memory grows with the number of points, not with their steps.

    A point's result is a function of its own parameters: it is the same in every grid, and that of `simulate` to
    within rtol.  Raises ValueError or TypeError for an unknown, empty or illegal axis.
    """
    import xarray as xr

    from .dataset import attributes, provenance

    model = as_model(model)
    if method not in METHODS:
        raise unknown("method", str(method), METHODS)
    rtol, thresholds = check("rtol", rtol), as_thresholds(thresholds)
    crew = (os.cpu_count() or 1) if threads is None else int(check("threads", threads))
    run_settings: dict[str, Any] = {"t_end": t_end, "learning_rate": learning_rate}
    run_axes = {name: value for name, value in run_settings.items() if np.ndim(value) > 0}
    grid = _axes(model, axes | run_axes)
    fixed = {name: check(name, value) for name, value in run_settings.items() if name not in run_axes}
    if times is not None and run_axes:
        name = next(iter(run_axes))
        raise ValueError(f"times needs one {name} for all points, got {name} as an axis. Drop one of the two.")
    kept = np.zeros(0) if times is None else save_times(fixed["t_end"], times)
    state = as_state(model, start)

    shape = tuple(values.size for values in grid.values())
    total, n = int(np.prod(shape, dtype=np.int64)), len(model.circuits)
    result = _Result(total, n, kept.size)

    length = min(max(-(-total // (2 * crew)), LEAST_BLOCK), MOST_BLOCK)

    def block(first: int) -> int:
        last = min(first + length, total)
        where = np.unravel_index(np.arange(first, last), shape) if shape else ()
        values = {name: grid[name][index] for name, index in zip(grid, where, strict=True)}
        run = {
            name: np.full(last - first, values.pop(name) if name in run_axes else fixed[name]) for name in run_settings
        }
        problem = pack(model, values, last - first, state, thresholds)
        if method == "flow":
            solution = solve_flow(problem, run["t_end"], rtol, kept, compiled=True)
        else:
            steps = np.array([number_of_steps(*x) for x in zip(run["t_end"], run["learning_rate"], strict=True)])
            marks = np.round(kept / run["learning_rate"][0])
            solution = solve_descent(problem, run["learning_rate"], steps, marks, compiled=True)
        result.store(slice(first, last), problem, solution)
        return last - first

    _spread(block, range(0, total, length), total, crew, progress)

    ds = xr.Dataset(
        {name: (tuple(grid), values.reshape(shape)) for name, values in result.variables.items()},
        coords=dict(grid),
        attrs=provenance(model, thresholds, method=method, rtol=rtol, **fixed),
    )
    dims, labels = tuple(grid), list(model.labels)
    ds["logit"] = ((*dims, "circuit"), result.final.reshape(*shape, n))
    ds = ds.assign_coords(circuit=labels)
    if times is not None:
        ds["logit_at"] = ((*dims, "time", "circuit"), result.samples.reshape(*shape, kept.size, n))
        ds = ds.assign_coords(time=kept)
        ds["gen_logit_at"] = ds.logit_at[..., : model.num_gen].sum("circuit", skipna=False)
        ds["mem_logit_at"] = ds.logit_at[..., model.num_gen :].sum("circuit", skipna=False)
    for variable in ds.variables:
        ds[variable].attrs.update(attributes(str(variable).removesuffix("_at")))
    return ds


class _Result:
    """Flat arrays over all points, filled block by block; each block writes its own slice."""

    def __init__(self, total: int, n: int, kept: int) -> None:
        numbers = (
            "t_fit", "t_gen", "t_cross", "gen_logit", "mem_logit", "train_loss", "test_loss", "train_accuracy",
            "test_accuracy",
        )  # fmt: skip
        self.variables: dict[str, npt.NDArray[Any]] = {"behaviour": np.zeros(total, f"<U{max(map(len, BEHAVIOURS))}")}
        self.variables |= {name: np.full(total, np.nan) for name in numbers}
        self.variables["num_steps"] = np.zeros(total, dtype=np.int64)
        self.final = np.full((total, n), np.nan)
        self.samples = np.full((total, kept, n), np.nan)

    def store(self, where: slice, problem: Problem, solution: Solution) -> None:
        done = solution.status == DONE
        final = np.where(done[:, None], solution.final, 0.0)
        events, g, q, spread = solution.events, problem.num_gen, problem.num_classes, problem.logit_spread
        gen, mem = final[:, :g].sum(axis=1), final[:, g:].sum(axis=1)
        self.final[where], self.samples[where] = np.where(done[:, None], final, np.nan), solution.samples
        values = event_times(events) | {
            "behaviour": np.where(done, problem.behaviours(events, solution.final, solution.limits), FAILED),
            "gen_logit": gen,
            "mem_logit": mem,
            "train_loss": losses.train_loss(gen + mem, q),
            "test_loss": losses.test_loss(gen, mem, q),
            "train_accuracy": losses.train_accuracy(final, q, spread),
            "test_accuracy": losses.test_accuracy(final, g, q, spread),
            "num_steps": events[:, N_EVENTS + 1],
        }
        for name, value in values.items():
            self.variables[name][where] = value if name in ("behaviour", "num_steps") else np.where(done, value, np.nan)


def _axes(model: Dynamics, axes: dict[str, npt.ArrayLike]) -> dict[str, npt.NDArray[Any]]:
    """Axes checked and as arrays."""
    if not axes:
        raise ValueError(
            "sweep needs at least one axis, got none. Pass for example kappa=[1.0, 1.5]; for one run use simulate()."
        )
    known = [*model.parameters(), "t_end", "learning_rate"]
    grid: dict[str, npt.NDArray[Any]] = {}
    for name, values in axes.items():
        if name not in known:
            raise unknown("an axis of this model", name, known)
        if name == "penalty":
            grid[name] = np.asarray(values)
            if grid[name].ndim != 1 or grid[name].size == 0:
                raise ValueError(
                    f"axis penalty must be a 1-D sequence with at least one of {', '.join(PENALTIES)}, got {values!r}. For "
                    f"a single value pass [value]."
                )
            for value in grid[name]:
                if value not in PENALTIES:
                    raise unknown("penalty", str(value), PENALTIES)
            continue
        row = name if name in TABLE else name.split("_", 1)[1]
        grid[name] = check_axis(row, values, name)
    model.check_names([name for name in grid if name not in ("t_end", "learning_rate")])
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
