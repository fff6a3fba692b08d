"""Train runs and return them as one labelled data set; stop and go on at any moment."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterable, Sequence
from contextlib import ExitStack

import numpy as np
import xarray as xr

from realnet.config import RunConfig
from realnet.engine.plan import choose_device
from realnet.fields import require, whole
from realnet.loading import load
from realnet.metrics import Callback, Logger
from realnet.records import Folder, StorageError
from realnet.registry import not_while_imported
from realnet.results import dataset, write_netcdf
from realnet.training.checks import check
from realnet.training.life import How
from realnet.training.loop import train_here
from realnet.training.shards import Executor, cut, train_in
from realnet.training.stopping import signals

__all__ = ["train"]


def train(
    runs: RunConfig | Iterable[RunConfig],
    device: str = "auto",
    out: str | os.PathLike[str] | None = None,
    *,
    callbacks: Sequence[Callback] = (),
    loggers: Sequence[Logger] = (),
    checkpoint_seconds: float = 60.0,
    stack_size: int | None = None,
    workers: int | None = None,
    tf32: bool = False,
    progress: bool = True,
    executor: Executor | None = None,
    shards: int = 32,
    shard: tuple[int, int] | None = None,
    collect: bool = True,
) -> xr.Dataset:
    """Train every run that is not finished yet and return all: dataset_size × weight_decay × seed × step.

    A run of the same physics and fewer steps is gone on with. SIGTERM and SIGUSR1 save and leave as Control-C does.

    Arguments:
        runs: configs, one by one or from `grid`. Runs they start from come first, into the same folder.
        device: "auto", "cpu", "cuda", ...; a GPU is taken where there is one.
        out: folder of checkpoints and results; without one nothing outlives the call.
        callbacks: measurements of your own, called at every full measurement; of a run that was finished without them
            once, at its last step, from its saved state.
        loggers: told of every measurement as runs go, for a dashboard or a file.
        checkpoint_seconds: a kill loses at most this much work and a second.
        stack_size: runs in a stack; default 1 on a CPU, what fits the memory on a GPU.
        workers: threads that each train a stack; default one a core on a CPU, 1 on a GPU or in an executor's worker.
        tf32: round float32 products to TF32 on a CUDA GPU: some 10 bits instead of 24, and several times faster.
        progress: a line before (runs, steps, memory, estimated time) and a bar while training, on stderr.
        executor: anything with `submit`; it is given `shards` parts of the sweep and needs a folder that all share.
        shards: how many parts.
        shard: (i, n) trains the part i of n alone, 0 <= i < n, for job arrays.
        collect: False leaves the curves on the disk and returns how far each run is: status, key, steps_done, wall_time.

    Errors: ConfigError, RuntimeError for a device that is not there, StorageError for a full disk, OtherVersion for a
    checkpoint that this version cannot read, ExecutorError for workers that keep dying.
    """
    not_while_imported()
    configs = [runs] if isinstance(runs, RunConfig) else list(runs) if isinstance(runs, Iterable) else []
    good = bool(configs) and all(isinstance(c, RunConfig) for c in configs)
    require(good, "runs must be at least one RunConfig", runs, "Make them with RunConfig or grid.")
    how = How(device, tuple(callbacks), tuple(loggers), checkpoint_seconds, stack_size, workers, tf32)
    whole("shards", shards, minimum=1)
    ok = shard is None or (isinstance(shard, Sequence) and len(shard) == 2 and 0 <= shard[0] < shard[1])
    require(ok, "shard must be (i, n) with 0 <= i < n", shard, "The first of 16 is (0, 16).")
    together = "an executor's workers must share a folder, and cut the sweep themselves"
    require(executor is None or (out is not None and shard is None), together, (out, shard), "Pass out, and no shard.")
    for config in dict.fromkeys(a for c in configs for a in (*c.ancestors, c)):
        check(config)
    if executor is None:  # whose workers may have a device that is not here
        choose_device(device)
    with ExitStack() as context:
        if out is None:
            out = context.enter_context(tempfile.TemporaryDirectory(prefix="realnet-"))
        context.enter_context(signals())
        folder = Folder(out)
        folder.add(configs)
        if shard is not None:
            configs = cut(configs, shard[1])[shard[0]]
        if loggers:
            _say_what_is_not_told(folder, configs)
        for attempt in range(2):
            if executor is None:
                train_here(configs, folder, how, progress)
            else:
                train_in(executor, configs, folder.path, shards, how, progress)
                folder.refresh()
            if not collect:
                return _status(folder, configs)
            records = folder.read_all(configs, "curve")
            lost = [c for c in configs if c not in records]
            if not lost:
                break
            if attempt:
                raise StorageError(
                    f"{folder.path} must keep what is written to it; {folder.file(lost[0])} is damaged again"
                )
            for config in lost:
                folder.set_aside(config)
        ds = dataset(configs, records)
        write_netcdf(load(out), folder.path / "results.nc")
    return ds


def _say_what_is_not_told(folder: Folder, configs: Sequence[RunConfig]) -> None:
    """Warn of finished runs, of which no logger is told."""
    done = [r for r in folder.read_all(configs).values() if r.done]
    if done:
        warnings.warn(
            f"{len(done)} of {len(configs)} runs were finished before, such as {done[0].config.name}; loggers are not "
            "told of them. Train into a new folder to log them",
            stacklevel=3,
        )


def _status(folder: Folder, configs: Sequence[RunConfig]) -> xr.Dataset:
    records = folder.read_all(configs)
    found = [records.get(c) for c in configs]
    columns = {
        "key": np.array([c.name for c in configs], str),
        "status": np.array([r.status if r else "pending" for r in found], str),
        "steps_done": np.array([r.step if r else 0 for r in found]),
        "wall_time": np.array([r.wall_time if r else 0.0 for r in found]),
    }
    return xr.Dataset({name: ("run", values) for name, values in columns.items()})
