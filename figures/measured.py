"""What figures of measured runs share: opening their data, and saying where they come from."""

import json
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes

import toymodel as tm

from .paths import Paths

PROVENANCE = "{source}"
# Share of a run, at its end, over which end values are means; `validate` averages over the same.
WINDOW = 0.1


def runs(file: str) -> xr.Dataset:
    """Saved runs, in memory; the attribute `profile` says which profile they belong to."""
    with xr.open_dataset(Paths().data / file, engine="netcdf4") as ds:
        loaded: xr.Dataset = ds.load()
    parts = PurePath(file).parts
    loaded.attrs["profile"] = f"profile {parts[1]}" if parts[0] == "validate" else "reference runs"
    return loaded


def provenance(*data: xr.Dataset) -> dict[str, object]:
    """The numbers that PROVENANCE and every caption want: n, and `source`, a sentence that says where the runs come from.

    Runs that were asked for and are not trained do not count.  A date is stated only where the files have one.
    """
    status = np.concatenate([ds.status.values.ravel() for ds in data])
    status = status[status != "absent"]
    finished = int((status == "finished").sum())

    def of(name: str) -> str:
        values = [part for ds in data for part in str(ds.attrs.get(name, "")).split(" | ") if part]
        return " and ".join(dict.fromkeys(values))

    commits = list(dict.fromkeys(part[:10] for part in of("commit").split(" and ")))
    commit = " and ".join(part for part in (", ".join(commits[:-1]), commits[-1]) if part)
    # Days only: runs of one profile are trained one after the other.
    days = sorted(part[:10] for part in of("date").split(" and ") if part)
    about: dict[str, object] = {
        "n": int(status.size),
        "profile": " and ".join(dict.fromkeys(str(ds.attrs["profile"]) for ds in data)),
        "finished": finished,
        "commit": commit,
        "date": " to ".join(dict.fromkeys((days[0], days[-1]))) if days else "",
        **{name: of(name) for name in ("device", "processor", "dtype")},
    }
    date = f", {about['date']}" if days else ""
    about["source"] = (
        f"Data: {about['profile']}, {finished} of {status.size} runs finished; trained on {about['device']} "
        f"({about['processor']}) in {about['dtype']}{date}, commit{'s' * (len(commits) > 1)} {commit}."
    )
    return about


class Run(NamedTuple):
    """One saved run: its config, all its measurements over `step` and `light_step`, and its behaviour."""

    config: dict[str, Any]
    data: xr.Dataset
    behaviour: str

    def curve(self, name: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Steps and values of train_accuracy, unseen_loss, norm, ...: log-spaced and evenly spaced measurements together.

        Step 0 is left out: it has no place on a log axis.
        """
        both = [self.data[name].values, self.data[f"light_{name}"].values]
        step = np.concatenate([self.data.step.values, self.data.light_step.values])
        values = np.concatenate(both)
        step, first = np.unique(np.where(np.isfinite(values), step, 0), return_index=True)
        return step[1:].astype(float), values[first][1:].astype(float)

    def end(self, name: str) -> float:
        """Mean of an evenly measured curve over the last tenth of the run."""
        there = self.data[f"light_{name}"].dropna("light_step")
        last = float(there.light_step[-1])
        return float(there.sel(light_step=slice((1 - WINDOW) * last + 1e-9, None)).mean())

    @property
    def settled(self) -> bool:
        """Whether never-seen accuracy moved by no more than the vocabulary's `level` in the second half of the run."""
        curve = self.data.light_unseen_accuracy.dropna("light_step")
        late = curve.values[curve.light_step.values >= 0.5 * float(curve.light_step[-1])]
        return bool(np.ptp(late) <= tm.Criteria().level)

    @property
    def net(self) -> str:
        """Data set size, weight decay and seed."""
        return "D = {dataset_size}, weight decay {weight_decay:g}, seed {seed}".format(**self.config)


def each(ds: xr.Dataset) -> Iterator[Run]:
    """The finished runs of a file, by seed, then data set size, then weight decay.

    Behaviours are those of the shared vocabulary (model.md 7) from the evenly measured accuracies.
    """
    configs = json.loads(ds.attrs["configs"])
    flat = ds.transpose("seed", "dataset_size", "weight_decay", ...).stack(run=("seed", "dataset_size", "weight_decay"))
    for i in range(flat.sizes["run"]):
        one = flat.isel(run=i).reset_coords(drop=True)
        if str(one.status.values) != "finished":
            continue
        config = configs[str(one.key.values)]
        there = one.light_norm.notnull().values
        accuracies = [one[f"light_{name}_accuracy"].values[there].astype(float) for name in ("train", "unseen")]
        if all(np.isfinite(accuracies).ravel()):
            behaviour = tm.classify_curves(one.light_step.values[there], *accuracies, config["p"])
            yield Run(config, one, behaviour)


def short(value: float) -> str:
    """A number as a label: what is below 0.01 as a power of ten."""
    mantissa, _, exponent = (f"{value:e}" if 0.0 < value < 0.01 else f"{value:g}").partition("e")
    mantissa = f"{float(mantissa):g}"
    if not exponent:
        return mantissa
    power = f"10^{{{int(exponent)}}}"
    return f"${power}$" if mantissa == "1" else f"${mantissa}\\times {power}$"


def number_ticks(axes: Axes, values: list[int]) -> None:
    """Plain numbers on a log axis, at these values only."""
    axes.set_xscale("log")
    axes.set_xticks(values, labels=[str(v) for v in values])
    axes.minorticks_off()
