"""What is about to be trained and how long it will take, told before it begins."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from realnet.config import RunConfig
from realnet.engine.plan import kind, measuring, memory
from realnet.engine.replay import workers
from realnet.records import Folder
from realnet.training.life import How, Life, events

__all__ = ["describe", "preflight", "seconds"]

PROBE = 0.5
"""seconds for which steps are timed, of all kinds of runs together"""


def preflight(
    stacks: Sequence[list[RunConfig]],
    at: Mapping[RunConfig, int],
    runs: Sequence[RunConfig],
    folder: Folder,
    device: torch.device,
    threads: int,
) -> str:
    """A line on what is about to be done: `runs` on `threads` workers, of which `stacks` begin, each run from its step."""
    busy = min(threads, len(stacks))
    held = busy * max(len(s) * memory(s[0]) + measuring(s[0]) for s in _largest(stacks).values())
    longest = {run.key: run.steps for run in sorted(runs, key=lambda run: run.steps)}
    total = sum(longest[run.key] - step for run, step in at.items())
    now = sum(run.steps - step for run, step in at.items())
    took = seconds(stacks, at, folder, device, busy) * total / now
    return (
        f"{len(runs)} runs, {total:,} run-steps in {len(stacks)} stacks, {held / 2**20:.0f} MiB, "
        f"about {_duration(took)} on {describe(device)} with {threads} workers"
    )


def seconds(
    stacks: Sequence[list[RunConfig]], at: Mapping[RunConfig, int], folder: Folder, device: torch.device, busy: int
) -> float:
    """Seconds that `busy` workers will take; NaN if memory is short.

    Of each kind of run the largest stack is timed, on all workers at once as in training; others of its kind take as
    long for an example.
    """
    largest = _largest(stacks)
    costs, took = {}, []
    with workers(busy, device) as pool:
        for name, stack in largest.items():
            probes = pool.map(lambda s: _probe(s, folder, device, PROBE / len(largest)), [stack] * busy)
            costs[name] = np.mean(list(probes), axis=0)
    for stack in stacks:
        name, start = kind(stack[0]), at[stack[0]]
        step, full, light = costs[name]
        fully, evenly = events(stack[0])
        total = full * sum(e > start for e in fully) + light * sum(e > start for e in evenly - fully)
        for i, stage in enumerate(stack[0].stages):
            left = max(0, stage.stop - max(start, stage.start))
            total += left * step * _examples(stack, i) / _examples(largest[name])
        took.append(total)
    return float(max(sum(took) / busy, max(took)))


def _largest(stacks: Sequence[list[RunConfig]]) -> dict[tuple[object, ...], list[RunConfig]]:
    """The stack with most examples of each kind of runs."""
    return {kind(stack[0]): stack for stack in sorted(stacks, key=_examples)}


def _examples(stack: list[RunConfig], stage: int = 0) -> int:
    return sum(c.stages[stage].dataset_size for c in stack)


def _probe(stack: list[RunConfig], folder: Folder, device: torch.device, long: float) -> tuple[float, float, float]:
    """Seconds for a step, a full and a light measurement of the stack, which is then thrown away."""
    try:
        life, steps = Life(stack, dict.fromkeys(stack), folder, device, How()), 0
        life.stack.advance(4)
        start = stepped = time.perf_counter()
        while stepped - start < long or not steps:
            life.stack.advance(4)
            life.stack.weights.sum().item()  # waits for a GPU
            steps, stepped = steps + 4, time.perf_counter()
        life.measure(True, True)
        measured = time.perf_counter()
        life.measure(False, True)
        return (stepped - start) / steps, measured - stepped, time.perf_counter() - measured
    except (RuntimeError, MemoryError):
        return math.nan, math.nan, math.nan


def describe(device: torch.device) -> str:
    """A device in words."""
    return f"cuda: {torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type


def _duration(seconds: float) -> str:
    if math.isnan(seconds):
        return "an unknown time"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min {rest:02d} s"
