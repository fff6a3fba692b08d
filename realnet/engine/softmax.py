"""Softmax and cross-entropy of one example in compiled code, with an exponential that runs in vector lanes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from realnet.engine.jit import inlined

__all__ = ["SPREAD", "softmax_back"]

SPREAD = 60.0  # widest range of scores whose exponentials are safe in float32


def _exp(row: np.ndarray, power: np.ndarray) -> None:
    """row <- exp(row) for finite row <= 0, in place."""
    raise NotImplementedError("compiled code only")


@overload(_exp, inline="always")
def _exp_compiled(row: Any, power: Any) -> Any:
    if row.dtype == types.float64:

        def accurate(row: Any, power: Any) -> Any:
            for j in range(row.shape[0]):
                row[j] = math.exp(row[j])

        return accurate

    # The library's exp is called for one number at a time. This one runs in vector lanes: 2^k from the bits
    # of an integer times a polynomial on |r| <= ln 2 / 2 (Cephes expf, relative error below 1e-7).
    def vectorised(row: Any, power: Any) -> Any:
        for j in range(row.shape[0]):
            x = max(row[j], np.float32(-87.0))
            k = np.floor(x * np.float32(1.4426950408889634) + np.float32(0.5))
            r = x - k * np.float32(0.693359375)
            r = r + k * np.float32(2.12194440e-4)
            z = np.float32(1.9875691500e-4) * r + np.float32(1.3981999507e-3)
            z = z * r + np.float32(8.3334519073e-3)
            z = z * r + np.float32(4.1665795894e-2)
            z = z * r + np.float32(1.6666665459e-1)
            z = z * r + np.float32(5.0000001201e-1)
            row[j] = z * r * r + r + np.float32(1.0)
            power[j] = (np.int32(k) + np.int32(127)) << np.int32(23)
        scale = power.view(np.float32)
        for j in range(row.shape[0]):
            row[j] *= scale[j]

    return vectorised


@inlined
def softmax_back(logits: np.ndarray, slope: np.ndarray, label: int, q: int, size: int, power: np.ndarray) -> float:
    """slope <- d(mean loss)/d(logits); returns this example's loss.

    The slope on the label is minus the sum of the others, which keeps its digits when the loss is tiny:
    softmax - 1 in float32 would be rounded to 0 below 6e-8.
    """
    top = logits[0]
    for j in range(1, q):
        top = max(top, logits[j])
    right = logits[label] - top
    for j in range(q):
        slope[j] = logits[j] - top
    _exp(slope[:q], power[:q])
    share, slope[label] = slope[label], slope.dtype.type(0)
    others = slope.dtype.type(0)
    for j in range(q):
        others += slope[j]
    loss = math.log1p(others / share) if right > -SPREAD else math.log(others) - right
    factor = slope.dtype.type(1 / ((others + share) * size))
    for j in range(q):
        slope[j] *= factor
    slope[label] = -others * factor
    for j in range(q, slope.shape[0]):
        slope[j] = 0
    return loss
