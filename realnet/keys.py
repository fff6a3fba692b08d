"""A run's key: a hash of what defines its physics, in canonical form.

Equal configs have equal keys, however they are spelled. A field at its default is left out, so that a field that a
later version adds changes no key. Neither how often one measures nor how long one trains is part of it: a run asked for
with more steps is the same run and goes on from where it stands. How long a *parent* trained does define its child.
A run that is to keep its weights' history is another one: a history cannot be had of a run that went without.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from typing import Any

from realnet.phases import INHERITED

__all__ = ["canonical", "key", "physics"]


def physics(config: Any) -> dict[str, Any]:
    """What defines a RunConfig's run: fields that are not at their defaults, later stages, the parent and its length."""
    stages = config.stages
    said: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        # `nested` is a check on the data sets and not a choice of them; stages say what phases mean; a fraction is a size.
        if field.metadata.get("key", True):
            value = getattr(stages[0] if field.name in INHERITED else config, field.name)
            if value != field.default:
                said[field.name] = value
    if config.schedule != "constant":
        said["steps"] = config.steps  # rates depend on where the run ends
    if config.split_seed == config.seed:
        said.pop("data_seed", None)
    later = []
    for before, stage in itertools.pairwise(stages):
        changed = {n: getattr(stage, n) for n in INHERITED if getattr(stage, n) != getattr(before, n)}
        if not stage.keep_optimizer:
            changed["keep_optimizer"] = False
        if changed:
            later.append({"after": stage.start} | changed)
    if later:
        said["stages"] = later
    parent = config.start_from
    if parent is not None:
        said["start_from"] = physics(parent) | {"steps": parent.steps}
        if config.keep_optimizer:
            said["keep_optimizer"] = True
    return said


def canonical(content: Any) -> str:
    """JSON with sorted keys and no spaces."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def key(config: Any) -> str:
    """Sixteen hexadecimal digits that name the run's physics and no other's."""
    return hashlib.sha256(canonical(physics(config)).encode()).hexdigest()[:16]
