"""Transformers of a stack of runs on any device: tensors carry the run as their first axis.

Where the network is a one-layer transformer without layer norm, `forward_by_lookup` uses that only "=" is read and that
its query is one and the same: scores and values depend on (symbol, position) alone and are looked up, and W_O is
folded into [W_in | W_U] (`compiled` takes this further on a CPU). Gradients by autograd, with look-ups whose backward
is a sum over a fixed table of slots: no atomic adds, so the same bits come out every time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from realnet.config import RunConfig
from realnet.engine.batch import Feed, slots
from realnet.engine.general import gradient, judged
from realnet.engine.optimizer import update
from realnet.examples import StageData
from realnet.nets.parts import ACTIVATIONS
from realnet.prepared import Prepared

__all__ = ["Stacked", "forward"]

TILE = 16  # columns


class _Rows(torch.autograd.Function):
    """rows[run, i] = table[run, symbol of i]; table [run, p, width], back through slots."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, symbols: Tensor, slots: Tensor) -> Tensor:
        ctx.save_for_backward(slots)
        return table.gather(1, symbols[..., None].expand(-1, -1, table.shape[-1]))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (slots,) = ctx.saved_tensors
        n, p, k = slots.shape
        width = grads[0].shape[-1]
        padded = F.pad(grads[0], (0, 0, 0, 1))  # the slot D reads a zero row
        index = slots.reshape(n, p * k, 1).expand(-1, -1, width)
        return padded.gather(1, index).view(n, p, k, width).sum(2), None, None


def forward_by_lookup(
    config: RunConfig, w: Mapping[str, Tensor], inputs: Sequence[Tensor], slots: Sequence[Tensor]
) -> Tensor:
    """Logits [run, D, q] of one-layer transformers without layer norm on pairs of symbols."""
    n, heads, m = w["embed.W_E"].shape[0], config.n_heads, config.d_mlp
    block = {k.removeprefix("blocks.0."): v for k, v in w.items()}
    (x, y), (x_slots, y_slots) = inputs, slots
    width = config.d_model // heads
    p, q = w["embed.W_E"].shape[1] - 1, w["unembed.W_U"].shape[-1]
    e, pos = w["embed.W_E"][:, :p], w["pos_embed.W_pos"]
    last = w["embed.W_E"][:, p:] + pos[:, 2:]  # [n, 1, d]
    places = torch.cat([e + pos[:, :1], e + pos[:, 1:2], last], dim=1)  # [n, 2p + 1, d]
    query = torch.einsum("nd,nhde->nhe", last[:, 0], block["attn.W_Q"]) / math.sqrt(width)
    scores = places @ torch.einsum("nhde,nhe->ndh", block["attn.W_K"], query)  # [n, 2p + 1, h]
    values = places @ block["attn.W_V"].transpose(1, 2).reshape(n, config.d_model, config.d_model)
    table = torch.cat([values, scores], dim=-1)  # one look-up brings both
    rows = torch.stack([_Rows.apply(table[:, :p], x, x_slots), _Rows.apply(table[:, p:-1], y, y_slots)])
    rows = torch.cat([rows, table[:, -1:].expand_as(rows[0])[None]])  # [3, n, D, d + h]
    mix = rows[..., -heads:].softmax(0)
    z = (rows[..., :-heads].unflatten(-1, (heads, width)) * mix[..., None]).sum(0).flatten(-2)
    # Classes are padded to whole tiles of a product: an odd number of columns is several times slower on tensor cores.
    unembed = F.pad(w["unembed.W_U"], (0, -q % TILE))
    into = torch.cat([block["mlp.W_in"], unembed], dim=-1)
    base = last @ into
    out = torch.baddbmm(base, z, block["attn.W_O"].flatten(1, 2) @ into)
    hidden, direct = out.split([m, out.shape[-1] - m], dim=-1)
    if config.biases:
        hidden = hidden + block["mlp.b_in"][:, None]
        direct = direct + block["mlp.b_out"][:, None] @ unembed
    return torch.baddbmm(direct, ACTIVATIONS[config.activation](hidden), block["mlp.W_out"] @ unembed)[..., :q]


def _norm(config: RunConfig, r: Tensor, w: Mapping[str, Tensor], name: str) -> Tensor:
    if not config.layer_norm:
        return r
    shape = (w[name + ".w"].shape[0], *[1] * (r.dim() - 2), -1)
    return F.layer_norm(r, r.shape[-1:]) * w[name + ".w"].view(shape) + w[name + ".b"].view(shape)


