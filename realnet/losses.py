"""Losses: what an example costs and how that changes with the network's outputs (realnet/README.md, Losses).

Axis order: outputs are [..., n, q], targets [..., n] classes or [..., n, k] numbers; a loss is [..., n] in the unit of
its docstring and its slope d(loss)/d(output) is [..., n, q]. One's own loss may return the losses alone: its slope is
then taken by autograd.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from realnet.config import RunConfig
from realnet.fields import require
from realnet.registry import arguments, find

__all__ = ["OF_LABELS", "UNITS", "cross_entropy", "evaluate", "loss_of", "mse", "softmax", "stablemax"]

UNITS = {"cross_entropy": "nats", "softmax": "nats", "stablemax": "nats", "mse": "target^2"}
OF_LABELS = tuple(name for name, unit in UNITS.items() if unit == "nats")
"""Losses that are ln of a probability, and so need labels"""

PRECISIONS = ("float16", "bfloat16", "float32", "float64")

Loss = Callable[..., Any]


def cross_entropy(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """-ln softmax(output)[target], in nats.

    The slope on the label is minus the sum of the others, which keeps its digits when the loss is tiny: softmax - 1
    in float32 would be rounded to 0 below 6e-8.
    """
    label = target[..., None]
    top = output.max(-1, keepdim=True).values
    right = output.gather(-1, label) - top
    share = (output - top).exp_()
    share.scatter_(-1, label, 0.0)
    others = share.sum(-1, keepdim=True)
    loss = F.softplus(others.log() - right)[..., 0]
    factor = 1 / (others + right.exp())
    slope = share.mul_(factor)
    slope.scatter_(-1, label, -others * factor)
    return loss, slope


def softmax(output: Tensor, target: Tensor, softmax_dtype: str = "float32") -> Tensor:
    """The same cross-entropy, rounded as a plain softmax in `softmax_dtype` rounds it.

    For experiments on softmax collapse (Prieto et al. 2025, arXiv 2501.04697): where the right class's share rounds
    to 1 the loss and the slope on that class are exactly 0.
    """
    rounded = output.to(getattr(torch, softmax_dtype))
    scores = rounded - rounded.detach().amax(-1, keepdim=True)
    log_share = scores - scores.exp().sum(-1, keepdim=True).log()
    return -log_share.gather(-1, target[..., None])[..., 0].to(output.dtype)


def stablemax(output: Tensor, target: Tensor) -> Tensor:
    """-ln (s(output)[target] / sum s), s(x) = x + 1 for x >= 0, 1 / (1 - x) below; in nats (Prieto et al. 2025, 4)."""
    s = torch.where(output >= 0, output.clamp(min=0) + 1, 1 / (1 - output.clamp(max=0)))
    return s.sum(-1).log() - s.gather(-1, target[..., None])[..., 0].log()


def mse(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Squared error, mean over the k outputs; classes are to be hit as one-hot vectors. In squared units of the target."""
    error = output.clone() if target.dim() < output.dim() else output - target
    if target.dim() < output.dim():
        error.scatter_add_(-1, target[..., None], torch.full_like(output[..., :1], -1.0))
    return (error**2).mean(-1), error * (2 / output.shape[-1])


def loss_of(config: RunConfig) -> Loss:
    """The run's loss under its options. Errors: ConfigError for an option that cannot be used."""
    loss = find("loss", config.loss)
    filled = arguments(loss, config.loss, config, {}, skip=2)
    if loss is softmax:
        dtype, remedy = filled.get("softmax_dtype", "float32"), "Choose one of these."
        require(dtype in PRECISIONS, f"option softmax_dtype must be one of {', '.join(PRECISIONS)}", dtype, remedy)
    return functools.partial(loss, **filled)


def evaluate(loss: Loss, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Losses [..., n] and slopes [..., n, q] of any loss, one's own included."""
    key = getattr(loss, "func", loss)
    if key not in _by_autograd:
        with torch.no_grad():
            found = loss(output, target)
        if not isinstance(found, Tensor):
            return found
        _by_autograd.add(key)
    with torch.enable_grad():
        leaf = output.detach().requires_grad_()
        value = loss(leaf, target)
        (slope,) = torch.autograd.grad(value.sum(), leaf)
    return value.detach(), slope


_by_autograd: set[Loss] = set()
