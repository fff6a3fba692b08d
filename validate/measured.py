"""Saved runs as a table, one row a run: what every judge reads.

End values are means over the last tenth of a run's even grid of steps, because Adam oscillates at tiny losses.
Accuracy outside the training set pools pairs that were never seen with pairs that were removed. There is one notion of
rest: `motion`, what a number changed from the sixth tenth of a run to the last.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

import toymodel as tm
from realnet.config import from_dict
from realnet.examples import task_of
from realnet.tasks.modular import MODULAR, table_size
from validate.experiments import PROFILES

__all__ = ["PROTOCOLS", "REST", "THRESHOLDS", "MissingResult", "Results", "Run", "crossing_time", "equivalent_logit"]

Array = npt.NDArray[np.float64]

PROTOCOLS = ("coupled", "AdamW")
"""An L2 penalty in the loss, minimised by Adam, its last fifth at a tenth of the rate; decoupled decay, the paper's"""
THRESHOLDS = tm.Criteria()
"""Where the shared vocabulary draws its lines"""
REST = 0.02
"""A run rests if its accuracy moved by no more than this from the sixth tenth of its steps to the last"""
NORM_REST = 0.01
"""Its norm rests if ln ‖w‖ moved by no more than this in the same time,"""
STATIONARY = 0.03
"""and if −⟨w, ∇L⟩ is α‖w‖² within this share: the penalty balances the loss along the weights"""


PLATEAU_ABOVE, PLATEAU_MOVES = 0.1, 0.05
"""A plateau lies this far above chance, and moves by less than that while the steps double"""


class MissingResult(FileNotFoundError):
    """An experiment whose runs are not saved: the requirement, what was found, the command that makes it."""


