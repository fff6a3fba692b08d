"""The training examples of a stack in one stage: all of them at every step, or mini-batches in a seeded order.

Axis order: run first, then example. Runs with fewer examples are padded; a padded example has a share of 0.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from realnet.config import RunConfig
from realnet.examples import StageData, task_of
from realnet.tasks.task import BATCHES, Task

__all__ = ["Batch", "Feed", "batch_rows", "padded", "tensors"]

TILE = 64  # examples; tensor cores multiply in tiles of 8 and up


@dataclass(frozen=True)
class Batch:
    """Inputs [run, n, ...], targets [run, n] or [run, n, k] and `share` [run, n]: 1/n_run, or 0 on padding."""

    inputs: tuple[Tensor, ...]
    target: Tensor
    share: Tensor
    slots: tuple[Tensor, ...] = ()
    """for look-ups of pairs, x's and y's: [run, symbol, K] places of a symbol, or n where it has fewer than K"""


def tensors(task: Task, rows: np.ndarray, targets: np.ndarray, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Inputs and targets of the examples `rows`: whole numbers as int64, others in `dtype`."""
    parts = (torch.from_numpy(np.ascontiguousarray(x[rows])) for x in (*task.inputs, targets))
    return tuple(x.to(dtype) if x.is_floating_point() else x.long() for x in parts)


def batch_rows(config: RunConfig, stage: int, step: int) -> np.ndarray:
    """[min(batch_size, D)] training examples of the optimizer step that follows step number `step`.

    A function of the seed and the step alone, so that a resumed run takes the batches of the uninterrupted one. Each
    time round takes D // batch_size batches from a fresh order of the D examples.
    """
    now = config.stages[stage]
    size = min(config.batch_size or now.dataset_size, now.dataset_size)
    round_, place = divmod(step - now.start, now.dataset_size // size)
    return _order(config.seed, stage, round_, now.dataset_size)[place * size : (place + 1) * size]


@functools.lru_cache(maxsize=256)
def _order(seed: int, stage: int, round_: int, size: int) -> np.ndarray:
    return np.random.default_rng([seed, BATCHES, stage, round_]).permutation(size)


class Feed:
    """`batch` is what the next step trains on; `draw` says which step that is."""

    def __init__(
        self,
        configs: Sequence[RunConfig],
        stage: int,
        data: Sequence[StageData],
        dtype: torch.dtype,
        device: torch.device,
        slots: bool,
    ) -> None:
        self.configs, self.stage = configs, stage
        parts = [tensors(task_of(c), d.train, d.labels, dtype) for c, d in zip(configs, data, strict=True)]
        counts = [len(run[0]) for run in parts]
        length = padded(max(counts), device)
        *inputs, target = (_stacked(column, length).to(device) for column in zip(*parts, strict=True))
        if configs[0].batch_size is None:
            places = _slots(parts, int(task_of(configs[0]).symbols or 0), length) if slots else ()
            share = _share(counts, length, dtype, device)
            self.batch = Batch(tuple(inputs), target, share, tuple(s.to(device) for s in places))
            return
        self._whole = (*inputs, target)
        self._runs = torch.arange(len(configs), device=device)[:, None]
        sizes = [min(c.batch_size or 0, len(run[0])) for c, run in zip(configs, parts, strict=True)]
        self._sizes = sizes
        first = tuple(x[:, : max(sizes)].clone() for x in self._whole)
        self.batch = Batch(first[:-1], first[-1], _share(sizes, max(sizes), dtype, device))

    def draw(self, step: int) -> None:
        """Make `batch` that of the step after step number `step`; in place, for recorded graphs."""
        if self.configs[0].batch_size is None:
            return
        rows = np.zeros((len(self.configs), max(self._sizes)), np.int64)
        for i, config in enumerate(self.configs):
            rows[i, : self._sizes[i]] = batch_rows(config, self.stage, step)
        chosen = torch.from_numpy(rows).to(self._runs.device)
        for kept, whole in zip((*self.batch.inputs, self.batch.target), self._whole, strict=True):
            kept.copy_(whole[self._runs, chosen])


def padded(size: int, device: torch.device) -> int:
    """Examples that a stack makes of `size`: on a GPU whole tiles of its matrix products."""
    return math.ceil(size / TILE) * TILE if device.type == "cuda" else size


def _stacked(parts: tuple[Tensor, ...], length: int) -> Tensor:
    return torch.stack([F.pad(x, (*[0, 0] * (x.dim() - 1), 0, length - len(x))) for x in parts])


def _share(counts: list[int], length: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    real = torch.arange(length) < torch.tensor(counts)[:, None]
    return (real.to(dtype) / real.sum(1, keepdim=True)).to(device)


def _slots(parts: Sequence[tuple[Tensor, ...]], p: int, length: int) -> list[Tensor]:
    width = max(int(torch.bincount(z, minlength=p).max()) for x, y, _ in parts for z in (x, y))
    both = []
    for side in (0, 1):
        slots = torch.full((len(parts), p, width), length)
        for run, part in enumerate(parts):
            for s in range(p):
                mine = torch.nonzero(part[side] == s)[:, 0]
                slots[run, s, : len(mine)] = mine
        both.append(slots)
    return both
