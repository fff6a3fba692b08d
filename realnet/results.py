"""Runs as one labelled data set: dataset_size × weight_decay × seed × step (and any other field that varies).

A run is a row of `run` × step instead, with its fields as coordinates, where the runs are far from filling such a grid.
Measured quantities lie on `step` (log-spaced), light curves (`light_...`) on `light_step`. Where a run has
no value the entry is NaN; `status` tells finished, diverged, running, pending and absent runs apart.
Units are in the attributes, as are configs, versions, commit, device and dtype.
"""

from __future__ import annotations

import dataclasses
import errno
import importlib.util
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

from realnet import losses
from realnet.config import RunConfig, from_dict
from realnet.metrics import UNITS
from realnet.phases import Phase
from realnet.records import Record, write_atomically

__all__ = ["dataset", "read_netcdf", "records", "write_netcdf"]

CELLS = 4
"""most cells of a grid for each run in it; beyond, runs are rows"""
ALWAYS = ("dataset_size", "weight_decay", "seed")


def _field(config: RunConfig, name: str) -> Any:
    if name.startswith("final_"):
        return getattr(config.phases[-1], name.removeprefix("final_")) if config.phases else None
    value = getattr(config, name)
    if name == "key":
        return config.name
    if name == "start_from":
        return value.name if value else "nothing"
    return value


def _axes(configs: Sequence[RunConfig]) -> dict[str, list[Any]]:
    """Fields that tell the runs apart, with their values."""
    fields = [f.name for f in dataclasses.fields(RunConfig)]
    free = [n for n in fields if n not in (*ALWAYS, "phases", "start_from")]
    free += ["final_" + f.name for f in dataclasses.fields(Phase)] if any(c.phases for c in configs) else []
    names = [n for n in free if len({_field(c, n) for c in configs}) > 1]

    def told_apart(by: list[str]) -> bool:
        return len({tuple(_field(c, n) for n in by) for c in configs}) == len(configs)

    # Fields that vary only along with others (a parent with its seed) would make a mostly empty grid.
    for name in list(names):
        if told_apart([n for n in (*names, *ALWAYS) if n != name]):
            names.remove(name)
    names += ALWAYS
    for name in ("start_from", "key"):  # nothing shorter names them
        if not told_apart(names):
            names.insert(0, name)
    axes = {}
    for name in names:
        values = list(dict.fromkeys(_field(c, name) for c in configs))
        numbers = all(isinstance(v, (int, float)) for v in values)
        axes[name] = sorted(values) if numbers else [v if isinstance(v, str) else str(v) for v in values]
    return axes


def _numbers(configs: Sequence[RunConfig]) -> list[str]:
    """Fields of numbers that differ between runs."""
    fields = [f.name for f in dataclasses.fields(RunConfig)]
    varied = [n for n in fields if len({_field(c, n) for c in configs}) > 1]
    return [n for n in varied if all(isinstance(_field(c, n), (int, float)) for c in configs)]


def _layout(configs: Sequence[RunConfig]) -> tuple[dict[str, Any], dict[str, np.ndarray], list[tuple[int, ...]]]:
    """Axes, fields that lie along them, and each run's place: a dense grid where there is one, else one row a run."""
    axes = _axes(configs)
    if math.prod(len(v) for v in axes.values()) > CELLS * len(configs):
        names = [*ALWAYS, *(n for n in axes if n not in (*ALWAYS, "key")), *_numbers(configs)]
        along = {n: np.array([_label(_field(c, n)) for c in configs]) for n in dict.fromkeys(names)}
        return {"run": np.arange(len(configs))}, along, [(i,) for i in range(len(configs))]
    at = {n: {value: i for i, value in enumerate(values)} for n, values in axes.items()}
    places = [tuple(at[n][_label(_field(c, n), like=v[0])] for n, v in axes.items()) for c in configs]
    along = {n: np.full(tuple(len(v) for v in axes.values()), np.nan) for n in _numbers(configs) if n not in axes}
    for config, where in zip(configs, places, strict=True):
        for name, values in along.items():
            values[where] = _field(config, name)
    return axes, along, places


def _label(value: Any, like: Any = None) -> Any:
    """A field's value as a coordinate: numbers as they are, beside other things as text."""
    number = isinstance(value, (int, float)) and not isinstance(like, str)
    return value if number else str(value)


def _unit(name: str) -> str:
    bare = name.removeprefix("light_")
    return max((e for e in UNITS if bare == e or bare.endswith("_" + e)), key=len, default="")


