"""The sweep in one process: workers take stacks of runs from a queue, each run held by a lease while it is trained.

Several processes may so share an output folder and the work. One that finds nothing left to take waits, and a process
that trains a stack of several runs then hands it half of them.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import wait
from dataclasses import dataclass
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from realnet.config import RunConfig
from realnet.engine.plan import choose_device, measuring, memory, plan
from realnet.engine.replay import empty_cache, products, workers
from realnet.fields import number, whole
from realnet.metrics import Callback
from realnet.records import Folder, Leases, environment
from realnet.training.estimate import describe, preflight
from realnet.training.job import Job
from realnet.training.stopping import signals

__all__ = ["How", "Trainer", "train_here"]

OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "Unable to allocate")
PATIENCE = 10.0
"""longest pause, in seconds, between two looks for work that others hold"""


@dataclass(frozen=True)
class How:
    """How runs are trained, by whomever: the arguments of `train` that a worker elsewhere needs too."""

    device: str
    callbacks: tuple[Callback, ...]
    checkpoint_seconds: float
    stack_size: int | None
    workers: int | None
    tf32: bool

    def __post_init__(self) -> None:
        for name in ("stack_size", "workers"):
            if getattr(self, name) is not None:
                whole(name, getattr(self, name), minimum=1)
        number("checkpoint_seconds", self.checkpoint_seconds, minimum=0.0)


def train_here(
    configs: Sequence[RunConfig], folder: Folder, how: How, progress: bool = False, stop_file: Path | None = None
) -> None:
    """Train in this process what is not finished; the appearance of `stop_file` asks to save and leave.

    Errors: those of `train`.
    """
    with signals(), products(how.tf32), Leases(folder.locks) as leases:
        Trainer(folder, leases, how, progress, stop_file).run(configs)


def beginnings(come: Mapping[RunConfig, int]) -> dict[RunConfig, int]:
    """Where runs that have `come` so far will begin: there, or where the next shorter one of the same will have ended."""
    ends: dict[str, int] = {}
    at = dict(come)
    for config in sorted(come, key=lambda c: c.steps):
        at[config] = max(ends.get(config.key, 0), come[config])
        ends[config.key] = config.steps
    return at


class Trainer:
    """Trains runs into `folder`."""

    def __init__(self, folder: Folder, leases: Leases, how: How, progress: bool, stop_file: Path | None) -> None:
        self.folder, self.leases, self.how, self.progress = folder, leases, how, progress
        self.device = choose_device(how.device)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.workers = how.workers or (cores if self.device.type == "cpu" else 1)
        self.stop, self.stop_file = threading.Event(), stop_file
        self.provenance = environment(describe(self.device))

    def run(self, configs: Sequence[RunConfig]) -> None:
        """Train what is not finished, generation by generation: first the runs that others start from."""
        generations = [{c.name: c for c in configs if not self._finished(c)}]
        while parents := {
            p.name: p for c in generations[0].values() if (p := c.start_from) is not None and not self._has_weights(p)
        }:
            generations.insert(0, parents)
        threads = torch.get_num_threads()
        try:
            # One thread a run: numbers then depend neither on the machine's load nor on its cores.
            if self.device.type == "cpu":
                torch.set_num_threads(1)
            with threadpool_limits(1, "blas"):
                for generation in generations[:-1]:
                    self._train_all(list(generation.values()), self._has_weights)
                self._train_all(list(generations[-1].values()), self._finished)
        finally:
            torch.set_num_threads(threads)

    def _finished(self, config: RunConfig) -> bool:
        record = self.folder.read(config)
        return record is not None and record.done

    def _has_weights(self, config: RunConfig) -> bool:
        record = self.folder.read(config, "state")
        return record is not None and record.done

    def _train_all(self, left: list[RunConfig], finished: Callable[[RunConfig], bool]) -> None:
        told, pause = not self.progress, 0.5
        while True:
            self.folder.refresh()
            left = [c for c in left if not finished(c)]
            if not left:
                self.leases.wants(False)
                return
            come = {config: self._step(config) for config in left}
            at = beginnings(come)
            # Of one run in several lengths the shortest first: it is measured at its end, where the next one goes on.
            now = {config: step for config, step in come.items() if step == at[config]}
            stacks = deque(self._stacks(now))
            if self.leases.company():  # processes that share a folder begin at different places
                stacks.rotate(int(self.leases.session[:8], 16) % len(stacks))
            if not told:
                # The wait has a name: a first use compiles for half a minute.
                print("timing a few steps; the first time on a machine this compiles too", file=sys.stderr)
                print(preflight(self._stacks(at), at, self.folder, self.device, self.workers), file=sys.stderr)
            total = sum(config.steps - step for config, step in now.items())
            often = 0.1 if sys.stderr.isatty() else 10.0  # seconds; a log keeps every line
            with tqdm(total=total, unit="run-step", disable=told, smoothing=0.05, mininterval=often) as bar:
                trained = self._work(stacks, bar, finished)
            if trained:
                self.leases.wants(False)
                pause = 0.5
                continue
            if not told:
                print("waiting for another process that trains the rest", file=sys.stderr)
            told = True
            self.leases.wants(True)
            self._pause(pause)
            pause = min(PATIENCE, 1.5 * pause)

    def _stacks(self, at: Mapping[RunConfig, int]) -> list[list[RunConfig]]:
        by_step: dict[int, list[RunConfig]] = {}
        for config, step in at.items():
            by_step.setdefault(step, []).append(config)
        return [stack for group in by_step.values() for stack in plan(group, self.device, self.how.stack_size)]

    def _step(self, config: RunConfig) -> int:
        record = self.folder.read(config)
        return record.step if record else 0

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._heed()
            time.sleep(0.1)

    def _heed(self) -> None:
        if self.stop_file is not None and self.stop_file.exists():
            raise KeyboardInterrupt(f"{self.stop_file} asks to leave")

    def _work(self, stacks: deque[list[RunConfig]], bar: tqdm[None], finished: Callable[[RunConfig], bool]) -> int:
        """Let the workers empty the queue; returns how many runs this process could claim."""

        def work() -> int:
            claimed = 0
            while not self.stop.is_set():
                try:
                    stack = stacks.popleft()
                except IndexError:
                    return claimed
                claimed += self._train_stack(stack, stacks, bar, finished)
            return claimed

        with workers(self.workers, self.device) as pool:
            jobs = [pool.submit(work) for _ in range(min(self.workers, len(stacks)))]
            try:
                for job in jobs:
                    while not wait([job], timeout=0.2).done:
                        self._heed()
                        failed = [j for j in jobs if j.done() and j.exception()]
                        if failed:
                            failed[0].result()
                return sum(job.result() for job in jobs)
            except BaseException:
                self.stop.set()  # the others save a checkpoint and leave
                raise

    def _train_stack(
        self,
        configs: list[RunConfig],
        stacks: deque[list[RunConfig]],
        bar: tqdm[None],
        finished: Callable[[RunConfig], bool],
    ) -> int:
        mine: list[RunConfig] = []
        try:
            for config in configs:
                # Another process may have gone on with a run since the queue was made.
                if not finished(config) and self.leases.acquire(config.name):
                    mine.append(config)
            records = {c: self.folder.read(c, "curve", "state") for c in mine if not finished(c)}
            steps = {c: (r.step if r else 0) for c, r in records.items()}
            together = [c for c in steps if steps[c] == min(steps.values())]
            if not together:
                return 0
            for config in set(mine) - set(together):
                self.leases.release(config.name)
            try:
                where = (self.folder, self.device, self.how.callbacks, self.how.checkpoint_seconds, self.provenance)
                job = Job(together, records, *where, self.leases)
                job.run(self.stop, bar.update)
                half = (len(together) + 1) // 2
                if job.shared:
                    stacks.appendleft(together[:half])
            except (RuntimeError, MemoryError) as error:
                memory_gone = isinstance(error, (MemoryError, torch.OutOfMemoryError))
                if not (memory_gone or any(x in str(error) for x in OUT_OF_MEMORY)):
                    raise
                if len(together) == 1:
                    need = (memory(together[0]) + measuring(together[0])) / 2**20
                    raise MemoryError(
                        f"a single run must fit in memory; it needs about {need:.0f} MiB on {self.device}. "
                        "Choose a smaller net or data set, or another device."
                    ) from error
                half = len(together) // 2
                stacks.extendleft([together[half:], together[:half]])
        finally:
            for config in mine:
                self.leases.release(config.name)
        empty_cache(self.device)
        return len(together)
