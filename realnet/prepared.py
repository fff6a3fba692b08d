"""A run made ready: its task, loss and network, built and checked once and handed to whatever trains or measures it."""

from __future__ import annotations

import fnmatch
import functools
import pickle
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from realnet.config import RunConfig
from realnet.examples import StageData, stage_data
from realnet.fields import ConfigError, require
from realnet.losses import OF_LABELS, Loss, evaluate, loss_of
from realnet.nets.layout import Layout, build, initialise, layout_of, seeded, state_of
from realnet.registry import task_of
from realnet.tasks.modular import MODULAR
from realnet.tasks.task import Task

__all__ = ["Habits", "Prepared", "outputs_of", "prepare", "tensors"]

PROBE = 4
"""examples that a network is tried on"""


@dataclass(frozen=True)
class Habits:
    """What a network does in training beyond a function of its weights and one example; found by trying it."""

    draws: bool = False
    """random numbers, as dropout does"""
    remembers: bool = False
    """changes its buffers, as batch norm does"""
    mixes: bool = False
    """an example's outputs depend on the others of its batch"""

    @property
    def solitary(self) -> bool:
        """Whether runs of such a network cannot go through one batched call, where padding would be seen."""
        return self.draws or self.remembers or self.mixes


@dataclass(frozen=True, eq=False)
class Prepared:
    """A run's config and what it stands for. `net` is as it was built: to be copied and not trained."""

    config: RunConfig
    task: Task
    loss: Loss
    net: nn.Module
    layout: Layout
    habits: Habits
    start: Tensor
    """[size] flat starting weights"""

    @property
    def dtype(self) -> torch.dtype:
        """Of weights and inputs."""
        dtype: torch.dtype = getattr(torch, self.config.dtype)
        return dtype

    def data(self, stage: int) -> StageData:
        """The examples of stage number `stage`. Errors: ConfigError for more than the task has."""
        return stage_data(self.config, stage)

    def state(self) -> dict[str, Tensor]:
        """Frozen parameters and buffers as they start, by name; floats in the run's dtype."""
        return {k: v.to(self.dtype) if v.is_floating_point() else v for k, v in state_of(self.net).items()}

    def module(self, flat: Tensor, state: dict[str, Tensor] | None = None) -> nn.Module:
        """The network with the weights of a flat vector [size] and this state, in its dtype and on its device."""
        net = build(self.config, self.task).to(flat)
        places = dict(net.named_parameters()) | dict(net.named_buffers())
        with torch.no_grad():
            for name, value in (self.state() | (state or {}) | self.layout.views(flat)).items():
                places[name].copy_(value.reshape(places[name].shape))
        return net


