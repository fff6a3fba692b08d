"""The sweep in one process: workers take stacks of runs from a queue, each run held by a lease while it is trained.

Several processes may so share an output folder and the work; one that finds nothing left to take waits for the others.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import wait
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from realnet.config import RunConfig
from realnet.engine.plan import choose_device, measuring, memory, plan
from realnet.engine.replay import empty_cache, products, workers
from realnet.records import Folder, Leases, environment
from realnet.training.estimate import describe, preflight
from realnet.training.life import How, Life
from realnet.training.stopping import signals

__all__ = ["train_here"]

OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "Unable to allocate")
PATIENCE = 10.0
"""longest pause, in seconds, between two looks for work that others hold"""

T = TypeVar("T")


def train_here(
    configs: Sequence[RunConfig], folder: Folder, how: How, progress: bool = False, stop_file: Path | None = None
) -> None:
    """Train in this process what is not finished; the appearance of `stop_file` asks to save and leave.

    Errors: those of `train`.
    """
    with signals(), products(how.tf32), Leases(folder.locks) as leases:
        Sweep(folder, leases, how, progress, stop_file).run(configs)


class Sweep:
    """Runs that are trained into `folder` by the workers of this process."""

    def __init__(self, folder: Folder, leases: Leases, how: How, progress: bool, stop_file: Path | None) -> None:
        self.folder, self.leases, self.how, self.progress = folder, leases, how, progress
        self.device = choose_device(how.device)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.workers = how.workers or (cores if self.device.type == "cpu" else 1)
        self.stop, self.stop_file = threading.Event(), stop_file
        self.provenance = environment(describe(self.device))

    def run(self, configs: Sequence[RunConfig]) -> None:
        """Train what is not finished, generation by generation: first the runs that others start from."""
        before = {c.name: c for c in configs if self._finished(c)}
        generations = [{c.name: c for c in configs if c.name not in before}]
        while parents := {
            p.name: p for c in generations[0].values() if (p := c.start_from) and not self._finished(p, "state")
        }:
            generations.insert(0, parents)
        with self._one_thread_a_run():
            for generation in generations[:-1]:
                self._train(list(generation.values()), "state")
            self._train(list(generations[-1].values()))
            if self.how.callbacks and before:
                self._look_back(list(before.values()))

    def _finished(self, config: RunConfig, *parts: str) -> bool:
        """Whether the run is finished and these parts of its record are there."""
        record = self.folder.read(config, *parts)
        return record is not None and record.done

    @contextlib.contextmanager
    def _one_thread_a_run(self) -> Iterator[None]:
        """Numbers then depend neither on the machine's load nor on its cores."""
        threads = torch.get_num_threads()
        try:
            if self.device.type == "cpu":
                torch.set_num_threads(1)
            with threadpool_limits(1, "blas"):
                yield
        finally:
            torch.set_num_threads(threads)

    def _train(self, left: list[RunConfig], *parts: str) -> None:
        """Train all of `left`, or wait until others have, and these parts of their records are there."""
        told, pause = not self.progress, 0.5
        while left := [c for c in left if not self._finished(c, *parts)]:
            # Of one run in several lengths the shortest first: it is measured at its end, where the next one goes on.
            shortest = {c.key: c for c in sorted(left, key=lambda c: -c.steps)}
            at = {c: r.step if (r := self.folder.read(c)) else 0 for c in shortest.values()}
            stacks = deque(self._stacks(at))
            if self.leases.company():  # processes that share a folder begin at different places
                stacks.rotate(int(self.leases.session[:8], 16) % len(stacks))
            if not told:
                # The wait has a name: a first use compiles for half a minute.
                print("timing a few steps; the first time on a machine this compiles too", file=sys.stderr)
                print(preflight(list(stacks), at, left, self.folder, self.device, self.workers), file=sys.stderr)
            total = sum(config.steps - step for config, step in at.items())
            often = 0.1 if sys.stderr.isatty() else 10.0  # seconds; a log keeps every line
            with tqdm(total=total, unit="run-step", disable=told, smoothing=0.05, mininterval=often) as bar:
                trained = self._work(stacks, functools.partial(self._claim_and_train, stacks, bar, parts))
            pause = 0.5 if trained else min(PATIENCE, 1.5 * pause)
            if not trained:
                if not told:
                    print("waiting for another process that trains the rest", file=sys.stderr)
                told = True
                self._pause(pause)
            self.folder.refresh()

    def _stacks(self, at: dict[RunConfig, int]) -> list[list[RunConfig]]:
        """Stacks of runs that stand at the same step."""
        by_step: dict[int, list[RunConfig]] = {}
        for config, step in at.items():
            by_step.setdefault(step, []).append(config)
        return [stack for group in by_step.values() for stack in plan(group, self.device, self.how.stack_size)]

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._heed()
            time.sleep(0.1)

    def _heed(self) -> None:
        if self.stop_file is not None and self.stop_file.exists():
            raise KeyboardInterrupt(f"{self.stop_file} asks to leave")

    def _work(self, queue: deque[T], act: Callable[[T], int]) -> int:
        """Let the workers empty the queue; returns the sum of what `act` returned."""

        def work() -> int:
            total = 0
            while not self.stop.is_set():
                try:
                    item = queue.popleft()
                except IndexError:
                    break
                total += act(item)
            return total

        with workers(self.workers, self.device) as pool:
            jobs = [pool.submit(work) for _ in range(min(self.workers, len(queue)))]
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

    def _claim_and_train(
        self, stacks: deque[list[RunConfig]], bar: tqdm[None], parts: tuple[str, ...], configs: list[RunConfig]
    ) -> int:
        """Take the leases that are free and train these runs to their end; returns how many they were."""
        mine: list[RunConfig] = []
        try:
            for config in configs:
                # Another process may have gone on with a run since the queue was made.
                if not self._finished(config, *parts) and self.leases.acquire(config.name):
                    mine.append(config)
            records = {c: self.folder.read(c, "curve", "state") for c in mine if not self._finished(c, *parts)}
            steps = {c: (r.step if r else 0) for c, r in records.items()}
            together = [c for c in steps if steps[c] == min(steps.values())]
            if not together:
                return 0
            for config in set(mine) - set(together):
                self.leases.release(config.name)
            try:
                life = Life(together, records, self.folder, self.device, self.how, self.provenance, self.leases)
                life.run(self.stop, bar.update)
            except (RuntimeError, MemoryError) as error:
                self._halve(together, stacks, error)
        finally:
            for config in mine:
                self.leases.release(config.name)
        empty_cache(self.device)
        return len(together)

    def _halve(self, together: list[RunConfig], stacks: deque[list[RunConfig]], error: Exception) -> None:
        """Where memory was short, try half as many at once. Errors: MemoryError for a single run; `error` if another."""
        memory_gone = isinstance(error, (MemoryError, torch.OutOfMemoryError))
        if not (memory_gone or any(x in str(error) for x in OUT_OF_MEMORY)):
            raise error
        if len(together) == 1:
            need = (memory(together[0]) + measuring(together[0])) / 2**20
            raise MemoryError(
                f"a single run must fit in memory; it needs about {need:.0f} MiB on {self.device}. "
                "Choose a smaller network or data set, or another device."
            ) from error
        half = len(together) // 2
        stacks.extendleft([together[half:], together[:half]])

    # --- Runs that were finished without these callbacks ---

    def _look_back(self, configs: Sequence[RunConfig]) -> None:
        """Let the callbacks see the last step of runs that lack their numbers, from the saved state."""
        names: frozenset[str] = frozenset()  # of their numbers, known once they were called
        blind: list[RunConfig] = []

        def look(config: RunConfig) -> int:
            nonlocal names
            record = self.folder.read(config, "curve")
            if record is None or (names and not record.lacks(names)):
                return 0
            while not self.leases.acquire(config.name):
                if self.stop.is_set():
                    return 0
                time.sleep(0.1)
            try:
                record = self.folder.read(config, "curve", "state")
                if record is None or not record.done:
                    blind.append(config)
                    return 0
                life = Life([config], {config: record}, self.folder, self.device, self.how)
                seen = life.last_seen(record)
                names |= life.own
                if any(not np.array_equal(record.curves.get(n, ()), seen.curves[n], equal_nan=True) for n in life.own):
                    self.folder.write(seen)
                return 1
            finally:
                self.leases.release(config.name)

        self._work(deque({c.name: c for c in configs}.values()), look)
        if blind:
            warnings.warn(
                f"{len(blind)} of {len(configs)} runs, such as {blind[0].name}, have no weights of their last step "
                "(a longer run is cut there, or the file is damaged) and are not seen by callbacks; train them into a "
                "new folder",
                stacklevel=5,
            )
