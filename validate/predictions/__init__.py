"""The predictions: each is a `Prediction` in a file of its own, found automatically; `omnigrok` holds the rival theory's.

The report has them by the number in their id.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterable, Mapping
from types import ModuleType

from validate.prediction import Prediction
from validate.predictions import omnigrok

__all__ = ["ALL", "OMNIGROK", "PREDICTIONS", "suite"]


def _in(package: str, path: Iterable[str]) -> dict[str, Prediction]:
    """{id: prediction} of the modules of a package. Errors: ValueError for an id that two predictions have."""
    found: dict[str, Prediction] = {}
    for name in sorted(module.name for module in pkgutil.iter_modules(path) if not module.ispkg):
        module: ModuleType = importlib.import_module(f"{package}.{name}")
        for value in vars(module).values():
            if isinstance(value, Prediction) and found.setdefault(value.id, value) is not value:
                raise ValueError(
                    f"a prediction's id must be its own; two are {value.id!r}, one of them in {module.__file__}. Rename it."
                )
    numbered = {id: re.search(r"\d+", id) for id in found}
    return dict(sorted(found.items(), key=lambda one: (int(m[0]) if (m := numbered[one[0]]) else 10**6, one[0])))


PREDICTIONS: Mapping[str, Prediction] = _in(__name__, __path__)
OMNIGROK: Mapping[str, Prediction] = _in(omnigrok.__name__, omnigrok.__path__)
ALL: Mapping[str, Prediction] = {**PREDICTIONS, **OMNIGROK}


def suite(experiments: Iterable[str]) -> Mapping[str, Prediction]:
    """The predictions that results of these experiments, as setting/kind, are for: one theory's, whole."""
    rival = {name for p in OMNIGROK.values() for name in p.experiments}
    return OMNIGROK if rival & set(experiments) else PREDICTIONS
