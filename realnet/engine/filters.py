"""What may be done to gradients before the optimizer sees them, in place. Axis order: weights are [run, size].

A filter is a frozen dataclass whose fields are options of the run; `memory` says how many numbers a weight it remembers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from realnet.fields import number, require
from realnet.nets.layout import Layout

__all__ = ["clip", "grokfast", "grokfast_ma", "perpendicular"]


@dataclass(frozen=True)
class perpendicular:  # named as in a RunConfig
    """g <- what is perpendicular to the weights, at the length of g; tensor by tensor (Prieto et al. 2025, 5)."""

    memory: ClassVar[int] = 0

    def __call__(self, w: Tensor, g: Tensor, state: Any, layout: Layout) -> None:
        """w, g: [run, size]."""
        for weight, slope in zip(layout.views(w).values(), layout.views(g).values(), strict=True):
            axes = tuple(range(1, weight.dim()))
            along = (weight * slope).sum(axes, keepdim=True) / ((weight * weight).sum(axes, keepdim=True) + 1e-30)
            before = slope.square().sum(axes, keepdim=True).sqrt()
            slope.sub_(along * weight)
            after = slope.square().sum(axes, keepdim=True).sqrt()
            slope.mul_(before / (after + 1e-30))


@dataclass(frozen=True)
class grokfast:
    """g <- g + gain × its exponential moving average (Lee et al. 2024, arXiv 2405.20233, algorithm 2)."""

    grokfast_decay: float = 0.98
    grokfast_gain: float = 2.0

    def __post_init__(self) -> None:
        decay = self.grokfast_decay
        require(0 <= decay < 1, "option grokfast_decay must be in [0, 1)", decay, "The paper's is 0.98.")
        number("option grokfast_gain", self.grokfast_gain, minimum=0.0)

    @property
    def memory(self) -> int:
        """The average."""
        return 1

    def __call__(self, w: Tensor, g: Tensor, state: Any, layout: Layout) -> None:
        """g: [run, size]; the average starts as the first gradient."""
        mean = torch.where(state.count == 0, g, state.slow.lerp(g, 1 - self.grokfast_decay))
        state.slow.copy_(mean)
        g.add_(mean, alpha=self.grokfast_gain)


@dataclass(frozen=True)
class grokfast_ma:
    """g <- g + gain × its mean over a window, once the window is full (Lee et al. 2024, algorithm 1)."""

    grokfast_window: int = 100
    grokfast_gain: float = 5.0

    def __post_init__(self) -> None:
        number("option grokfast_window", self.grokfast_window, minimum=1)
        number("option grokfast_gain", self.grokfast_gain, minimum=0.0)

    @property
    def memory(self) -> int:
        """The window."""
        return self.grokfast_window

    def __call__(self, w: Tensor, g: Tensor, state: Any, layout: Layout) -> None:
        """g: [run, size]."""
        window = state.slow.view(len(g), self.grokfast_window, -1)
        place = (state.count % self.grokfast_window).long()[:, :, None].expand(-1, -1, g.shape[1])
        window.scatter_(1, place, g[:, None])
        full = (state.count + 1 >= self.grokfast_window).to(g.dtype)
        g.add_(window.mean(1) * (full * self.grokfast_gain))


@dataclass(frozen=True)
class clip:
    """g <- g at a norm of at most clip_norm, over all weights of a run together."""

    clip_norm: float = 1.0
    memory: ClassVar[int] = 0

    def __post_init__(self) -> None:
        number("option clip_norm", self.clip_norm, minimum=0.0, above=True)

    def __call__(self, w: Tensor, g: Tensor, state: Any, layout: Layout) -> None:
        """g: [run, size]."""
        g.mul_((self.clip_norm / (g.norm(dim=1, keepdim=True) + 1e-6)).clamp(max=1))