def dataset(configs: Sequence[RunConfig], records: Mapping[RunConfig, Record]) -> xr.Dataset:
    """All runs of `configs`; those without a record are pending."""
    configs = list({c.name: c for c in configs}.values())
    axes, along, places = _layout(configs)
    shape = tuple(len(v) for v in axes.values())
    found = [records[c] for c in configs if c in records]
    grids = {
        name: np.unique(np.concatenate([r.curves[name] for r in found])) if found else np.empty(0, int)
        for name in ("step", "light_step")
    }
    arrays: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        "status": (tuple(axes), np.full(shape, "absent", dtype=object)),
        "key": (tuple(axes), np.full(shape, "", dtype=object)),
        "steps_done": (tuple(axes), np.full(shape, np.nan)),
        "wall_time": (tuple(axes), np.full(shape, np.nan)),
    }
    for config, where in zip(configs, places, strict=True):
        record = records.get(config)
        arrays["status"][1][where] = record.status if record else "pending"
        arrays["key"][1][where] = config.name
        if record is None:
            continue
        arrays["steps_done"][1][where] = record.step
        arrays["wall_time"][1][where] = record.wall_time
        for name, curve in record.curves.items():
            if name in grids:
                continue
            time = "light_step" if name.startswith("light_") else "step"
            if name not in arrays:
                extra = ("frequency",) if curve.ndim > 1 else ()
                width = [max(r.curves[name].shape[1] for r in found if name in r.curves)] if extra else []
                arrays[name] = ((*axes, time, *extra), np.full((*shape, len(grids[time]), *width), np.nan))
            at = np.searchsorted(grids[time], record.curves[time])
            target = arrays[name][1][where]
            if curve.ndim > 1:
                target[at, : curve.shape[1]] = curve
            else:
                target[at] = curve
    if "key" in axes:
        arrays.pop("key")
    for name in ("status", "key"):
        if name in arrays:
            arrays[name] = (arrays[name][0], arrays[name][1].astype(str))
    ds = xr.Dataset(arrays, coords=axes | grids | {n: (tuple(axes), values) for n, values in along.items()})
    if "frequency" in ds.sizes:
        ds = ds.assign_coords(frequency=np.arange(1, ds.sizes["frequency"] + 1))
    return _describe(ds, configs, found)


def records(ds: xr.Dataset) -> dict[str, Record]:
    """The finished runs of a data set that `dataset` made, by name, as it was given them but for their weights."""
    dims = ds.status.dims
    flat = ds if dims == ("run",) else ds.stack(run=dims)
    configs = json.loads(ds.attrs["configs"])
    said = {k: v for k, v in ds.attrs.items() if k not in ("configs", "seeds", "dtype")}
    time = {n: next((t for t in ("step", "light_step") if t in v.dims), "") for n, v in flat.data_vars.items()}
    values = {str(n): flat[n].transpose("run", t, ...).values for n, t in time.items() if t}
    found = {}
    for i, key in enumerate(flat.key.values.astype(str)):
        if flat.status.values[i] not in ("finished", "diverged"):
            continue
        curves: dict[str, np.ndarray] = {}
        for t, norm in (("step", "norm"), ("light_step", "light_norm")):
            there = np.isfinite(values[norm][i])
            curves |= {t: ds[t].values[there]} | {n: v[i][there] for n, v in values.items() if time[n] == t}
        status, step, wall = (flat[n].values[i].item() for n in ("status", "steps_done", "wall_time"))
        record = Record(from_dict(configs[key]), status, int(step), {}, curves, wall, dict(said))
        found[record.config.name] = record
    return found


def _describe(ds: xr.Dataset, configs: list[RunConfig], found: list[Record]) -> xr.Dataset:
    units_of = {losses.UNITS.get(c.loss, "loss") for c in configs}  # of one's own nobody knows
    loss = units_of.pop() if len(units_of) == 1 else "loss"
    output = {"nats": "nats", "target^2": "target"}.get(loss, "output")
    for name in ds.data_vars:
        ending = _unit(str(name))
        if ending:
            ds[name].attrs["units"] = UNITS[ending].replace("loss", loss).replace("output", output)
    ds["wall_time"].attrs["units"] = "s"
    ds["steps_done"].attrs["units"] = "optimizer steps"
    units = {"dataset_size": "pairs", "weight_decay": "1", "seed": "1"}
    for name in ds.coords:
        ds[name].attrs["units"] = units.get(str(name), "optimizer steps" if str(name).endswith("step") else "1")
    said: dict[str, set[str]] = {}
    for record in found:
        for k, v in record.provenance.items():
            said.setdefault(k, set()).update(v.split(" | "))  # those of a saved data set were put together before
    ds.attrs = {
        "configs": json.dumps({c.name: json.loads(c.to_json()) for c in configs}),
        "seeds": json.dumps(sorted({c.seed for c in configs})),
        "dtype": ", ".join(sorted({c.dtype for c in configs})),
        **{k: " | ".join(sorted(said[k])) for k in sorted(said)},
    }
    return ds


def write_netcdf(ds: xr.Dataset, path: Path) -> None:
    """Save, compressed, under a temporary name first; in netCDF 3 where the library netCDF4 is not installed.

    Errors: StorageError.
    """
    packed = {n: {"zlib": True, "complevel": 4} for n, v in ds.data_vars.items() if v.dtype.kind == "f"}
    engine = _engine()

    def write(name: str) -> None:
        try:
            ds.to_netcdf(name, engine=engine, encoding=packed if engine == "netcdf4" else {})
        except RuntimeError as error:  # the netCDF library does not say why it cannot write
            full = shutil.disk_usage(path.parent).free < ds.nbytes
            raise OSError(errno.ENOSPC if full else errno.EIO, str(error)) from error

    write_atomically(path, write)


def read_netcdf(path: Path) -> xr.Dataset:
    """The data set that `write_netcdf` saved."""
    with xr.open_dataset(path, engine=_engine()) as ds:
        return ds.load()


def _engine() -> Literal["netcdf4", "scipy"]:
    return "netcdf4" if importlib.util.find_spec("netCDF4") else "scipy"
