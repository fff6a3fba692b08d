"""Trajectories and sweeps as labelled xarray data: names, units and provenance in one place."""

import json
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from ..behaviours import MEANINGS, Criteria
from ..model import TwoCircuitModel
from ..parameters import TABLE

if TYPE_CHECKING:
    import xarray

# name: (unit, meaning)
VARIABLES = {
    "time": ("flow time", "learning rate x steps"),
    "step": ("step", "time / learning rate"),
    "logit": ("nats", "logit W of each circuit"),
    "circuit_norm": ("norm", "norm P of each circuit"),
    "norm": ("norm", "norm of the network (2.3)"),
    "limit_gen_logit": ("nats", "logit of the generalising circuits where the flow ends"),
    "limit_mem_logit": ("nats", "logit of the memorising circuits where the flow ends"),
    "limit_norm": ("norm", "norm of the network where the flow ends"),
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
    "t_lost": ("flow time", "since when the memorising circuits lead; nan: not at the end"),
    "behaviour": ("", "behaviour; see the attribute meanings"),
    "from_scratch": ("examples", "least data set size at which Gen leads, from scratch"),
    "ungrokking": ("examples", "least data set size at which a grokked network keeps its lead"),
    "gap": ("1", "ln(from_scratch / ungrokking)"),
    "num_steps": ("1", "integration steps"),
}


def attributes(name: str) -> dict[str, str]:
    """units and long_name of a variable or axis."""
    if name in VARIABLES:
        meanings = {"meanings": json.dumps(MEANINGS)} if name == "behaviour" else {}
        return dict(zip(("units", "long_name"), VARIABLES[name], strict=True)) | meanings
    row = TABLE.get(name) or next((row for key, row in TABLE.items() if name.endswith(f"_{key}")), None)
    return {"units": row.unit, "long_name": row.meaning} if row else {}


def provenance(model: TwoCircuitModel, criteria: Criteria, **settings: Any) -> dict[str, Any]:
    """Everything needed to make the data again, as attributes that netCDF can hold."""
    try:
        package = version("two-circuits")
    except PackageNotFoundError:
        package = "not installed"
    return {
        "title": "two-circuit model",
        "source": "Varma et al. 2023, arXiv 2309.02390",
        "model": json.dumps({**model.parameters(), "law": repr(model.law), "circuits": model.labels}),
        "criteria": json.dumps(vars(criteria)),
        "two_circuits_version": package,
        "numpy_version": np.__version__,
        "dtype": "float64",
        **settings,
    }


def describe(ds: "xarray.Dataset") -> "xarray.Dataset":
    """The dataset, with units and meanings on everything in it."""
    for variable in ds.variables:
        ds[variable].attrs.update(attributes(str(variable).removesuffix("_at")))
    return ds
