"""What is measured on a net (experiments.md 2), from its logits on the whole table and its training gradient.

Axis order: logits are [n_pairs, q]; classes are 0 .. q - 1. Everything is computed in float64. Quantities
that a run does not have (removed examples before any are removed, trigonometry of a random table) are NaN.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from realnet.config import RunConfig
from realnet.engine.ensemble import StageData
from realnet.tasks import discrete_log, labels

__all__ = [
    "UNITS",
    "Callback",
    "Snapshot",
    "equivalent_logit",
    "examples",
    "homogeneity",
    "measure",
    "trigonometric",
]

SPLITS = ("train", "unseen", "removed")
UNITS = {
    "loss": "nats", "accuracy": "1", "logit": "nats", "margin": "nats", "norm": "norm",
    "gradient_norm": "nats/norm",
    "effective_weight_decay": "nats/norm^2", "homogeneity": "1", "gen_logit": "nats", "mem_logit": "nats",
    "gen_share": "1", "frequency_share": "1", "embedding_share": "1", "key_frequency_share": "1",
}  # fmt: skip
"""Unit of each measured name, by its ending"""
KEY_FREQUENCIES = 5


@dataclass(frozen=True)
class Snapshot:
    """A net at a measured step, as a Callback sees it."""

    config: RunConfig
    step: int
    data: StageData
    logits: Tensor
    """[n_pairs, q] on the whole table"""
    weights: Mapping[str, Tensor]
    gradients: Mapping[str, Tensor]
    """of the mean training cross-entropy"""


class Callback(Protocol):
    """A measurement of your own: called at every measured step; returns numbers, always of the same names."""

    def __call__(self, snapshot: Snapshot) -> Mapping[str, float]: ...


def equivalent_logit(loss: float, q: int) -> float:
    """s = ln((q - 1) / (e^loss - 1)), the toy weight with this cross-entropy; inf at loss 0."""
    if loss <= 0:
        return math.inf if loss == 0 else math.nan
    # ln(e^L - 1) = L + ln(1 - e^-L) stays finite for large L.
    return math.log(q - 1) - loss - math.log(-math.expm1(-loss))


def homogeneity(loss: float, w_dot_g: float, q: int) -> float:
    """kappa_local = d ln s / d ln|w| under scaling of all weights, exactly: dL/d ln|w| = <w, grad L>.

    With ds/dL = -1 / (1 - e^-L). NaN where s <= 0: the net is no better than chance.
    """
    s = equivalent_logit(loss, q)
    if not 0 < s < math.inf:
        return math.nan
    return -w_dot_g / -math.expm1(-loss) / s


def examples(logits: Tensor, label: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Cross-entropy, correctness and margin (right logit less the largest other), each [n], in float64."""
    scores = logits.double()
    right = scores.gather(1, label[:, None])[:, 0]
    others = scores.scatter(1, label[:, None], -torch.inf)
    margin = right - others.max(1).values
    loss = torch.nn.functional.softplus(others.logsumexp(1) - right)
    return loss, (margin > 0).double(), margin


