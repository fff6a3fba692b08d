"""Train runs and return them as one labelled data set; stop and go on at any moment.

Workers take stacks of runs from a queue. A run belongs to the process that holds its lock, so that several
processes may share an output folder and the work.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import wait
from contextlib import ExitStack

import torch
import xarray as xr
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from realnet.checks import check
from realnet.config import RunConfig
from realnet.engine.ensemble import Stack
from realnet.engine.plan import choose_device, memory, plan
from realnet.engine.replay import empty_cache, workers
from realnet.fields import require
from realnet.job import Job
from realnet.metrics import Callback
from realnet.records import Folder, environment
from realnet.results import dataset, write_netcdf

__all__ = ["load", "train"]

OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "Unable to allocate")


def load(out: str | os.PathLike[str]) -> xr.Dataset:
    """The runs in folder `out` as one data set, also while they are being trained.

    Errors: FileNotFoundError if `out` is not an experiment's folder. Warns about damaged checkpoints.
    """
    folder = Folder(out, create=False)
    configs = folder.configs()
    return dataset(configs, {c: r for c in configs if (r := folder.read(c)) is not None})


def train(
    runs: RunConfig | Iterable[RunConfig],
    device: str = "auto",
    out: str | os.PathLike[str] | None = None,
    *,
    callbacks: Sequence[Callback] = (),
    checkpoint_seconds: float = 60.0,
    stack_size: int | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Train every run that is not finished yet and return all: dataset_size × weight_decay × seed × step.

    Arguments:
        runs: configs, one by one or from `grid`. Runs they start from come first, into the same folder.
        device: "auto", "cpu", "cuda", ...; on a GPU float32 products follow torch's own TF32 setting.
        out: folder of checkpoints and results; without one nothing outlives the call.
        callbacks: measurements of your own, called at every measured step.
        checkpoint_seconds: a kill loses at most this much work and the way to the next event.
        stack_size: runs in a stack; default 1 on a CPU, what fits the memory on a GPU.
        workers: threads that each train a stack; default one a core on a CPU, 1 on a GPU.
        progress: a line before (runs, steps, memory, estimated time) and a bar while training, on stderr.

    Errors: ConfigError, RuntimeError for a device that is not there, StorageError for a full disk.
    """
    configs = [runs] if isinstance(runs, RunConfig) else list(runs)
    good = bool(configs) and all(isinstance(c, RunConfig) for c in configs)
    require(good, "runs must be at least one RunConfig", configs, "Make them with RunConfig or grid.")
    for config in dict.fromkeys(a for c in configs for a in (*c.ancestors, c)):
        check(config)
    chosen = choose_device(device)
    with ExitStack() as context:
        if out is None:
            out = context.enter_context(tempfile.TemporaryDirectory(prefix="realnet-"))
        folder = Folder(out)
        folder.add(configs)
        _Trainer(folder, chosen, tuple(callbacks), checkpoint_seconds, stack_size, workers, progress).run(configs)
        ds = dataset(configs, {c: r for c in configs if (r := folder.read(c)) is not None})
        write_netcdf(load(out), folder.path / "results.nc")
    return ds


