"""Runs side by side: their data in each stage, the stack they share, and which runs share one.

A stack holds weights, gradients and moments as [run, size] and takes all its runs through the same steps.
On a CPU every run is a stack of its own, and threads take the stacks in turn: a run's numbers then cannot
depend on its neighbours, bit for bit, and one thread a run is also fastest. On a GPU a stack is as large
as memory allows. Sections 1 and 2 of experiments.md.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from realnet.config import RunConfig, Stage
from realnet.engine import buffers, compiled, stacked
from realnet.engine.optimizer import OptimizerState, project, rates, update
from realnet.nets.transformer import layout, starting_weights
from realnet.tasks import data_order, labels, table

__all__ = ["Stack", "StageData", "choose_device", "is_compiled", "memory", "plan", "stage_data"]


@dataclass(frozen=True)
class StageData:
    """Rows of the task's table in one stage of a run, each sorted; labels are [n_pairs]."""

    train: np.ndarray
    removed: np.ndarray
    """trained on before, in this run or the runs it started from, and not now"""
    unseen: np.ndarray
    """never trained on"""
    labels: np.ndarray
    """labels of the training set, corrupted ones included"""
    truth: np.ndarray


def stage_data(config: RunConfig, stage: int) -> StageData:
    """The examples of `config` in its stage number `stage`."""
    seen = np.zeros(config.table_size, bool)
    ancestor, train = config.start_from, np.empty(0, int)
    while ancestor is not None:
        if ancestor.table_size == len(seen):
            for i in range(len(ancestor.stages)):
                seen[_rows(ancestor, i)] = True
        ancestor = ancestor.start_from
    for i in range(stage + 1):
        train = _rows(config, i)
        seen[train] = True
    now = np.zeros_like(seen)
    now[train] = True
    task, corrupted = config.stages[stage].task, config.stages[stage].corrupted
    noisy, truth = labels(task, config.p, config.split_seed, corrupted)
    removed, unseen = np.flatnonzero(seen & ~now), np.flatnonzero(~seen)
    return StageData(np.flatnonzero(now), removed, unseen, labels=noisy, truth=truth)


def _rows(config: RunConfig, stage: int) -> np.ndarray:
    order = data_order(config.task, config.p, config.split_seed)
    return order[: config.stages[stage].dataset_size]


