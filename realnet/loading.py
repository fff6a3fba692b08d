"""What a folder holds: all runs as one data set, and a trained network, a plain module for torch."""

from __future__ import annotations

import os

import torch
import xarray as xr
from torch import nn

from realnet.config import RunConfig
from realnet.fields import require
from realnet.prepared import prepare
from realnet.records import Folder
from realnet.results import dataset

__all__ = ["load", "model"]


def load(out: str | os.PathLike[str]) -> xr.Dataset:
    """The runs in folder `out` as one data set, also while they are being trained.

    Errors: FileNotFoundError if `out` is not an experiment's folder. Warns about damaged checkpoints.
    """
    folder = Folder(out, create=False)
    configs = folder.configs()
    require(bool(configs), "a folder to load must have runs", str(out), "Train into it first.")
    return dataset(configs, folder.read_all(configs, "curve"))


def model(out: str | os.PathLike[str], run: RunConfig | str, step: int | None = None) -> nn.Module:
    """The network of a run in folder `out`, as its last checkpoint has it, on the CPU and in the run's dtype.

    Arguments:
        out: folder that `realnet.train` wrote.
        run: the run's config or its key, which may be shortened.
        step: a measured step of a run with weight_history=True; default: where the run stands.

    Its outputs are those before `temperature`. Errors: FileNotFoundError if `out` is not such a folder, ConfigError for a
    key that does not fit exactly one run, a run that is not trained, or a step whose weights were not kept.
    """
    folder = Folder(out, create=False)
    run = folder.find(run) if isinstance(run, str) else run
    record = folder.read(run, "curve", "state")
    require(record is not None, f"run {run.name} must have been trained in {out}", "no checkpoint", "Train it first.")
    assert record is not None
    ready = prepare(run)
    state = {k.removeprefix("net."): torch.from_numpy(v) for k, v in record.tensors.items() if k.startswith("net.")}
    if step is None:
        return ready.module(torch.from_numpy(record.tensors["weights"]), state)
    remedy = "Ask for a run with weight_history=True, which is another one."
    require("history" in record.tensors, f"run {run.name} must have kept its weights", "none", remedy)
    remedy = "Leave step out for the network as it is now."
    require(not ready.habits.remembers, "a network whose buffers change has no history", run.network, remedy)
    steps = record.curves["step"].tolist()
    require(step in steps, f"step must be one of {', '.join(map(str, steps))}", step, "Choose a measured step.")
    return ready.module(torch.from_numpy(record.tensors["history"][steps.index(step)]), state)
