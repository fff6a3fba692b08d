"""Logits and gradients of a stack of runs on any device: tensors carry the run as their first axis.

`forward` covers every architecture. Where the net is a one-layer transformer without layer norm,
`forward_by_lookup` uses that only "=" is read and that its query is one and the same: scores and values
depend on (symbol, position) alone and are looked up, and W_O is folded into [W_in | W_U]
(`compiled` takes this further on a CPU). Gradients by autograd, with look-ups whose backward is a sum
over a fixed table of slots: no atomic adds, so the same bits come out every time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from realnet.config import RunConfig
from realnet.nets.transformer import activate, layout

__all__ = ["Batch", "forward", "gradient", "loss_gradient", "stack_batches"]


@dataclass(frozen=True)
class Batch:
    """Pairs and labels [run, D], padded to the longest run; `share` [run, D] is 1/D_run, or 0 on padding."""

    x: Tensor
    y: Tensor
    label: Tensor
    share: Tensor
    x_slots: Tensor
    """[run, symbol, K] places of a symbol among the D, or D where it has fewer than K"""
    y_slots: Tensor


def _slots(symbols: Tensor, real: Tensor, p: int, width: int) -> Tensor:
    slots = torch.full((p, width), len(real))
    places = torch.arange(len(real))[real]
    for s in range(p):
        mine = places[symbols[real] == s]
        slots[s, : len(mine)] = mine
    return slots


def stack_batches(
    examples: list[tuple[Tensor, Tensor, Tensor]],
    p: int,
    dtype: torch.dtype,
    device: torch.device,
    backward: bool = True,
) -> Batch:
    """One Batch from the (x, y, label) of each run; without `backward` it serves the forward pass alone."""
    longest = max(len(x) for x, _, _ in examples)
    padded = [[F.pad(part, (0, longest - len(part))) for part in run] for run in examples]
    x, y, label = (torch.stack(parts) for parts in zip(*padded, strict=True))
    real = torch.stack([torch.arange(longest) < len(run[0]) for run in examples])
    counts = [torch.bincount(part, minlength=p).max().item() for run in examples for part in run[:2]]
    width = int(max(counts))
    share = real.to(dtype) / real.sum(1, keepdim=True)
    if backward:
        slots = [torch.stack([_slots(s, r, p, width) for s, r in zip(z, real, strict=True)]) for z in (x, y)]
    else:
        slots = [torch.empty(0, dtype=torch.int64)] * 2
    return Batch(*(t.to(device) for t in (x, y, label, share, *slots)))


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


def forward_by_lookup(config: RunConfig, w: Mapping[str, Tensor], b: Batch) -> Tensor:
    """Logits [run, D, q] of one-layer transformers without layer norm."""
    n, heads, m = w["W_E"].shape[0], config.n_heads, config.d_mlp
    block = {k.removeprefix("blocks.0."): v for k, v in w.items()}
    width = config.d_model // heads
    p = w["W_E"].shape[1] - 1
    e, pos = w["W_E"][:, :p], w["W_pos"]
    last = w["W_E"][:, p:] + pos[:, 2:]  # [n, 1, d]
    places = torch.cat([e + pos[:, :1], e + pos[:, 1:2], last], dim=1)  # [n, 2p + 1, d]
    query = torch.einsum("nd,nhde->nhe", last[:, 0], block["W_Q"]) / math.sqrt(width)
    scores = places @ torch.einsum("nhde,nhe->ndh", block["W_K"], query)  # [n, 2p + 1, h]
    values = places @ block["W_V"].transpose(1, 2).reshape(n, config.d_model, config.d_model)
    table = torch.cat([values, scores], dim=-1)  # one look-up brings both
    rows = torch.stack([_Rows.apply(table[:, :p], b.x, b.x_slots), _Rows.apply(table[:, p:-1], b.y, b.y_slots)])
    rows = torch.cat([rows, table[:, -1:].expand_as(rows[0])[None]])  # [3, n, D, d + h]
    mix = rows[..., -heads:].softmax(0)
    z = (rows[..., :-heads].unflatten(-1, (heads, width)) * mix[..., None]).sum(0).flatten(-2)
    into = torch.cat([block["W_in"], w["W_U"]], dim=-1)
    base = last @ into
    out = torch.baddbmm(base, z, block["W_O"].flatten(1, 2) @ into)
    hidden, direct = out.split([m, out.shape[-1] - m], dim=-1)
    if config.biases:
        hidden = hidden + block["b_in"][:, None]
        direct = direct + block["b_out"][:, None] @ w["W_U"]
    return torch.baddbmm(direct, activate(hidden, config), block["W_out"] @ w["W_U"])


def _norm(config: RunConfig, r: Tensor, w: Mapping[str, Tensor], name: str) -> Tensor:
    if not config.layer_norm:
        return r
    shape = (w[name + ".g"].shape[0], *[1] * (r.dim() - 2), -1)
    return F.layer_norm(r, r.shape[-1:]) * w[name + ".g"].view(shape) + w[name + ".b"].view(shape)


def _transformer(config: RunConfig, w: Mapping[str, Tensor], b: Batch) -> Tensor:
    n, size = b.x.shape
    p, heads = w["W_E"].shape[1] - 1, config.n_heads
    rows = [_Rows.apply(w["W_E"][:, :p], z, s) for z, s in ((b.x, b.x_slots), (b.y, b.y_slots))]
    rows.append(w["W_E"][:, p:].expand(-1, size, -1))
    r = torch.stack(rows, dim=2) + w["W_pos"][:, None]  # [n, D, 3, d]
    for i in range(config.n_layers):
        block = f"blocks.{i}."
        final = i == config.n_layers - 1
        x = _norm(config, r, w, block + "ln1").flatten(1, 2)
        # After the last block only "=" is read, so only it asks and only it goes on.
        asked = x.view(n, size, 3, -1)[:, :, 2] if final else x
        q, k, v = (
            (z @ w[block + name].transpose(1, 2).flatten(2)).view(n, size, -1, heads, config.d_model // heads)
            for z, name in ((asked, "W_Q"), (x, "W_K"), (x, "W_V"))
        )
        q, k, v = (z.transpose(2, 3) for z in (q, k, v))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=not final)
        mixed = mixed.transpose(2, 3).flatten(1, 2).flatten(2)
        r = r[:, :, 2:] if final else r
        r = r + (mixed @ w[block + "W_O"].flatten(1, 2)).view_as(r)
        pre = _norm(config, r, w, block + "ln2").flatten(1, 2) @ w[block + "W_in"]
        if config.biases:
            out = activate(pre + w[block + "b_in"][:, None], config) @ w[block + "W_out"] + w[block + "b_out"][:, None]
        else:
            out = activate(pre, config) @ w[block + "W_out"]
        r = r + out.view_as(r)
    return _norm(config, r[:, :, 0], w, "ln") @ w["W_U"]


def _mlp(config: RunConfig, w: Mapping[str, Tensor], b: Batch) -> Tensor:
    first = w["layers.0.W"]
    x_part, y_part = first.chunk(2, dim=1)
    if config.embedding:
        x_part, y_part = w["W_E"] @ x_part, w["W_E"] @ y_part
    # The first layer of a pair is the sum of two rows, one for each symbol.
    r = _Rows.apply(x_part, b.x, b.x_slots) + _Rows.apply(y_part, b.y, b.y_slots)
    for i in range(config.n_layers):
        r = r @ w[f"layers.{i}.W"] if i else r
        r = activate(r + w[f"layers.{i}.b"][:, None] if config.biases else r, config)
    return r @ w["W_U"]


def forward(config: RunConfig, w: Mapping[str, Tensor], b: Batch) -> Tensor:
    """Logits [run, D, q]; `w` holds a tensor [run, ...] for each weight in `layout(config)`."""
    if config.architecture == "mlp":
        return _mlp(config, w, b)
    if config.n_layers == 1 and not config.layer_norm:
        return forward_by_lookup(config, w, b)
    return _transformer(config, w, b)


def loss_gradient(logits: Tensor, b: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Mean cross-entropy [run], accuracy [run] and d(loss)/d(logits) [run, D, q].

    The slope on the label is minus the sum of the others, which keeps its digits when the loss is tiny.
    """
    label = b.label[..., None]
    top = logits.max(-1, keepdim=True).values
    right = logits.gather(-1, label) - top
    share = (logits - top).exp_()
    share.scatter_(-1, label, 0.0)
    others = share.sum(-1, keepdim=True)
    loss = F.softplus(others.log() - right)[..., 0]
    factor = b.share[..., None] / (others + right.exp())
    slope = share.mul_(factor)
    slope.scatter_(-1, label, -others * factor)
    counted = b.share * (right[..., 0] == 0)
    return (loss * b.share).sum(-1), counted.sum(-1), slope


def gradient(config: RunConfig, flat: Tensor, b: Batch, out: Tensor) -> tuple[Tensor, Tensor]:
    """out [run, size] <- gradients at the weights flat [run, size]; returns losses and accuracies [run]."""
    plan = layout(config)
    leaves = {k: v.detach().requires_grad_() for k, v in plan.views(flat).items()}
    with torch.enable_grad():
        scores = forward(config, leaves, b)
    loss, accuracy, slope = loss_gradient(scores.detach(), b)
    grads = torch.autograd.grad(scores, list(leaves.values()), slope)
    for view, grad in zip(plan.views(out).values(), grads, strict=True):
        view.copy_(grad)
    return loss, accuracy
