"""Which runs share a stack, on which device, and what that takes.

On a CPU every run is a stack of its own, and threads take the stacks in turn: a run's numbers then cannot depend on
its neighbours, bit for bit, and one thread a run is also fastest. On a GPU a stack is as large as memory allows.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from realnet.config import RunConfig
from realnet.engine.general import saved_numbers
from realnet.nets.layout import layout

__all__ = ["by_lookup", "choose_device", "is_compiled", "memory", "plan"]


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
    """Whether `compiled` takes this net: a run by itself on a CPU, one layer, ReLU, cross-entropy, no layer norm."""
    plain = by_lookup(config) and config.n_layers == 1 and not config.layer_norm
    usual = config.activation == "relu" and config.loss == "cross_entropy" and config.temperature == 1
    return device.type == "cpu" and size == 1 and plain and usual


def by_lookup(config: RunConfig) -> bool:
    """Whether `compiled` or `stacked` takes this net; `general` takes all others."""
    return config.network == "transformer" and config.batch_size is None


def stackable(config: RunConfig) -> tuple[object, ...]:
    """Runs with equal values may share a stack: same shapes, kind of optimizer and schedule."""
    schedule = tuple((s.start, s.stop, s.keep_optimizer) for s in config.stages)
    net = (config.network, config.activation, config.layer_norm, config.biases, config.embedding, config.source)
    shape = (config.p, config.d_model, config.n_heads, config.d_mlp, config.n_layers)
    data = (config.task if config.p is None else "", config.batch_size, config.options)
    update = (config.loss, config.temperature, config.gradient_filter, config.optimizer, config.dtype)
    return (*net, *shape, *data, *update, schedule, config.points_per_decade, config.light_every, config.weight_history)


def memory(config: RunConfig) -> int:
    """Bytes that one run takes in a stack: weights, gradient, moments, and what a step keeps per example."""
    if by_lookup(config):
        per_example = 4 * config.d_mlp * config.n_layers + 6 * config.p
        folded = config.n_layers == 1 and not config.layer_norm
        per_example += 3 * config.d_model * (4 if folded else 16 * config.n_layers)
    else:
        per_example = 2 * saved_numbers(config)
    examples = max(min(s.dataset_size, config.batch_size or s.dataset_size) for s in config.stages)
    numbers = 6 * layout(config).size + per_example * examples
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
