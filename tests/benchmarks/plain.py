"""What realnet's speed is held against, on a CPU and on a GPU: plain training loops, and the arithmetic of a step.

Two baselines: the reference module, and one in the manner of nanoGPT (nn.Linear, fused query-key-value). Both compute
every position, as a plain module does, and unembed the last.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import realnet as rn
from realnet.engine.ensemble import Stack
from realnet.prepared import prepare
from realnet.tasks.modular import table

CPU = torch.device("cpu")
SMALL = rn.RunConfig(p=43, d_model=64, d_mlp=256, dataset_size=1000)
PAPER = rn.RunConfig(dataset_size=3830)


class FusedTransformer(nn.Module):
    """One block in the manner of nanoGPT: Linear layers, queries, keys and values in one product."""

    def __init__(self, c: rn.RunConfig) -> None:
        super().__init__()
        self.heads, self.p = c.n_heads, c.p
        self.embed, self.place = (
            nn.Embedding(c.p + 1, c.d_model),
            nn.Parameter(torch.randn(3, c.d_model) / 10),
        )
        self.qkv, self.out = (nn.Linear(c.d_model, n * c.d_model, bias=False) for n in (3, 1))
        self.up, self.down = (
            nn.Linear(c.d_model, c.d_mlp, bias=False),
            nn.Linear(c.d_mlp, c.d_model, bias=False),
        )
        self.unembed = nn.Linear(c.d_model, c.p, bias=False)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        r = self.embed(torch.stack([x, y, torch.full_like(x, self.p)], 1)) + self.place
        q, k, v = (z.unflatten(-1, (self.heads, -1)).transpose(1, 2) for z in self.qkv(r).chunk(3, -1))
        r = r + self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))
        r = r + self.down(F.relu(self.up(r)))
        logits: Tensor = self.unembed(r[:, -1])
        return logits


def plain_loop(config: rn.RunConfig, kind: str, device: torch.device = CPU) -> Callable[[], None]:
    """A function that takes one step of a plain training loop."""
    data, pairs = Stack([config], CPU).data[0], table(config.task, config.p)
    x, y, label = (torch.from_numpy(z[data.train]).long().to(device) for z in (pairs.x, pairs.y, data.labels))
    net = prepare(config).module(prepare(config).start) if kind == "reference" else FusedTransformer(config)
    net = net.to(device)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3, betas=(0.9, 0.98), weight_decay=1.0)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(net(x, y), label).backward()
        optimizer.step()

    return step


def work(c: rn.RunConfig) -> dict[str, float]:
    """Floating-point operations of a step, 2 a multiply-add, backward included, on each path."""
    d, m, q, n = c.d_model, c.d_mlp, c.p, c.dataset_size
    plain = 3 * 2 * n * (3 * (4 * d * d + 2 * d * m) + d * q)
    rows, classes = 2 * q + 1, -(-q // 16) * 16
    tables = rows * d * d + d * d * (m + classes) + rows * d * (m + classes) + m * d * classes
    look_ups = 2 * c.n_heads * n * (m + classes)
    return {
        "plain": plain,
        "stacked": 3 * 2 * (n * (d * (m + classes) + m * classes) + rows * d * d + d * d * (m + classes)),
        "compiled": 3 * 2 * (n * m * classes + tables + look_ups),
        "look_ups": 3 * 2 * look_ups,
    }
