"""Saved runs as a table, one row a run: what every judge reads (experiments.md 2).

End values are means over the last tenth of a run's even grid of steps, with their spread, because a net under AdamW
oscillates at tiny losses. `settled` and `stationary` are measured, never assumed.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

import toymodel as tm

__all__ = ["THRESHOLDS", "WINDOW", "MissingResult", "Results", "Run", "equivalent_logit"]

Array = npt.NDArray[np.float64]

THRESHOLDS = tm.Thresholds()
"""Where the shared vocabulary draws its lines (model.md 7)"""
WINDOW = 0.1
"""Share of a run, at its end, that end values are averaged over"""
DRIFT = 0.01
"""Relative change of the norm over the last two windows at which a run counts as stationary"""
ENDS = ("train", "unseen", "removed", "norm", "logit", "loss")
LAST = ("gen_share", "gen_logit", "mem_logit", "effective_weight_decay", "homogeneity")
MEASURED = (*ENDS, *LAST, "logit_spread", "drift", "stationary", "settled", "t_fit", "t_gen", "t_lost", "start")
"""Columns of a table that only a finished run fills: means over the last window, last measurements, and the rest"""


class MissingResult(FileNotFoundError):
    """An experiment whose runs are not saved: the requirement, what was found, the command that makes it."""


def equivalent_logit(loss: npt.ArrayLike, num_classes: int) -> Array:
    """s = ln((q − 1)/(e^CE − 1)) in nats, the toy's total logit with the same cross-entropy (experiments.md 2)."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(num_classes - 1.0) - np.log(np.expm1(np.asarray(loss, np.float64))))


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """One measured run: its config as a mapping, and its curves.

    step (k,)                     even grid of optimizer steps, from 0
    train, unseen, removed (k,)   accuracies; nan where there are no such examples
    loss, test_loss (k,)          cross-entropies on training and never-seen examples, nats
    norm (k,)                     parameter norm
    full                          the log-spaced measurements, an xarray.Dataset over `step`
    """

    config: dict[str, Any]
    status: str
    step: Array
    train: Array
    unseen: Array
    removed: Array
    loss: Array
    test_loss: Array
    norm: Array
    full: xr.Dataset

    @property
    def num_classes(self) -> int:
        """q"""
        return int(self.config["p"])

    @property
    def logit(self) -> Array:
        """Equivalent logit of the training loss (k,), nats."""
        return equivalent_logit(self.loss, self.num_classes)

    def until(self, step: float) -> Run:
        """The run as it was at `step`."""
        keep = self.step <= step
        curves = {f.name: getattr(self, f.name)[keep] for f in dataclasses.fields(self) if f.name not in _NOT_CURVES}
        return dataclasses.replace(self, **curves, full=self.full.sel(step=slice(None, step)))

    def tail(self, curve: Array, back: int = 0) -> Array:
        """`curve` in the last window, or in the one `back` windows before it."""
        end = self.step[-1] * (1 - back * WINDOW)
        return np.asarray(curve[(self.step > end - WINDOW * self.step[-1]) & (self.step <= end)])

    @property
    def settled(self) -> bool:
        """Whether test accuracy moved by no more than the vocabulary's `level` in the second half of the run."""
        late = self.unseen[self.step >= 0.5 * self.step[-1]]
        return bool(np.isfinite(late).all() and np.ptp(late) <= THRESHOLDS.level)

    @property
    def drift(self) -> float:
        """Relative change of the norm from the last window but one to the last; nan if nothing was measured in it."""
        before = self.tail(self.norm, 1)
        return float(self.tail(self.norm).mean() / before.mean() - 1) if len(before) else float("nan")

    @property
    def behaviour(self) -> str:
        """The run's name in the shared vocabulary; 'absent' where it was not trained, 'diverged' where it failed."""
        if self.status == "diverged" or not len(self.step):
            return "diverged" if len(self.step) else "absent"
        test = np.where(np.isfinite(self.unseen), self.unseen, np.nan)
        if not np.isfinite(test).all():
            return "no test examples"
        return tm.classify_curves(self.step, self.train, test, self.num_classes, THRESHOLDS)

    def since(self, condition: npt.NDArray[np.bool_]) -> float:
        """First step from which `condition` holds to the end; nan if it does not hold at the end."""
        if not condition[-1]:
            return float("nan")
        broken = np.flatnonzero(~condition)
        return float(self.step[broken[-1] + 1 if broken.size else 0])

    @property
    def t_fit(self) -> float:
        """Steps to train accuracy ≥ 0.99 for good."""
        return self.since(self.train >= THRESHOLDS.fit_accuracy)

    @property
    def t_gen(self) -> float:
        """Steps to test accuracy ≥ 0.9 for good."""
        return self.since(self.unseen >= THRESHOLDS.performance)

    @property
    def t_lost(self) -> float:
        """Steps until test accuracy is at or below 1/2 for good."""
        return self.since(self.unseen <= 0.5)

    def row(self) -> dict[str, Any]:
        """Everything a judge asks of a run that is one number."""
        done = self.status == "finished" and len(self.step) > 2
        about = {
            name: self.config[name]
            for name in ("task", "p", "dataset_size", "weight_decay", "seed", "steps", "d_model", "n_layers")
        }
        about |= {"status": self.status, "behaviour": self.behaviour if done else self.status}
        if not done:
            return about
        ends = {name: self.tail(getattr(self, name)).mean() for name in ENDS}
        last = {
            name: float(self.full[name].dropna("step")[-1]) if self.full[name].notnull().any() else float("nan")
            for name in LAST
        }
        return (
            about
            | ends
            | last
            | {
                "logit_spread": self.tail(self.logit).std(),
                "drift": self.drift,
                "stationary": abs(self.drift) <= DRIFT,
                "settled": self.settled,
                "t_fit": self.t_fit,
                "t_gen": self.t_gen,
                "t_lost": self.t_lost,
                "start": float(self.unseen[0]),
            }
        )