class _Trainer:
    def __init__(
        self,
        folder: Folder,
        device: torch.device,
        callbacks: tuple[Callback, ...],
        checkpoint_seconds: float,
        stack_size: int | None,
        workers: int | None,
        progress: bool,
    ) -> None:
        self.folder, self.device, self.callbacks = folder, device, callbacks
        self.checkpoint_seconds, self.stack_size, self.progress = checkpoint_seconds, stack_size, progress
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.workers = workers or (cores if device.type == "cpu" else 1)
        self.stop = threading.Event()
        self.provenance = environment(_describe(device))

    def run(self, configs: Sequence[RunConfig]) -> None:
        """Train generation by generation: first the runs that others start from."""
        generations: list[list[RunConfig]] = []
        ahead = list(dict.fromkeys(configs))
        while ahead:
            generations.insert(0, ahead)
            ahead = list(dict.fromkeys(c.start_from for c in ahead if c.start_from is not None))
        seen: set[RunConfig] = set()
        threads = torch.get_num_threads()
        try:
            # One thread a run: numbers then depend neither on the machine's load nor on its cores.
            if self.device.type == "cpu":
                torch.set_num_threads(1)
            with threadpool_limits(1, "blas"):
                for generation in generations:
                    self._train_all([c for c in generation if c not in seen])
                    seen |= set(generation)
        finally:
            torch.set_num_threads(threads)

    def _train_all(self, configs: list[RunConfig]) -> None:
        told = not self.progress
        while True:
            left = {c: self.folder.read(c) for c in configs}
            left = {c: r for c, r in left.items() if r is None or not r.done}
            if not left:
                return
            by_step: dict[int, list[RunConfig]] = {}
            for c, r in left.items():
                by_step.setdefault(r.step if r else 0, []).append(c)
            stacks = deque(s for g in by_step.values() for s in plan(g, self.device, self.stack_size))
            total = sum(c.steps - (r.step if r else 0) for c, r in left.items())
            if not told:
                # The wait has a name: a first use compiles for half a minute.
                print("timing a few steps; the first time on a machine this compiles too", file=sys.stderr)
                with workers(1, self.device) as pool:  # under the workers' conditions, or the estimate would not hold
                    print(pool.submit(self._preflight, list(left), total, stacks).result(), file=sys.stderr)
            with tqdm(total=total, unit="run-step", disable=told, smoothing=0.05) as bar:
                trained = self._work(stacks, bar)
            if not trained:
                if not told:
                    print("waiting for another process that trains the rest", file=sys.stderr)
                told = True
                time.sleep(0.5)

    def _work(self, stacks: deque[list[RunConfig]], bar: tqdm[None]) -> int:
        """Let the workers empty the queue; returns how many runs this process could claim."""

        def work() -> int:
            claimed = 0
            while not self.stop.is_set():
                try:
                    stack = stacks.popleft()
                except IndexError:
                    return claimed
                claimed += self._train_stack(stack, stacks, bar)
            return claimed

        with workers(self.workers, self.device) as pool:
            jobs = [pool.submit(work) for _ in range(min(self.workers, len(stacks)))]
            try:
                for job in jobs:
                    while not wait([job], timeout=0.2).done:
                        failed = [j for j in jobs if j.done() and j.exception()]
                        if failed:
                            failed[0].result()
                return sum(job.result() for job in jobs)
            except BaseException:
                self.stop.set()  # the others save a checkpoint and leave
                raise

    def _train_stack(self, configs: list[RunConfig], stacks: deque[list[RunConfig]], bar: tqdm[None]) -> int:
        with ExitStack() as claims:
            mine = [c for c in configs if claims.enter_context(self.folder.claim(c))]
            # Another process may have gone on with a run since the queue was made.
            records = {c: self.folder.read(c) for c in mine}
            steps = {c: (r.step if r else 0) for c, r in records.items() if r is None or not r.done}
            together = [c for c in steps if steps[c] == min(steps.values())]
            if not together:
                return 0
            try:
                where = (self.folder, self.device, self.callbacks, self.checkpoint_seconds, self.provenance)
                Job(together, records, *where).run(self.stop, bar.update)
            except (RuntimeError, MemoryError) as error:
                memory_gone = isinstance(error, (MemoryError, torch.OutOfMemoryError))
                if not (memory_gone or any(x in str(error) for x in OUT_OF_MEMORY)):
                    raise
                if len(together) == 1:
                    need = memory(together[0]) / 2**20
                    raise MemoryError(
                        f"a single run must fit in memory; it needs about {need:.0f} MiB on {self.device}. "
                        "Choose a smaller net or data set, or another device."
                    ) from error
                half = len(together) // 2
                stacks.extendleft([together[half:], together[:half]])
            else:
                return len(together)
        empty_cache(self.device)
        return len(together)

    def _preflight(self, configs: list[RunConfig], total: int, stacks: Sequence[list[RunConfig]]) -> str:
        """What is about to be done, with a time estimated from a few measured steps of each kind of run."""
        seconds = 0.0
        timed: dict[tuple[object, ...], float] = {}
        for stack in stacks:
            first = stack[0]
            kind = (first.d_model, first.d_mlp, first.n_layers, first.p, first.dtype, first.network, first.loss)
            size = sum(c.dataset_size for c in stack)
            if kind not in timed:
                timed[kind] = self._probe(stack) / size
            seconds += timed[kind] * size * first.steps
        seconds *= total / max(1, sum(c.steps for c in configs)) / min(self.workers, len(stacks))
        held = sum(memory(c) for c in sorted(configs, key=memory)[-self.workers * len(stacks[0]) :])
        return (
            f"{len(configs)} runs, {total:,} run-steps in {len(stacks)} stacks, {held / 2**20:.0f} MiB, "
            f"about {_duration(seconds)} on {_describe(self.device)} with {self.workers} workers"
        )

    def _probe(self, stack: list[RunConfig]) -> float:
        """Seconds for a step of the stack, from a few steps that are thrown away; NaN if memory is short."""
        try:
            probe = Stack(stack, self.device)
            probe.advance(4)
            probe.weights.sum().item()  # waits for a GPU
            start = time.perf_counter()
            probe.advance(4)
            probe.weights.sum().item()
            return (time.perf_counter() - start) / 4
        except (RuntimeError, MemoryError):
            return math.nan


def _describe(device: torch.device) -> str:
    return f"cuda: {torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type


def _duration(seconds: float) -> str:
    if math.isnan(seconds):
        return "an unknown time"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min {rest:02d} s"
