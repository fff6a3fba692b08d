"""A network on graphs whose edges say how messages pass: NNConv (Gilmer et al. 2017, arXiv 1704.01212), as in Omnigrok."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from realnet.fields import require
from realnet.tasks.task import Task

__all__ = ["GraphNet"]


class GraphNet(nn.Module):
    """Two convolutions (atoms -> 32 -> 16), sum over the atoms, and a hidden layer of 32.

    A convolution is h_i <- W h_i + b + sum over bonds (i, j) of A(e_ij) h_j, where a small one with 32 hidden units makes
    the matrix A of the bond's features. Atoms that are not there have only zeros as features and stay out of the sum.
    """

    def __init__(self, task: Task) -> None:
        super().__init__()
        graphs = task.symbols is None and [x.ndim for x in task.inputs] == [3, 4]
        shapes = [x.shape[1:] for x in task.inputs]
        require(graphs, "graph reads atoms [n, a, f] and bonds [n, a, a, e]", shapes, "Choose another network.")
        features, kinds = task.inputs[0].shape[-1], task.inputs[1].shape[-1]
        self.first, self.second = Convolution(features, 32, kinds), Convolution(32, 16, kinds)
        self.hidden, self.out = nn.Linear(16, 32), nn.Linear(32, task.outputs)

    def forward(self, atoms: Tensor, bonds: Tensor) -> Tensor:
        """atoms: [n, a, features], bonds: [n, a, a, kinds]."""
        there = (atoms != 0).any(-1, keepdim=True).to(atoms.dtype)
        h = torch.relu(self.first(atoms, bonds)) * there
        h = torch.relu(self.second(h, bonds)) * there
        found: Tensor = self.out(torch.relu(self.hidden(h.sum(1))))
        return found


class Convolution(nn.Module):
    """One message-passing step."""

    def __init__(self, before: int, after: int, kinds: int) -> None:
        super().__init__()
        self.after = after
        self.root = nn.Linear(before, after)
        self.edge_in, self.edge_out = nn.Linear(kinds, 32), nn.Linear(32, before * after)

    def forward(self, h: Tensor, bonds: Tensor) -> Tensor:
        """h: [n, a, before] to [n, a, after]."""
        hidden = torch.relu(self.edge_in(bonds)) * (bonds != 0).any(-1, keepdim=True).to(h.dtype)
        bonded = (bonds != 0).any(-1).to(h.dtype)
        last = self.edge_out
        # The edge net's last layer is linear: its product with h_j is taken before the sum over j, not per edge matrix.
        matrix = last.weight.view(h.shape[-1], self.after, -1)  # [before, after, 32]
        collected = torch.einsum("nijk,njb->nikb", hidden, h)
        message = torch.einsum("nikb,bak->nia", collected, matrix)
        bias = torch.einsum("nij,njb->nib", bonded, h) @ last.bias.view(h.shape[-1], self.after)
        out: Tensor = self.root(h) + message + bias
        return out
