"""Runs as one labelled data set: dataset_size × weight_decay × seed × step (and any other field that varies).

A run is a row of `run` × step instead, with its fields as coordinates, where the runs are far from filling such a grid.
Measured quantities lie on `step` (log-spaced), light curves (`light_...`) on `light_step`. Where a run has
no value the entry is NaN; `status` tells finished, stopped, diverged, running, pending and absent runs apart.
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

__all__ = ["dataset", "read_netcdf", "records", "unit", "with_units", "write_netcdf"]

CELLS = 4
"""most cells of a grid for each run in it; beyond, runs are rows"""
ALWAYS = ("dataset_size", "weight_decay", "seed")


def _field(config: RunConfig, name: str) -> Any:
    """A field's value as a coordinate: a number as it is, other things as text."""
    if name.startswith("final_"):
        value = getattr(config.phases[-1], name.removeprefix("final_")) if config.phases else None
    else:
        value = config.name if name == "key" else getattr(config, name)
    if name == "start_from":
        return value.name if value else "nothing"
    return value if isinstance(value, (int, float)) else str(value)


def _axes(configs: Sequence[RunConfig]) -> dict[str, list[Any]]:
    """Fields that tell the runs apart, with their values."""
    always = ALWAYS
    if all(c.train_fraction is not None for c in configs):
        always = ("train_fraction", *ALWAYS[1:])
    fields = [f.name for f in dataclasses.fields(RunConfig)]
    free = [n for n in fields if n not in (*ALWAYS, *always, "phases", "start_from")]
    free += ["final_" + f.name for f in dataclasses.fields(Phase)] if any(c.phases for c in configs) else []
    names = [n for n in free if len({_field(c, n) for c in configs}) > 1]

    def told_apart(by: list[str]) -> bool:
        return len({tuple(_field(c, n) for n in by) for c in configs}) == len(configs)

    # Fields that vary only along with others (a parent with its seed) would make a mostly empty grid.
    for name in list(names):
        if told_apart([n for n in (*names, *always) if n != name]):
            names.remove(name)
    names += always
    for name in ("start_from", "key"):  # nothing shorter names them
        if not told_apart(names):
            names.insert(0, name)
    axes = {}
    for name in names:
        values = list(dict.fromkeys(_field(c, name) for c in configs))
        numbers = all(isinstance(v, (int, float)) for v in values)
        axes[name] = sorted(values) if numbers else [str(v) for v in values]
    return axes


def _along(configs: Sequence[RunConfig], axes: Mapping[str, list[Any]], rows: bool) -> dict[str, np.ndarray]:
    """[run] fields as coordinates: the axes, numbers that differ between runs, and what every data set has."""
    fields = [f.name for f in dataclasses.fields(RunConfig)]
    varied = [n for n in fields if len({_field(c, n) for c in configs}) > 1]
    numbers = [n for n in varied if all(isinstance(_field(c, n), (int, float)) for c in configs)]
    first = [*ALWAYS, *axes] if rows else [*axes]
    found = {}
    for name in dict.fromkeys([*first, *numbers]):
        text = name in axes and any(isinstance(v, str) for v in axes[name])
        values = [_field(c, name) for c in configs]
        found[name] = np.array([str(v) for v in values] if text else values)
    return found if not rows else {k: v for k, v in found.items() if k != "key"}


def unit(name: str) -> str | None:
    """The unit of what is measured under this name, as in `metrics.UNITS`; None for what a callback measured."""
    bare = name.removeprefix("light_")
    ending = max((e for e in UNITS if bare == e or bare.endswith("_" + e)), key=len, default=None)
    return "optimizer steps" if bare == "step" else UNITS[ending] if ending else None


def dataset(configs: Sequence[RunConfig], records: Mapping[RunConfig, Record]) -> xr.Dataset:
    """All runs of `configs`; those without a record are pending."""
    configs = list({c.name: c for c in configs}.values())
    found = [records[c] for c in configs if c in records]
    axes = _axes(configs)
    rows = math.prod(len(v) for v in axes.values()) > CELLS * len(configs)
    ds = _rows([records.get(c) for c in configs], configs)
    along = _along(configs, axes, rows)
    ds = ds.assign_coords({n: ("run", v) for n, v in along.items()})
    ds = ds.assign_coords(run=np.arange(len(configs))) if rows else _unstacked(ds, axes)
    return _describe(ds, configs, found)


