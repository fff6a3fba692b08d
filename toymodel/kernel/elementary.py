"""exp and log, of a number and in place over the first `size` entries of a vector; exp holds its argument within ±708.

numba calls the C library for each number, which keeps the loop scalar and takes most of a sweep's time.  Compiled, the
functions are spelled out: argument reduction and a polynomial, to within 2 units in the last place, without a branch, so
that the loop becomes vector instructions.
"""

import math
from typing import Any

from . import COMPILED, jit

Vector = Any  # a list of floats in plain Python, a numpy array once compiled

if COMPILED:
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    def _as_float(_context: Any, bits: Any) -> Any:
        """The float64 with these bits."""
        return types.float64(types.int64), lambda _c, b, _s, args: b.bitcast(args[0], ir.DoubleType())

    def _as_bits(_context: Any, number: Any) -> Any:
        """The bits of a float64."""
        return types.int64(types.float64), lambda _c, b, _s, args: b.bitcast(args[0], ir.IntType(64))

    as_float: Any = intrinsic(_as_float)
    as_bits: Any = intrinsic(_as_bits)
    LOG2_E = 1.4426950408889634
    LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
    ROUND = 6755399441055744.0  # 1.5 × 2^52: adding it leaves the nearest whole number in the low bits
    ROOT_HALF = 0x3FE6A09E667F3BCD  # bits of √½

    @jit
    def exp(x: Any) -> Any:
        """e^x = 2^k e^f with |f| <= ln(2)/2; Taylor to f^13."""
        x = min(max(x, -708.0), 708.0)
        shifted = x * LOG2_E + ROUND
        k = shifted - ROUND
        f = (x - k * LN2_HIGH) - k * LN2_LOW
        f2 = f * f
        f4 = f2 * f2
        low = (1.0 + f) + f2 * (1 / 2 + f * (1 / 6)) + f4 * ((1 / 24 + f * (1 / 120)) + f2 * (1 / 720 + f * (1 / 5040)))
        high = (1 / 40320 + f * (1 / 362880)) + f2 * (1 / 3628800 + f * (1 / 39916800))
        high += f4 * (1 / 479001600 + f * (1 / 6227020800))
        y = low + f4 * f4 * high
        return as_float(as_bits(y) + (as_bits(shifted) << 52))

    @jit
    def log(x: Any) -> Any:
        """ln x = e ln 2 + 2 artanh((m-1)/(m+1)) with √½ <= m < √2; for normal x > 0."""
        bits: Any = as_bits(x)
        e = (bits - ROOT_HALF) >> 52
        m = as_float(bits - (e << 52))
        s = (m - 1.0) / (m + 1.0)
        z = s * s
        z2 = z * z
        z4 = z2 * z2
        series = (1 / 3 + z * (1 / 5)) + z2 * (1 / 7 + z * (1 / 9))
        series += z4 * ((1 / 11 + z * (1 / 13)) + z2 * (1 / 15 + z * (1 / 17))) + z4 * z4 * (1 / 19 + z * (1 / 21))
        return e * LN2_HIGH + (2.0 * s + (2.0 * s * z * series + e * LN2_LOW))

else:

    def exp(x: Any) -> Any:
        """e^x"""
        return math.exp(min(max(x, -708.0), 708.0))

    def log(x: Any) -> Any:
        """ln x"""
        return math.log(x)


@jit
def exp_all(x: Vector, size: int) -> None:
    """x[:size] = e^x[:size]"""
    for j in range(size):
        x[j] = exp(x[j])


@jit
def log_all(x: Vector, size: int) -> None:
    """x[:size] = ln x[:size]"""
    for j in range(size):
        x[j] = log(x[j])
