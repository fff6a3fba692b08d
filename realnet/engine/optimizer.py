"""Optimizers over a stack of runs: every run has its own learning rate, weight decay and betas.

Weights, gradients and moments are [run, size]; rates are [run, 1]. Updates are those of torch.optim's
AdamW (decay decoupled from the gradient), Adam (L2 penalty in the gradient) and SGD with momentum, in place.
Memory: two moments for Adam, one for SGD.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from realnet.config import RunConfig, Stage

__all__ = ["OptimizerState", "Rates", "project", "rates", "update"]


@dataclass
class OptimizerState:
    """First and second moments [run, size] and the number of steps taken [run, 1]."""

    first: Tensor
    second: Tensor
    count: Tensor

    @classmethod
    def zeros(cls, weights: Tensor) -> OptimizerState:
        """The state before the first step."""
        count = torch.zeros(len(weights), 1, dtype=torch.float64, device=weights.device)
        return cls(torch.zeros_like(weights), torch.zeros_like(weights), count)


@dataclass(frozen=True)
class Rates:
    """Per-run constants of a stage, each [run, 1] in float64."""

    learning_rate: Tensor
    weight_decay: Tensor
    beta1: Tensor
    beta2: Tensor
    epsilon: Tensor
    warmup: Tensor


def rates(configs: Sequence[RunConfig], stages: Sequence[Stage], device: torch.device) -> Rates:
    """The rates of each run in its present stage."""
    columns = zip(
        *(
            (s.learning_rate, s.weight_decay, *c.betas, c.epsilon, float(c.warmup))
            for c, s in zip(configs, stages, strict=True)
        ),
        strict=True,
    )
    return Rates(*(torch.tensor(c, dtype=torch.float64, device=device)[:, None] for c in columns))


def update(kind: str, w: Tensor, g: Tensor, state: OptimizerState, r: Rates, step: Tensor) -> None:
    """One step of "adamw", "adam" or "sgd" on w, in place; g is overwritten.

    Warm-up multiplies the learning rate by min(1, (step + 1) / warmup), step counting from the run's start.
    """
    rate = r.learning_rate * torch.clamp((step + 1) / r.warmup.clamp(min=1), max=1)
    state.count += 1
    if kind == "adamw":
        w.mul_((1 - rate * r.weight_decay).to(w.dtype))
    else:
        g.addcmul_(w, r.weight_decay.to(w.dtype))
    if kind == "sgd":
        # As torch.optim: the velocity starts as the first gradient itself.
        state.first.mul_(r.beta1.to(w.dtype)).add_(g)
        w.addcmul_(state.first, (-rate).to(w.dtype))
        return
    correct1, correct2 = 1 - r.beta1**state.count, 1 - r.beta2**state.count
    state.first.lerp_(g, (1 - r.beta1).to(w.dtype))
    state.second.mul_(r.beta2.to(w.dtype)).addcmul_(g.mul_((1 - r.beta2).sqrt().to(w.dtype)), g)
    torch.sqrt(state.second, out=g)
    g.mul_(correct2.rsqrt().to(w.dtype)).add_(r.epsilon.to(w.dtype))
    w.addcdiv_(state.first.mul((-rate / correct1).to(w.dtype)), g)


def project(w: Tensor, norm: Tensor, fixed: Tensor) -> None:
    """Bring the runs marked in fixed [run, 1] back to their norm [run, 1], in place."""
    scale = norm / w.norm(dim=1, keepdim=True)
    w.mul_(torch.where(fixed, scale, torch.ones_like(scale)))
