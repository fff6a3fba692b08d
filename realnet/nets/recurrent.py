"""Networks for texts: symbols [n, length], of which 0 stands for nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from realnet.fields import require
from realnet.tasks.task import Task

__all__ = ["LSTM", "Bag"]


def _vocabulary(task: Task, network: str) -> int:
    texts = task.symbols is not None and [x.ndim for x in task.inputs] == [2]
    shapes = [x.shape[1:] for x in task.inputs]
    require(texts, f"{network} reads texts: one input of symbols [n, length]", shapes, "Choose another network.")
    return int(task.symbols or 0)


class Bag(nn.Module):
    """Mean of the embeddings of a text's words, then a hidden layer: the order of words is lost."""

    def __init__(self, task: Task, d_model: int, d_mlp: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(_vocabulary(task, "bag"), d_model)
        self.hidden = nn.Linear(d_model, d_mlp)
        self.out = nn.Linear(d_mlp, task.outputs)

    def forward(self, text: Tensor) -> Tensor:
        """text: [n, length] symbols."""
        there = (text > 0).to(self.embed.weight.dtype)[..., None]
        mean = (self.embed(text) * there).sum(1) / there.sum(1).clamp(min=1)
        scores: Tensor = self.out(torch.relu(self.hidden(mean)))
        return scores


class LSTM(nn.Module):
    """Embedding, `n_layers` of an LSTM of width d_mlp, and a linear read-out of its state after the last word.

    The state starts at 0 for every text; Omnigrok's code carries it from batch to batch.
    """

    def __init__(self, task: Task, d_model: int, d_mlp: int, n_layers: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(_vocabulary(task, "lstm"), d_model)
        self.lstm = nn.LSTM(d_model, d_mlp, n_layers, batch_first=True)
        self.out = nn.Linear(d_mlp, task.outputs)

    def forward(self, text: Tensor) -> Tensor:
        """text: [n, length] symbols."""
        states, _ = self.lstm(self.embed(text))
        scores: Tensor = self.out(states[:, -1])
        return scores
