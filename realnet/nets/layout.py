"""A network as a module, and its trained weights as one flat vector: names, shapes, places, starting values.

Weights of n runs are [run, size]; a run's named weights are sections of its row (`Layout`), so that an optimizer step
is a few operations on all of them. What a module has besides, buffers and frozen parameters, is its state.
"""

from __future__ import annotations

import contextlib
import fnmatch
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from realnet.config import RunConfig
from realnet.fields import require
from realnet.registry import arguments, find
from realnet.tasks.task import INITIAL, Task

__all__ = ["Layout", "build", "initialise", "layout_of", "seeded", "state_of"]

ALIGNMENT = 16  # sections start at multiples of 64 bytes, wherever the run lies in its stack
_lock = threading.RLock()


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


@contextlib.contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """torch's random numbers from `seed` on, and as they were afterwards; its generator is one for all threads."""
    devices = [device] if device is not None and device.type == "cuda" else []
    with _lock, torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def build(config: RunConfig, task: Task) -> nn.Module:
    """The run's network as its own code initialises it under the run's seed, in float32.

    Parameters that the constructor froze, or that `config.frozen` names, have requires_grad=False.
    """
    thing = find("network", config.network)
    filled = arguments(thing, config.network, config, {"task": task, "seed": config.seed})
    with seeded(config.seed):
        net = thing(**filled)
    require(isinstance(net, nn.Module), f"{config.network} must make a torch.nn.Module", type(net), "Return one.")
    names = [name for name, _ in net.named_parameters()]
    for pattern in config.frozen:
        chosen = fnmatch.filter(names, pattern)
        require(bool(chosen), f"frozen must name parameters among {', '.join(names)}", pattern, "Correct the spelling.")
        for name in chosen:
            net.get_parameter(name).requires_grad_(False)
    return net


def layout_of(net: nn.Module) -> Layout:
    """Where the trained weights of `net` lie. Errors: ConfigError if there are none."""
    shapes = {name: tuple(p.shape) for name, p in net.named_parameters() if p.requires_grad}
    remedy = "Register parameters in its module, and leave some to be trained."
    require(bool(shapes), f"{type(net).__name__} must have parameters to train", "none", remedy)
    offsets, end = {}, 0
    for name, shape in shapes.items():
        offsets[name] = end
        end += math.ceil(math.prod(shape) / ALIGNMENT) * ALIGNMENT
    return Layout(shapes, offsets, end)


def initialise(net: nn.Module, config: RunConfig, layout: Layout) -> Tensor:
    """[size] flat starting weights, a function of the seed and the shapes alone, in the config's dtype.

    init="normal": init_scale × N(0, 1/fan-in); biases 0, layer-norm gains 1. init="torch": init_scale × PyTorch's
    default, biases too: uniform within ±1/sqrt(fan-in), embeddings N(0, 1). A module of one's own: init_scale ×
    what its constructor made. Frozen parameters of the built-in networks are filled in `net` itself.
    """
    rng = np.random.default_rng([config.seed, INITIAL])
    flat = torch.zeros(layout.size, dtype=torch.float64)
    views = layout.views(flat)
    for name, made in net.named_parameters():
        weight = views[name] if name in views else torch.zeros_like(made, dtype=torch.float64)
        kind, shape = name.rpartition(".")[2], tuple(made.shape)
        if not hasattr(net, "fan_in"):
            weight.copy_(made.detach()).mul_(config.init_scale)
            continue
        if config.init == "torch":
            bound = 1 / math.sqrt(net.fan_in(name))  # type: ignore[operator]
            values = rng.standard_normal(shape) if kind in ("W_E", "W_pos") else rng.uniform(-bound, bound, shape)
            weight.copy_(torch.ones(shape) if kind == "w" else torch.from_numpy(values)).mul_(config.init_scale)
        elif kind == "w":
            weight.fill_(1.0)
        elif not kind.startswith("b"):
            scale = config.init_scale / math.sqrt(net.fan_in(name))  # type: ignore[operator]
            weight.copy_(torch.from_numpy(rng.standard_normal(shape)).mul_(scale))
        if name not in views:
            made.data.copy_(weight)
    return flat.to(getattr(torch, config.dtype))


def state_of(net: nn.Module) -> dict[str, Tensor]:
    """What `net` has besides its trained weights, by name: frozen parameters and buffers, saved ones or not."""
    frozen = {name: p.detach() for name, p in net.named_parameters() if not p.requires_grad}
    return frozen | dict(net.named_buffers())
