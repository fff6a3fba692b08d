"""Measured runs to lay the toy over: what files of them hold.

A results file is netCDF as `realnet` saves it: runs along some dimensions, curves over `step` and, evenly spaced,
`light_step`; each run's config as JSON in the attribute `configs`.  Any other run comes as a CSV file (`toymodel.curves`).
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..behaviours import Criteria, Reading, read_curves
from ..curves import Curve, chance_level, read_csv
from ..parameters import check

# Where to look when nothing is said: the results that come with the project, beside this package.
DATA = "TOYMODEL_DATA"
KEPT = Path(__file__).parents[2] / "validate" / "data"
# Classes of built-in tasks that have no symbols; where numbers are to be hit, a guess hits none.
CLASSES = {"mnist": 10, "reviews": 2, "teacher": 0, "molecules": 0}


def default_place() -> str:
    """The file or folder that the command named, else the project's kept results; empty where there are none."""
    return os.environ.get(DATA) or (str(KEPT) if KEPT.is_dir() else "")


def files(place: str) -> list[Path]:
    """Results files at `place`, a file or a folder with any below it, nearest first.  ValueError where there are none."""
    path = Path(place.strip()).expanduser()
    if place.strip() and not path.exists():
        raise ValueError(f"results must be a file or folder that is there, got {place!r}. Check the path.")
    found = [path] if path.is_file() else []
    if place.strip() and path.is_dir():
        found = sorted(
            (p for ending in ("nc", "csv") for p in path.rglob(f"*.{ending}")), key=lambda p: (len(p.parts), p)
        )
    if not found:
        raise ValueError(
            f"results must be a netCDF or CSV file, or a folder that holds some, got {place!r}. Train some: "
            f"python -m realnet --help; or export curves of your own as CSV."
        )
    return found


@dataclass(frozen=True, eq=False)
class Net:
    """One measured run.

    curves       by name ("train_loss", "norm", ...): steps (k,) and values (k,), without what was not measured
    train, test  the accuracies that it is judged by, each steps (k,) and values (k,)
    chance       accuracy of a guess
    num_classes  q; None where nobody says it
    config       as trained by `realnet`; else empty
    """

    curves: dict[str, Curve]
    train: Curve
    test: Curve
    chance: float
    num_classes: int | None = None
    config: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def reading(self) -> Reading:
        """Behaviour and times, by the vocabulary that the toy's runs are told apart with."""
        return read_curves(self.train, self.test, self.chance, Criteria())

    def start(self, name: str) -> float:
        """The first value of a curve; nan where it was not measured."""
        return float(self.curves[name][1][0]) if name in self.curves else float("nan")

    def end(self, name: str) -> float:
        """The last value of a curve; nan where it was not measured."""
        return float(self.curves[name][1][-1]) if name in self.curves else float("nan")


def with_classes(net: Net, text: str) -> Net:
    """The run of a task with that many classes, as they were typed.  ValueError or TypeError for what is no such number."""
    try:
        number: float | str = float(text.replace(",", ""))
    except ValueError:
        number = text
    classes = int(check("num_classes", number, "number of classes"))
    return replace(net, num_classes=classes, chance=1.0 / classes)


@lru_cache(maxsize=8)
def runs(path: Path) -> dict[str, Callable[[], Net]]:
    """The runs of a file with measurements: what reads each, by what tells it apart.

    ValueError for a file that is no results file, or holds no measured run.
    """
    return _from_csv(path) if path.suffix == ".csv" else _from_netcdf(path)


def _from_csv(path: Path) -> dict[str, Callable[[], Net]]:
    def reader(curves: dict[str, Curve]) -> Callable[[], Net]:
        named = {name.replace("test_", "unseen_"): curve for name, curve in curves.items()}
        test = curves["test_accuracy"]
        return lambda: Net(named, curves["train_accuracy"], test, chance_level(test)[0])

    return {name: reader(curves) for name, curves in read_csv(path).runs.items()}


def _from_netcdf(path: Path) -> dict[str, Callable[[], Net]]:
    import xarray as xr

    try:
        with xr.open_dataset(path, engine="netcdf4") as ds:
            data = ds.load()
        configs = json.loads(data.attrs["configs"])
        dims = data["status"].dims
        tested = data["unseen_accuracy"].notnull()
        if (
            "removed_accuracy" in data
        ):  # all that is outside the training set, where a run was first trained on all pairs
            tested |= data["removed_accuracy"].notnull()
        measured = data["train_loss"].notnull().any("step") & tested.any("step")
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(
            f"a results file must be netCDF with `status` and `configs`, as realnet saves it; {path.name} is not: {error}"
        ) from error

    def reader(place: dict[Any, int]) -> Callable[[], Net]:
        one = data.isel(place)
        return lambda: _net(one, configs[str(one["key"].values)])

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


def _net(one: Any, config: dict[str, Any]) -> Net:
    """A saved run: curves to be drawn over both grids together, and those that it is judged by, on the even grid."""
    drawn = {}
    for name in one.data_vars:
        bare = str(name).removeprefix("light_")
        if bare not in drawn and {"step", "light_step"} & set(one[name].dims) and one[name].ndim == 1:
            step, values = (np.concatenate(x) for x in zip(_grid(one, bare), _grid(one, f"light_{bare}"), strict=True))
            step, first = np.unique(np.where(np.isfinite(values), step, 0.0), return_index=True)
            if step[-1] > 0.0:
                drawn[bare] = step[step > 0.0], values[first][step > 0.0]
    table = config.get("p") and ":" not in config["task"]
    classes = config["p"] if table else CLASSES.get(config["task"])
    train, unseen = _grid(one, "light_train_accuracy"), _grid(one, "light_unseen_accuracy")
    removed = _grid(one, "light_removed_accuracy")[1]
    # Tasks that are no table of pairs have examples of their own to be judged by, which are the unseen ones.
    test = (unseen[0], _pooled(config, *unseen, removed)) if table and removed.size else unseen
    train, test = ((step[there], values[there]) for step, values in (train, test) if np.size(there := values == values))
    chance = 1.0 / classes if classes else 0.0 if classes == 0 else chance_level(test)[0]
    return Net(drawn, train, test, chance, classes or None, config)


def _grid(one: Any, name: str) -> Curve:
    """All of a variable, what was not measured as nan; empty where there is none."""
    if name not in one:
        return np.zeros(0), np.zeros(0)
    return one[one[name].dims[0]].values.astype(float), one[name].values.astype(float)


def _pooled(config: dict[str, Any], step: Any, unseen: Any, removed: Any) -> Any:
    """Accuracy outside the training set: pairs never seen and pairs removed together, each as often as there are such."""
    p, parent = config["p"], config.get("start_from")
    size, begun = np.full(step.size, float(config["dataset_size"])), 0
    for phase in config.get("phases", ()):
        if phase["dataset_size"] is not None:
            size[step > begun] = phase["dataset_size"]
        begun += phase["steps"]
    shown = np.full(step.size, float(parent["dataset_size"])) if parent else size
    pairs = p * (p - 1) if config["task"].startswith("div") else p * p
    counts, shares = np.array([pairs - shown, shown - size]), np.array([unseen, removed])
    there = np.isfinite(shares) & (counts > 0)
    with np.errstate(invalid="ignore"):
        return np.where(there, counts * shares, 0.0).sum(0) / np.where(there, counts, 0.0).sum(0)
