"""A run's network as a module, and its weights as one flat vector: names, shapes, places, starting values.

Weights of n runs are [run, size]; a run's named weights are sections of its row (`Layout`), so that an optimizer step
is a few operations on all of them.
"""

from __future__ import annotations

import functools
import math
import threading
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from realnet.config import RunConfig
from realnet.examples import task_of
from realnet.fields import require
from realnet.registry import arguments, find
from realnet.tasks.task import INITIAL

__all__ = ["Layout", "build", "layout", "starting_weights", "trained"]

ALIGNMENT = 16  # sections start at multiples of 64 bytes, wherever the run lies in its stack
_lock = threading.Lock()


@dataclass(frozen=True)
class Layout:
    """Names, shapes and places of a run's weights in its flat vector of length `size`."""

    shapes: dict[str, tuple[int, ...]]
    offsets: dict[str, int]
    size: int

    @property
    def num_parameters(self) -> int:
        """Number of weights, without the padding between sections."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """Named views [..., *shape] of a flat tensor [..., size]."""
        return {
            name: flat[..., start : start + math.prod(shape)].unflatten(-1, shape)
            for (name, shape), start in zip(self.shapes.items(), self.offsets.values(), strict=True)
        }


def build(config: RunConfig) -> nn.Module:
    """The run's network, its parameters as its own code initialises them under the run's seed, in float32."""
    thing = find("network", config.network)
    filled = arguments(thing, config.network, config, {"task": task_of(config), "seed": config.seed})
    # torch's generator is one for all threads.
    with _lock, torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        net = thing(**filled)
    require(isinstance(net, nn.Module), f"{config.network} must make a torch.nn.Module", type(net), "Return one.")
    return net.requires_grad_(False)


@functools.lru_cache(maxsize=64)
def layout(config: RunConfig) -> Layout:
    """The weights that `config` needs and where they lie."""
    with torch.device("meta"):
        net = build(config)
    shapes = {name: tuple(p.shape) for name, p in net.named_parameters()}
    require(bool(shapes), f"{config.network} must have parameters to train", "none", "Register them in its module.")
    offsets, end = {}, 0
    for name, shape in shapes.items():
        offsets[name] = end
        end += math.ceil(math.prod(shape) / ALIGNMENT) * ALIGNMENT
    return Layout(shapes, offsets, end)


def starting_weights(config: RunConfig) -> Tensor:
    """[size] flat starting weights, a function of the seed and the shapes alone, in the config's dtype.

    init="normal": init_scale × N(0, 1/fan-in); biases 0, layer-norm gains 1. init="torch": init_scale × PyTorch's
    default, biases too: uniform within ±1/sqrt(fan-in), embeddings N(0, 1). A module of one's own: init_scale ×
    what its constructor made.
    """
    rng = np.random.default_rng([config.seed, INITIAL])
    plan, net = layout(config), build(config)
    flat = torch.zeros(plan.size, dtype=torch.float64)
    made = dict(net.named_parameters())
    for name, weight in plan.views(flat).items():
        kind, shape = name.rpartition(".")[2], tuple(weight.shape)
        if not hasattr(net, "fan_in"):
            weight.copy_(made[name]).mul_(config.init_scale)
        elif config.init == "torch":
            bound = 1 / math.sqrt(net.fan_in(name))  # type: ignore[operator]
            values = rng.standard_normal(shape) if kind in ("W_E", "W_pos") else rng.uniform(-bound, bound, shape)
            weight.copy_(torch.ones(shape) if kind == "w" else torch.from_numpy(values)).mul_(config.init_scale)
        elif kind == "w":
            weight.fill_(1.0)
        elif not kind.startswith("b"):
            scale = config.init_scale / math.sqrt(net.fan_in(name))  # type: ignore[operator]
            weight.copy_(torch.from_numpy(rng.standard_normal(shape)).mul_(scale))
    return flat.to(getattr(torch, config.dtype))


def trained(config: RunConfig, flat: Tensor) -> nn.Module:
    """The run's network with the weights of a flat vector [size], in its dtype and on its device."""
    net = build(config).to(flat)
    with torch.no_grad():
        for name, weight in layout(config).views(flat).items():
            net.get_parameter(name).copy_(weight)
    return net.requires_grad_()
