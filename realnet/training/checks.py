"""Whether task, network, loss and options of a run fit together: asked once before training, not after hours of it."""

from __future__ import annotations

import inspect

import torch

from realnet.config import RunConfig
from realnet.examples import task_of
from realnet.fields import ConfigError, require
from realnet.losses import OF_LABELS, evaluate, loss_of
from realnet.nets.layout import build, layout
from realnet.registry import BUILT_IN, find
from realnet.tasks.modular import MODULAR

__all__ = ["check"]


def check(config: RunConfig) -> None:
    """Raise ConfigError if the run cannot be trained."""
    if config.options:
        _check_options(config)
    if config.task in MODULAR and not config.own_names and config.loss in OF_LABELS:
        return  # its config says it all
    task, loss = task_of(config), config.loss
    for where, stage in enumerate(config.stages):
        fits = stage.dataset_size <= task.size
        remedy = f"Choose at most {task.size}."
        require(fits, f"dataset_size must not exceed the {task.size} examples", stage.dataset_size, remedy)
        labelled = task.labelled or not stage.corrupted
        require(labelled, f"only labels can be corrupted, in stage {where}", stage.corrupted, "Leave corrupted at 0.")
    fits = task.labelled or loss not in OF_LABELS
    require(fits, f"loss {loss!r} needs a task with labels", config.task, 'Choose loss="mse".')
    layout(config)
    net = build(config)
    rows = min(2, len(task))
    inputs = [torch.from_numpy(x[:rows]) for x in task.inputs]
    try:
        with torch.no_grad():
            output = net(*(x.float() if x.is_floating_point() else x.long() for x in inputs))
    except Exception as error:  # whatever somebody's own code raises
        problem = f"{type(error).__name__}: {error}"
        remedy = "Its forward gets one tensor [n, ...] for each of the task's inputs."
        requirement = f"{config.network} must take the inputs of {config.task}"
        raise ConfigError(f"{requirement}; received {problem!r}. {remedy}") from error
    shape = tuple(getattr(output, "shape", ()))
    remedy = "Return one row an example."
    require(shape == (rows, task.outputs), f"{config.network} must return [n, {task.outputs}]", shape, remedy)
    target = torch.from_numpy(task.targets[:rows])
    target = target.to(output) if target.is_floating_point() else target.long()
    try:
        value, slope = evaluate(loss_of(config), output, target)
    except Exception as error:  # whatever somebody's own code raises
        problem = f"{type(error).__name__}: {error}"
        raise ConfigError(f"{loss} must take outputs and targets; received {problem!r}. Mend it.") from error
    fine = tuple(value.shape) == (rows,) and slope.shape == output.shape
    require(fine, f"{loss} must return one loss an example, [n]", tuple(value.shape), "Leave out the mean over them.")


def _check_options(config: RunConfig) -> None:
    known: set[str] = set()
    for kind in BUILT_IN:
        name = getattr(config, kind)
        if name != "none":
            known |= set(inspect.signature(find(kind, name)).parameters)
    known -= {"self", "task", "name", "output", "target"} | set(config.__dataclass_fields__)
    unknown = [name for name, _ in config.options if name not in known]
    takers = ", ".join(n for n in (config.task, config.network, config.loss, config.gradient_filter) if n != "none")
    require(
        not unknown, f"options of {takers} are {', '.join(sorted(known)) or 'none'}", unknown, "Correct the spelling."
    )