def _transformer(
    config: RunConfig, w: Mapping[str, Tensor], inputs: Sequence[Tensor], slots: Sequence[Tensor]
) -> Tensor:
    n, size = inputs[0].shape
    length = len(inputs) + 1
    p, heads = w["embed.W_E"].shape[1] - 1, config.n_heads
    rows = [_Rows.apply(w["embed.W_E"][:, :p], z, s) for z, s in zip(inputs, slots, strict=True)]
    rows.append(w["embed.W_E"][:, p:].expand(-1, size, -1))
    r = torch.stack(rows, dim=2) + w["pos_embed.W_pos"][:, None]  # [n, D, length, d]
    for i in range(config.n_layers):
        block = f"blocks.{i}."
        final = i == config.n_layers - 1
        x = _norm(config, r, w, block + "ln1").flatten(1, 2)
        # After the last block only "=" is read, so only it asks and only it goes on.
        asked = x.view(n, size, length, -1)[:, :, -1] if final else x
        q, k, v = (
            (z @ w[block + name].transpose(1, 2).flatten(2)).view(n, size, -1, heads, config.d_model // heads)
            for z, name in ((asked, "attn.W_Q"), (x, "attn.W_K"), (x, "attn.W_V"))
        )
        q, k, v = (z.transpose(2, 3) for z in (q, k, v))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=not final)
        mixed = mixed.transpose(2, 3).flatten(1, 2).flatten(2)
        r = r[:, :, -1:] if final else r
        r = r + (mixed @ w[block + "attn.W_O"].flatten(1, 2)).view_as(r)
        pre = _norm(config, r, w, block + "ln2").flatten(1, 2) @ w[block + "mlp.W_in"]
        if config.biases:
            out = (
                ACTIVATIONS[config.activation](pre + w[block + "mlp.b_in"][:, None]) @ w[block + "mlp.W_out"]
                + w[block + "mlp.b_out"][:, None]
            )
        else:
            out = ACTIVATIONS[config.activation](pre) @ w[block + "mlp.W_out"]
        r = r + out.view_as(r)
    return _norm(config, r[:, :, 0], w, "ln_final") @ w["unembed.W_U"]


def forward(config: RunConfig, w: Mapping[str, Tensor], inputs: Sequence[Tensor], slots: Sequence[Tensor]) -> Tensor:
    """Logits [run, n, q] of symbols [run, n] each; `w` holds a tensor [run, ...] for each of the transformer's weights."""
    if config.n_layers == 1 and not config.layer_norm and len(inputs) == 2:
        return forward_by_lookup(config, w, inputs, slots)
    return _transformer(config, w, inputs, slots)


class Stacked:
    """See `ensemble.Engine`."""

    name = "stacked"
    update = staticmethod(update)
    recordable = True
    # What it can do of a network and its loss; another value, or a field that is not here, is refused.
    knows: ClassVar[dict[str, tuple[Any, ...] | None]] = {
        "network": ("transformer",), "d_model": None, "n_heads": None, "d_mlp": None, "n_layers": None,
        "activation": None, "layer_norm": None, "biases": None, "embedding": None,
        "loss": None, "temperature": None, "batch_size": (None,),
    }  # fmt: skip

    def __init__(self, runs: Sequence[Prepared], weights: Tensor, grads: Tensor) -> None:
        self.runs, self.weights = runs, weights
        self.leaves = {k: v.detach().requires_grad_() for k, v in runs[0].layout.views(weights).items()}
        self.slopes = runs[0].layout.views(grads)

    def enter(self, stage: int, data: Sequence[StageData]) -> None:
        self.data, device = data, self.weights.device
        self.feed = Feed(self.runs, stage, data, device)
        columns = [[r.task.inputs[i][d.train] for r, d in zip(self.runs, data, strict=True)]
                   for i in range(len(self.runs[0].task.inputs))]  # fmt: skip
        found = slots(columns, int(self.runs[0].task.symbols or 0), self.feed.batch.target.shape[1])
        self.slots = tuple(torch.from_numpy(x).to(device) for x in found)
        self.tables: dict[tuple[int, bytes], tuple[Tensor, ...]] = {}

    def draw(self, step: int) -> None:
        pass

    def gradient(self, step: int | None) -> Tensor:
        batch = self.feed.batch
        return gradient(lambda w: self._outputs(w, batch.inputs, self.slots), self.runs[0].loss, self.leaves, batch,
                        self.slopes)  # fmt: skip

    def logits(self, index: int) -> Tensor:
        run = self.runs[index]
        views = run.layout.views(self.weights[index : index + 1])
        nothing = (torch.empty(0, dtype=torch.int64, device=self.weights.device),) * len(run.task.inputs)
        return judged(run, self.data[index], self.weights, self.tables, lambda x: self._outputs(views, x, nothing))

    def state(self) -> dict[str, Tensor]:
        return {}

    def _outputs(self, w: Mapping[str, Tensor], inputs: Sequence[Tensor], slots: Sequence[Tensor]) -> Tensor:
        config = self.runs[0].config
        made = forward(config, w, inputs, slots)
        return made if config.temperature == 1 else made / config.temperature
