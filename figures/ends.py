"""Saved runs of the profile that is shown, one at a time, and their end values as rows.

End values are means over the last tenth of a run, as in `validate`, because a net under AdamW oscillates at tiny losses.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

import toymodel as tm

from .paths import PROFILE, Paths

__all__ = ["LEVEL", "Run", "ends", "runs"]

WINDOW = 0.1
"""Share of a run, at its end, that end values are means over"""
LEVEL = tm.Criteria().level
"""A run has settled if its accuracy moved by no more than this in its second half"""


class Run(NamedTuple):
    """A finished run: its config, and accuracies on an even grid of steps (k,)."""

    config: dict[str, Any]
    step: npt.NDArray[np.float64]
    train: npt.NDArray[np.float64]
    unseen: npt.NDArray[np.float64]
    removed: npt.NDArray[np.float64]

    def end(self, name: str) -> float:
        """Mean of `train`, `unseen` or `removed` over the last tenth."""
        return float(getattr(self, name)[self.step > (1.0 - WINDOW) * self.step[-1]].mean())

    @property
    def settled(self) -> bool:
        """Whether accuracy on pairs never seen stayed level in the second half."""
        return bool(np.ptp(self.unseen[self.step >= 0.5 * self.step[-1]]) <= LEVEL)


def runs(name: str) -> Iterator[Run]:
    """The finished runs of an experiment, setting/kind; none if it is not saved."""
    file = Paths().data / "validate" / PROFILE / f"{name}.nc"
    if not file.exists():
        return
    with xr.open_dataset(file, engine="netcdf4") as ds:
        ds = ds.load()
    configs = json.loads(ds.attrs["configs"])
    flat = ds.stack(run=list(ds.status.dims))
    for i in range(flat.sizes["run"]):
        one = flat.isel(run=i)
        if str(one.status.values) != "finished":
            continue
        there = np.isfinite(one.light_norm.values)
        step = one.light_step.values[there].astype(float)
        absent = np.full(len(step), np.nan)
        curves = [
            one[var].values[there].astype(float) if (var := f"light_{set_}_accuracy") in one else absent
            for set_ in ("train", "unseen", "removed")
        ]
        yield Run(configs[str(one.key.values)], step, *curves)


def ends(name: str) -> pd.DataFrame:
    """A row for each finished run of an experiment; empty if it is not saved."""
    fields = ("task", "p", "dataset_size", "weight_decay", "seed")
    return pd.DataFrame(
        [
            {field: run.config[field] for field in fields}
            | {name: run.end(name) for name in ("train", "unseen", "removed")}
            | {"settled": run.settled}
            for run in runs(name)
        ]
    )
