"""Which examples a run learns from: its task, and in each stage those trained on, removed and never seen."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from realnet.config import RunConfig
from realnet.fields import ConfigError, require
from realnet.registry import arguments, check_source, find
from realnet.tasks.task import Task, order, trained_labels

__all__ = ["StageData", "stage_data", "task_of"]


@dataclass(frozen=True, eq=False)
class StageData:
    """Examples in one stage of a run, each sorted; labels and truth are [n] or [n, k]."""

    train: np.ndarray
    removed: np.ndarray
    """trained on before, in this run or the runs it started from, and not now"""
    unseen: np.ndarray
    """never trained on; the task's test examples where it has some"""
    labels: np.ndarray
    """targets of the training set, corrupted ones included"""
    truth: np.ndarray

    @property
    def judged(self) -> np.ndarray:
        """All of these, sorted."""
        return np.sort(np.concatenate([self.train, self.removed, self.unseen]))


def task_of(config: RunConfig, name: str | None = None) -> Task:
    """The task of `config`, or the one called `name` under its options.

    Errors: ConfigError if it cannot be made, such as for data that are not installed, or for an edited source.
    """
    name = name or config.task
    check_source(config)
    make = find("task", name)
    filled = arguments(make, name, config, {"name": name, "seed": config.split_seed})
    try:
        task = _make(make, tuple(filled.items()))
    except ConfigError:
        raise
    except Exception as error:  # whatever somebody's own code raises
        problem = f"{type(error).__name__}: {error}"
        raise ConfigError(f"task {name!r} must be made of {filled}; received {problem!r}. Mend it.") from error
    require(isinstance(task, Task), f"task {name!r} must make a realnet.Task", type(task).__name__, "Return one.")
    return task


@functools.lru_cache(maxsize=64)
def _make(make: Callable[..., Any], filled: tuple[tuple[str, Any], ...]) -> Task:
    task: Task = make(**dict(filled))
    return task


def stage_data(config: RunConfig, stage: int) -> StageData:
    """The examples of `config` in its stage number `stage`. Errors: ConfigError for more than the task has."""
    task = task_of(config)
    seen = np.zeros(task.size, bool)
    for ancestor in config.ancestors:
        if (size := task_of(ancestor).size) == task.size:
            for past in ancestor.stages:
                seen[order(size, ancestor.split_seed)[: past.dataset_size]] = True
    now = np.zeros_like(seen)
    for past in config.stages[: stage + 1]:
        remedy = f"Choose at most {task.size}."
        fits = past.dataset_size <= task.size
        require(fits, f"dataset_size must not exceed the {task.size} examples", past.dataset_size, remedy)
        now[:] = False
        now[order(task.size, config.split_seed)[: past.dataset_size]] = True
        seen |= now
    target = task_of(config, config.stages[stage].task)
    same = len(target) == len(task) and target.outputs == task.outputs
    require(
        same, f"a phase's task must have the examples of {config.task!r}", config.stages[stage].task, "Start a new run."
    )
    noisy = trained_labels(target, config.split_seed, config.stages[stage].corrupted)
    unseen = np.arange(task.size, len(task)) if task.test else np.flatnonzero(~seen)
    return StageData(np.flatnonzero(now), np.flatnonzero(seen & ~now), unseen, labels=noisy, truth=target.targets)
