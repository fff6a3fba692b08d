"""Arrays that the compiled path works on: a run's weights, its examples, and a worker's buffers.

Axis order: heads first for attention weights; rows of tables are x symbols, y symbols, "="; columns are
neurons, then classes padded to 16 (so that matrix products run on whole vectors).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

__all__ = ["ROWS", "Array", "Examples", "Scratch", "Weights", "make_scratch"]

Array = np.ndarray
ROWS = 192  # examples in a block: two blocks of neurons fit in 1 MiB at the paper's width


class Weights(NamedTuple):
    """Weights of a run, or their gradients; shapes as in `model`, biases zero where the net has none."""

    W_E: Array
    W_pos: Array
    W_Q: Array
    W_K: Array
    W_V: Array
    W_O: Array
    W_in: Array
    b_in: Array
    W_out: Array
    b_out: Array
    W_U: Array


class Examples(NamedTuple):
    """Pairs [D] and their labels [D], int32, best sorted by x (rows of the table then stay in cache)."""

    x: Array
    y: Array
    label: Array


class Scratch(NamedTuple):
    """Buffers of one worker, overwritten by each call; A = 2 p + 1 rows, C = d_mlp + padded classes."""

    X: Array  # [A, d_model] what each symbol brings at each position
    S: Array  # [A, H] scores
    U: Array  # [H, d_model] directions of the scores
    query: Array  # [H, d_head]
    F: Array  # [d_model, C] W_in beside W_U
    V: Array  # [H, A, d_head]
    M: Array  # [H, d_head, C] W_O F
    T: Array  # [H, A, C] table, x and y rows less the "=" row
    base: Array  # [C] what every example receives
    fold: Array  # [d_mlp, classes] W_out W_U
    mix: Array  # [D, H, 2] attention to x and to y
    dmix: Array
    hidden: Array  # [ROWS, d_mlp]
    dhidden: Array
    out: Array  # [ROWS, classes]
    product: Array  # [ROWS, classes]
    power: Array  # [classes] int32, for exp
    dfold: Array
    dfold_part: Array
    dT: Array
    dbase: Array
    dF: Array
    dM: Array
    dV: Array  # [A, d_head]
    dX: Array
    dX_part: Array
    dS: Array
    dF_part: Array


def make_scratch(p: int, d: int, m: int, heads: int, size: int, dtype: np.dtype[Any]) -> Scratch:
    """Buffers for p symbols, d_model d, d_mlp m and data sets of up to `size` examples."""
    rows, width, classes = 2 * p + 1, d // heads, math.ceil(p / 16) * 16
    columns = m + classes
    table, sums = (heads, rows, columns), (m, classes)
    shapes: dict[str, tuple[int, ...]] = {
        "X": (rows, d), "S": (rows, heads), "U": (heads, d), "query": (heads, width), "F": (d, columns),
        "V": (heads, rows, width), "M": (heads, width, columns), "T": table, "base": (columns,), "fold": sums,
        "mix": (size, heads, 2), "dmix": (size, heads, 2), "hidden": (ROWS, m), "dhidden": (ROWS, m),
        "out": (ROWS, classes), "product": (ROWS, classes), "power": (classes,), "dfold": sums,
        "dfold_part": sums, "dT": table, "dbase": (columns,), "dF": (d, columns), "dM": (width, columns),
        "dV": (rows, width), "dX": (rows, d), "dX_part": (rows, d), "dS": (rows, heads),
        "dF_part": (d, columns),
    }  # fmt: skip
    return Scratch(**{n: np.zeros(s, np.int32 if n == "power" else dtype) for n, s in shapes.items()})