_NOT_CURVES = ("config", "status", "full")
_CURVES = {
    "train": "light_train_accuracy",
    "unseen": "light_unseen_accuracy",
    "removed": "light_removed_accuracy",
    "loss": "light_train_loss",
    "test_loss": "light_unseen_loss",
    "norm": "light_norm",
}


class Results:
    """A profile's saved experiments, `folder`/<setting>/<kind>.nc.

    Errors: MissingResult for a folder without any.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        if not any(self.folder.glob("*/*.nc")):
            raise MissingResult(
                f"results must be a folder with <setting>/<kind>.nc in it; found none in {str(folder)!r}. "
                "Train them first: python -m validate run --profile quick"
            )

    @property
    def names(self) -> list[str]:
        """Experiments that are there, as setting/kind."""
        return sorted(f"{path.parent.name}/{path.stem}" for path in self.folder.glob("*/*.nc"))

    @property
    def settings(self) -> list[str]:
        """Settings that are there, the base first."""
        found = dict.fromkeys(name.partition("/")[0] for name in self.names)
        return sorted(found, key=lambda name: (name != "base", name))

    def __contains__(self, name: str) -> bool:
        return (self.folder / f"{name}.nc").exists()

    @functools.cache  # noqa: B019  # one Results a report, and it lives as long
    def dataset(self, name: str) -> xr.Dataset:
        """Experiment `name`, in memory. Errors: MissingResult."""
        path = self.folder / f"{name}.nc"
        if not path.exists():
            raise MissingResult(
                f"experiment {name!r} must be among the saved results; {str(self.folder)!r} has "
                f"{', '.join(self.names)}. Train it: python -m validate run --profile {self.folder.name}"
            )
        with xr.open_dataset(path, engine="netcdf4") as ds:
            return ds.load()

    @functools.cache  # noqa: B019
    def runs(self, name: str) -> tuple[Run, ...]:
        """The runs of experiment `name`, those not trained yet included. Errors: MissingResult."""
        ds = self.dataset(name)
        configs = json.loads(ds.attrs["configs"])
        axes = [d for d in ds.status.dims]
        flat = ds if axes == ["run"] else ds.stack(run=axes)
        runs = []
        for i in range(flat.sizes["run"]):
            one = flat.isel(run=i)
            if str(one.status.values) == "absent":
                continue
            runs.append(_run(configs[str(one.key.values)], one))
        return tuple(runs)

    @functools.cache  # noqa: B019
    def table(self, name: str) -> pd.DataFrame:
        """The rows of the runs of experiment `name` (see Run.row), one a run. Errors: MissingResult."""
        table = pd.DataFrame([run.row() for run in self.runs(name)])
        # Where no run has finished there is nothing to give them a name.
        return table.reindex(columns=list(dict.fromkeys((*table.columns, *MEASURED))))


def _run(config: dict[str, Any], one: xr.Dataset) -> Run:
    if "light_step" in one.dims and "light_norm" in one:
        there = np.flatnonzero(np.isfinite(one.light_norm.values))
        step = one.light_step.values[there].astype(float)
        curves = {
            name: one[var].values[there].astype(float) if var in one else np.full(len(there), np.nan)
            for name, var in _CURVES.items()
        }
        if "light_removed_accuracy" not in one:
            curves["removed"] = np.full(len(there), np.nan)
        full = one[[str(v) for v in one.data_vars if one[v].dims == ("step",)]].dropna("step", subset=["norm"])
    else:  # nothing of the experiment has been trained yet
        step, curves, full = np.empty(0), {name: np.empty(0) for name in _CURVES}, xr.Dataset()
    return Run(config, str(one.status.values), step, **curves, full=full.reset_coords(drop=True))
