"""The networks: shapes and starting values of their weights, and a plain reference module for each.

Weights of n runs are one tensor each, [run, ...]; attention weights are [run, head, d_model, d_head] and
[run, head, d_head, d_model]. Within a run they are sections of one flat vector (`Layout`), so that an
optimizer step is a few operations on it. Architecture: experiments.md 1, arXiv 2309.02390 appendix A.

The reference modules are written to be read and are the referees of every faster path.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from realnet.config import RunConfig

__all__ = ["Layout", "ReferenceMLP", "ReferenceTransformer", "layout", "reference", "starting_weights"]

INITIAL = 4  # stream of random numbers; 1 to 3 belong to tasks
ALIGNMENT = 16  # sections start at multiples of 64 bytes, wherever the run lies in its stack


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


def _shapes(config: RunConfig) -> dict[str, tuple[int, ...]]:
    d, m, h, q = config.d_model, config.d_mlp, config.n_heads, config.p
    shapes: dict[str, tuple[int, ...]] = {}
    if config.architecture == "mlp":
        if config.embedding:
            shapes["W_E"] = (q, d)
        widths = [2 * d if config.embedding else 2 * q] + [m] * config.n_layers
        for i, (before, after) in enumerate(itertools.pairwise(widths)):
            shapes[f"layers.{i}.W"] = (before, after)
            if config.biases:
                shapes[f"layers.{i}.b"] = (after,)
        return shapes | {"W_U": (m, q)}
    shapes |= {"W_E": (q + 1, d), "W_pos": (3, d)}  # the last token is "="
    for i in range(config.n_layers):
        block = f"blocks.{i}."
        if config.layer_norm:
            shapes |= {
                block + "ln1.g": (d,),
                block + "ln1.b": (d,),
                block + "ln2.g": (d,),
                block + "ln2.b": (d,),
            }
        shapes |= {block + name: (h, d, d // h) for name in ("W_Q", "W_K", "W_V")}
        shapes |= {block + "W_O": (h, d // h, d), block + "W_in": (d, m), block + "W_out": (m, d)}
        if config.biases:
            shapes |= {block + "b_in": (m,), block + "b_out": (d,)}
    if config.layer_norm:
        shapes |= {"ln.g": (d,), "ln.b": (d,)}
    return shapes | {"W_U": (d, q)}


@functools.lru_cache(maxsize=64)
def layout(config: RunConfig) -> Layout:
    """The weights that `config` needs and where they lie."""
    shapes, offsets, end = _shapes(config), {}, 0
    for name, shape in shapes.items():
        offsets[name] = end
        end += math.ceil(math.prod(shape) / ALIGNMENT) * ALIGNMENT
    return Layout(shapes, offsets, end)


def starting_weights(config: RunConfig) -> Tensor:
    """[size] flat starting weights: init_scale × N(0, 1/fan-in); biases 0, layer-norm gains 1.

    They depend on the seed and the shapes alone, in float64 before rounding to the config's dtype.
    """
    rng = np.random.default_rng([config.seed, INITIAL])
    plan = layout(config)
    flat = torch.zeros(plan.size, dtype=torch.float64)
    for name, weight in plan.views(flat).items():
        kind = name.rsplit(".", 1)[-1]
        if kind == "g":
            weight.fill_(1.0)
        elif not kind.startswith("b"):
            # Tables of rows (embeddings) and W_O, which sums over all heads, have a fan-in of d_model.
            fan_in = config.d_model if kind in ("W_E", "W_pos", "W_O") else weight.shape[-2]
            scale = config.init_scale / math.sqrt(fan_in)
            weight.copy_(torch.from_numpy(rng.standard_normal(tuple(weight.shape))).mul_(scale))
    return flat.to(getattr(torch, config.dtype))


def activate(x: Tensor, config: RunConfig) -> Tensor:
    """ReLU or (exact) GELU, elementwise."""
    return F.relu(x) if config.activation == "relu" else F.gelu(x)


class ReferenceTransformer(nn.Module):
    """Decoder-only transformer on "x y =": tokens [D, 3] to logits [D, q] at the last position."""

    def __init__(self, config: RunConfig, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.config = config
        self.w = nn.ParameterDict({k.replace(".", "_"): nn.Parameter(v.clone()) for k, v in weights.items()})

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """x, y: [D] symbols."""
        equals = torch.full_like(x, self.w["W_E"].shape[0] - 1)
        r = self.w["W_E"][torch.stack([x, y, equals], dim=1)] + self.w["W_pos"]  # [D, 3, d_model]
        for i in range(self.config.n_layers):
            r = self._block(r, {k.removeprefix(f"blocks_{i}_"): v for k, v in self.w.items()})
        return self._norm(r[:, -1], dict(self.w.items()), "ln") @ self.w["W_U"]

    def _norm(self, r: Tensor, w: Mapping[str, Tensor], name: str) -> Tensor:
        if not self.config.layer_norm:
            return r
        return F.layer_norm(r, r.shape[-1:], w[name + "_g"], w[name + "_b"])

    def _block(self, r: Tensor, w: Mapping[str, Tensor]) -> Tensor:
        n = self._norm(r, w, "ln1")
        q, k, v = (torch.einsum("nsd,hde->nhse", n, w[name]) for name in ("W_Q", "W_K", "W_V"))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        r = r + torch.einsum("nhse,hed->nsd", mixed, w["W_O"])
        pre = self._norm(r, w, "ln2") @ w["W_in"]
        if self.config.biases:
            return r + activate(pre + w["b_in"], self.config) @ w["W_out"] + w["b_out"]
        return r + activate(pre, self.config) @ w["W_out"]


class ReferenceMLP(nn.Module):
    """Plain MLP on a pair of embedded or one-hot symbols: [D] and [D] to logits [D, q]."""

    def __init__(self, config: RunConfig, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.config = config
        self.w = nn.ParameterDict({k.replace(".", "_"): nn.Parameter(v.clone()) for k, v in weights.items()})

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """x, y: [D] symbols."""
        w, q = self.w, self.w["W_U"].shape[1]
        if self.config.embedding:
            r = torch.cat([w["W_E"][x], w["W_E"][y]], dim=-1)
        else:
            r = torch.cat([F.one_hot(x, q), F.one_hot(y, q)], dim=-1).to(w["W_U"].dtype)
        for i in range(self.config.n_layers):
            r = r @ w[f"layers_{i}_W"]
            r = activate(r + w[f"layers_{i}_b"] if self.config.biases else r, self.config)
        return r @ w["W_U"]


def reference(config: RunConfig, flat: Tensor) -> nn.Module:
    """The reference module of `config` with the weights of a flat vector [size]."""
    module = ReferenceMLP if config.architecture == "mlp" else ReferenceTransformer
    return module(config, layout(config).views(flat))
