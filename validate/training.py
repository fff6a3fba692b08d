"""Train a profile's experiments into a folder and save what was measured as small files.

    OUT/runs/<setting>/<kind>/    checkpoints and curves, kept by realnet; shared by all profiles
    OUT/<profile>/<setting>/<kind>.nc   what the judges read: all runs of the experiment, finished or not

A run is known by its config: whatever has been trained for one experiment or profile is not trained again for another.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr

import realnet as rn
from realnet.records import Folder, Record, write_atomically
from realnet.results import dataset, read_netcdf, records, write_netcdf
from validate.experiments import Experiment

__all__ = ["collect", "core_seconds", "life", "saved", "train"]

Array = npt.NDArray[np.float64]

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


def saved(experiment: Experiment, kept: Path | None) -> dict[rn.RunConfig, Record]:
    """The finished runs of the experiment among results that were saved in `kept`."""
    path = kept / f"{experiment.name}.nc" if kept else None
    found = records(read_netcdf(path)) if path and path.exists() else {}
    return {run: found[run.name] for run in experiment.runs if run.name in found}


def train(
    experiment: Experiment,
    out: Path,
    device: str = "auto",
    workers: int | None = None,
    done: Collection[rn.RunConfig] = (),
    ahead: Sequence[rn.RunConfig] = (),
) -> None:
    """Train every run of the experiment that is not finished nor `done` elsewhere. Errors: those of realnet.train.

    ahead    runs that the next experiment starts from: trained along, for a parent alone leaves other cores idle
    """
    where = out / "runs" / experiment.name
    runs = [run for run in (*ahead, *experiment.runs) if run not in done]
    _share(Folder(where), runs, out)
    if runs:
        rn.train(runs, device, where, workers=workers, stack_size=experiment.setting.stack)


def core_seconds(file: Path) -> float:
    """What the saved runs of an experiment took, and those they start from, in seconds of a core; 0 if there are none."""
    if not file.exists():
        return 0.0
    with xr.open_dataset(file, engine="netcdf4") as ds:
        parents = json.loads(ds.attrs.get("parents", "{}"))
        return float(np.nansum(ds.wall_time.values) + sum(parents.values()))


def life(experiment: Experiment, out: Path) -> list[tuple[rn.RunConfig, Array]]:
    """A network and the one that started from it, each with its accuracy (k,) outside its training set, over its steps.

    Of the experiment's runs that which ends lowest; none where no run started from another that was trained here, on
    less than all examples.
    """
    folder, found = Folder(out / "runs" / experiment.name), []
    for run in experiment.runs:
        parent = folder.read(run.start_from, "curve") if run.start_from else None
        child = folder.read(run, "curve") if parent else None
        if parent and child and np.isfinite(_outside(parent)).all():
            found.append(((parent.config, _outside(parent)), (run, _outside(child))))
    return list(min(found, key=lambda pair: pair[1][1][-1], default=()))


def _outside(record: Record) -> Array:
    """Accuracy on examples that were taken away from training, or where none was, on those never seen."""
    taken = record.curves.get("light_removed_accuracy", np.empty(0))
    return taken if np.isfinite(taken).any() else record.curves["light_unseen_accuracy"]


def collect(
    experiment: Experiment, out: Path, to: Path, done: Mapping[rn.RunConfig, Record] | None = None
) -> xr.Dataset:
    """What is measured so far, here and of the runs `done` elsewhere, as one data set, saved under `to`.

    Its attribute `parents` has the seconds that runs took from which others start. Errors: StorageError.
    """
    folder = Folder(out / "runs" / experiment.name)
    found = dict(done or {})
    for run in experiment.runs:
        if run not in found and (record := folder.read(run, "curve")) is not None:
            if folder.file(run).exists():
                record.provenance["date"] = str(datetime.date.fromtimestamp(folder.file(run).stat().st_mtime))
            found[run] = record
    ds = dataset(experiment.runs, found)
    parents = json.loads(ds.attrs.get("parents", "{}"))  # of the runs done elsewhere
    for run in set(_lineage(experiment.runs)) - set(experiment.runs):
        if record := folder.read(run):
            parents[run.name] = record.wall_time
    ds.attrs["parents"] = json.dumps(parents, sort_keys=True)
    ds = ds.drop_vars([name for name in (*UNREAD, "frequency") if name in ds])
    ds = ds.assign({n: v.astype("float32") for n, v in ds.data_vars.items() if v.dtype.kind == "f"})
    path = to / f"{experiment.name}.nc"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_netcdf(ds, path)
    return ds
