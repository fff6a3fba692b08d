"""Trajectories and sweeps as labelled xarray data: names, units and provenance in one place."""

import json
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from .behaviours import MEANINGS, Thresholds
from .circuits import Dynamics
from .parameters import TABLE

if TYPE_CHECKING:
    import xarray

    from .trajectory import Trajectory

# name: (unit, meaning)
VARIABLES = {
    "time": ("flow time", "learning rate x steps"),
    "step": ("step", "time / learning rate"),
    "logit": ("nats", "logit W of each circuit"),
    "norm": ("norm", "parameter norm P of each circuit"),
    "gen_logit": ("nats", "logit of the generalising circuits"),
    "mem_logit": ("nats", "logit of the memorising circuits"),
    "gen_norm": ("norm", "norm of the generalising circuits"),
    "mem_norm": ("norm", "norm of the memorising circuits"),
    "train_loss": ("nats", "train cross-entropy (2.1)"),
    "test_loss": ("nats", "test cross-entropy (2.2)"),
    "train_accuracy": ("1", "accuracy on the training set (5.4)"),
    "test_accuracy": ("1", "accuracy on unseen examples (5.4)"),
    "t_fit": ("flow time", "since when the training set is fitted; nan: not at the end"),
    "t_gen": ("flow time", "since when it generalises; nan: not at the end"),
    "t_cross": ("flow time", "since when the generalising circuits lead; nan: not at the end"),
    "behaviour": ("", "behaviour; see the attribute meanings"),
    "num_steps": ("1", "integration steps"),
}


def attributes(name: str) -> dict[str, str]:
    """units and long_name of a variable or axis."""
    if name in VARIABLES:
        unit, meaning = VARIABLES[name]
        return {"units": unit, "long_name": meaning} | (
            {"meanings": json.dumps(MEANINGS)} if name == "behaviour" else {}
        )
    row = TABLE.get(name) or next((row for key, row in TABLE.items() if name.endswith(f"_{key}")), None)
    return {"units": row.unit, "long_name": row.meaning} if row else {}


def provenance(model: Dynamics, thresholds: Thresholds, **settings: Any) -> dict[str, Any]:
    """Everything needed to make the data again, as attributes that netCDF can hold."""
    try:
        package = version("two-circuits")
    except PackageNotFoundError:
        package = "not installed"
    return {
        "title": "two-circuit model",
        "source": "Varma et al. 2023, arXiv 2309.02390",
        "model": json.dumps({**model.parameters(), "law": repr(model.law), "circuits": model.labels}),
        "thresholds": json.dumps(vars(thresholds)),
        "two_circuits_version": package,
        "numpy_version": np.__version__,
        "dtype": "float64",
        **settings,
    }


def trajectory_dataset(tr: "Trajectory") -> "xarray.Dataset":
    """A Trajectory over `time`, with per-circuit variables over `circuit`."""
    import xarray as xr

    over_time = (
        "gen_logit", "mem_logit", "gen_norm", "mem_norm", "train_loss", "test_loss", "train_accuracy", "test_accuracy",
    )  # fmt: skip
    data: dict[str, Any] = {name: ("time", getattr(tr, name)) for name in over_time}
    data |= {"logit": (("time", "circuit"), tr.logits), "norm": (("time", "circuit"), tr.norms)}
    for name in ("t_fit", "t_gen", "t_cross"):
        value = getattr(tr, name)
        data[name] = np.nan if value is None else value
    data["behaviour"] = tr.behaviour
    ds = xr.Dataset(
        data,
        coords={"time": tr.time, "step": ("time", tr.step), "circuit": list(tr.model.labels)},
        attrs=provenance(
            tr.model,
            tr.thresholds,
            method=tr.method,
            learning_rate=tr.learning_rate,
            t_end=tr.t_end,
            rtol=tr.rtol,
            status=tr.status,
        ),
    )
    for variable in ds.variables:
        ds[variable].attrs.update(attributes(str(variable)))
    return ds
