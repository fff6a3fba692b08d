"""What is about to be trained and how long it will take, told before it begins."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import torch

from realnet.config import RunConfig
from realnet.engine.ensemble import Stack
from realnet.engine.plan import measuring, memory

__all__ = ["describe", "preflight"]


def preflight(
    configs: list[RunConfig], total: int, stacks: Sequence[list[RunConfig]], device: torch.device, workers: int
) -> str:
    """What is about to be done, with a time estimated from a few measured steps of each kind of run."""
    seconds = 0.0
    timed: dict[tuple[object, ...], float] = {}
    for stack in stacks:
        first = stack[0]
        kind = (first.d_model, first.d_mlp, first.n_layers, first.p, first.dtype, first.network, first.loss)
        size = sum(c.dataset_size for c in stack)
        if kind not in timed:
            timed[kind] = _probe(stack, device) / size
        seconds += timed[kind] * size * first.steps
    seconds *= total / max(1, sum(c.steps for c in configs)) / min(workers, len(stacks))
    held = sum(memory(c) for c in sorted(configs, key=memory)[-workers * len(stacks[0]) :])
    held += min(workers, len(stacks)) * max(measuring(c) for c in configs)
    return (
        f"{len(configs)} runs, {total:,} run-steps in {len(stacks)} stacks, {held / 2**20:.0f} MiB, "
        f"about {_duration(seconds)} on {describe(device)} with {workers} workers"
    )


def _probe(stack: list[RunConfig], device: torch.device) -> float:
    """Seconds for a step of the stack, from a few steps that are thrown away; NaN if memory is short."""
    try:
        probe = Stack(stack, device)
        probe.advance(4)
        probe.weights.sum().item()  # waits for a GPU
        start = time.perf_counter()
        probe.advance(4)
        probe.weights.sum().item()
        return (time.perf_counter() - start) / 4
    except (RuntimeError, MemoryError):
        return math.nan


def describe(device: torch.device) -> str:
    """A device in words."""
    return f"cuda: {torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type


def _duration(seconds: float) -> str:
    if math.isnan(seconds):
        return "an unknown time"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min {rest:02d} s"
