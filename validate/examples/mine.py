"""A task and a network of one's own, parity of three of nine bits: `python -m validate run --net mine.toml` in here."""

import numpy as np
import torch

import realnet as rn


def parity(bits: int = 9, of: int = 3) -> rn.Task:
    """All words of `bits` signs, and the parity of the first `of`."""
    x = (np.arange(2**bits)[:, None] >> np.arange(bits)) % 2
    return rn.Task((2.0 * x - 1,), x[:, :of].sum(1) % 2)


class Net(torch.nn.Module):
    """One hidden layer of `d_mlp`."""

    def __init__(self, task: rn.Task, d_mlp: int) -> None:
        super().__init__()
        self.up = torch.nn.Linear(task.inputs[0].shape[1], d_mlp)
        self.down = torch.nn.Linear(d_mlp, task.outputs, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.down(torch.relu(self.up(x)))
        return out