def equivalent_logit(loss: npt.ArrayLike, num_classes: int) -> Array:
    """s = ln((q − 1)/(e^CE − 1)) in nats, the toy's total logit with the same cross-entropy."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(num_classes - 1.0) - np.log(np.expm1(np.asarray(loss, np.float64))))


def crossing_time(step: Array, curve: Array, level: float, *, rising: bool) -> float:
    """Step from which `curve` (k,) is past `level` for good, interpolated linearly between measurements; nan if never.

    0 if it is past it from the start.
    """
    past = curve >= level if rising else curve <= level
    if not len(step) or not past[-1]:
        return math.nan
    before = np.flatnonzero(~past)
    if not before.size:
        return float(step[0])
    i = int(before[-1])
    share = (level - curve[i]) / (curve[i + 1] - curve[i])
    return float(step[i] + share * (step[i + 1] - step[i]))


@functools.lru_cache(maxsize=1024)
def _table(config: str) -> tuple[int, int]:
    """How many examples the task of a config has, and how many classes; a user's own task is made to be counted."""
    fields = json.loads(config)
    if fields["task"] in MODULAR:
        return table_size(fields["task"], fields["p"]), int(fields["p"])
    task = task_of(from_dict(fields))
    return len(task.targets), task.outputs


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """One measured run: its config as a mapping, and its curves.

    step (k,)                     even grid of optimizer steps, from 0
    train, unseen, removed (k,)   accuracies; nan where there are no such pairs
    loss, unseen_loss (k,)        cross-entropy on the training set, and on pairs never seen, nats
    norm (k,)                     parameter norm
    full                          the log-spaced measurements, an xarray.Dataset over `step`
    """

    config: Mapping[str, Any]
    status: str
    step: Array
    train: Array
    unseen: Array
    removed: Array
    loss: Array
    unseen_loss: Array
    norm: Array
    full: xr.Dataset

    @property
    def protocol(self) -> str:
        """'coupled' or 'AdamW'."""
        return "AdamW" if self.config["optimizer"] == "adamw" else "coupled"

    @property
    def pairs(self) -> int:
        """All pairs of the task, N."""
        return _table(json.dumps(self.config))[0]

    @property
    def classes(self) -> int:
        """Classes of the task, q."""
        return _table(json.dumps(self.config))[1]

    def sizes(self, step: Array) -> Array:
        """Training pairs (k,) of the network as it is at `step` (k,): phases may change them."""
        sizes, start = np.full(len(step), float(self.config["dataset_size"])), 0
        for phase in self.config.get("phases", ()):
            if phase["dataset_size"] is not None:
                sizes[step > start] = phase["dataset_size"]
            start += phase["steps"]
        return sizes

    @property
    def test(self) -> Array:
        """Accuracy (k,) outside the training set: never seen and removed pairs together."""
        size, parent = self.sizes(self.step), self.config.get("start_from")
        shown = parent["dataset_size"] if parent else size
        counts = np.array([self.pairs - shown + 0 * size, shown - size])
        shares = np.array([self.unseen, self.removed])
        there = np.isfinite(shares) & (counts > 0)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.where(there, counts * shares, 0).sum(0) / np.where(there, counts, 0).sum(0))

    def tenth(self, curve: Array, which: int = 10) -> float:
        """Mean of `curve` (k,) over the `which`-th tenth of the run."""
        share = self.step / self.step[-1]
        inside = (share > (which - 1) / 10 + 1e-9) & (share <= which / 10 + 1e-9)
        return float(curve[inside].mean()) if inside.any() else math.nan

    def plateau(self) -> tuple[float, float]:
        """Steps at which the longest plateau begins and ends; nan where there is none.

        On a plateau accuracy outside the training set lies between chance + 0.1 and 0.9 and moves by less than 0.05 while
        the steps at least double.
        """
        low, high = 1 / self.classes + PLATEAU_ABOVE, THRESHOLDS.performance
        # A network under Adam oscillates: five measurements together.
        smooth = np.convolve(self.test, np.ones(5) / 5, mode="valid")
        step = self.step[2:-2]
        best = (math.nan, math.nan)
        for i in np.flatnonzero((step > 0) & (smooth > low) & (smooth < high)):
            stays = (smooth[i:] > low) & (smooth[i:] < high)
            stays &= np.maximum.accumulate(smooth[i:]) - np.minimum.accumulate(smooth[i:]) < PLATEAU_MOVES
            j = i + (len(stays) if stays.all() else int(np.argmin(stays))) - 1
            if step[j] >= 2 * step[i] and not step[j] / step[i] <= best[1] / best[0]:
                best = (float(step[i]), float(step[j]))
        return best

    def last(self, name: str) -> float:
        """Mean of a full measurement over the last tenth, its last value if none lies there; nan if never measured."""
        if name not in self.full:
            return math.nan
        values = self.full[name].values
        there = np.isfinite(values)
        late = values[there & (self.full.step.values >= 0.9 * self.step[-1])]
        return float(late.mean()) if late.size else float(values[there][-1]) if there.any() else math.nan

    def circuits(self) -> tuple[Array, Array, Array]:
        """Steps of full measurements, W_gen and W_mem on them (k,), nats.

        W_gen is the correct logit on pairs outside the training set, U = gen − mem·D/(N − D), and W_mem what training
        pairs have beyond it, mem·N/(N − D): the raw projection averages over all pairs, so it counts a part of Mem as Gen.
        """
        if "gen_logit" not in self.full or self.config["dataset_size"] >= self.pairs:
            return np.empty(0), np.empty(0), np.empty(0)
        there = self.full[["gen_logit", "mem_logit"]].dropna("step")
        step, gen, mem = (there[n].values.astype(float) for n in ("step", "gen_logit", "mem_logit"))
        n, d = self.pairs, self.sizes(step)
        return step, gen - mem * d / (n - d), mem * n / (n - d)

    @property
    def gradient_rest(self) -> float:
        """|∇L + αw|/(α‖w‖) at the last step of a coupled run: how far the penalty is from balanced. nan for AdamW."""
        decay = self.config["weight_decay"]
        if self.protocol == "AdamW" or not decay or "gradient_norm" not in self.full:
            return math.nan
        end = self.full[["gradient_norm", "effective_weight_decay", "norm"]].dropna("step").isel(step=-1)
        g, effective, norm = float(end.gradient_norm), float(end.effective_weight_decay), float(end.norm)
        # |∇L + αw|² with ⟨w, ∇L⟩ = −α_eff ‖w‖².
        squared = max(g**2 + (float(decay) ** 2 - 2 * float(decay) * effective) * norm**2, 0.0)
        return math.sqrt(squared) / (float(decay) * norm)

    @property
    def norm_drift(self) -> float:
        """What ln ‖w‖ changed by from the sixth tenth of the run to the last."""
        return math.log(self.tenth(self.norm) / self.tenth(self.norm, 6))

    @property
    def norm_rests(self) -> bool:
        """Whether the norm no longer moves and, in a coupled run, the penalty balances the loss along the weights."""
        decay = self.config["weight_decay"]
        off = self.last("effective_weight_decay") / decay - 1 if self.protocol == "coupled" and decay else 0.0
        return abs(self.norm_drift) <= NORM_REST and abs(off) <= STATIONARY

    def row(self) -> dict[str, Any]:
        """Everything a judge asks of a run that is one number; only `status` and what defines it if unfinished."""
        names = ("task", "dataset_size", "weight_decay", "seed", "steps", "d_model", "n_layers", "corrupted")
        about = {name: self.config[name] for name in names} | {
            "dataset_size": int(self.sizes(np.array([self.config["steps"]]))[0]),
            "protocol": self.protocol,
            "pairs": self.pairs,
            "p": self.classes,
        }
        about["status"] = self.status
        if self.status != "finished" or len(self.step) < 10:
            return about
        test = self.test
        ends = {name: self.tenth(getattr(self, name)) for name in ("train", "unseen", "removed", "loss", "norm")}
        logit = self.tenth(equivalent_logit(self.loss, self.classes))
        end, motion = self.tenth(test), self.tenth(test) - self.tenth(test, 6)
        t_fit = crossing_time(self.step, self.train, THRESHOLDS.fit_accuracy, rising=True)
        plateau, off = self.plateau(), test > 1 / self.classes + PLATEAU_ABOVE
        step, gen, mem = self.circuits()
        late = step > 0.9 * self.step[-1]
        last = {name: self.last(name) for name in ("gen_share", "homogeneity", "effective_weight_decay")}
        return about | ends | last | {
            "logit": logit, "test": end, "motion": motion, "rests": not abs(motion) > REST,
            "gradient_rest": self.gradient_rest, "start": float(test[0]), "train_margin": self.last("train_margin"),
            "unseen_margin": self.last("unseen_margin"), "shortfall": self.last("unseen_shortfall"),
            "frequencies": self.last("frequency_count"), "norm_drift": self.norm_drift,
            "norm_rests": self.norm_rests,
            "gen": float(gen[late].mean()) if late.any() else math.nan,
            "mem": float(mem[late].mean()) if late.any() else math.nan,
            "t_fit": t_fit,
            "t_gen": crossing_time(self.step, test, THRESHOLDS.performance, rising=True),
            "t_half": crossing_time(self.step, test, 0.5, rising=True),
            "t_lost": crossing_time(self.step, test, 0.5, rising=False),
            "plateau_from": plateau[0], "plateau_to": plateau[1],
            "left_chance": bool(off.any()),
            # Whether it left too late for a plateau to be seen before the end, and has not gone through.
            "late": bool(off.any() and 2 * self.step[np.argmax(off)] > self.step[-1] and end < THRESHOLDS.performance),
            "gen_at_fit": float(np.interp(t_fit, step, gen)) if len(step) and math.isfinite(t_fit) else math.nan,
        }  # fmt: skip


