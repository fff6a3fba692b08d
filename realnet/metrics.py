"""What is measured on a network (realnet/README.md, Measures), from its outputs on all examples and its training gradient.

Axis order: outputs are [n, q]; classes are 0 .. q - 1. Everything is computed in float64. Quantities that a run does
not have (removed examples before any are removed, circuits where the labels form no cyclic group) are NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from realnet.config import RunConfig
from realnet.examples import StageData
from realnet.losses import Loss, cross_entropy, evaluate, softmax
from realnet.tasks.task import Group, Task

__all__ = [
    "UNITS",
    "Callback",
    "Logger",
    "Snapshot",
    "equivalent_logit",
    "examples",
    "homogeneity",
    "measure",
    "trigonometric",
]

SPLITS, GROUP = ("train", "unseen", "removed"), ("rows", "exponents", "classes")
UNITS = {
    "loss": "loss", "accuracy": "1", "logit": "nats", "margin": "output", "norm": "norm", "gradient_norm": "loss/norm",
    "effective_weight_decay": "loss/norm^2", "homogeneity": "1", "gen_logit": "output", "mem_logit": "output",
    "gen_share": "1", "frequency_share": "1", "embedding_share": "1", "key_frequency_share": "1", "shortfall": "output",
    "frequency_count": "1",
}  # fmt: skip
"""Unit of each measured name, by its ending: "loss" stands for the unit of the loss, "output" for nats or the target's"""
KEY_FREQUENCIES = 5


@dataclass(frozen=True)
class Snapshot:
    """A network at a measured step, as a Callback sees it."""

    config: RunConfig
    """None for a network from elsewhere whose task is no RunConfig's"""
    step: int
    data: StageData
    logits: Tensor
    """[n, q] outputs on all examples of the task, temperature included"""
    weights: Mapping[str, Tensor]
    gradients: Mapping[str, Tensor]
    """of the mean training loss"""
    task: Task
    loss: Loss


class Callback(Protocol):
    """A measurement of your own: called at every full measurement; returns numbers, always of the same names."""

    def __call__(self, snapshot: Snapshot) -> Mapping[str, float]: ...


class Logger(Protocol):
    """What is told of a run as it goes: at every measured step, one call at a time, in the order of each run's steps.

    `numbers` has losses, accuracies, margins and the norm, and at full measurements all that is measured, callbacks
    included. `status` is "running", and at a run's last call "finished", "stopped" or "diverged". After a kill, steps since
    the last checkpoint are told again.
    """

    def __call__(self, run: RunConfig, step: int, numbers: Mapping[str, float], status: str) -> None: ...


def equivalent_logit(loss: float, q: int) -> float:
    """s = ln((q - 1) / (e^loss - 1)), the toy weight with this cross-entropy; inf at loss 0."""
    if loss <= 0:
        return math.inf if loss == 0 else math.nan
    # ln(e^L - 1) = L + ln(1 - e^-L) stays finite for large L.
    return math.log(q - 1) - loss - math.log(-math.expm1(-loss))


def homogeneity(loss: float, w_dot_g: float, q: int) -> float:
    """kappa_local = d ln s / d ln|w| under scaling of all weights, exactly: dL/d ln|w| = <w, grad L>.

    With ds/dL = -1 / (1 - e^-L). NaN where s <= 0: the network is no better than chance.
    """
    s = equivalent_logit(loss, q)
    if not 0 < s < math.inf:
        return math.nan
    return -w_dot_g / -math.expm1(-loss) / s