@functools.lru_cache(maxsize=16)
def _cyclic(task: str, p: int) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Rows, their labels as exponents of a cyclic group, the classes in its order; None without one."""
    if task in ("add", "sub"):
        truth = labels(task, p, 0)[1]
        return np.arange(len(truth)), truth, np.arange(p)
    if task == "div":
        truth, logs = labels(task, p, 0)[1], discrete_log(p)
        rows = np.flatnonzero(truth > 0)
        return rows, logs[truth[rows]], np.argsort(logs)[1:]
    return None


def trigonometric(logits: Tensor, task: str, p: int) -> tuple[Tensor, Tensor, float, Tensor] | None:
    """Projection of the logits onto cos(2 pi k u / n), u = label - class in a cyclic group of order n.

    Returns the generalising circuit's logit for each u [n], the logits less their mean over classes
    [rows, n] by u, the projection's share of their squared norm, and its parts by frequency k = 1 .. n // 2
    (Nanda et al. 2023, arXiv 2301.05217; Varma et al. 2023, A.3). None for tasks without such a group.
    """
    group = _cyclic(task, p)
    if group is None:
        return None
    rows, label, order = (torch.from_numpy(z).to(logits.device) for z in group)
    n = len(order)
    scores = logits.double()[rows][:, order]
    scores = scores - scores.mean(1, keepdim=True)
    u = torch.arange(n, device=logits.device)
    by_offset = scores.gather(1, (label[:, None] - u) % n)
    mean = by_offset.mean(0)
    gen = (mean + mean[(-u) % n]) / 2
    total = (by_offset**2).sum()
    power = torch.fft.rfft(gen).abs()[1:] ** 2 / n
    power[: (n - 1) // 2] *= 2  # each frequency below n / 2 stands for itself and its conjugate
    parts = len(rows) * power / total
    return gen, by_offset, parts.sum().item(), parts


def embedding_spectrum(embedding: Tensor, task: str, p: int) -> Tensor | None:
    """[n // 2] share of the embedding's power at each frequency over the symbols, in the group's order."""
    group = _cyclic(task, p)
    if group is None:
        return None
    order = torch.from_numpy(group[2]).to(embedding.device)
    power = (torch.fft.rfft(embedding[order].double(), dim=0).abs()[1:] ** 2).sum(1)
    power[: (len(order) - 1) // 2] *= 2
    return power / power.sum()


def splits(logits: Tensor, data: StageData) -> dict[str, float]:
    """Loss, accuracy and margin on each split."""
    # Training examples are judged by the labels they were given, all others by the true ones.
    label = data.truth.copy()
    label[data.train] = data.labels[data.train]
    by_pair = examples(logits, torch.from_numpy(label).to(logits.device))
    found = {}
    for split in SPLITS:
        rows = torch.from_numpy(getattr(data, split)).to(logits.device)
        for name, values in zip(("loss", "accuracy", "margin"), by_pair, strict=True):
            found[f"{split}_{name}"] = values[rows].mean().item()
    return found


def measure(snapshot: Snapshot) -> dict[str, float | np.ndarray]:
    """Everything of experiments.md 2; values are numbers, or arrays [n_frequencies]."""
    q = snapshot.config.p
    by_split = splits(snapshot.logits, snapshot.data)
    found: dict[str, float | np.ndarray] = dict(by_split)
    for split in SPLITS:
        found[f"{split}_logit"] = equivalent_logit(by_split[f"{split}_loss"], q)
    squared = sum((w.double() ** 2).sum().item() for w in snapshot.weights.values())
    slope = sum((g.double() ** 2).sum().item() for g in snapshot.gradients.values())
    dot = sum((w.double() * snapshot.gradients[k].double()).sum().item() for k, w in snapshot.weights.items())
    found |= {"norm": math.sqrt(squared), "gradient_norm": math.sqrt(slope)}
    found |= {
        "effective_weight_decay": -dot / squared,
        "homogeneity": homogeneity(by_split["train_loss"], dot, q),
    }
    return found | _circuits(snapshot)


def _circuits(snapshot: Snapshot) -> dict[str, float | np.ndarray]:
    config, rows = snapshot.config, snapshot.data.train
    task = config.task
    # Circuits are those of the task's own labels, also while a phase trains on others.
    parts = trigonometric(snapshot.logits, task, config.p)
    if parts is None:
        return dict.fromkeys(("gen_logit", "mem_logit", "gen_share", "key_frequency_share"), math.nan)
    gen, by_offset, share, frequencies = parts
    group = _cyclic(task, config.p)
    assert group is not None
    inside = torch.from_numpy(np.flatnonzero(np.isin(group[0], rows))).to(by_offset.device)
    residual = (by_offset[inside, 0] - gen[0]).mean().item()
    found: dict[str, float | np.ndarray] = {
        "gen_logit": gen[0].item(),
        "mem_logit": residual,
        "gen_share": share,
    }
    found["frequency_share"] = frequencies.cpu().numpy()
    if "W_E" in snapshot.weights:
        spectrum = embedding_spectrum(snapshot.weights["W_E"], task, config.p)
        assert spectrum is not None
        found["embedding_share"] = spectrum.cpu().numpy()
        found["key_frequency_share"] = spectrum.topk(min(KEY_FREQUENCIES, len(spectrum))).values.sum().item()
    else:
        found["key_frequency_share"] = math.nan
    return found
