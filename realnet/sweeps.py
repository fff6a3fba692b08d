"""Sweeps: all combinations of the values of some fields around one run."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable
from typing import Any

from realnet.config import RunConfig
from realnet.fields import meant, require
from realnet.phases import Phase

__all__ = ["grid"]


def grid(base: RunConfig, **axes: Iterable[Any] | Callable[[RunConfig], Any]) -> list[RunConfig]:
    """All combinations of the axes' values around `base`, the last axis fastest.

    An axis is a field of RunConfig, or `final_` and a field of Phase to vary the last phase. A function
    instead of values derives the field from the config made so far: `start_from=lambda run: replace(net,
    seed=run.seed)` gives every seed its own parent. Errors: ConfigError for an unknown axis or a bad value.
    """
    fields = {f.name for f in dataclasses.fields(RunConfig)}
    final = {"final_" + f.name for f in dataclasses.fields(Phase)}
    for name in axes:
        known = ", ".join(sorted(fields | final))
        require(
            name in fields | final,
            f"an axis must be one of {known}",
            name,
            f"{meant(name, fields | final)}Correct the spelling.",
        )
        several = callable(axes[name]) or (isinstance(axes[name], Iterable) and not isinstance(axes[name], str))
        require(several, f"axis {name} must be several values", axes[name], f"Pass a list, as in {name}=[...].")
    values = {n: list(v) for n, v in axes.items() if not callable(v)}
    derived = {n: v for n, v in axes.items() if callable(v)}
    runs = []
    for point in itertools.product(*values.values()):
        run = dict(zip(values, point, strict=True))
        late = {n.removeprefix("final_"): v for n, v in run.items() if n in final}
        plain = {n: v for n, v in run.items() if n in fields}
        if late:
            require(bool(base.phases), "a final_ axis needs a base with phases", base.phases, "Add phases.")
            plain["phases"] = (*base.phases[:-1], dataclasses.replace(base.phases[-1], **late))
        # Functions see the other axes before anything is validated against a parent or a size that they replace.
        blank: dict[str, Any] = {"start_from": None}
        if "dataset_size" in derived:
            blank |= {"dataset_size": 1, "train_fraction": None, "phases": ()}
        draft = dataclasses.replace(base, **(blank | plain)) if derived else base
        plain |= {n: make(draft) for n, make in derived.items()}
        runs.append(dataclasses.replace(base, **plain))
    return runs
