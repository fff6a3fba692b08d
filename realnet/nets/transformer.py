"""The decoder-only transformer of arXiv 2309.02390, appendix A, on "x y =" with the answer read at "=".

Written to be read: it is the referee of the faster paths of `engine`. A task may have more operands than two, or one.
Names and shapes of its weights are those of TransformerLens: embed.W_E [symbols + 1, d_model] (the last token is "="),
pos_embed.W_pos [operands + 1, d_model], and in each block
attn.W_Q, W_K, W_V [head, d_model, d_head], attn.W_O [head, d_head, d_model], mlp.W_in, mlp.W_out; unembed.W_U.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from realnet.fields import require
from realnet.nets.parts import ACTIVATIONS, weights
from realnet.tasks.task import Task

__all__ = ["Transformer"]


class Transformer(nn.Module):
    """Symbols [n] each to outputs [n, q]. `biases` are those of the MLP layers, without attention's and the read-out's.

    Errors: ConfigError unless each of the task's inputs is one symbol.
    """

    embed: Any
    pos_embed: Any
    unembed: Any

    def __init__(
        self,
        task: Task,
        d_model: int,
        n_heads: int,
        d_mlp: int,
        n_layers: int,
        activation: str,
        layer_norm: bool,
        biases: bool,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        plain = task.symbols is not None and all(x.ndim == 1 for x in task.inputs)
        shapes = [x.shape[1:] for x in task.inputs]
        remedy = "Say Task(symbols=...), or choose another network, such as mlp."
        require(plain, "the transformer reads symbols [n], such as x and y", shapes, remedy)
        self.drop = nn.Dropout(dropout)
        self.config = {"d_model": d_model, "n_heads": n_heads, "layer_norm": layer_norm}
        self.activation = ACTIVATIONS[activation]
        d, width = d_model, d_model // n_heads
        self.embed = weights(W_E=(int(task.symbols or 0) + 1, d))
        self.pos_embed = weights(W_pos=(len(task.inputs) + 1, d))
        self.blocks = nn.ModuleList()
        for _ in range(n_layers):
            block: Any = nn.Module()
            if layer_norm:
                block.ln1, block.ln2 = weights(w=(d,), b=(d,)), weights(w=(d,), b=(d,))
            into, out = (n_heads, d, width), (n_heads, width, d)
            block.attn = weights(W_Q=into, W_K=into, W_V=into, W_O=out)
            block.mlp = weights(W_in=(d, d_mlp), W_out=(d_mlp, d))
            if biases:
                block.mlp.register_parameter("b_in", nn.Parameter(torch.zeros(d_mlp)))
                block.mlp.register_parameter("b_out", nn.Parameter(torch.zeros(d)))
            self.blocks.append(block)
        if layer_norm:
            self.ln_final = weights(w=(d,), b=(d,))
        self.unembed = weights(W_U=(d, task.outputs))

    def forward(self, *symbols: Tensor) -> Tensor:
        """symbols: [n] each."""
        embedding, position = self.embed.W_E, self.pos_embed.W_pos
        equals = torch.full_like(symbols[0], embedding.shape[0] - 1)
        r = F.embedding(torch.stack([*symbols, equals], dim=1), embedding) + position
        for block in self.blocks:
            r = self._block(r, block)
        last = r[:, -1]
        if self.config["layer_norm"]:
            last = _norm(last, self.ln_final)
        return last @ self.unembed.W_U

    def _block(self, r: Tensor, block: Any) -> Tensor:
        layer_norm = self.config["layer_norm"]
        n = _norm(r, block.ln1) if layer_norm else r
        a = block.attn
        q, k, v = (torch.einsum("nsd,hde->nhse", n, w) for w in (a.W_Q, a.W_K, a.W_V))
        scores = q @ k.mT / math.sqrt(q.shape[-1])
        later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=r.device).triu(1)
        mixed = scores.masked_fill(later, -torch.inf).softmax(-1) @ v
        r = r + self.drop(torch.einsum("nhse,hed->nsd", mixed, a.W_O))
        pre = (_norm(r, block.ln2) if layer_norm else r) @ block.mlp.W_in
        if hasattr(block.mlp, "b_in"):
            return r + self.drop(self.activation(pre + block.mlp.b_in) @ block.mlp.W_out + block.mlp.b_out)
        return r + self.drop(self.activation(pre) @ block.mlp.W_out)

    def fan_in(self, name: str) -> int:
        """Numbers that the weight called `name` adds up."""
        kind = name.rpartition(".")[2]
        # Tables of rows (embeddings) and W_O, which sums over all heads, have a fan-in of d_model.
        if kind in ("W_E", "W_pos", "W_O", "b_in", "w", "b"):
            return int(self.config["d_model"])
        if kind == "b_out":
            name = name.replace("b_out", "W_out")
        return int(self.get_parameter(name).shape[-2])


def _norm(r: Tensor, ln: Any) -> Tensor:
    return F.layer_norm(r, r.shape[-1:], ln.w, ln.b)
