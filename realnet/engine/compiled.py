"""The one-layer transformer on a CPU: logits and gradients of one run, compiled, without autograd.

What "x y =" with the answer read at "=" gives away (experiments.md 1):

- only the last position is read, and its query is the same for every pair, so a score is a number for each
  (symbol, position) and the softmax over three positions is e_x / (e_x + e_y + e_=), made of look-ups;
- what a symbol adds to the pre-activations and, past the MLP, to the logits is a row of a table
  T[head, symbol at a position] = x W_V W_O [W_in | W_U], so W_O and W_in never meet the examples;
- W_out and W_U fold into one matrix from neurons to classes.

Left per example: a weighted sum of 2 × heads rows, ReLU, one matrix product, softmax. Rows pass through in
blocks that stay in the second-level cache. The gradient below is derived by hand in the same terms.

Axis order: table rows are x symbols, y symbols, "="; columns are neurons, then classes (padded to 16).
Everything runs on one thread and without Python's lock, so that runs go side by side and a run's numbers
cannot depend on its neighbours. Works in float32 and float64.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

# Numba calls SciPy's BLAS, which must be in place before its threads can be limited.
import scipy.linalg.cython_blas  # noqa: F401
from numba import njit, types
from numba.extending import overload

from realnet.engine.buffers import ROWS, Array, Examples, Scratch, Weights

__all__ = ["adam", "gradient", "logits"]

SPREAD = 60.0  # widest range of scores whose exponentials are safe in float32
# Reassociation lets sums run in vector lanes; NaN and infinity keep their meaning: divergence is seen.
FAST = {"reassoc", "contract", "nsz"}
jit: Any = njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")


def _exp(row: Array, power: Array) -> None:
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


@jit
def _tables(w: Weights, s: Scratch) -> None:
    p, m, heads = w.W_E.shape[0] - 1, w.W_in.shape[1], w.W_Q.shape[0]
    q, scale = w.W_U.shape[1], 1 / math.sqrt(w.W_Q.shape[2])
    s.X[:p] = w.W_E[:p] + w.W_pos[0]
    s.X[p : 2 * p] = w.W_E[:p] + w.W_pos[1]
    s.X[2 * p] = w.W_E[p] + w.W_pos[2]
    s.F[:, :m] = w.W_in
    s.F[:, m : m + q] = w.W_U
    np.dot(s.X[2 * p], s.F, s.base)
    s.base[:m] += w.b_in
    s.base[m : m + q] += np.dot(w.b_out, w.W_U)
    for h in range(heads):
        np.dot(s.X[2 * p], w.W_Q[h], s.query[h])
        np.dot(w.W_K[h], s.query[h], s.U[h])
        s.U[h] *= scale
        np.dot(s.X, w.W_V[h], s.V[h])
        np.dot(w.W_O[h], s.F, s.M[h])
        np.dot(s.V[h], s.M[h], s.T[h])
        last = s.T[h, 2 * p]
        s.base[:] += last
        for a in range(2 * p):
            s.T[h, a] -= last
    np.dot(s.X, s.U.T, s.S)
    np.dot(w.W_out, s.F[:, m:].copy(), s.fold)


@jit
def _attention(e: Examples, s: Scratch, p: int) -> None:
    """Attention paid to x and y; what is left goes to "="."""
    size, heads = e.x.shape[0], s.S.shape[1]
    for h in range(heads):
        score = s.S[:, h].copy()
        top = score.max()
        if top - score.min() < SPREAD:
            weight = np.exp(score - top)
            last = weight[2 * p]
            for i in range(size):
                a, b = weight[e.x[i]], weight[p + e.y[i]]
                total = a + b + last
                s.mix[i, h, 0] = a / total
                s.mix[i, h, 1] = b / total
        else:
            for i in range(size):
                a, b, c = score[e.x[i]], score[p + e.y[i]], score[2 * p]
                top = max(a, b, c)
                u, v = math.exp(a - top), math.exp(b - top)
                total = u + v + math.exp(c - top)
                s.mix[i, h, 0] = u / total
                s.mix[i, h, 1] = v / total


@jit
def _add_rows(out: Array, base: Array, T: Array, mix: Array, a: int, b: int, start: int) -> None:
    """out <- base + what the rows a and b of all heads add, columns from `start`."""
    n = out.shape[0]
    for j in range(n):
        out[j] = base[start + j]
    for h in range(T.shape[0]):
        u, v, ta, tb = mix[h, 0], mix[h, 1], T[h, a, start : start + n], T[h, b, start : start + n]
        for j in range(n):
            out[j] += u * ta[j] + v * tb[j]


@jit
def _add_rows_back(g: Array, T: Array, dT: Array, mix: Array, dmix: Array, a: int, b: int, start: int) -> None:
    n = g.shape[0]
    for h in range(T.shape[0]):
        u, v = mix[h, 0], mix[h, 1]
        ta, tb = T[h, a, start : start + n], T[h, b, start : start + n]
        da, db = dT[h, a, start : start + n], dT[h, b, start : start + n]
        du, dv = g.dtype.type(0), g.dtype.type(0)
        for j in range(n):
            du += g[j] * ta[j]
            dv += g[j] * tb[j]
        for j in range(n):
            da[j] += u * g[j]
            db[j] += v * g[j]
        dmix[h, 0] += du
        dmix[h, 1] += dv


@jit
def _block(e: Examples, s: Scratch, p: int, start: int, stop: int) -> None:
    """Hidden activations and logits of the examples start .. stop, into s.hidden and s.out."""
    m, rows = s.hidden.shape[1], stop - start
    for i in range(rows):
        k = start + i
        a, b = e.x[k], p + e.y[k]
        hidden = s.hidden[i]
        _add_rows(hidden, s.base, s.T, s.mix[k], a, b, 0)
        for j in range(m):
            hidden[j] = max(hidden[j], hidden.dtype.type(0))
        _add_rows(s.out[i], s.base, s.T, s.mix[k], a, b, m)
    np.dot(s.hidden[:rows], s.fold, s.product[:rows])
    s.out[:rows] += s.product[:rows]


@jit
def _softmax_back(out: Array, label: int, q: int, size: int, power: Array) -> tuple[float, bool]:
    """out <- d(mean loss)/d(logits); returns this example's loss and whether its label wins.

    The slope on the label is minus the sum of the others, which keeps its digits when the loss is tiny:
    softmax - 1 in float32 would be rounded to 0 below 6e-8.
    """
    top = out[0]
    for j in range(1, q):
        top = max(top, out[j])
    right = out[label] - top
    for j in range(q):
        out[j] -= top
    _exp(out[:q], power[:q])
    share, out[label] = out[label], out.dtype.type(0)
    others = out.dtype.type(0)
    for j in range(q):
        others += out[j]
    loss = math.log1p(others / share) if right > -SPREAD else math.log(others) - right
    factor = out.dtype.type(1 / ((others + share) * size))
    for j in range(q):
        out[j] *= factor
    out[label] = -others * factor
    for j in range(q, out.shape[0]):
        out[j] = 0
    return loss, right == 0


@jit
def logits(w: Weights, e: Examples, s: Scratch, out: Array) -> None:
    """out [D, q] <- logits of the examples."""
    p, q, size = w.W_E.shape[0] - 1, w.W_U.shape[1], e.x.shape[0]
    _tables(w, s)
    _attention(e, s, p)
    for start in range(0, size, ROWS):
        stop = min(start + ROWS, size)
        _block(e, s, p, start, stop)
        out[start:stop] = s.out[: stop - start, :q]


@jit
def gradient(w: Weights, e: Examples, s: Scratch, g: Weights) -> tuple[float, float]:
    """g <- gradient of the mean cross-entropy; returns that loss and the accuracy."""
    p, m, q, size = w.W_E.shape[0] - 1, w.W_in.shape[1], w.W_U.shape[1], e.x.shape[0]
    _tables(w, s)
    _attention(e, s, p)
    s.dT[:] = 0
    s.dbase[:] = 0
    s.dfold[:] = 0
    s.dmix[:size] = 0
    loss, correct = 0.0, 0
    for start in range(0, size, ROWS):
        stop = min(start + ROWS, size)
        rows = stop - start
        _block(e, s, p, start, stop)
        for i in range(rows):
            one, right = _softmax_back(s.out[i], e.label[start + i], q, size, s.power)
            loss += one
            correct += right
        np.dot(s.out[:rows], s.fold.T, s.dhidden[:rows])
        np.dot(s.hidden[:rows].T, s.out[:rows], s.dfold_part)
        s.dfold[:] += s.dfold_part
        for i in range(rows):
            k = start + i
            a, b = e.x[k], p + e.y[k]
            hidden, back, out = s.hidden[i], s.dhidden[i], s.out[i]
            for j in range(m):
                back[j] = back[j] if hidden[j] > 0 else back.dtype.type(0)
                s.dbase[j] += back[j]
            for j in range(out.shape[0]):
                s.dbase[m + j] += out[j]
            _add_rows_back(back, s.T, s.dT, s.mix[k], s.dmix[k], a, b, 0)
            _add_rows_back(out, s.T, s.dT, s.mix[k], s.dmix[k], a, b, m)
    _attention_back(e, s, p)
    _tables_back(w, s, g)
    return loss / size, correct / size


@jit
def _attention_back(e: Examples, s: Scratch, p: int) -> None:
    s.dS[:] = 0
    for i in range(e.x.shape[0]):
        a, b = e.x[i], p + e.y[i]
        for h in range(s.S.shape[1]):
            u, v, du, dv = s.mix[i, h, 0], s.mix[i, h, 1], s.dmix[i, h, 0], s.dmix[i, h, 1]
            mean = u * du + v * dv
            s.dS[a, h] += u * (du - mean)
            s.dS[b, h] += v * (dv - mean)
            s.dS[2 * p, h] -= (1 - u - v) * mean


@jit
def _tables_back(w: Weights, s: Scratch, g: Weights) -> None:
    p, m, heads = w.W_E.shape[0] - 1, w.W_in.shape[1], w.W_Q.shape[0]
    q, scale = w.W_U.shape[1], 1 / math.sqrt(w.W_Q.shape[2])
    last = s.X[2 * p]
    s.dF[:] = last.reshape(-1, 1) * s.dbase
    np.dot(s.dS, s.U, s.dX)
    s.dX[2 * p] += np.dot(s.F, s.dbase)
    dU = np.dot(s.dS.T, s.X)
    dU *= scale
    for h in range(heads):
        dT, end = s.dT[h], s.dT[h, 2 * p]
        end[:] = s.dbase
        for a in range(2 * p):
            end -= dT[a]
        np.dot(s.V[h].T, dT, s.dM)
        np.dot(dT, s.M[h].T, s.dV)
        np.dot(s.dM, s.F.T, g.W_O[h])
        np.dot(w.W_O[h].T, s.dM, s.dF_part)
        s.dF[:] += s.dF_part
        np.dot(s.X.T, s.dV, g.W_V[h])
        np.dot(s.dV, w.W_V[h].T, s.dX_part)
        s.dX[:] += s.dX_part
        dquery = np.dot(dU[h], w.W_K[h])
        g.W_K[h] = dU[h].reshape(-1, 1) * s.query[h]
        g.W_Q[h] = last.reshape(-1, 1) * dquery
        s.dX[2 * p] += np.dot(w.W_Q[h], dquery)
    g.W_E[:p] = s.dX[:p] + s.dX[p : 2 * p]
    g.W_E[p] = s.dX[2 * p]
    g.W_pos[:] = 0
    for a in range(p):
        g.W_pos[0] += s.dX[a]
        g.W_pos[1] += s.dX[p + a]
    g.W_pos[2] = s.dX[2 * p]
    g.W_in[:] = s.dF[:, :m]
    g.b_in[:] = s.dbase[:m]
    dfold, dbase = s.dfold[:, :q].copy(), s.dbase[m : m + q]
    np.dot(dfold, w.W_U.T, g.W_out)
    np.dot(w.W_out.T, dfold, g.W_U)
    g.W_U[:] += s.dF[:, m : m + q] + w.b_out.reshape(-1, 1) * dbase
    g.b_out[:] = np.dot(w.W_U, dbase)


@jit
def adam(
    w: Array,
    g: Array,
    first: Array,
    second: Array,
    rate: float,
    decay: float,
    penalty: float,
    r: tuple[float, ...],
) -> None:
    """One step of Adam in a single pass over w [size]: w <- decay w - rate m / (sqrt v + e).

    `penalty` is the coupled L2 coefficient; r = (1 - beta1, beta2, 1 - beta2, epsilon, root of correction 2).
    """
    kind = w.dtype.type
    fresh1, keep2, fresh2, epsilon, root = kind(r[0]), kind(r[1]), kind(r[2]), kind(r[3]), kind(r[4])
    step, shrink, l2 = kind(rate), kind(decay), kind(penalty)
    for i in range(w.shape[0]):
        slope = g[i] + l2 * w[i]
        first[i] += (slope - first[i]) * fresh1
        second[i] = second[i] * keep2 + slope * slope * fresh2
        w[i] = w[i] * shrink - step * first[i] / (np.sqrt(second[i]) / root + epsilon)
