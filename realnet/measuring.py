"""Networks trained elsewhere, measured as a run's last point is: a plain torch module, or weights by name.

    net = torch.load("grokked.pt")                       # 113 × 113 pairs, x slowest; "=" is the last token
    rn.measure(net, "add", p=113, train=indices).unseen_accuracy

Weights may have the names of TransformerLens, whose HookedTransformer is taken too. Several checkpoints give a curve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from realnet import metrics
from realnet.config import RunConfig
from realnet.examples import StageData
from realnet.fields import require
from realnet.losses import evaluate, loss_of
from realnet.metrics import Callback, Snapshot
from realnet.nets.parts import ACTIVATIONS
from realnet.nets.transformer import Transformer
from realnet.prepared import outputs_of, prepare, tensors
from realnet.registry import task_of
from realnet.results import with_units
from realnet.tasks.task import Task

__all__ = ["measure"]

Model = nn.Module | Mapping[str, Tensor]
CHUNK = 4096  # examples at once
ZERO = ("b_Q", "b_K", "b_V", "b_O", "b_U")
"""biases of TransformerLens that the networks here do not have"""
NO_WEIGHTS = ("mask", "IGNORE")


def measure(
    model: Model | Sequence[Model],
    task: Task | RunConfig | str,
    train: Any = None,
    *,
    removed: Any = (),
    p: int | None = None,
    loss: str = "cross_entropy",
    steps: Sequence[int] | None = None,
    activation: str = "relu",
    callbacks: Sequence[Callback] = (),
) -> xr.Dataset:
    """Losses, accuracies, margins, norm, circuits and all else that a run's last point holds, of a network as it is.

    Arguments:
        model: a module that takes the task's inputs and returns outputs [n, q]; the weights by name of a transformer with
            "=" as its last token; with a RunConfig, of its network. Several of them give a curve.
        task: a Task, the name of a built-in one, or a RunConfig, whose loss and data are then those of its last phase.
        train: numbers [k], each once, or a mask of True and False, of the examples that the network was trained on. Example
            i of a table mod p is the pair (i // p, i % p). May be left out with a RunConfig, which knows them.
        removed: the same of those that it was trained on before.
        p: modulus of a built-in task; 113 if left out.
        loss: that of the training, for a task without a RunConfig.
        steps: at which the several models stood; default: 0, 1, 2, ...
        activation: of the transformer whose weights are given; a HookedTransformer says it.
        callbacks: measurements of your own.

    The gradient is that of the mean loss on all of `train`, the module in eval(); it is left as it was.
    Errors: ConfigError for what does not fit, such as weights that the transformer here does not have.
    """
    named = isinstance(task, str)
    if isinstance(task, str):
        task = RunConfig(task=task, p=p, loss=loss, dataset_size=1)  # type: ignore[arg-type]
    if isinstance(task, RunConfig):
        config, made, judge = task, task_of(task), loss_of(task)
    else:
        require(isinstance(task, Task), "task must be a Task, a RunConfig or a task's name", task, "Pass one.")
        config, made = None, task
        judge = loss_of(RunConfig(loss=loss))
    data = _data(None if named else config, made, train, removed)
    models: list[Any] = list(model) if isinstance(model, list | tuple) else [model]
    at = list(range(len(models))) if steps is None else list(steps)
    require(len(at) == len(models) > 0, "steps must be as many as the models", (at, len(models)), "Say one for each.")
    points = []
    for one, step in zip(models, at, strict=True):
        net = _module(one, None if named else config, made, activation)
        shot = _snapshot(net, config, made, judge, data, step)
        (found,) = metrics.measure([shot])
        for callback in callbacks:
            found |= callback(shot)
        found.pop("finite")
        points.append({k: (("frequency",) if np.ndim(v) else (), v) for k, v in found.items()})
    ds = xr.concat([xr.Dataset(point) for point in points], xr.DataArray(at, dims="step", name="step"))
    if "frequency" in ds.sizes:
        ds = ds.assign_coords(frequency=np.arange(1, ds.sizes["frequency"] + 1))
    return with_units(
        ds if isinstance(model, list | tuple) else ds.isel(step=0, drop=True), {config.loss if config else loss}
    )


def _data(config: RunConfig | None, task: Task, train: Any, removed: Any) -> StageData:
    if train is None:
        remedy = "Pass train=indices."
        require(config is not None, "train must say what was trained on", None, remedy)
        assert config is not None
        return prepare(config).data(len(config.stages) - 1)
    mine, before = (_rows(name, x, task) for name, x in (("train", train), ("removed", removed)))
    require(len(mine) > 0, "train must name examples", train, "Pass their numbers.")
    both = np.intersect1d(mine, before)
    require(not len(both), "removed examples must not be in train", both[:5].tolist(), "Leave them out of one.")
    known = np.union1d(mine, before)
    unseen = np.arange(task.size, len(task)) if task.test else np.setdiff1d(np.arange(len(task)), known)
    return StageData(mine, before, unseen, labels=task.targets, truth=task.targets)


def _rows(name: str, rows: Any, task: Task) -> np.ndarray:
    found = rows.cpu().numpy() if isinstance(rows, Tensor) else np.asarray(rows)
    if found.dtype == bool:
        require(
            found.shape == (len(task),), f"a mask {name} must have {len(task)} values", found.shape, "Pass numbers."
        )
        found = np.flatnonzero(found)
    if not found.size:
        return np.empty(0, np.int64)
    remedy = "Number the examples: pair (x, y) of a table mod p is example x * p + y."
    require(found.ndim == 1, f"{name} must be one row of numbers [k]", found.shape, remedy)
    require(found.dtype.kind in "iu", f"{name} must be integers, or True and False", str(found.dtype), remedy)
    once = np.unique(found).astype(np.int64)
    received = f"{len(found)} numbers of which {len(once)} differ"
    require(len(once) == len(found), f"{name} must name each example once", received, "Is it a mask? Pass it as bool.")
    found = once
    inside, ends = found[0] >= 0 and found[-1] < task.size, (int(found[0]), int(found[-1]))
    require(inside, f"{name} must be examples 0 .. {task.size - 1}", ends, "Count the task's examples from 0.")
    return found


def _module(model: Any, config: RunConfig | None, task: Task, activation: str) -> nn.Module:
    if isinstance(model, nn.Module) and hasattr(model, "cfg") and "unembed.W_U" in model.state_dict():
        about: Any = model.cfg
        remedy = "Pass a module of your own that does it."
        require(about.normalization_type in (None, "LN"), "layer norm must be LN", about.normalization_type, remedy)
        model, activation = model.state_dict(), about.act_fn
    if isinstance(model, nn.Module):
        return model
    remedy = "Pass torch.load(...) of a whole module, or load its weights into the module and pass that."
    require(isinstance(model, Mapping), "a model must be a torch.nn.Module or its weights", model, remedy)
    state = {k: torch.as_tensor(v).detach() for k, v in model.items() if not k.endswith(NO_WEIGHTS)}
    if "embed.W_E" in state and "unembed.W_U" in state and "blocks.0.attn.W_Q" in state:
        return _transformer(state, task, activation)
    remedy = "Pass the module itself, or a RunConfig in the place of the task."
    require(
        config is not None, "weights must be those of a transformer named as in TransformerLens", [*state][:5], remedy
    )
    assert config is not None
    return _filled(prepare(config).module(prepare(config).start), state)


def _transformer(state: dict[str, Tensor], task: Task, activation: str) -> nn.Module:
    """The transformer that has these weights."""
    for name in [k for k in state if k.rpartition(".")[2] in ZERO]:
        zero = not state.pop(name).any()
        remedy = "Pass a module of your own that adds it and returns outputs [n, q]."
        require(zero, f"{name} must be 0, since the transformer here has no such bias", "another value", remedy)
    require(activation in ACTIVATIONS, f"activation must be one of {', '.join(ACTIVATIONS)}", activation, "Say which.")
    (heads, width, _), d_mlp = state["blocks.0.attn.W_Q"].shape, state["blocks.0.mlp.W_in"].shape[1]
    blocks = len({k.split(".")[1] for k in state if k.startswith("blocks.")})
    norm, biases = "blocks.0.ln1.w" in state, "blocks.0.mlp.b_in" in state
    net = Transformer(task, width, heads, d_mlp, blocks, activation, norm, biases)
    places = len(task.inputs) + 1
    positions = state["pos_embed.W_pos"]
    remedy = "The input is read as the task's symbols and '='."
    require(len(positions) >= places, f"W_pos must have {places} places", len(positions), remedy)
    return _filled(net, state | {"pos_embed.W_pos": positions[:places]})


def _filled(net: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    expected = {k: tuple(v.shape) for k, v in net.state_dict().items()}
    given = {k: tuple(v.shape) for k, v in state.items()}
    wrong = sorted(k for k in expected.keys() | given.keys() if expected.get(k) != given.get(k))
    told = "; ".join(f"{k} {expected.get(k, 'nothing')}" for k in wrong[:5])
    received = "; ".join(f"{k} {given.get(k, 'nothing')}" for k in wrong[:5])
    remedy = "See that task and weights belong together: symbols, then '=', are the rows of W_E."
    require(not wrong, f"the weights must have these shapes: {told}", received, remedy)
    kinds = {v.dtype for v in state.values() if v.is_floating_point()}
    net = net.to(max(kinds, key=lambda x: x.itemsize))
    net.load_state_dict(state)
    return net


def _snapshot(net: nn.Module, config: RunConfig | None, task: Task, loss: Any, data: StageData, step: int) -> Snapshot:
    weights = {k: v for k, v in net.named_parameters() if v.requires_grad}
    require(bool(weights), "a network must have weights with requires_grad", "none", "Call requires_grad_().")
    like = next(iter(weights.values()))
    dtype, device, training = like.dtype, like.device, net.training
    warm = config.temperature if config else 1.0
    name = f"task {config.task!r}{f' with p = {config.p}' * (config.p is not None)}" if config else "the task"
    net.eval()
    try:
        judged = data.judged
        outputs = torch.zeros(len(task), task.outputs, dtype=dtype, device=device)
        with torch.no_grad():
            for some in np.split(judged, range(CHUNK, len(judged), CHUNK)):
                *inputs, _ = (x.to(device) for x in tensors(task, some, task.targets, dtype))
                outputs[torch.from_numpy(some).to(device)] = (
                    outputs_of(net, inputs, task, "the network", name).to(dtype) / warm
                )
        *inputs, target = (x.to(device) for x in tensors(task, data.train, data.labels, dtype))
        with torch.enable_grad():
            made = outputs_of(net, inputs, task, "the network", name) / warm
        _, slopes = evaluate(loss, made.detach(), target)
        slopes = slopes / len(data.train)
        grads = torch.autograd.grad(made, list(weights.values()), slopes, materialize_grads=True)
    finally:
        net.train(training)
    detached = {k: v.detach() for k, v in weights.items()}
    slopes_of = dict(zip(weights, grads, strict=True))
    return Snapshot(config, step, data, outputs, detached, slopes_of, task, loss)  # type: ignore[arg-type]
