"""One folder of saved runs and what was judged from them: all that a figure of real networks reads.

End values are means over the last tenth of a run, because a net under Adam oscillates at tiny losses; accuracy outside the
training set pools pairs that were never seen with pairs that were removed; a run rests if that accuracy moved by no more
than REST from its sixth tenth to its last.  All as in `validate` (validate/README.md).
"""

import functools
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

import toymodel as tm

from .paths import Paths
from .verdicts import Verdicts

__all__ = ["REST", "Run", "Study", "crossing_time"]

Array = npt.NDArray[np.float64]
REST = 0.02
CRITERIA = tm.Criteria()
CURVES = ("train_accuracy", "unseen_accuracy", "removed_accuracy", "train_loss", "unseen_loss", "norm")


def crossing_time(step: Array, curve: Array, level: float, *, rising: bool) -> float:
    """Step from which `curve` (k,) is past `level` for good, interpolated between measurements; nan if never."""
    past = curve >= level if rising else curve <= level
    if not len(step) or not past[-1]:
        return math.nan
    before = np.flatnonzero(~past)
    if not before.size:
        return float(step[0])
    i = int(before[-1])
    return float(step[i] + (level - curve[i]) / (curve[i + 1] - curve[i]) * (step[i + 1] - step[i]))


class Run(NamedTuple):
    """A finished run: config; an even grid `step` (k,) from 0 with its CURVES (k,); log-spaced measurements in `full`."""

    config: Mapping[str, Any]
    step: Array
    curves: Mapping[str, Array]
    full: xr.Dataset

    @property
    def pairs(self) -> int:
        """All pairs of the task."""
        tables = {"div": self.config["p"] * (self.config["p"] - 1)}
        return int(tables.get(self.config["task"], self.config["p"] ** 2))

    @property
    def coupled(self) -> bool:
        """Whether the penalty is in the gradient; else weight decay is AdamW's."""
        return str(self.config["optimizer"]) != "adamw"

    @property
    def test(self) -> Array:
        """Accuracy (k,) outside the training set, never seen and removed pairs together."""
        size, parent = self.config["dataset_size"], self.config.get("start_from")
        shown = parent["dataset_size"] if parent else size
        counts = np.array([[self.pairs - shown], [shown - size]], float)
        shares = np.array([self.curves["unseen_accuracy"], self.curves["removed_accuracy"]])
        there = np.isfinite(shares) & (counts > 0)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.where(there, counts * shares, 0).sum(0) / np.where(there, counts, 0).sum(0))

    def tenth(self, curve: Array, which: int = 10) -> float:
        """Mean of `curve` (k,) over the `which`-th tenth of the run."""
        share = self.step / self.step[-1]
        inside = (share > (which - 1) / 10 + 1e-9) & (share <= which / 10 + 1e-9)
        return float(curve[inside].mean()) if inside.any() else math.nan

    def dense(self, name: str) -> tuple[Array, Array]:
        """Steps and values of one of CURVES, log-spaced and evenly spaced measurements together, without step 0."""
        log = self.full[name].dropna("step")
        step = np.concatenate([log.step.values, self.step])
        values = np.concatenate([log.values, self.curves[name]])
        step, first = np.unique(np.where(np.isfinite(values), step, 0), return_index=True)
        return step[step > 0].astype(float), values[first][step > 0].astype(float)

    def circuits(self) -> tuple[Array, Array, Array]:
        """Steps, W_gen and W_mem (k,) in nats.

        W_gen is the right logit outside the training set, U = gen − mem·D/(N − D), and W_mem what training pairs have
        beyond it, mem·N/(N − D): the projection averages over all N pairs and so counts a part of Mem as Gen.
        """
        if "gen_logit" not in self.full or self.config["dataset_size"] >= self.pairs:
            return np.empty(0), np.empty(0), np.empty(0)
        there = self.full[["gen_logit", "mem_logit"]].dropna("step")
        n, d = self.pairs, self.config["dataset_size"]
        gen, mem = there.gen_logit.values.astype(float), there.mem_logit.values.astype(float)
        return there.step.values.astype(float), gen - mem * d / (n - d), mem * n / (n - d)

    @property
    def behaviour(self) -> str:
        """Its name in the shared vocabulary."""
        return str(tm.classify_curves(self.step, self.curves["train_accuracy"], self.test, self.config["p"]))

    def row(self) -> dict[str, Any]:
        """What defines it, and its end."""
        names = ("task", "p", "dataset_size", "weight_decay", "seed", "steps")
        test, train = self.test, self.curves["train_accuracy"]
        ends = {name.removesuffix("_accuracy"): self.tenth(curve) for name, curve in self.curves.items()}
        motion = self.tenth(test) - self.tenth(test, 6)
        with np.errstate(divide="ignore"):
            logit = np.log(self.config["p"] - 1.0) - np.log(np.expm1(self.curves["train_loss"]))
        t_fit = crossing_time(self.step, train, CRITERIA.fit_accuracy, rising=True)
        step, gen, mem = self.circuits()
        late = step > 0.9 * self.step[-1]
        return {name: self.config[name] for name in names} | {"pairs": self.pairs, "coupled": self.coupled} | ends | {
            "test": self.tenth(test), "motion": motion, "rests": abs(motion) <= REST, "logit": self.tenth(logit),
            "t_fit": t_fit, "t_half": crossing_time(self.step, test, 0.5, rising=True),
            "t_gen": crossing_time(self.step, test, CRITERIA.performance, rising=True),
            "t_lost": crossing_time(self.step, test, 0.5, rising=False),
            "gen": float(gen[late].mean()) if late.any() else math.nan,
            "mem": float(mem[late].mean()) if late.any() else math.nan,
            "gen_at_fit": float(np.interp(t_fit, step, gen)) if len(step) and math.isfinite(t_fit) else math.nan,
        }  # fmt: skip


