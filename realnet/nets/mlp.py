"""A multilayer perceptron on pairs of symbols, embedded or one-hot, or on numbers."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from realnet.nets.parts import ACTIVATIONS, weights
from realnet.tasks.task import Task

__all__ = ["MLP"]


class MLP(nn.Module):
    """`n_layers` hidden layers of width d_mlp, then a linear read-out to [n, outputs].

    Symbols are embedded with width d_model, or one-hot with embedding=False, and laid side by side; numbers are
    flattened and fed as they are. `biases` are those of the hidden layers and, where the inputs are numbers, of the
    read-out: this is then `torch.nn.Linear` after `torch.nn.Linear`.
    """

    embed: Any
    unembed: Any
    layers: Any

    def __init__(
        self,
        task: Task,
        d_model: int,
        d_mlp: int,
        n_layers: int,
        activation: str,
        biases: bool,
        embedding: bool,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.activation, self.symbols, self.embedding = ACTIVATIONS[activation], task.symbols, embedding
        if task.symbols is None:
            width = sum(x[0].size for x in task.inputs)
        else:
            places = sum(x[0].size for x in task.inputs)
            width = places * (d_model if embedding else task.symbols)
            if embedding:
                self.embed = weights(W_E=(task.symbols, d_model))
        self.layers = nn.ModuleList()
        for before, after in itertools.pairwise([width] + [d_mlp] * n_layers):
            self.layers.append(weights(W=(before, after), **({"b": (after,)} if biases else {})))
        last_bias = {"b_U": (task.outputs,)} if biases and task.symbols is None else {}
        self.unembed = weights(W_U=(d_mlp, task.outputs), **last_bias)

    def forward(self, *inputs: Tensor) -> Tensor:
        """One tensor [n, ...] for each of the task's inputs."""
        r = self._first(torch.cat([x.flatten(1) if x.dim() > 1 else x[:, None] for x in inputs], dim=1))
        for i, layer in enumerate(self.layers):
            r = r if i == 0 else r @ layer.W
            r = self.drop(self.activation(r + layer.b if hasattr(layer, "b") else r))
        r = r @ self.unembed.W_U
        return r + self.unembed.b_U if hasattr(self.unembed, "b_U") else r

    def _first(self, x: Tensor) -> Tensor:
        """What the first layer makes of inputs [n, places], before its bias."""
        first = self.layers[0].W
        if self.symbols is None:
            return x @ first
        if self.embedding:
            return F.embedding(x, self.embed.W_E).flatten(1) @ first
        # A one-hot product is a sum of rows, one for each place.
        place = torch.arange(x.shape[1], device=x.device) * self.symbols
        return F.embedding(x + place, first).sum(1)

    def fan_in(self, name: str) -> int:
        """Numbers that the weight called `name` adds up."""
        if name == "embed.W_E":
            return int(self.embed.W_E.shape[1])
        rest = name.rpartition(".")[0]
        layer: Any = self.get_submodule(rest)
        matrix = layer.W_U if rest == "unembed" else layer.W
        return int(matrix.shape[0])
