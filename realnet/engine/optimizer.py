"""Optimizers over a stack of runs: every run has its own learning rate, weight decay and betas.

Weights, gradients and moments are [run, size]; rates are [run, 1], or [run, size] where groups of weights have their
own. Updates are those of torch.optim's AdamW (decay decoupled from the gradient), Adam (L2 penalty in the gradient), SGD
with momentum and RMSprop with momentum, and of Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon), in place.
Memory: two moments, of which SGD uses one.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from realnet.config import RunConfig
from realnet.engine.replay import float64
from realnet.nets.layout import Layout
from realnet.phases import Stage

__all__ = ["Factors", "OptimizerState", "Rates", "factors", "project", "rates", "update"]


@dataclass
class OptimizerState:
    """First and second moments [run, size], the number of steps taken [run, 1], and what the filter remembers."""

    first: Tensor
    second: Tensor
    count: Tensor
    slow: Tensor
    """[run, memory × size]; see `filters`"""

    @classmethod
    def zeros(cls, weights: Tensor, memory: int = 0) -> OptimizerState:
        """The state before the first step."""
        count = torch.zeros(len(weights), 1, dtype=float64(weights.device), device=weights.device)
        slow = weights.new_zeros(len(weights), memory * weights.shape[1])
        return cls(torch.zeros_like(weights), torch.zeros_like(weights), count, slow)


@dataclass(frozen=True)
class Rates:
    """Per-run constants of a stage, each [run, 1] in float64; rate and decay are [run, size] where groups differ."""

    learning_rate: Tensor
    weight_decay: Tensor
    beta1: Tensor
    beta2: Tensor
    epsilon: Tensor
    warmup: Tensor
    horizon: Tensor
    """steps at whose end a cosine schedule reaches 0; infinite for a constant rate"""


def rates(configs: Sequence[RunConfig], stages: Sequence[Stage], device: torch.device, layout: Layout) -> Rates:
    """The rates of each run in its present stage."""
    columns = zip(
        *(
            (s.learning_rate, s.weight_decay, *c.betas, c.epsilon, float(c.warmup),
             c.steps if c.schedule == "cosine" else math.inf)
            for c, s in zip(configs, stages, strict=True)
        ),
        strict=True,
    )  # fmt: skip
    made = [torch.tensor(c, dtype=float64(device), device=device)[:, None] for c in columns]
    if configs[0].groups:
        made[0], made[1] = (made[i] * x for i, x in enumerate(_multiples(configs[0], layout, made[0])))
    return Rates(*made)


def _multiples(config: RunConfig, layout: Layout, like: Tensor) -> list[Tensor]:
    """[size] what the learning rate and the weight decay of each weight are multiplied by; later groups win."""
    found = [like.new_ones(layout.size) for _ in range(2)]
    for pattern, *multiples in config.groups:
        for name in fnmatch.filter(layout.shapes, pattern):
            for flat, multiple in zip(found, multiples, strict=True):
                layout.views(flat)[name].fill_(multiple)
    return found


class Factors(NamedTuple):
    """What one step multiplies by, each [run, 1]; Adam's is w <- shrink × w - adam_rate × m / (sqrt(v) / root + epsilon)."""

    rate: Tensor
    """learning rate after warm-up"""
    shrink: Tensor
    """of the weights by decoupled decay; 1 for others"""
    penalty: Tensor
    """L2 coefficient in the gradient; 0 where decay is decoupled"""
    adam_rate: Tensor
    """the rate with the bias of the first moment corrected"""
    root: Tensor
    """root of the correction of the second moment"""


def factors(kind: str, r: Rates, count: Tensor, step: Tensor) -> Factors:
    """The factors of the optimizer step that follows step number `step`, the state's `count`-th (from 1).

    Warm-up multiplies the learning rate by min(1, (step + 1) / warmup), a cosine schedule by
    (1 + cos(pi step / steps)) / 2, step counting from the run's start.
    """
    rate = r.learning_rate * torch.clamp((step + 1) / r.warmup.clamp(min=1), max=1)
    rate = rate * ((1 + torch.cos(math.pi * step / r.horizon)) / 2)
    decoupled = kind in ("adamw", "muon")
    shrink = 1 - rate * r.weight_decay if decoupled else torch.ones_like(rate)
    penalty = torch.zeros_like(rate) if decoupled else r.weight_decay
    return Factors(rate, shrink, penalty, rate / (1 - r.beta1**count), (1 - r.beta2**count).sqrt())


