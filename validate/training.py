"""Train a profile's experiments into a folder and save what was measured as small files.

    OUT/runs/<setting>/<kind>/    checkpoints and curves, kept by realnet; shared by all profiles
    OUT/<profile>/<setting>/<kind>.nc   what the judges read: all runs of the experiment, finished or not

A run is known by its config: whatever has been trained for one experiment or profile is not trained again for another.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import xarray as xr

import realnet as rn
from realnet.records import Folder, write_atomically
from realnet.results import dataset, write_netcdf
from validate.experiments import Experiment

__all__ = ["collect", "train"]

# Fields that no judge reads and that are larger than all others together.
UNREAD = ("frequency_share", "embedding_share", "light_removed_loss")


def _lineage(runs: Sequence[rn.RunConfig]) -> Iterator[rn.RunConfig]:
    """The runs and those that they start from."""
    seen: set[rn.RunConfig] = set()
    ahead = list(runs)
    while ahead:
        run = ahead.pop()
        if run not in seen:
            seen.add(run)
            yield run
            ahead += [run.start_from] if run.start_from else []


def _share(folder: Folder, runs: Sequence[rn.RunConfig], out: Path) -> None:
    """Link runs that another experiment has finished into `folder`, so that they are not trained again."""
    for run in _lineage(runs):
        target = folder.file(run)
        if target.exists():
            continue
        for source in sorted((out / "runs").glob(f"*/*/runs/{run.name}.safetensors")):
            record = Folder(source.parent.parent, create=False).read(run, "curve", "state")
            if record is not None and record.done:
                with contextlib.suppress(FileExistsError):
                    try:
                        os.link(source, target)
                    except OSError:  # no hard links here
                        write_atomically(target, lambda name, source=source: shutil.copyfile(source, name))  # type: ignore[misc]
                break


def train(experiment: Experiment, out: Path, device: str = "auto", workers: int | None = None) -> None:
    """Train every run of the experiment that is not finished. Errors: those of realnet.train."""
    where = out / "runs" / experiment.name
    _share(Folder(where), experiment.runs, out)
    rn.train(experiment.runs, device, where, workers=workers, stack_size=experiment.setting.stack)


def collect(experiment: Experiment, out: Path, to: Path) -> xr.Dataset:
    """What is measured so far, as one data set, saved under `to`. Errors: StorageError."""
    folder = Folder(out / "runs" / experiment.name)
    ds = dataset(experiment.runs, {c: r for c in experiment.runs if (r := folder.read(c, "curve")) is not None})
    ds = ds.drop_vars([name for name in UNREAD if name in ds])
    dates = [
        datetime.date.fromtimestamp(folder.file(c).stat().st_mtime) for c in experiment.runs if folder.file(c).exists()
    ]
    ds.attrs["date"] = " | ".join(sorted({str(date) for date in dates}))
    ds = ds.assign({n: v.astype("float32") for n, v in ds.data_vars.items() if v.dtype.kind == "f"})
    path = to / f"{experiment.name}.nc"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_netcdf(ds, path)
    return ds
