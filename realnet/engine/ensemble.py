"""Runs side by side, stepped together: weights, gradients and moments are [run, size].

The step loop knows an engine by what it does: `compiled` for the one-layer transformer by itself on a CPU, `stacked` for
transformers on any device, `general` for any network, and as the referee of the two others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from realnet.config import RunConfig
from realnet.engine.optimizer import OptimizerState, Rates, project, rates
from realnet.engine.plan import engine_class
from realnet.engine.replay import Recorded, float64
from realnet.examples import StageData
from realnet.nets.layout import Layout
from realnet.prepared import Prepared, prepare
from realnet.registry import arguments, find

__all__ = ["Engine", "Stack", "gradient_filter"]


class Engine(Protocol):
    """A way to the outputs and gradients of a stack whose weights and gradients are [run, size].

    An engine is made of prepared runs, their weights, which it reads, and their gradients, which it fills.
    """

    name: str
    recordable: bool
    """whether a step does the same work on the same tensors each time"""

    def enter(self, stage: int, data: Sequence[StageData]) -> None:
        """Take the examples of stage number `stage`."""

    def draw(self, step: int) -> None:
        """Make ready the batch of the step that follows step number `step`."""

    def gradient(self, step: int | None) -> Tensor:
        """Fill the gradients on the present batch; returns mean training losses [run].

        `step` is that which the gradient is for; None: it is only to be measured, in eval().
        """

    def logits(self, index: int) -> Tensor:
        """[n, q] outputs of run `index` in eval() on all examples of its task; 0 where one is not judged."""

    def state(self) -> dict[str, Tensor]:
        """What a network has besides its weights, [run, ...] by name."""

    def update(
        self, kind: str, w: Tensor, g: Tensor, state: OptimizerState, r: Rates, step: Tensor, layout: Layout
    ) -> None:
        """One optimizer step, `optimizer.update` or the same in another way."""


class Stack:
    """Runs that are stepped together. `weights`, `grads` and moments are [run, size]; see `nets.layout.Layout`."""

    def __init__(self, configs: Sequence[RunConfig], device: torch.device) -> None:
        self.configs, self.device = tuple(configs), device
        self.runs: tuple[Prepared, ...] = tuple(prepare(c) for c in configs)
        self.step = self.stage = 0
        self.layout = self.runs[0].layout
        self.weights = torch.stack([run.start for run in self.runs]).to(device)
        self.grads = torch.zeros_like(self.weights)
        self.filter = gradient_filter(self.configs[0])
        self.memory = self.filter.memory if self.filter else 0
        self.state = OptimizerState.zeros(self.weights, self.memory)
        self.norm = self.weights.norm(dim=1, keepdim=True)
        made = engine_class(self.runs, device)
        self.ways: Engine = made(self.runs, self.weights, self.grads)
        # steps taken, where a recorded step finds it
        self._done = torch.zeros((), dtype=float64(device), device=device)
        self.enter_stage(0)

    @property
    def engine(self) -> str:
        """Which of the three ways to a gradient is taken, and whether its products are those of TF32."""
        rounded = self.device.type == "cuda" and torch.backends.cuda.matmul.allow_tf32
        return f"{self.ways.name}, tf32" if rounded else self.ways.name

    def tensors(self) -> dict[str, Tensor]:
        """All that training goes on from, [run, ...] by name."""
        state = self.state
        found = {"weights": self.weights, "norm": self.norm, "first": state.first, "second": state.second}
        found |= {"count": state.count} | ({"slow": state.slow} if self.memory else {})
        return found | {f"net.{name}": x for name, x in self.ways.state().items()}

    def enter_stage(self, stage: int) -> None:
        """Take the data and rates of stage number `stage`."""
        self.stage, self._recorded = stage, Recorded(self.device)
        now = [c.stages[stage] for c in self.configs]
        self.data = [run.data(stage) for run in self.runs]
        self.rates = rates(self.configs, now, self.device, self.layout)
        self._fixed = torch.tensor([[c.fixed_norm] for c in self.configs], device=self.device)
        if not now[0].keep_optimizer and self.step == now[0].start:
            self.state = OptimizerState.zeros(self.weights, self.memory)
        self.ways.enter(stage, self.data)
        self.ways.draw(self.step)

    def gradient(self, step: int | None = None) -> Tensor:
        """Fill `grads` with the gradients at `weights`; returns mean training losses [run]. `step` as in `Engine`."""
        if self.layout.size > self.layout.num_parameters:
            self.grads.zero_()  # the optimizer leaves its own numbers here, and padding must not move
        return self.ways.gradient(step)

    def advance(self, steps: int) -> None:
        """Take `steps` optimizer steps within the present stage."""
        self._done.fill_(self.step)
        for _ in range(steps):
            self.ways.draw(self.step)
            if self.ways.recordable:
                self._recorded(self._one_step)
            else:
                self._one_step()
            self.step += 1
        self.ways.draw(self.step)

    def _one_step(self) -> None:
        self.gradient(self.step)
        if self.filter is not None:
            self.filter(self.weights, self.grads, self.state, self.layout)
        kind, weights, grads = self.configs[0].optimizer, self.weights, self.grads
        self.ways.update(kind, weights, grads, self.state, self.rates, self._done, self.layout)
        if any(c.fixed_norm for c in self.configs):
            project(self.weights, self.norm, self._fixed)
        self._done += 1

    def table_logits(self, index: int) -> Tensor:
        """[n, q] outputs of run `index` on all examples of its task; 0 where one is neither trained on nor judged."""
        return self.ways.logits(index)


def gradient_filter(config: RunConfig) -> Any:
    """The gradient filter of `config` under its options; None for none. Errors: ConfigError for an option out of range."""
    if config.gradient_filter == "none":
        return None
    filter_ = find("gradient_filter", config.gradient_filter)
    return filter_(**arguments(filter_, config.gradient_filter, config, {}))
