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
from realnet.training.job import Job, events

__all__ = ["describe", "preflight", "seconds"]

PROBE = 0.5
"""seconds for which steps are timed, of all kinds of runs together"""


def preflight(
    stacks: Sequence[list[RunConfig]], at: Mapping[RunConfig, int], folder: Folder, device: torch.device, threads: int
) -> str:
    """A line on what is about to be done: `stacks` on `threads` workers, each run from its step in `at`."""
    busy = min(threads, len(stacks))
    configs = sorted((c for stack in stacks for c in stack), key=memory)
    held = sum(memory(c) for c in configs[-threads * len(stacks[0]) :]) + busy * max(measuring(c) for c in configs)
    total = sum(c.steps - at[c] for c in configs)
    took = seconds(stacks, at, folder, device, busy)
    return (
        f"{len(configs)} runs, {total:,} run-steps in {len(stacks)} stacks, {held / 2**20:.0f} MiB, "
        f"about {_duration(took)} on {describe(device)} with {threads} workers"
    )


def seconds(
    stacks: Sequence[list[RunConfig]], at: Mapping[RunConfig, int], folder: Folder, device: torch.device, busy: int
) -> float:
    """Seconds that `busy` workers will take; NaN if memory is short.

    Of each kind of run the smallest and the largest stack are timed, on all workers at once as in training; what lies
    between is interpolated by the number of examples.
    """
    kinds: dict[tuple[object, ...], list[list[RunConfig]]] = {}
    for stack in stacks:
        kinds.setdefault(kind(stack[0]), []).append(stack)
    took = []
    with workers(busy, device) as pool:
        for group in kinds.values():
            ends = {_examples(stack, 0): stack for stack in sorted(group, key=lambda s: _examples(s, 0))}
            sizes = sorted({min(ends), max(ends)})
            costs = [
                np.mean(
                    list(pool.map(lambda s: _probe(s, folder, device, PROBE / len(kinds)), [ends[size]] * busy)), axis=0
                )
                for size in sizes
            ]
            for stack in group:
                took.append(0.0)
                full, even = (np.array(sorted(some)) for some in events(stack[0]))
                light = np.setdiff1d(even, full)
                for i, stage in enumerate(stack[0].stages):
                    share = (_examples(stack, i) - sizes[0]) / max(1, sizes[-1] - sizes[0])
                    start = max(at[stack[0]], stage.start)
                    counts = [int(np.sum((start < some) & (some <= stage.stop))) for some in (full, light)]
                    cost = costs[0] + share * (costs[-1] - costs[0])
                    took[-1] += float(np.dot(cost, [max(0, stage.stop - start), *counts]))
    return max(sum(took) / busy, max(took))


def _examples(stack: list[RunConfig], stage: int) -> int:
    return sum(c.stages[stage].dataset_size for c in stack)


def _probe(stack: list[RunConfig], folder: Folder, device: torch.device, long: float) -> tuple[float, float, float]:
    """Seconds for a step, a full and a light measurement of the stack, which is then thrown away."""
    try:
        job = Job(stack, dict.fromkeys(stack), folder, device, (), math.inf, {})
        job.stack.advance(4)
        times, steps = [], 0
        start = time.perf_counter()
        while not steps or time.perf_counter() - start < long:
            job.stack.advance(4)
            job.stack.weights.sum().item()  # waits for a GPU
            steps += 4
        times.append((time.perf_counter() - start) / steps)
        for full in (True, False):
            job.measure(full, True)
            start = time.perf_counter()
            job.measure(full, True)
            times.append(time.perf_counter() - start)
        return times[0], times[1], times[2]
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
