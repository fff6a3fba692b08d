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
from realnet.examples import StageData
from realnet.prepared import Prepared, tensors
from realnet.tasks.task import BATCHES

__all__ = ["Batch", "Feed", "batch_rows", "padded", "slots"]

TILE = 64  # examples; tensor cores multiply in tiles of 8 and up


@dataclass(frozen=True)
class Batch:
    """Inputs [run, n, ...], targets [run, n] or [run, n, k] and `share` [run, n]: 1/n_run, or 0 on padding."""

    inputs: tuple[Tensor, ...]
    target: Tensor
    share: Tensor
    sizes: tuple[int, ...]
    """of each run, without padding"""


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

    def __init__(self, runs: Sequence[Prepared], stage: int, data: Sequence[StageData], device: torch.device) -> None:
        self.configs, self.stage = [r.config for r in runs], stage
        self.drawn = self.configs[0].batch_size is not None
        dtype = runs[0].dtype
        parts = [tensors(r.task, d.train, d.labels, dtype) for r, d in zip(runs, data, strict=True)]
        sizes = [len(run[-1]) for run in parts]
        length = padded(max(sizes), device)
        self._whole = tuple(_stacked(column, length).to(device) for column in zip(*parts, strict=True))
        if self.drawn:
            sizes = [min(c.batch_size or 0, size) for c, size in zip(self.configs, sizes, strict=True)]
            length = max(sizes)
        *inputs, target = (x[:, :length].clone() if self.drawn else x for x in self._whole)
        self._runs = torch.arange(len(runs), device=device)[:, None]
        self.batch = Batch(tuple(inputs), target, _share(sizes, length, dtype, device), tuple(sizes))

    def draw(self, step: int) -> None:
        """Make `batch` that of the step after step number `step`; in place, for recorded graphs."""
        if not self.drawn:
            return
        sizes = self.batch.sizes
        rows = np.zeros((len(sizes), max(sizes)), np.int64)
        for i, config in enumerate(self.configs):
            rows[i, : sizes[i]] = batch_rows(config, self.stage, step)
        chosen = torch.from_numpy(rows).to(self._runs.device)
        for kept, whole in zip((*self.batch.inputs, self.batch.target), self._whole, strict=True):
            kept.copy_(whole[self._runs, chosen])


def padded(size: int, device: torch.device) -> int:
    """Examples that a stack makes of `size`: on a GPU whole tiles of its matrix products."""
    return math.ceil(size / TILE) * TILE if device.type == "cuda" else size


def _stacked(parts: tuple[Tensor, ...], length: int) -> Tensor:
    return torch.stack([F.pad(x, (*[0, 0] * (x.dim() - 1), 0, length - len(x))) for x in parts])


def _share(counts: Sequence[int], length: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    real = torch.arange(length) < torch.tensor(counts)[:, None]
    return (real.to(dtype) / real.sum(1, keepdim=True)).to(device)


def slots(columns: Sequence[Sequence[np.ndarray]], symbols: int, length: int) -> list[np.ndarray]:
    """For look-ups: of each input, a column [n] a run, the places of a symbol, or `length` where it has fewer than K.

    Each is [run, symbol, K].
    """
    width = max(int(np.bincount(z, minlength=symbols).max()) for column in columns for z in column)
    both = []
    for column in columns:
        found = np.full((len(column), symbols, width), length)
        for run, z in enumerate(column):
            for s in range(symbols):
                mine = np.flatnonzero(z == s)
                found[run, s, : len(mine)] = mine
        both.append(found)
    return both
