"""Which runs share a stack, on which device and by which engine, and what that takes.

On a CPU every run is a stack of its own, and threads take the stacks in turn: a run's numbers then cannot depend on
its neighbours, bit for bit, and one thread a run is also fastest. On a GPU runs of like sizes share a stack.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import torch

from realnet.config import RunConfig
from realnet.engine.batch import padded
from realnet.engine.general import General, saved_numbers
from realnet.engine.host import Compiled
from realnet.engine.stacked import Stacked
from realnet.nets.layout import build, layout_of
from realnet.prepared import Prepared, prepare
from realnet.registry import task_of
from realnet.tasks.modular import MODULAR

__all__ = ["choose_device", "engine_class", "kind", "measuring", "memory", "plan", "refused"]

LIKE = 0.75
"""least size, as a share of the largest, of a run that shares its stack on a GPU: padding costs time"""


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


def refused(engine: Any, config: RunConfig) -> list[str]:
    """Fields of `config` that the engine does not know, or not at their value: all that it has not learnt."""
    if engine.knows is None:
        return []

    def learnt(field: dataclasses.Field[Any]) -> bool:
        value = getattr(config, field.name)
        if field.name in engine.knows:
            return engine.knows[field.name] is None or value in engine.knows[field.name]
        return value == field.default or not field.metadata.get("engine", True)

    return [field.name for field in dataclasses.fields(config) if not learnt(field)]


def engine_class(runs: Sequence[Prepared], device: torch.device) -> Any:
    """The fastest engine for a stack: one run of a pair's transformer on a CPU is compiled."""
    run = runs[0]
    if device.type == "cpu" and len(runs) == 1 and len(run.task.inputs) == 2 and not refused(Compiled, run.config):
        return Compiled
    return General if refused(Stacked, run.config) else Stacked


def kind(config: RunConfig) -> tuple[object, ...]:
    """Runs with equal values do the same to an example: same shapes and kind of optimizer."""
    shared = (getattr(config, f.name) for f in dataclasses.fields(config) if f.metadata.get("stack", True))
    return (None if config.task in MODULAR else config.task, *shared)


def stackable(config: RunConfig) -> tuple[object, ...]:
    """Runs with equal values may share a stack: the same kind and stages."""
    return (*kind(config), tuple((s.start, s.stop, s.keep_optimizer) for s in config.stages))


def memory(config: RunConfig) -> int:
    """Bytes that one run takes in a stack: weights, gradient, moments, and what a step keeps per example."""
    if refused(Stacked, config):
        per_example = 2 * saved_numbers(prepare(config))
    else:
        per_example = 4 * config.d_mlp * config.n_layers + 6 * task_of(config).outputs
        folded = config.n_layers == 1 and not config.layer_norm
        per_example += 3 * config.d_model * (4 if folded else 16 * config.n_layers)
    with torch.device("meta"):  # nothing is allocated: this is asked where memory is short
        size = layout_of(build(config, task_of(config))).size
    numbers = 6 * size + per_example * _examples(config)
    return numbers * (8 if config.dtype == "float64" else 4)


def measuring(config: RunConfig) -> int:
    """Bytes that a full measurement takes while it lasts: it sees every example, a run of a stack at a time.

    Four tables of float64 at its height, by measurement: outputs, their copy in another order, that less its mean, and
    what is computed of it.
    """
    task = task_of(config)
    return 4 * 8 * len(task) * task.outputs


def free_memory(device: torch.device) -> int:
    """Bytes that stacks may use on `device`."""
    if device.type == "cuda":
        return int(0.8 * torch.cuda.mem_get_info(device)[0])
    return 4 * 2**30


def plan(configs: Sequence[RunConfig], device: torch.device, stack_size: int | None = None) -> list[list[RunConfig]]:
    """Which runs share a stack. On a CPU each is alone unless `stack_size` asks otherwise.

    Elsewhere runs of like sizes share one, as many as memory bounds.
    """
    groups: dict[tuple[object, ...], list[RunConfig]] = {}
    for config in configs:
        groups.setdefault(stackable(config), []).append(config)
    stacks = []
    for group in groups.values():
        group.sort(key=lambda c: -_examples(c))
        while group:
            first, most = group[0], stack_size or 1
            if not stack_size and device.type != "cpu":
                most = max(1, (free_memory(device) - measuring(first)) // memory(first))
                least = LIKE * padded(_examples(first), device)
                alike = itertools.takewhile(lambda c, least=least: padded(_examples(c), device) >= least, group)  # type: ignore[misc]
                most = min(most, len(list(alike)))
            stacks.append(group[:most])
            group = group[most:]
    return stacks


def _examples(config: RunConfig) -> int:
    return max(min(s.dataset_size, config.batch_size or s.dataset_size) for s in config.stages)