CURVES = {
    "train": "light_train_accuracy",
    "unseen": "light_unseen_accuracy",
    "removed": "light_removed_accuracy",
    "loss": "light_train_loss",
    "unseen_loss": "light_unseen_loss",
    "norm": "light_norm",
}
"""A run's curves, by what they are called in a saved file"""


def _profile_with(name: str, first: str) -> str:
    """The profile that trains experiment `name`: `first` if it does."""
    there = [p.name for p in PROFILES.values() if name in {f"{s.name}/{kind}" for s in p.settings for kind in s.kinds}]
    return first if first in there or not there else there[0]


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

    def file(self, name: str) -> Path:
        """Where experiment `name` is saved."""
        return self.folder / f"{name}.nc"

    def __contains__(self, name: str) -> bool:
        return self.file(name).exists()

    @functools.cache  # noqa: B019  # one Results a report, and it lives as long
    def dataset(self, name: str) -> xr.Dataset:
        """Experiment `name`, in memory. Errors: MissingResult."""
        path = self.file(name)
        if not path.exists():
            raise MissingResult(
                f"experiment {name!r} must be among the saved results; {str(self.folder)!r} does not have it. "
                f"Train it: python -m validate run --profile {_profile_with(name, self.folder.name)}"
            )
        with xr.open_dataset(path, engine="netcdf4") as ds:
            return ds.load()

    @functools.cache  # noqa: B019
    def runs(self, name: str) -> tuple[Run, ...]:
        """The runs of experiment `name`, those not trained yet included. Errors: MissingResult."""
        ds = self.dataset(name)
        configs = json.loads(ds.attrs["configs"])
        flat = ds if ds.status.dims == ("run",) else ds.stack(run=list(ds.status.dims))
        states, keys = flat.status.values.astype(str), flat.key.values.astype(str)
        # As plain arrays: to take run after run out of the dataset took most of a report's time.
        full, light = (
            {str(n): v.transpose("run", grid).values for n, v in flat.data_vars.items() if set(v.dims) == {"run", grid}}
            for grid in ("step", "light_step")
        )
        return tuple(
            _run(
                configs[keys[i]],
                states[i],
                flat,
                {n: v[i] for n, v in full.items()},
                {n: v[i] for n, v in light.items()},
            )
            for i in range(len(states))
            if states[i] != "absent"
        )

    @functools.cache  # noqa: B019
    def table(self, name: str) -> pd.DataFrame:
        """The rows of the finished runs of experiment `name` (see Run.row), one a run. Errors: MissingResult."""
        table = pd.DataFrame([run.row() for run in self.runs(name)])
        if "test" not in table:
            raise MissingResult(
                f"experiment {name!r} must have finished runs; it has none. Go on: python -m validate run "
                f"--profile {self.folder.name}"
            )
        return table[(table.status == "finished") & table.test.notna()].reset_index(drop=True)

    def deciding(self, kind: str, *settings: str) -> str:
        """The experiment that decides: `kind` of the first of `settings` that has such runs, else of the last.

        The first are those whose seeds had never been used when the rules were fixed.
        """
        return next((f"{s}/{kind}" for s in settings if f"{s}/{kind}" in self), f"{settings[-1]}/{kind}")

    def together(self, *names: str) -> pd.DataFrame:
        """The tables of those experiments `names` that are there, one below the other. Errors: MissingResult if none is."""
        there = [name for name in names if name in self]
        tables = [self.table(name) for name in there or names[:1]]
        return pd.concat([t.assign(experiment=n) for t, n in zip(tables, there, strict=True)], ignore_index=True)


def _run(
    config: Mapping[str, Any], status: str, grids: xr.Dataset, full: Mapping[str, Array], light: Mapping[str, Array]
) -> Run:
    if "light_norm" not in light:  # nothing of the experiment has been trained yet
        return Run(config, status, np.empty(0), **{name: np.empty(0) for name in CURVES}, full=xr.Dataset())
    there, measured = np.isfinite(light["light_norm"]), np.isfinite(full["norm"])
    nothing = np.full(there.sum(), np.nan)
    curves = {n: light[v][there].astype(float) if v in light else nothing for n, v in CURVES.items()}
    log = xr.Dataset({n: ("step", v[measured]) for n, v in full.items()}, {"step": grids.step.values[measured]})
    return Run(config, status, grids.light_step.values[there].astype(float), **curves, full=log)