def choose_device(name: str) -> torch.device:
    """The device called `name`; "auto" prefers a GPU. Errors: RuntimeError if it is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise RuntimeError(
            f"device must be one that this machine has; received {name!r} ({str(error).splitlines()[0]}). "
            'Use device="auto" or device="cpu", or install the torch build for this device.'
        ) from error
    return device


def is_compiled(config: RunConfig, device: torch.device, size: int) -> bool:
    """Whether `compiled` takes this net: a run by itself on a CPU, one layer, ReLU, no layer norm."""
    plain = config.architecture == "transformer" and config.n_layers == 1 and not config.layer_norm
    return device.type == "cpu" and size == 1 and plain and config.activation == "relu"


def stackable(config: RunConfig) -> tuple[object, ...]:
    """Runs with equal values may share a stack: same shapes, kind of optimizer and schedule."""
    schedule = tuple((s.start, s.stop, s.keep_optimizer) for s in config.stages)
    net = (config.architecture, config.activation, config.layer_norm, config.biases, config.embedding)
    shape = (config.p, config.d_model, config.n_heads, config.d_mlp, config.n_layers)
    return (
        *net,
        *shape,
        config.optimizer,
        config.dtype,
        schedule,
        config.points_per_decade,
        config.light_every,
    )


def memory(config: RunConfig) -> int:
    """Bytes that one run takes in a stack: weights, gradient, moments, and what a step keeps per example."""
    per_example = 4 * config.d_mlp * config.n_layers + 6 * config.p
    if config.architecture == "transformer":
        per_example += (
            3 * config.d_model * (4 if config.n_layers == 1 and not config.layer_norm else 16 * config.n_layers)
        )
    numbers = 6 * layout(config).size + per_example * max(s.dataset_size for s in config.stages)
    return numbers * (8 if config.dtype == "float64" else 4)


def free_memory(device: torch.device) -> int:
    """Bytes that stacks may use on `device`."""
    if device.type == "cuda":
        return int(0.8 * torch.cuda.mem_get_info(device)[0])
    return 4 * 2**30


def plan(configs: Sequence[RunConfig], device: torch.device, stack_size: int | None = None) -> list[list[RunConfig]]:
    """Which runs share a stack. On a CPU each is alone unless `stack_size` asks otherwise."""
    groups: dict[tuple[object, ...], list[RunConfig]] = {}
    for config in configs:
        groups.setdefault(stackable(config), []).append(config)
    stacks = []
    for group in groups.values():
        group.sort(key=lambda c: -max(s.dataset_size for s in c.stages))  # like sizes together: little padding
        alone = 1 if device.type == "cpu" else max(1, free_memory(device) // memory(group[0]))
        size = stack_size or alone
        stacks += [group[i : i + size] for i in range(0, len(group), size)]
    return stacks


_local = threading.local()


def _scratch(p: int, d: int, m: int, heads: int, size: int, dtype: str) -> buffers.Scratch:
    """Buffers of this thread, kept while the shapes stay the same."""
    key = (p, d, m, heads, dtype)
    kept = getattr(_local, "scratch", None)
    if kept is None or kept[0] != key or kept[1].mix.shape[0] < size:
        _local.scratch = (key, buffers.make_scratch(p, d, m, heads, size, np.dtype(dtype)))
    scratch: buffers.Scratch = _local.scratch[1]
    return scratch


class Stack:
    """Runs that are stepped together. `weights`, `grads` and moments are [run, size]; see `model.Layout`."""

    def __init__(self, configs: Sequence[RunConfig], device: torch.device) -> None:
        self.configs = tuple(configs)
        self.device = device
        self.step = 0
        self.stage = 0
        self.layout = layout(self.configs[0])
        self.weights = torch.stack([starting_weights(c) for c in self.configs]).to(device)
        self.grads = torch.zeros_like(self.weights)
        self.state = OptimizerState.zeros(self.weights)
        self.norm = self.weights.norm(dim=1, keepdim=True)
        self.compiled = is_compiled(self.configs[0], device, len(self.configs))
        self._graph: torch.cuda.CUDAGraph | None = None
        self._tables: dict[str, stacked.Batch] = {}
        self.enter_stage(0)

    def enter_stage(self, stage: int) -> None:
        """Take the data and rates of stage number `stage`."""
        config, self.stage, self._graph = self.configs[0], stage, None
        now = [c.stages[stage] for c in self.configs]
        self.data = [stage_data(c, stage) for c in self.configs]
        self.rates = rates(self.configs, now, self.device)
        self._fixed = torch.tensor([[c.fixed_norm] for c in self.configs], device=self.device)
        if stage > 0 and not now[0].keep_optimizer and self.step == now[0].start:
            self.state = OptimizerState.zeros(self.weights)
        tables = [table(c.task, c.p) for c in self.configs]
        rows = [(t.x[d.train], t.y[d.train], d.labels[d.train]) for t, d in zip(tables, self.data, strict=True)]
        if self.compiled:
            self._named = self._arrays(self.weights[0]), self._arrays(self.grads[0])
            self._examples = buffers.Examples(*(np.ascontiguousarray(z, np.int32) for z in rows[0]))
        else:
            tensors = [(torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(z)) for x, y, z in rows]
            self._batch = stacked.stack_batches(tensors, config.p, self.weights.dtype, self.device)

    def gradient(self) -> tuple[Tensor, Tensor]:
        """Fill `grads` with the gradients at `weights`; returns mean training losses and accuracies [run]."""
        if not self.compiled:
            return stacked.gradient(self.configs[0], self.weights, self._batch, self.grads)
        w, g = self._named
        loss, accuracy = compiled.gradient(w, self._examples, self._buffers(), g)
        return torch.tensor([loss], dtype=torch.float64), torch.tensor([accuracy], dtype=torch.float64)

    def advance(self, steps: int) -> None:
        """Take `steps` optimizer steps within the present stage."""
        done = torch.tensor(float(self.step), dtype=torch.float64, device=self.device)
        if self.device.type == "cuda" and steps > 3:
            self._replay(steps, done)
        else:
            for _ in range(steps):
                self._one_step(done)
        self.step += steps

    def _one_step(self, done: Tensor) -> None:
        config = self.configs[0]
        self.gradient()
        if self.compiled and config.optimizer != "sgd":
            self._compiled_adam(config, config.stages[self.stage], done.item())
        else:
            update(config.optimizer, self.weights, self.grads, self.state, self.rates, done)
        if any(c.fixed_norm for c in self.configs):
            project(self.weights, self.norm, self._fixed)
        done += 1

    def _compiled_adam(self, config: RunConfig, stage: Stage, done: float) -> None:
        state, (beta1, beta2) = self.state, config.betas
        state.count += 1
        count = state.count.item()
        rate = stage.learning_rate * min(1.0, (done + 1) / max(1, config.warmup))
        decoupled = config.optimizer == "adamw"
        decay, penalty = (1 - rate * stage.weight_decay, 0.0) if decoupled else (1.0, stage.weight_decay)
        constants = (1 - beta1, beta2, 1 - beta2, config.epsilon, (1 - beta2**count) ** 0.5)
        flat = (t[0].numpy() for t in (self.weights, self.grads, state.first, state.second))
        compiled.adam(*flat, rate / (1 - beta1**count), decay, penalty, constants)

    def _replay(self, steps: int, done: Tensor) -> None:
        """On CUDA a step is hundreds of small kernels: record them once and replay them."""
        if self._graph is None:
            self._done = done.clone()
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):  # real steps, which warm up allocator and libraries
                for _ in range(3):
                    self._one_step(self._done)
            torch.cuda.current_stream().wait_stream(side)
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):  # records without running
                self._one_step(self._done)
            steps -= 3
        else:
            self._done.copy_(done)
        for _ in range(steps):
            self._graph.replay()

    def table_logits(self, index: int) -> Tensor:
        """[n_pairs, q] logits of run `index` on the whole table of its task."""
        config = self.configs[index]
        pairs = _whole_table(config.task, config.p)
        if self.compiled:
            out = np.empty((len(pairs.x), config.p), np.dtype(config.dtype))
            compiled.logits(self._named[0], pairs, self._buffers(), out)
            return torch.from_numpy(out)
        if config.task not in self._tables:
            x, y, label = (torch.from_numpy(z.astype(np.int64)) for z in pairs)
            self._tables[config.task] = stacked.stack_batches(
                [(x, y, label)], config.p, self.weights.dtype, self.device, backward=False
            )
        views = self.layout.views(self.weights[index : index + 1])
        with torch.no_grad():
            return stacked.forward(config, views, self._tables[config.task])[0]

    def _buffers(self) -> buffers.Scratch:
        c = self.configs[0]
        return _scratch(c.p, c.d_model, c.d_mlp, c.n_heads, c.table_size, c.dtype)

    def _arrays(self, flat: Tensor) -> buffers.Weights:
        views = {k.rsplit(".", 1)[-1]: v.numpy() for k, v in self.layout.views(flat).items()}
        if not self.configs[0].biases:
            c, dtype = self.configs[0], np.dtype(self.configs[0].dtype)
            views |= {"b_in": np.zeros(c.d_mlp, dtype), "b_out": np.zeros(c.d_model, dtype)}
        return buffers.Weights(**views)


@functools.lru_cache(maxsize=4)
def _whole_table(task: str, p: int) -> buffers.Examples:
    pairs = table(task, p)
    return buffers.Examples(*(np.ascontiguousarray(z, np.int32) for z in (pairs.x, pairs.y, np.zeros_like(pairs.x))))
