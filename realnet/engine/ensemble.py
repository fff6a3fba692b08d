"""Runs side by side, stepped together: weights, gradients and moments are [run, size].

Three ways to a gradient: `compiled` and `stacked` for transformers, `general` for any network and as their referee.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from realnet.config import RunConfig
from realnet.engine import buffers, compiled, stacked
from realnet.engine.batch import Batch, Feed, tensors
from realnet.engine.general import Forward, gradient
from realnet.engine.optimizer import OptimizerState, factors, project, rates, update
from realnet.engine.plan import by_lookup, is_compiled
from realnet.engine.replay import Recorded
from realnet.examples import stage_data, task_of
from realnet.losses import loss_of
from realnet.nets.layout import build, layout, starting_weights
from realnet.registry import arguments, find

__all__ = ["Stack"]

CHUNK = 4096  # examples that are measured at once


_local = threading.local()


def _scratch(p: int, d: int, m: int, heads: int, size: int, dtype: str) -> buffers.Scratch:
    """Buffers of this thread, kept while the shapes stay the same."""
    key = (p, d, m, heads, dtype)
    kept = getattr(_local, "scratch", None)
    if kept is None or kept[0] != key or kept[1].attention.shape[0] < size:
        _local.scratch = (key, buffers.make_scratch(p, d, m, heads, size, np.dtype(dtype)))
    scratch: buffers.Scratch = _local.scratch[1]
    return scratch


class Stack:
    """Runs that are stepped together. `weights`, `grads` and moments are [run, size]; see `nets.layout.Layout`."""

    def __init__(self, configs: Sequence[RunConfig], device: torch.device) -> None:
        self.configs = tuple(configs)
        self.device = device
        self.step = 0
        self.stage = 0
        first = self.configs[0]
        self.layout = layout(first)
        self.weights = torch.stack([starting_weights(c) for c in self.configs]).to(device)
        self.grads = torch.zeros_like(self.weights)
        self.filter = _filter(first)
        self.memory = self.filter.memory if self.filter else 0
        self.state = OptimizerState.zeros(self.weights, self.memory)
        self.norm = self.weights.norm(dim=1, keepdim=True)
        self._leaves = {k: v.detach().requires_grad_() for k, v in self.layout.views(self.weights).items()}
        self._slopes = self.layout.views(self.grads)
        self.compiled = is_compiled(first, device, len(self.configs))
        self.loss = loss_of(first)
        self._general = None if by_lookup(first) else Forward(build(first).to(self.weights))
        self._done = torch.zeros((), dtype=torch.float64, device=device)  # steps taken, where a recorded step finds it
        self._tables: dict[tuple[int, bytes], tuple[Tensor, ...]] = {}
        self.enter_stage(0)

    @property
    def engine(self) -> str:
        """Which of the three ways to a gradient is taken, and whether its products are those of TF32."""
        way = "general" if self._general else "compiled" if self.compiled else "stacked"
        rounded = self.device.type == "cuda" and torch.backends.cuda.matmul.allow_tf32
        return f"{way}, tf32" if rounded else way

    def tensors(self) -> dict[str, Tensor]:
        """All that training goes on from, [run, ...] by name."""
        state = self.state
        found = {"weights": self.weights, "norm": self.norm, "first": state.first, "second": state.second}
        return found | {"count": state.count} | ({"slow": state.slow} if self.memory else {})

    def enter_stage(self, stage: int) -> None:
        """Take the data and rates of stage number `stage`."""
        self.stage, self._recorded = stage, Recorded(self.device)
        self._tables.clear()
        now = [c.stages[stage] for c in self.configs]
        self.data = [stage_data(c, stage) for c in self.configs]
        self.rates = rates(self.configs, now, self.device)
        self._fixed = torch.tensor([[c.fixed_norm] for c in self.configs], device=self.device)
        if not now[0].keep_optimizer and self.step == now[0].start:
            self.state = OptimizerState.zeros(self.weights, self.memory)
        if self.compiled:
            self._named = self._arrays(self.weights[0]), self._arrays(self.grads[0])
            (x, y), d = task_of(self.configs[0]).inputs, self.data[0]
            order = buffers.order(x[d.train], y[d.train])
            self._examples = _int32(x[d.train][order], y[d.train][order], d.labels[d.train][order])
            self._pairs = _int32(x, y, np.zeros_like(x))
        else:
            slots = self._general is None
            self.feed = Feed(self.configs, stage, self.data, self.weights.dtype, self.device, slots)
            self.feed.draw(self.step)

    def gradient(self) -> Tensor:
        """Fill `grads` with the gradients at `weights` on the present batch; returns mean training losses [run]."""
        if not self.compiled:
            batch = self.feed.batch
            if self.layout.size > self.layout.num_parameters:
                self.grads.zero_()  # the optimizer leaves its own numbers here, and padding must not move
            return gradient(lambda w: self._outputs(w, batch), self.loss, self._leaves, batch, self._slopes)
        w, g = self._named
        loss = compiled.gradient(w, self._examples, self._buffers(), g)
        return torch.tensor([loss], dtype=torch.float64)

    def _outputs(self, weights: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """[run, n, q] outputs, the temperature included."""
        if self._general is not None:
            made = self._general(weights, batch.inputs)
        else:
            made = stacked.forward(self.configs[0], weights, batch)
        temperature = self.configs[0].temperature
        return made if temperature == 1 else made / temperature

    def advance(self, steps: int) -> None:
        """Take `steps` optimizer steps within the present stage."""
        self._done.fill_(self.step)
        for step in range(self.step, self.step + steps):
            self._draw(step)
            self._recorded(self._one_step)
        self.step += steps
        self._draw(self.step)

    def _draw(self, step: int) -> None:
        if not self.compiled:
            self.feed.draw(step)

    def _one_step(self) -> None:
        kind = self.configs[0].optimizer
        self.gradient()
        if self.filter is not None:
            self.filter(self.weights, self.grads, self.state, self.layout)
        if self.compiled and kind in ("adamw", "adam"):
            self._compiled_adam(kind)
        else:
            update(kind, self.weights, self.grads, self.state, self.rates, self._done, self.layout)
        if any(c.fixed_norm for c in self.configs):
            project(self.weights, self.norm, self._fixed)
        self._done += 1

    def _compiled_adam(self, kind: str) -> None:
        state, config = self.state, self.configs[0]
        state.count += 1
        f = factors(kind, self.rates, state.count, self._done)
        shrink, penalty, rate, root = (x.item() for x in f[1:])
        (beta1, beta2), epsilon = config.betas, config.epsilon
        flat = (t[0].numpy() for t in (self.weights, self.grads, state.first, state.second))
        compiled.adam(*flat, rate, shrink, penalty, (1 - beta1, beta2, 1 - beta2, epsilon, root))

    def table_logits(self, index: int) -> Tensor:
        """[n, q] outputs of run `index` on all examples of its task; 0 where an example is neither trained on nor judged."""
        config = self.configs[index]
        task = task_of(config)
        if self.compiled:
            out = np.empty((len(task), task.outputs), np.dtype(config.dtype))
            compiled.logits(self._named[0], self._pairs, self._buffers(), out)
            return torch.from_numpy(out)
        judged = self.data[index].judged
        key = (id(task), judged.tobytes())
        if key not in self._tables:  # runs that share their examples share these
            parts = tensors(task, judged, task.targets, self.weights.dtype)
            self._tables[key] = tuple(x.to(self.device)[None] for x in (torch.from_numpy(judged), *parts))
        rows, *inputs, target = self._tables[key]
        views = self.layout.views(self.weights[index : index + 1])
        outputs = self.weights.new_zeros(len(task), task.outputs)
        nothing = torch.empty(0, dtype=torch.int64, device=self.device)
        with torch.no_grad():
            for start in range(0, len(judged), CHUNK):
                some = tuple(x[:, start : start + CHUNK] for x in inputs)
                batch = Batch(some, target, target, (nothing, nothing))
                outputs[rows[0, start : start + CHUNK]] = self._outputs(views, batch)[0]
        return outputs

    def _buffers(self) -> buffers.Scratch:
        c = self.configs[0]
        return _scratch(c.p, c.d_model, c.d_mlp, c.n_heads, len(task_of(c)), c.dtype)

    def _arrays(self, flat: Tensor) -> buffers.Weights:
        views = {k.rsplit(".", 1)[-1]: v.numpy() for k, v in self.layout.views(flat).items()}
        if not self.configs[0].biases:
            c, dtype = self.configs[0], np.dtype(self.configs[0].dtype)
            views |= {"b_in": np.zeros(c.d_mlp, dtype), "b_out": np.zeros(c.d_model, dtype)}
        return buffers.Weights(**views)


def _int32(*columns: np.ndarray) -> buffers.Examples:
    return buffers.Examples(*(np.ascontiguousarray(z, np.int32) for z in columns))


def _filter(config: RunConfig) -> Any:
    """The gradient filter of `config` under its options; None for none."""
    if config.gradient_filter == "none":
        return None
    filter_ = find("gradient_filter", config.gradient_filter)
    return filter_(**arguments(filter_, config.gradient_filter, config, {}))
