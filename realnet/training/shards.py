"""A sweep in parts: shards for job arrays, and the same shards given to anything that has `submit`.

A run in all its lengths and those that start from it stay in one shard, unless they are more than a shard's fair part:
then they are dealt out, and whoever comes first trains the parent (`records.leases`) while the others wait for it.
"""

from __future__ import annotations

import heapq
import pickle
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from tqdm.auto import tqdm

from realnet.config import RunConfig
from realnet.fields import ConfigError, require
from realnet.records import Folder
from realnet.training.life import How
from realnet.training.loop import train_here
from realnet.training.stopping import Stopped

__all__ = ["Executor", "ExecutorError", "cut", "train_in"]

ATTEMPTS = 3
"""times that a shard is submitted before its workers' deaths count as more than bad luck"""


class Executor(Protocol):
    """concurrent.futures.Executor, dask.distributed.Client, submitit.AutoExecutor, and whatever is like them."""

    def submit(self, function: Any, /, *arguments: Any) -> Any:
        """A future with `done()`, `result()` and `cancel()`."""


class ExecutorError(RuntimeError):
    """Workers of an executor died, time after time; what was finished is kept."""


def cost(run: RunConfig) -> float:
    """What a run takes, in units of one's own: examples × steps × width."""
    return float(run.d_mlp * run.n_layers * sum((s.stop - s.start) * s.dataset_size for s in run.stages))


def cut(runs: Sequence[RunConfig], shards: int) -> list[list[RunConfig]]:
    """`shards` parts of nearly equal cost, each in the order of `runs`; the same wherever it is called."""
    families: dict[str, list[RunConfig]] = {}
    for run in {r.name: r for r in runs}.values():
        eldest = run
        while eldest.start_from is not None:
            eldest = eldest.start_from
        families.setdefault(eldest.key, []).append(run)
    fair = sum(map(cost, runs)) / shards
    units: list[tuple[float, list[RunConfig]]] = []
    for family in families.values():
        total = sum(map(cost, family))
        if total > fair:
            units += [(cost(run), [run]) for run in family]
        else:
            units.append((total, family))
    units.sort(key=lambda unit: -unit[0])
    parts: list[list[RunConfig]] = [[] for _ in range(shards)]
    heap = [(0.0, i) for i in range(shards)]
    for total, unit in units:  # the dearest first, each to the shard with least
        load, i = heapq.heappop(heap)
        parts[i] += unit
        heapq.heappush(heap, (load + total, i))
    order = {run.name: i for i, run in enumerate(runs)}
    return [sorted(part, key=lambda run: order[run.name]) for part in parts]


@dataclass(frozen=True)
class ShardJob:
    """What a worker calls: trains its runs into the shared folder; returns the error, if there was one."""

    runs: list[RunConfig]
    out: str
    how: How
    stop: str
    """file that asks all workers to save and leave"""

    def __call__(self, attempt: int) -> Exception | None:
        try:
            train_here(self.runs, Folder(self.out), self.how, stop_file=Path(self.stop))
        except Exception as error:
            try:
                pickle.loads(pickle.dumps(error))
            except Exception:
                return RuntimeError(f"{type(error).__name__}: {error}")
            return error
        return None

    def checkpoint(self, attempt: int) -> Any:
        """What submitit calls when Slurm is about to end the job: the same job again, which goes on."""
        import submitit  # type: ignore[import-not-found,unused-ignore]

        return submitit.helpers.DelayedSubmission(self, attempt)


def train_in(executor: Executor, runs: Sequence[RunConfig], out: Path, shards: int, how: How, progress: bool) -> None:
    """Submit the shards and wait for them; a shard whose worker died is submitted again.

    Errors: those of `train`; ExecutorError.
    """
    ok = callable(getattr(executor, "submit", None))
    remedy = "Pass a concurrent.futures executor, a dask.distributed.Client or a submitit executor."
    require(ok, "executor must have submit(function, *arguments)", executor, remedy)
    stop = out / "locks" / f"{uuid.uuid4().hex}.stop"
    # A worker is one of many on its machine: one thread, unless more are asked for.
    where = str(out.absolute()), replace(how, workers=how.workers or 1), str(stop.absolute())
    jobs = [ShardJob(part, *where) for part in cut(runs, shards) if part]
    waiting: dict[int, Any] = {}
    tried = [1] * len(jobs)
    try:
        for i, job in enumerate(jobs):
            waiting[i] = executor.submit(job, 1)
        with tqdm(total=len(jobs), unit="shard", disable=not progress) as bar:
            while waiting:
                for i in [i for i, future in waiting.items() if future.done()]:
                    try:
                        error = waiting.pop(i).result()
                    except (Exception, Stopped) as death:  # the worker's, and not the training's
                        _check_travels(jobs[i], death)
                        if tried[i] == ATTEMPTS:
                            raise _died(i, len(jobs), tried[i], death) from death
                        tried[i] += 1
                        try:
                            waiting[i] = executor.submit(jobs[i], tried[i])
                        except RuntimeError as broken:
                            raise _died(i, len(jobs), tried[i] - 1, death) from broken
                    else:
                        if error is not None:
                            raise error
                        bar.update()
                time.sleep(0.05)
    except BaseException:
        stop.touch()  # a kill of this process alone would leave the workers at it
        for future in waiting.values():
            future.cancel()
        raise
    stop.unlink(missing_ok=True)


def _check_travels(job: ShardJob, death: BaseException) -> None:
    """Raise ConfigError if a shard never came to its worker, since processes cannot be handed what it holds."""
    try:
        pickle.dumps(job)
    except Exception as error:
        raise ConfigError(
            f"callbacks and loggers must be functions that can be pickled, for workers in other processes; received "
            f"{job.how.callbacks + job.how.loggers!r} ({error}). Define them with def at the top level of a file that "
            "can be imported."
        ) from death


def _died(i: int, of: int, times: int, death: BaseException) -> ExecutorError:
    return ExecutorError(
        f"an executor must keep its workers; shard {i} of {of} ended {times} times in {type(death).__name__} ({death}). "
        "What was trained is kept: the same call with a new executor goes on."
    )
