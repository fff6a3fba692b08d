"""Arrays that the compiled path works on: a run's weights, its examples, and a worker's buffers.

Axis order: heads first for attention weights; rows of tables are x symbols, y symbols, "="; columns are
neurons, then classes padded to 16 (so that matrix products run on whole vectors).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

__all__ = ["ROWS", "Array", "Examples", "Scratch", "Weights", "make_scratch", "order"]

Array = np.ndarray
ROWS = 384  # examples in a block: long enough for the products, short enough for the caches


class Weights(NamedTuple):
    """Weights of a run, or their gradients; shapes as in `model`, biases zero where the network has none."""

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
    """Pairs [D] and their labels [D], int32, in the order in which they are gone through."""

    x: Array
    y: Array
    label: Array


class Scratch(NamedTuple):
    """Buffers of one worker, overwritten by each call; A = 2 p + 1 for p symbols, C = d_mlp + padded classes."""

    symbols: Array  # [A, d_model] what each brings at its position, x and y less what "=" brings
    query: Array  # [H, d_head] of "="
    asked: Array  # [H, d_model] directions of the scores
    scores: Array  # [A, H] less that of "="
    attention: Array  # [D, H, 2] paid to x and to y
    W_V: Array  # [d_model, d_model] of all heads, side by side
    values: Array  # [A, H, d_head]
    readers: Array  # [d_model, C] W_in beside W_U
    heads: Array  # [H, d_head, C] W_O readers
    table: Array  # [A, H, C] what each symbol adds through each head
    base: Array  # [C] what every example receives
    fold: Array  # [d_mlp, classes] W_out W_U
    rows: Array  # [ROWS, C] activations of the neurons, logits
    power: Array  # [classes] int32, for exp
    d_symbols: Array
    d_asked: Array
    d_scores: Array
    d_attention: Array
    d_W_V: Array
    d_values: Array
    d_readers: Array
    d_heads: Array
    d_table: Array
    d_base: Array
    d_fold: Array
    d_rows: Array


def make_scratch(p: int, q: int, d: int, m: int, heads: int, size: int, dtype: str) -> Scratch:
    """Buffers for p symbols, q classes, d_model d, d_mlp m and data sets of up to `size` examples."""
    places, width, classes = 2 * p + 1, d // heads, math.ceil(q / 16) * 16
    columns = m + classes
    shapes: dict[str, tuple[int, ...]] = {
        "symbols": (places, d), "query": (heads, width), "asked": (heads, d), "scores": (places, heads),
        "attention": (size, heads, 2), "W_V": (d, d), "values": (places, heads, width), "readers": (d, columns),
        "heads": (heads, width, columns), "table": (places, heads, columns), "base": (columns,),
        "fold": (m, classes), "rows": (ROWS, columns), "power": (classes,),
    }  # fmt: skip
    shapes |= {name: shapes[name[2:]] for name in Scratch._fields if name.startswith("d_")}
    return Scratch(**{n: np.zeros(s, np.int32 if n == "power" else dtype) for n, s in shapes.items()})


def order(x: Array, y: Array) -> Array:
    """In which order examples find the rows of the table in the cache: by 16 values of y at a time, then by x."""
    places: Array = np.lexsort((y, x, y // 16))
    return places