def _rows(records: Sequence[Record | None], configs: Sequence[RunConfig]) -> xr.Dataset:
    """One row a run, its curves on the steps of all; NaN where it has none."""
    found = [r for r in records if r is not None]
    steps = {
        name: np.unique(np.concatenate([r.curves[name] for r in found])) if found else np.empty(0, int)
        for name in ("step", "light_step")
    }
    arrays: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        "status": (("run",), np.array([r.status if r else "pending" for r in records], dtype=object)),
        "key": (("run",), np.array([c.name for c in configs], dtype=object)),
        "steps_done": (("run",), np.array([r.step if r else np.nan for r in records], float)),
        "wall_time": (("run",), np.array([r.wall_time if r else np.nan for r in records], float)),
    }
    for row, record in enumerate(records):
        for name, curve in record.curves.items() if record else ():
            if name in steps:
                continue
            clock = "light_step" if name.startswith("light_") else "step"
            if name not in arrays:
                wide = [max(r.curves[name].shape[1] for r in found if name in r.curves)] if curve.ndim > 1 else []
                dims = ("run", clock, "frequency") if wide else ("run", clock)
                arrays[name] = (dims, np.full((len(records), len(steps[clock]), *wide), np.nan))
            target = arrays[name][1][row]
            at = np.searchsorted(steps[clock], record.curves[clock])  # type: ignore[union-attr]
            target[at, ..., *([slice(curve.shape[1])] if curve.ndim > 1 else [])] = curve
    ds = xr.Dataset(arrays, coords=steps)
    return ds.assign_coords(frequency=np.arange(1, ds.sizes["frequency"] + 1)) if "frequency" in ds.sizes else ds


def _unstacked(ds: xr.Dataset, axes: Mapping[str, list[Any]]) -> xr.Dataset:
    """Rows laid out along the axes; "absent" where there is no run."""
    beside = [n for n in ds.coords if ds[n].dims == ("run",) and n not in axes]
    ds = ds.drop_vars("key", errors="ignore") if "key" in axes else ds
    ds = ds.assign_coords({n: ds[n].astype(float) for n in beside}).reset_coords(beside)
    fill = {n: {"status": "absent", "key": ""}.get(str(n), np.nan) for n in ds.data_vars}
    grid = ds.set_index(run=list(axes)).unstack("run", fill_value=fill).transpose(*axes, ...)
    places = {n: [grid[n].values.tolist().index(v) for v in values] for n, values in axes.items()}
    return grid.isel(places).assign_coords(axes).set_coords(beside)


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
        if flat.status.values[i] not in ("finished", "diverged", "stopped"):
            continue
        curves: dict[str, np.ndarray] = {}
        for t, norm in (("step", "norm"), ("light_step", "light_norm")):
            there = np.isfinite(values[norm][i])
            curves |= {t: ds[t].values[there]} | {n: v[i][there] for n, v in values.items() if time[n] == t}
        status, step, wall = (flat[n].values[i].item() for n in ("status", "steps_done", "wall_time"))
        record = Record(from_dict(configs[key]), status, int(step), {}, curves, wall, dict(said))
        found[record.config.name] = record
    return found


def with_units(ds: xr.Dataset, losses_of: set[str]) -> xr.Dataset:
    """`ds` with the units of what is measured, under these losses."""
    units_of = {losses.UNITS.get(name, "loss") for name in losses_of}  # of one's own nobody knows
    loss = units_of.pop() if len(units_of) == 1 else "loss"
    output = {"nats": "nats", "target^2": "target"}.get(loss, "output")
    for name in ds.data_vars:
        if said_unit := unit(str(name)):
            ds[name].attrs["units"] = said_unit.replace("loss", loss).replace("output", output)
    return ds


def _describe(ds: xr.Dataset, configs: list[RunConfig], found: list[Record]) -> xr.Dataset:
    ds = with_units(ds, {c.loss for c in configs})
    ds = ds.assign({n: ds[n].astype(str) for n in ("status", "key") if n in ds.data_vars})
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