def update(kind: str, w: Tensor, g: Tensor, state: OptimizerState, r: Rates, step: Tensor, layout: Layout) -> None:
    """One step of "adamw", "adam", "sgd", "rmsprop" or "muon" on w, in place; g is overwritten. `step` as in `factors`."""
    state.count += 1
    f = factors(kind, r, state.count, step)
    if kind in ("adamw", "muon"):
        w.mul_(f.shrink.to(w.dtype))
    else:
        g.addcmul_(w, f.penalty.to(w.dtype))
    if kind == "rmsprop":
        state.second.mul_(r.beta2.to(w.dtype)).addcmul_(g, g * (1 - r.beta2).to(w.dtype))
        g.div_(state.second.sqrt().add_(r.epsilon.to(w.dtype)))
    if kind in ("sgd", "rmsprop"):
        # As torch.optim: the velocity starts as the first gradient itself.
        state.first.mul_(r.beta1.to(w.dtype)).add_(g)
        w.addcmul_(state.first, (-f.rate).to(w.dtype))
        return
    matrices = _momentum(g, state, r, layout) if kind == "muon" else {}
    state.first.lerp_(g, (1 - r.beta1).to(w.dtype))
    state.second.mul_(r.beta2.to(w.dtype)).addcmul_(g.mul_((1 - r.beta2).sqrt().to(w.dtype)), g)
    torch.sqrt(state.second, out=g)
    g.div_(f.root.to(w.dtype)).add_(r.epsilon.to(w.dtype))
    w.addcdiv_(state.first.mul((-f.adam_rate).to(w.dtype)), g)
    weights, kept = layout.views(w), layout.views(state.first)
    for name, (velocity, direction) in matrices.items():
        kept[name].copy_(velocity)
        weights[name].addcmul_(direction, _beside(-f.rate, direction))


def _beside(x: Tensor, like: Tensor) -> Tensor:
    return x.to(like.dtype).view(-1, *[1] * (like.dim() - 1))


def _momentum(g: Tensor, state: OptimizerState, r: Rates, layout: Layout) -> dict[str, tuple[Tensor, Tensor]]:
    """Muon's velocity and direction of each hidden matrix, which is hidden from Adam: its slope and moment become 0.

    Embeddings, the read-out, biases and gains are Adam's; each head's matrices are taken by themselves.
    """
    found = {}
    slopes, first = layout.views(g), layout.views(state.first)
    for name, slope in slopes.items():
        if slope.dim() < 3 or min(slope.shape[-2:]) < 2 or name.split(".")[0] in ("embed", "pos_embed", "unembed"):
            continue
        velocity = first[name] * _beside(r.beta1, slope) + slope
        look_ahead = slope + velocity * _beside(r.beta1, slope)
        found[name] = velocity, _orthogonal(look_ahead)
        slope.zero_()
        first[name].zero_()
    return found


def _orthogonal(m: Tensor) -> Tensor:
    """m [..., a, b] with its singular values brought near 1 by five Newton-Schulz steps, times sqrt(max(1, a/b))."""
    x = m.mT if m.shape[-2] > m.shape[-1] else m
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        square = x @ x.mT
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    x = x.mT if m.shape[-2] > m.shape[-1] else x
    return x * max(1.0, m.shape[-2] / m.shape[-1]) ** 0.5


def project(w: Tensor, norm: Tensor, fixed: Tensor) -> None:
    """Bring the runs marked in fixed [run, 1] back to their norm [run, 1], in place."""
    scale = norm / w.norm(dim=1, keepdim=True)
    w.mul_(torch.where(fixed, scale, torch.ones_like(scale)))