def tensors(task: Task, rows: np.ndarray, targets: np.ndarray, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Inputs and targets of the examples `rows`: whole numbers as int64, others in `dtype`."""
    parts = (torch.from_numpy(np.ascontiguousarray(x[rows])) for x in (*task.inputs, targets))
    return tuple(x.to(dtype) if x.is_floating_point() else x.long() for x in parts)


@functools.lru_cache(maxsize=16)
def prepare(config: RunConfig) -> Prepared:
    """`config` made ready. Errors: ConfigError if the run cannot be trained, with what does not fit."""
    task, loss = task_of(config), loss_of(config)
    for where, stage in enumerate(config.stages):
        fits = stage.dataset_size <= task.size
        remedy = f"Choose at most {task.size}."
        require(fits, f"dataset_size must not exceed the {task.size} examples", stage.dataset_size, remedy)
        labelled = task.labelled or not stage.corrupted
        require(labelled, f"only labels can be corrupted, in stage {where}", stage.corrupted, "Leave corrupted at 0.")
    fits = task.labelled or config.loss not in OF_LABELS
    require(fits, f"loss {config.loss!r} needs a task with labels", config.task, 'Choose loss="mse".')
    net = build(config, task)
    layout = layout_of(net)
    for pattern, *_ in config.groups:
        found = fnmatch.filter(layout.shapes, pattern)
        require(bool(found), f"groups must name weights among {', '.join(layout.shapes)}", pattern, "Correct it.")
    start = initialise(net, config, layout)
    known = config.task in MODULAR and not config.own_names and not config.dropout
    habits = Habits() if known else _try(config, task, loss)
    return Prepared(config, task, loss, net, layout, habits, start)


def _try(config: RunConfig, task: Task, loss: Loss) -> Habits:
    """See what the network and the loss do with a few examples."""
    rows = min(PROBE, len(task))
    *inputs, target = tensors(task, np.arange(rows), task.targets, torch.float32)
    trial = build(config, task)
    outputs = functools.partial(outputs_of, task=task, network=config.network, name=config.task)
    before = {name: b.clone() for name, b in trial.named_buffers()}
    others = _elsewhere()
    with torch.no_grad(), seeded(0):
        drawn = torch.random.get_rng_state()
        output = outputs(trial.train(), inputs)
        draws = not torch.equal(drawn, torch.random.get_rng_state())
        remembers = any(not torch.equal(b, before[name]) for name, b in trial.named_buffers())
        first = [x[: rows // 2] for x in inputs]
        mixes = False
        if not draws and rows > 1:
            try:
                part = trial(*first)
                mixes = not torch.allclose(part, output[: rows // 2], rtol=1e-3, atol=1e-5, equal_nan=True)
            except (RuntimeError, ValueError):  # batch norm wants more examples
                mixes = True
        judged = outputs(trial.eval(), inputs)
        remedy = "Seed by torch alone: runs are repeated by torch's generator."
        same = others == _elsewhere()
        require(same, f"{config.network} must draw its random numbers from torch", "numpy or random", remedy)
        alone = torch.cat([outputs(trial, [x[i : i + 1] for x in inputs]) for i in range(rows)])
    remedy = "Use batch norm with running averages, say, or none."
    apart = torch.allclose(alone, judged, rtol=1e-3, atol=1e-5, equal_nan=True)
    requirement = f"{config.network}.eval() must judge each example by itself, and always the same"
    require(apart, requirement, "outputs that depend on the batch", remedy)
    target = target.to(output) if target.is_floating_point() else target
    try:
        value, slope = evaluate(loss, output, target)
    except Exception as error:  # whatever somebody's own code raises
        problem = f"{type(error).__name__}: {error}"
        raise ConfigError(f"{config.loss} must take outputs and targets; received {problem!r}. Mend it.") from error
    fine = tuple(value.shape) == (rows,) and slope.shape == output.shape
    remedy = "Leave out the mean over them."
    require(fine, f"{config.loss} must return one loss an example, [n]", tuple(value.shape), remedy)
    return Habits(draws, remembers, mixes)


def _elsewhere() -> bytes:
    """The state of generators that no run is seeded by."""
    return pickle.dumps((random.getstate(), np.random.get_state()))  # noqa: NPY002


def outputs_of(net: nn.Module, inputs: Sequence[Tensor], task: Task, network: str, name: str) -> Tensor:
    """[n, q] what the module called `network` makes of inputs of the task called `name`. Errors: ConfigError."""
    try:
        output: Any = net(*inputs)
    except Exception as error:  # whatever somebody's own code raises
        problem = f"{type(error).__name__}: {error}"
        remedy = "Its forward gets one tensor [n, ...] for each of the task's inputs."
        raise ConfigError(f"{network} must take the inputs of {name}; received {problem!r}. {remedy}") from error
    shape, expected = tuple(getattr(output, "shape", ())), (len(inputs[0]), task.outputs)
    remedy = f"Return a row of {task.outputs} outputs for each of the {len(inputs[0])} examples."
    require(shape == expected, f"{network} must return {expected} for {name}", shape, remedy)
    made: Tensor = output
    return made
