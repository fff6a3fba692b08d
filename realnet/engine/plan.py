"""Which runs share a stack, on which device, and what that takes.

On a CPU every run is a stack of its own, and threads take the stacks in turn: a run's numbers then cannot depend on
its neighbours, bit for bit, and one thread a run is also fastest. On a GPU runs of like sizes share a stack.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import torch

from realnet.config import RunConfig
from realnet.engine.batch import padded
from realnet.engine.general import saved_numbers
from realnet.examples import task_of
from realnet.nets.layout import layout

__all__ = ["by_lookup", "choose_device", "cuts", "is_compiled", "kind", "measuring", "memory", "plan"]

STEP_OPERATIONS = 1e10
"""Floating-point operations that a GPU could do in the time that a step takes however small it is (an estimate:
0.3 ms of kernels one after the other at 30 TFLOP/s)"""


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


def kind(config: RunConfig) -> tuple[object, ...]:
    """Runs with equal values do the same to an example: same shapes and kind of optimizer."""
    net = (config.network, config.activation, config.layer_norm, config.biases, config.embedding, config.source)
    shape = (config.p, config.d_model, config.n_heads, config.d_mlp, config.n_layers)
    data = (config.task if config.p is None else "", config.batch_size, config.options)
    update = (config.loss, config.temperature, config.gradient_filter, config.optimizer, config.dtype)
    return (*net, *shape, *data, *update)


def stackable(config: RunConfig) -> tuple[object, ...]:
    """Runs with equal values may share a stack: the same kind, stages and measured steps."""
    schedule = tuple((s.start, s.stop, s.keep_optimizer) for s in config.stages)
    return (*kind(config), schedule, config.points_per_decade, config.light_every, config.weight_history)


def memory(config: RunConfig) -> int:
    """Bytes that one run takes in a stack: weights, gradient, moments, and what a step keeps per example."""
    if by_lookup(config):
        per_example = 4 * config.d_mlp * config.n_layers + 6 * config.p
        folded = config.n_layers == 1 and not config.layer_norm
        per_example += 3 * config.d_model * (4 if folded else 16 * config.n_layers)
    else:
        per_example = 2 * saved_numbers(config)
    numbers = 6 * layout(config).size + per_example * _examples(config)
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

    Elsewhere runs of like sizes share one: stacks pad their runs to the longest, which costs time, and so does each
    further stack. Memory bounds all of them.
    """
    groups: dict[tuple[object, ...], list[RunConfig]] = {}
    for config in configs:
        groups.setdefault(stackable(config), []).append(config)
    stacks = []
    for group in groups.values():
        group.sort(key=lambda c: -_examples(c))
        if stack_size or device.type == "cpu":
            lengths = [stack_size or 1] * math.ceil(len(group) / (stack_size or 1))
        else:
            free = free_memory(device) - measuring(group[0])
            most = {padded(_examples(c), device): max(1, free // memory(c)) for c in group}
            fixed = STEP_OPERATIONS / (6 * layout(group[0]).num_parameters)
            lengths = cuts([padded(_examples(c), device) for c in group], most, fixed)
        ends = list(itertools.accumulate(lengths))
        stacks += [group[end - n : end] for end, n in zip(ends, lengths, strict=True)]
    return stacks


def cuts(sizes: Sequence[int], most: Mapping[int, int], fixed: float) -> list[int]:
    """Lengths of the stacks into which runs of falling `sizes` are best cut; most: runs in a stack that pads to a size.

    A stack of n runs that pads to D takes as long as n D examples, and `fixed` more. Cuts lie where the size changes,
    or where memory ends: by dynamic programming over the sizes.
    """
    counts = [(size, len(list(same))) for size, same in itertools.groupby(sizes)]
    best: list[tuple[float, int]] = [(0.0, 0)]  # of the first i sizes: the least cost, and where the last cut lies
    for i in range(1, len(counts) + 1):
        runs, options = 0, []
        for j in range(i - 1, -1, -1):
            size, count = counts[j]
            runs += count
            options.append((best[j][0] + math.ceil(runs / most[size]) * fixed + runs * size, j))
        best.append(min(options))
    lengths: list[int] = []
    i = len(counts)
    while i:
        j = best[i][1]
        runs, at_most = sum(count for _, count in counts[j:i]), most[counts[j][0]]
        pieces = [at_most] * (runs // at_most) + ([runs % at_most] if runs % at_most else [])
        lengths, i = pieces + lengths, j
    return lengths


def _examples(config: RunConfig) -> int:
    return max(min(s.dataset_size, config.batch_size or s.dataset_size) for s in config.stages)
