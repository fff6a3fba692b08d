"""The compiled engine: one run by itself on a CPU, its arrays handed to the kernels of `compiled`."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from realnet.engine import compiled
from realnet.engine.buffers import Examples, Scratch, Weights, make_scratch, order
from realnet.engine.optimizer import OptimizerState, Rates, factors, update
from realnet.examples import StageData
from realnet.nets.layout import Layout
from realnet.prepared import Prepared

__all__ = ["Compiled"]

_local = threading.local()


def _scratch(*sizes: Any) -> Scratch:
    """Buffers of this thread, kept while the sizes stay the same."""
    if getattr(_local, "sizes", None) != sizes:
        _local.sizes, _local.scratch = sizes, make_scratch(*sizes)
    scratch: Scratch = _local.scratch
    return scratch


class Compiled:
    """See `ensemble.Engine`. Look-ups are checked here: compiled code looks wherever it is told to."""

    name = "compiled"
    recordable = False
    # What it can do of a network and its loss; another value, or a field that is not here, is refused.
    knows: ClassVar[dict[str, tuple[Any, ...] | None]] = {
        "network": ("transformer",), "d_model": None, "n_heads": None, "d_mlp": None, "n_layers": (1,),
        "activation": ("relu",), "layer_norm": (False,), "biases": None, "embedding": None,
        "loss": ("cross_entropy",), "temperature": (1.0,), "batch_size": (None,),
    }  # fmt: skip

    def __init__(self, runs: Sequence[Prepared], weights: Tensor, grads: Tensor) -> None:
        (self.run,) = runs
        self._weights, self._grads = self._arrays(weights[0]), self._arrays(grads[0])

    def enter(self, stage: int, data: Sequence[StageData]) -> None:
        task, d = self.run.task, data[0]
        x, y = task.inputs
        symbols, outputs = self._weights.W_E.shape[0] - 1, self._weights.W_U.shape[1]
        for name, column, size in (("x", x, symbols), ("y", y, symbols), ("label", d.labels, outputs)):
            if column.min() < 0 or column.max() >= size:
                raise IndexError(f"{name} must be 0 .. {size - 1}; received {column.min()} .. {column.max()}")
        places = order(x[d.train], y[d.train])
        self.examples = _int32(x[d.train][places], y[d.train][places], d.labels[d.train][places])
        self._pairs = _int32(x, y, np.zeros_like(x))

    def draw(self, step: int) -> None:
        pass

    def gradient(self, step: int | None) -> Tensor:
        loss = compiled.gradient(self._weights, self.examples, self.buffers(), self._grads)
        return torch.tensor([loss], dtype=torch.float64)

    def logits(self, index: int) -> Tensor:
        out = np.empty((len(self.run.task), self.run.task.outputs), np.dtype(self.run.config.dtype))
        compiled.logits(self._weights, self._pairs, self.buffers(), out)
        return torch.from_numpy(out)

    def state(self) -> dict[str, Tensor]:
        return {}

    def update(
        self, kind: str, w: Tensor, g: Tensor, state: OptimizerState, r: Rates, step: Tensor, layout: Layout
    ) -> None:
        config = self.run.config
        if kind not in ("adamw", "adam") or config.groups:
            update(kind, w, g, state, r, step, layout)
            return
        # Adam's kinds by a compiled loop over the weights.
        state.count += 1
        f = factors(kind, r, state.count, step)
        shrink, penalty, rate, root = (x.item() for x in f[1:])
        (beta1, beta2), epsilon = config.betas, config.epsilon
        flat = (t[0].numpy() for t in (w, g, state.first, state.second))
        compiled.adam(*flat, rate, shrink, penalty, (1 - beta1, beta2, 1 - beta2, epsilon, root))

    def buffers(self) -> Scratch:
        """What the kernels write to; this thread's."""
        w, c = self._weights, self.run.config
        sizes = w.W_E.shape[0] - 1, w.W_U.shape[1], *w.W_in.shape, c.n_heads, len(self._pairs.x), c.dtype
        return _scratch(*sizes)

    def _arrays(self, flat: Tensor) -> Weights:
        views = {k.rsplit(".", 1)[-1]: v.numpy() for k, v in self.run.layout.views(flat).items()}
        c, dtype = self.run.config, np.dtype(self.run.config.dtype)
        none = {"b_in": np.zeros(c.d_mlp, dtype), "b_out": np.zeros(c.d_model, dtype)}
        return Weights(**none | views)


def _int32(*columns: np.ndarray) -> Examples:
    return Examples(*(np.ascontiguousarray(z, np.int32) for z in columns))
