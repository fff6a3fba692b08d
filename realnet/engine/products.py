"""Matrix products inside compiled code that write into, or add to, any block of rows of a larger array.

`np.dot` wants contiguous arrays and cannot add to what is there; BLAS can do both. `product` calls the gemm that
numba itself calls for `np.dot` (SciPy's), so the number of its threads is limited in one place.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# Numba calls SciPy's BLAS, which must be in place before its threads can be limited.
import scipy.linalg.cython_blas  # noqa: F401
from numba import types
from numba.extending import overload, register_jitable
from numba.np.linalg import ensure_blas

__all__ = ["product"]


def product(a: np.ndarray, b: np.ndarray, out: np.ndarray, keep: float) -> None:
    """out [n, m] <- keep × out + a [n, k] @ b [k, m]; rows, or for a and b columns, must be contiguous.

    `keep` is 0 (what `out` held does not matter) or 1. Compiled code only.
    """
    raise NotImplementedError("compiled code only")


@register_jitable
def _stored(x: Any) -> tuple[int, int]:
    """BLAS's letter for rows (N) or columns (T) in a row, and how far the next one is."""
    if x.strides[1] == x.itemsize:
        return ord("N"), max(x.strides[0] // x.itemsize, x.shape[1], 1)
    return ord("T"), max(x.strides[1] // x.itemsize, x.shape[0], 1)


@overload(product)
def _product_compiled(a: Any, b: Any, out: Any, keep: Any) -> Any:
    ensure_blas()
    kind = ord("s" if a.dtype == types.float32 else "d")
    number = np.float32 if a.dtype == types.float32 else np.float64
    flag, count, block = types.char, types.intp, types.CPointer(a.dtype)
    gemm: Any = types.ExternalFunction(
        "numba_xxgemm",
        types.intc(flag, flag, flag, count, count, count, block, block, count, block, count, block, block, count),
    )

    def call(a: Any, b: Any, out: Any, keep: Any) -> None:
        # BLAS counts columns first: the transposed product, b' a', fills the rows of `out`.
        one, beta = np.array([1], number), np.array([keep], number)
        by_a, next_a = _stored(a)
        by_b, next_b = _stored(b)
        next_out = max(out.strides[0] // out.itemsize, out.shape[1], 1)
        n, m, k = out.shape[0], out.shape[1], a.shape[1]
        gemm(
            kind, by_b, by_a, m, n, k, one.ctypes, b.ctypes, next_b, a.ctypes, next_a, beta.ctypes, out.ctypes, next_out
        )

    return call
