"""Which examples a run learns from: its task, and in each stage those trained on, removed and never seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realnet.config import RunConfig
from realnet.fields import require
from realnet.registry import task_of
from realnet.tasks.task import order, trained_labels

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