def examples(
    outputs: Tensor, target: Tensor, loss: Loss = cross_entropy, tolerance: float | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss, correctness and margin (right output less the largest other) of each example [n], in float64.

    Correct is the largest output on the right class; of numbers to be hit, a squared error below `tolerance`, and their
    margin is NaN.
    """
    scores = outputs.double()
    values, _ = evaluate(loss, scores, target)
    if target.is_floating_point():
        error = ((scores - target) ** 2).mean(1)
        unknown = torch.full_like(error, math.nan)
        return values, unknown if tolerance is None else (error < tolerance).double(), unknown
    right = scores.gather(1, target[:, None])[:, 0]
    margin = right - scores.scatter(1, target[:, None], -torch.inf).max(1).values
    return values, (margin > 0).double(), margin


def trigonometric(logits: Tensor, group: Group) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Projection of the logits onto cos(2 pi k u / n), u = label - class in a cyclic group of order n.

    Returns the generalising circuit's logit for each u [n], the logits less their mean over classes
    [rows, n] by u, the projection's share of their squared norm, and its parts by frequency k = 1 .. n // 2
    (Nanda et al. 2023, arXiv 2301.05217; Varma et al. 2023, A.3).
    """
    rows, label, order = (_on(logits.device, group, k, lambda k=k: getattr(group, k)) for k in GROUP)  # type: ignore[misc]
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
    return gen, by_offset, parts.sum(), parts


def embedding_spectrum(embedding: Tensor, group: Group) -> Tensor:
    """[n // 2] share of the embedding's power at each frequency over the symbols, in the group's order."""
    order = _on(embedding.device, group, "classes", lambda: group.classes)
    power = (torch.fft.rfft(embedding[order].double(), dim=0).abs()[1:] ** 2).sum(1)
    power[: (len(order) - 1) // 2] *= 2
    return power / power.sum()


def measure(shots: Iterable[Snapshot], full: bool = True) -> list[dict[str, float | np.ndarray]]:
    """What is measured of each run: numbers, or arrays [n_frequencies]; without `full` splits, norm and "finite" alone.

    The device is waited for once, and the outputs of one run at a time are held where `shots` makes them one by one.
    """
    runs = [(s.loss, s.logits.shape[1], _quantities(s) if full else _light(s)) for s in shots]
    return [
        _derived(loss, q, found) if full else found | {"norm": math.sqrt(found.pop("squared"))}
        for (loss, q, _), found in zip(runs, _numbers([x for *_, x in runs]), strict=True)
    ]


def _numbers(runs: Sequence[Mapping[str, Tensor]]) -> list[dict[str, Any]]:
    if not runs:
        return []
    columns = [x.double().reshape(-1) for parts in runs for x in parts.values()]
    everything = torch.cat(columns).cpu().numpy()
    pieces = iter(np.split(everything, np.cumsum([x.numel() for x in columns])[:-1]))
    return [{k: next(pieces).copy() if x.dim() else float(next(pieces)[0]) for k, x in parts.items()} for parts in runs]


_kept: WeakKeyDictionary[StageData | Group, dict[tuple[str, torch.device], Tensor]] = WeakKeyDictionary()


def _on(device: torch.device, owner: StageData | Group, name: str, make: Callable[[], np.ndarray]) -> Tensor:
    """An array that belongs to `owner`, on `device`; taken there once, since a copy waits for the device."""
    kept = _kept.setdefault(owner, {})
    if (name, device) not in kept:
        kept[name, device] = torch.from_numpy(make()).to(device)
    return kept[name, device]


def _light(shot: Snapshot, full: bool = False) -> dict[str, Tensor]:
    data, device = shot.data, shot.logits.device

    def judged_by() -> np.ndarray:
        # Training examples are judged by the labels they were given, all others by the true ones.
        target = data.truth.copy()
        target[data.train] = data.labels[data.train]
        return target

    target = _on(device, data, "target", judged_by)
    by_example = examples(shot.logits, target, shot.loss, shot.task.tolerance)
    found = {"finite": shot.logits.isfinite().all(), "squared": _dot(shot.weights, shot.weights)}
    for split in SPLITS:
        rows = _on(device, data, split, lambda split=split: getattr(data, split))  # type: ignore[misc]
        for name, values in zip(("loss", "accuracy", "margin"), by_example, strict=True):
            found[f"{split}_{name}"] = values[rows].mean()
    if full:
        # How far never-seen examples fall short of the mean training margin; those beyond it count as 0.
        unseen = by_example[2][_on(device, data, "unseen", lambda: data.unseen)]
        found["unseen_shortfall"] = (found["train_margin"] - unseen).clamp(min=0).mean()
    return found


def _dot(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> Tensor:
    return torch.stack([(a[k].double() * b[k].double()).sum() for k in a]).sum()


def _quantities(shot: Snapshot) -> dict[str, Tensor]:
    slopes = {"slope": _dot(shot.gradients, shot.gradients), "dot": _dot(shot.weights, shot.gradients)}
    return _light(shot, full=True) | _circuits(shot) | slopes


def _derived(loss: Loss, q: int, numbers: Mapping[str, Any]) -> dict[str, Any]:
    missing = dict.fromkeys(("gen_logit", "mem_logit", "gen_share", "key_frequency_share", "frequency_count"), math.nan)
    found: dict[str, Any] = missing | dict(numbers)
    squared, slope, dot = (found.pop(name) for name in ("squared", "slope", "dot"))
    # An equivalent logit is one of a cross-entropy.
    logits = getattr(loss, "func", loss) in (cross_entropy, softmax)
    for split in SPLITS:
        found[f"{split}_logit"] = equivalent_logit(found[f"{split}_loss"], q) if logits else math.nan
    found |= {"norm": math.sqrt(squared), "gradient_norm": math.sqrt(slope)}
    found["effective_weight_decay"] = -dot / squared if squared else math.nan
    found["homogeneity"] = homogeneity(found["train_loss"], dot, q) if logits else math.nan
    return found


def _circuits(shot: Snapshot) -> dict[str, Tensor]:
    # Circuits are those of the task's own labels, also while a phase trains on others.
    group, data = shot.task.group, shot.data
    if group is None:
        return {}
    gen, by_offset, share, frequencies = trigonometric(shot.logits, group)
    inside = _on(by_offset.device, data, "inside", lambda: np.flatnonzero(np.isin(group.rows, data.train)))
    residual = (by_offset[inside, 0] - gen[0]).mean()
    found = {"gen_logit": gen[0], "mem_logit": residual, "gen_share": share, "frequency_share": frequencies}
    # Gen on k frequencies of equal power counts k.
    found["frequency_count"] = frequencies.sum() ** 2 / (frequencies**2).sum()
    if "embed.W_E" in shot.weights and len(shot.weights["embed.W_E"]) > group.classes.max():
        spectrum = embedding_spectrum(shot.weights["embed.W_E"], group)
        found["embedding_share"] = spectrum
        found["key_frequency_share"] = spectrum.topk(min(KEY_FREQUENCIES, len(spectrum))).values.sum()
    return found
