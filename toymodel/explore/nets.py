"""Saved runs of real networks: finding them, and what can be read off the end of one to set the sliders.

A results file is netCDF as `realnet` saves it: runs along some dimensions, curves over `step` and, evenly spaced,
`light_step`; each run's config as JSON in the attribute `configs`.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import toymodel as tm

from ..parameters import FloatArray
from .settings import Values, critical_size

# Where to look when nothing is said: the results that come with the project, beside this package.
DATA = "TOYMODEL_DATA"
SEED = 0.01
KEPT = Path(__file__).parents[2] / "figures" / "data"


def default_place() -> str:
    """The file or folder that the command named, else the project's kept results; empty where there are none."""
    return os.environ.get(DATA) or (str(KEPT) if KEPT.is_dir() else "")


def files(place: str) -> list[Path]:
    """Results files at `place`, a file or a folder with any below it.  ValueError where there are none."""
    path = Path(place).expanduser()
    found = sorted(path.rglob("*.nc")) if path.is_dir() else [path] if path.is_file() else []
    if not found:
        raise ValueError(
            f"results must be a netCDF file or a folder that holds some, got {place!r}. Train some: "
            f"python -m realnet --help"
        )
    return found


@dataclass(frozen=True, eq=False)
class Net:
    """One saved run.

    config    as trained
    curves    by name ("train_loss", "norm", ...): steps (k,) and values (k,); step 0 and what was not measured left out
    """

    config: dict[str, Any]
    curves: dict[str, tuple[FloatArray, FloatArray]]

    @property
    def num_classes(self) -> int:
        """q of the task."""
        return int(self.config["p"])

    @property
    def behaviour(self) -> str:
        """By the vocabulary that the toy's runs are told apart with."""
        step, train = self.curves["train_accuracy"]
        test = np.interp(step, *self.curves["unseen_accuracy"])
        return tm.classify_curves(step, train, test, self.num_classes)

    def start(self, name: str) -> float:
        """The first value of a curve; nan where it was not measured."""
        _, values = self.curves.get(name, (np.zeros(0), np.zeros(0)))
        return float(values[0]) if values.size else float("nan")

    def end(self, name: str) -> float:
        """The last value of a curve; nan where it was not measured."""
        _, values = self.curves.get(name, (np.zeros(0), np.zeros(0)))
        return float(values[-1]) if values.size else float("nan")


@lru_cache(maxsize=8)
def runs(path: Path) -> dict[str, Callable[[], Net]]:
    """The runs of a file with measurements: what reads each, by what tells it apart.

    ValueError for a file that is no results file, or holds no measured run.
    """
    import xarray as xr

    try:
        with xr.open_dataset(path, engine="netcdf4") as ds:
            data = ds.load()
        configs = json.loads(data.attrs["configs"])
        dims = data["status"].dims
        measured = data["train_loss"].notnull().any("step") & data["unseen_accuracy"].notnull().any("step")
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(
            f"a results file must be netCDF with `status` and `configs`, as realnet saves it; {path.name} is not: {error}"
        ) from error

    def reader(place: dict[Any, int]) -> Callable[[], Net]:
        one = data.isel(place)
        return lambda: Net(configs[str(one["key"].values)], _curves(one))

    found = {}
    for index in np.argwhere(measured.transpose(*dims).values):
        place = dict(zip(dims, index.tolist(), strict=True))
        name = ", ".join(_told(d, data[d].values[k]) for d, k in place.items())
        found[name or "the only run"] = reader(place)
    if not found:
        raise ValueError(
            f"a file must hold a run with accuracies; {path.name} has none yet, or its task is judged by loss alone. Train "
            f"it on, or choose another file."
        )
    return found


def _told(dimension: Any, value: Any) -> str:
    text = str(value) if np.asarray(value).dtype.kind in "OSU" else f"{float(value):g}"
    return f"{ {'dataset_size': 'D', 'weight_decay': 'decay'}.get(str(dimension), dimension) } = {text}"


def _curves(one: Any) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Curves over both grids together."""
    found = {}
    for name in one.data_vars:
        bare = str(name).removeprefix("light_")
        if bare in found or not {"step", "light_step"} & set(one[name].dims) or one[name].ndim != 1:
            continue
        parts = [(one[n].dims[0], one[n].values) for n in (bare, f"light_{bare}") if n in one]
        step = np.concatenate([one[grid].values for grid, _ in parts]).astype(float)
        values = np.concatenate([v for _, v in parts]).astype(float)
        there = np.isfinite(values) & (step > 0)
        if there.any():
            step, first = np.unique(step[there], return_index=True)
            found[bare] = (step, values[there][first])
    return found


def read_off(net: Net, values: Values) -> dict[str, float]:
    """Sliders as measured: q, D, the logit at the start; at the end κ, α and the leading circuit's η = s^(1/κ)/‖w‖.

    s is the equivalent logit, the toy's logit with the same train loss; κ is the local degree with which s grows with
    the norm; α is what weight decay balances, -⟨w, ∇L⟩/‖w‖².  The leading circuit is Gen's where most unseen examples are
    right.  D_crit stays as in `values`, and so does what was not measured or has no toy value.
    """
    size = float(net.config["dataset_size"])
    found = {"num_classes": float(net.num_classes), "dataset_size": size}
    kappa, logit, norm, decay = (net.end(n) for n in ("homogeneity", "train_logit", "norm", "effective_weight_decay"))
    if decay > 0.0:
        found["weight_decay"] = decay
    if kappa > 0.0 and logit > 0.0 and norm > 0.0:
        leading = values["gen_efficiency"]
        if net.end("unseen_accuracy") < 0.5:
            leading *= (size / critical_size(values)) ** -values["exponent"]
        scale = logit ** (1.0 / kappa) / norm / leading
        found |= {"kappa": kappa} | {n: scale * values[n] for n in ("gen_efficiency", "mem_efficiency")}
        # Nets start near W = 0, or grown; a circuit at 0 would stay there for κ > 2 (4.3).
        grown = max(net.start("train_logit"), SEED)
        generalises = net.start("unseen_accuracy") >= 0.5
        found["gen_initial_logit"] = grown if generalises else SEED
        found["mem_initial_logit"] = SEED if generalises else grown
    return found


def first_fit(net: Net) -> float | None:
    """The first step at which train accuracy reaches the vocabulary's threshold; None if it never does."""
    step, train = net.curves["train_accuracy"]
    fits = train >= tm.Criteria().fit_accuracy
    return float(step[np.argmax(fits)]) if fits.any() else None
