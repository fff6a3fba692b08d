"""Whether task, network, loss and options of a run fit together: asked once before training, not after hours of it."""

from __future__ import annotations

import inspect

from realnet.config import RunConfig
from realnet.engine.ensemble import gradient_filter
from realnet.fields import require
from realnet.losses import OF_LABELS, loss_of
from realnet.prepared import prepare
from realnet.registry import BUILT_IN, check_source, find
from realnet.tasks.modular import MODULAR

__all__ = ["check"]


def check(config: RunConfig) -> None:
    """Raise ConfigError if the run cannot be trained."""
    if config.options:
        _check_options(config)
        gradient_filter(config)
        loss_of(config)
    check_source(config)
    plain = not (config.own_names or config.frozen or config.groups or config.dropout)
    if config.task in MODULAR and plain and config.loss in OF_LABELS:
        return  # its config says it all
    prepare(config)


def _check_options(config: RunConfig) -> None:
    known: set[str] = set()
    for kind in BUILT_IN:
        name = getattr(config, kind)
        if name != "none":
            known |= set(inspect.signature(find(kind, name)).parameters)
    names, fields = [name for name, _ in config.options], set(config.__dataclass_fields__)
    said = [name for name in names if name in fields]
    require(not said, "what is a field of RunConfig is no option", said, "Pass it as the field.")
    known -= {"self", "task", "name", "output", "target"} | fields
    unknown = [name for name in names if name not in known]
    takers = ", ".join(n for n in (config.task, config.network, config.loss, config.gradient_filter) if n != "none")
    require(
        not unknown, f"options of {takers} are {', '.join(sorted(known)) or 'none'}", unknown, "Correct the spelling."
    )