class Study:
    """A folder of runs, <setting>/<kind>.nc, with verdicts.json.  Everything read through it is noted, for `about`."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.read: dict[str, xr.Dataset] = {}
        self._runs: dict[str, list[Run]] = {}

    def __contains__(self, name: str) -> bool:
        return self._file(name).exists()

    def _file(self, name: str) -> Path:
        return Paths(data=self.folder).saved(f"{name}.nc")

    @functools.cached_property
    def verdicts(self) -> Verdicts:
        """What was judged."""
        return Verdicts(self.folder / "verdicts.json")

    @functools.cached_property
    def rival(self) -> Verdicts:
        """What was judged of the rival theory."""
        return Verdicts(Paths(data=self.folder).saved("omnigrok/verdicts.json"))

    def dataset(self, name: str) -> xr.Dataset:
        """The runs of an experiment, setting/kind, in memory."""
        if name not in self.read:
            with xr.open_dataset(self._file(name), engine="netcdf4") as ds:
                self.read[name] = ds.load()
        return self.read[name]

    def runs(self, name: str) -> list[Run]:
        """The finished runs of an experiment, by seed, then data set size, then weight decay; none if it is not there."""
        if name in self._runs or name not in self:
            return self._runs.get(name, [])
        ds = self.dataset(name)
        configs = json.loads(ds.attrs["configs"])
        rows = ds if ds.status.dims == ("run",) else ds.stack(run=list(ds.status.dims))
        flat = rows.reset_coords(drop=False)
        done = [k for k, status in enumerate(flat.status.values.astype(str)) if status == "finished"]
        found = [_run(configs[str(flat.key.values[k])], flat.isel(run=k)) for k in done]
        order = ("seed", "dataset_size", "weight_decay")
        self._runs[name] = sorted((run for run in found if run), key=lambda run: [run.config[key] for key in order])
        return self._runs[name]

    def table(self, *names: str) -> pd.DataFrame:
        """A row for each finished run of these experiments; empty if none is there."""
        rows = [run.row() | {"experiment": name} for name in names for run in self.runs(name)]
        return pd.DataFrame(rows)

    def about(self) -> dict[str, object]:
        """For the caption file: how many runs were read, where they were made, and what is quoted of the verdicts.

        A date is stated only where the runs have one.
        """
        data = list(self.read.values())
        judged = [self.__dict__[name].quoted for name in ("verdicts", "rival") if name in self.__dict__]
        quoted = {"quoted": {key: value for one in judged for key, value in one.items()}} if judged else {}
        status = np.concatenate([ds.status.values.ravel() for ds in data] or [np.empty(0, str)])
        status = status[status != "absent"]

        def of(name: str) -> list[str]:
            return list(dict.fromkeys(p for ds in data for p in str(ds.attrs.get(name, "")).split(" | ") if p))

        words = [f"{int((status == 'finished').sum())} of {status.size} runs finished"]
        if data:
            words.append(
                f"trained on {', '.join(of('device'))} ({', '.join(of('processor'))}) in {', '.join(of('dtype'))}"
            )
        days = sorted({day[:10] for day in of("date")})
        words += [" to ".join(dict.fromkeys((days[0], days[-1])))] if days else []
        commits = list(dict.fromkeys(commit[:10] for commit in of("commit")))
        words += [f"commit{'s' * (len(commits) > 1)} {', '.join(commits)}"] if commits else []
        return quoted | ({"n": int(status.size), "source": "; ".join(words) + "."} if data else {})


def _run(config: Mapping[str, Any], one: xr.Dataset) -> Run | None:
    there = np.flatnonzero(np.isfinite(one.light_norm.values))
    if len(there) < 2:
        return None
    step, absent = one.light_step.values[there].astype(float), np.full(len(there), np.nan)
    curves = {c: one[f"light_{c}"].values[there].astype(float) if f"light_{c}" in one else absent for c in CURVES}
    full = one[[str(v) for v in one.data_vars if one[v].dims == ("step",)]].dropna("step", subset=["norm"])
    return Run(config, step, curves, full)
