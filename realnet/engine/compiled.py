"""The one-layer transformer on a CPU: logits and gradients of one run, compiled, without autograd.

What "x y =" with the answer read at "=" gives away (realnet/README.md):

- only the last position is read, and its query is the same for every pair, so a score is a number for each
  (symbol, position) and the softmax over three positions is e_x / (e_x + e_y + e_=), made of look-ups;
- softmax does not change if "=" is taken from every score: a symbol then counts for what it has more than "=";
- what a symbol adds to the pre-activations and, past the MLP, to the logits is a row of a table
  [symbol at a position, head] = x W_V W_O [W_in | W_U], so W_O and W_in never meet the examples;
- W_out and W_U fold into one matrix from neurons to classes.

Left per example: a weighted sum of 2 × heads rows, ReLU, one matrix product, softmax. Rows pass through in
blocks that stay in the second-level cache. The gradient below is derived by hand in the same terms.

Axis order: table rows are x symbols, y symbols, "="; columns are neurons, then classes (padded to 16).
Everything runs on one thread and without Python's lock, so that runs go side by side and a run's numbers
cannot depend on its neighbours. Works in float32 and float64.
"""

from __future__ import annotations

import math

import numpy as np

from realnet.engine.buffers import ROWS, Array, Examples, Scratch, Weights
from realnet.engine.jit import inlined, jit
from realnet.engine.products import product
from realnet.engine.softmax import SPREAD, softmax_back

__all__ = ["adam", "gradient", "logits"]


@inlined
def _tables(w: Weights, s: Scratch) -> None:
    p, m, q = w.W_E.shape[0] - 1, w.W_in.shape[1], w.W_U.shape[1]
    heads, d, width = w.W_Q.shape
    equals = s.symbols[2 * p]
    equals[:] = w.W_E[p] + w.W_pos[2]
    for a in range(p):
        for j in range(d):
            s.symbols[a, j] = w.W_E[a, j] + w.W_pos[0, j] - equals[j]
            s.symbols[p + a, j] = w.W_E[a, j] + w.W_pos[1, j] - equals[j]
    s.readers[:, :m] = w.W_in
    s.readers[:, m : m + q] = w.W_U
    for h in range(heads):
        s.query[h] = np.dot(equals, w.W_Q[h])
        s.asked[h] = np.dot(w.W_K[h], s.query[h])
        s.W_V[:, h * width : (h + 1) * width] = w.W_V[h]
    s.asked[:] *= s.asked.dtype.type(1 / math.sqrt(width))
    product(s.symbols, s.asked.T, s.scores, 0)
    product(s.symbols, s.W_V, s.values.reshape(-1, d), 0)
    product(w.W_O.reshape(d, d), s.readers, s.heads.reshape(d, -1), 0)
    for h in range(heads):
        product(s.values[:, h], s.heads[h], s.table[:, h], 0)
    np.dot(equals, s.readers, s.base)
    for h in range(heads):
        s.base[:] += s.table[2 * p, h]
    s.base[:m] += w.b_in
    s.base[m : m + q] += np.dot(w.b_out, w.W_U)
    product(w.W_out, s.readers[:, m:], s.fold, 0)


@inlined
def _attention(e: Examples, s: Scratch, p: int) -> None:
    """Attention paid to x and y; what is left goes to "=", whose score is 0."""
    for h in range(s.scores.shape[1]):
        score = s.scores[: 2 * p, h].copy()
        top = max(score.max(), score.dtype.type(0))
        if top - min(score.min(), score.dtype.type(0)) < SPREAD:
            weight, last = np.exp(score - top), math.exp(-top)
            for i in range(e.x.shape[0]):
                a, b = weight[e.x[i]], weight[p + e.y[i]]
                total = a + b + last
                s.attention[i, h, 0] = a / total
                s.attention[i, h, 1] = b / total
        else:
            for i in range(e.x.shape[0]):
                a, b = score[e.x[i]], score[p + e.y[i]]
                top = max(a, b, score.dtype.type(0))
                u, v = math.exp(a - top), math.exp(b - top)
                total = u + v + math.exp(-top)
                s.attention[i, h, 0] = u / total
                s.attention[i, h, 1] = v / total


@inlined
def _add_rows(out: Array, base: Array, x: Array, y: Array, attention: Array) -> None:
    """out [C] <- base + what the symbols' rows x, y [H, C] of the table add."""
    for j in range(out.shape[0]):
        out[j] = base[j]
    for h in range(x.shape[0]):
        u, v, a, b = attention[h, 0], attention[h, 1], x[h], y[h]
        for j in range(out.shape[0]):
            out[j] += u * a[j] + v * b[j]


@inlined
def _add_rows_back(g: Array, x: Array, y: Array, dx: Array, dy: Array, attention: Array, d_attention: Array) -> None:
    for h in range(x.shape[0]):
        u, v, a, b, da, db = attention[h, 0], attention[h, 1], x[h], y[h], dx[h], dy[h]
        du, dv = g.dtype.type(0), g.dtype.type(0)
        for j in range(g.shape[0]):
            du += g[j] * a[j]
            dv += g[j] * b[j]
        for j in range(g.shape[0]):
            da[j] += u * g[j]
            db[j] += v * g[j]
        d_attention[h, 0] = du
        d_attention[h, 1] = dv


@inlined
def _block(e: Examples, s: Scratch, p: int, start: int, stop: int) -> None:
    """Activations of the neurons and logits of the examples start .. stop, into s.rows."""
    m, rows = s.fold.shape[0], stop - start
    for i in range(rows):
        k, row = start + i, s.rows[i]
        _add_rows(row, s.base, s.table[e.x[k]], s.table[p + e.y[k]], s.attention[k])
        for j in range(m):
            row[j] = max(row[j], row.dtype.type(0))
    product(s.rows[:rows, :m], s.fold, s.rows[:rows, m:], 1)


@jit
def logits(w: Weights, e: Examples, s: Scratch, out: Array) -> None:
    """out [D, q] <- logits of the examples."""
    p, m, q, size = w.W_E.shape[0] - 1, w.W_in.shape[1], w.W_U.shape[1], e.x.shape[0]
    _tables(w, s)
    _attention(e, s, p)
    for start in range(0, size, ROWS):
        stop = min(start + ROWS, size)
        _block(e, s, p, start, stop)
        out[start:stop] = s.rows[: stop - start, m : m + q]


@jit
def gradient(w: Weights, e: Examples, s: Scratch, g: Weights) -> float:
    """g <- gradient of the mean cross-entropy; returns that loss."""
    p, m, q, size = w.W_E.shape[0] - 1, w.W_in.shape[1], w.W_U.shape[1], e.x.shape[0]
    _tables(w, s)
    _attention(e, s, p)
    s.d_table[:] = 0
    s.d_base[:] = 0
    loss = 0.0
    for start in range(0, size, ROWS):
        stop = min(start + ROWS, size)
        rows = stop - start
        _block(e, s, p, start, stop)
        for i in range(rows):
            loss += softmax_back(s.rows[i, m:], s.d_rows[i, m:], e.label[start + i], q, size, s.power)
        product(s.d_rows[:rows, m:], s.fold.T, s.d_rows[:rows, :m], 0)
        product(s.rows[:rows, :m].T, s.d_rows[:rows, m:], s.d_fold, min(start, 1))
        for i in range(rows):
            k, row, back = start + i, s.rows[i], s.d_rows[i]
            x, y = e.x[k], p + e.y[k]
            for j in range(m):
                back[j] = back[j] if row[j] > 0 else back.dtype.type(0)
            for j in range(back.shape[0]):
                s.d_base[j] += back[j]
            _add_rows_back(back, s.table[x], s.table[y], s.d_table[x], s.d_table[y], s.attention[k], s.d_attention[k])
    _attention_back(e, s, p)
    _tables_back(w, s, g)
    return loss / size


@inlined
def _attention_back(e: Examples, s: Scratch, p: int) -> None:
    s.d_scores[:] = 0
    for i in range(e.x.shape[0]):
        a, b = e.x[i], p + e.y[i]
        for h in range(s.scores.shape[1]):
            u, v, du, dv = s.attention[i, h, 0], s.attention[i, h, 1], s.d_attention[i, h, 0], s.d_attention[i, h, 1]
            mean = u * du + v * dv
            s.d_scores[a, h] += u * (du - mean)
            s.d_scores[b, h] += v * (dv - mean)


@inlined
def _tables_back(w: Weights, s: Scratch, g: Weights) -> None:
    p, m, q = w.W_E.shape[0] - 1, w.W_in.shape[1], w.W_U.shape[1]
    heads, d, width = w.W_Q.shape
    equals, d_equals = s.symbols[2 * p], s.d_symbols[2 * p]
    for h in range(heads):
        s.d_table[2 * p, h] = s.d_base
        product(s.values[:, h].T, s.d_table[:, h], s.d_heads[h], 0)
        product(s.d_table[:, h], s.heads[h].T, s.d_values[:, h], 0)
    d_heads, d_values = s.d_heads.reshape(d, -1), s.d_values.reshape(-1, d)
    product(d_heads, s.readers.T, g.W_O.reshape(d, d), 0)
    s.d_readers[:] = equals.reshape(-1, 1) * s.d_base
    product(w.W_O.reshape(d, d).T, d_heads, s.d_readers, 1)
    product(s.symbols.T, d_values, s.d_W_V, 0)
    product(s.d_scores, s.asked, s.d_symbols, 0)
    product(d_values, s.W_V.T, s.d_symbols, 1)
    product(s.d_scores.T, s.symbols, s.d_asked, 0)
    d_equals += np.dot(s.readers, s.d_base)
    for h in range(heads):
        g.W_V[h] = s.d_W_V[:, h * width : (h + 1) * width]
        d_asked = s.d_asked[h] * s.d_asked.dtype.type(1 / math.sqrt(width))
        d_query = np.dot(d_asked, w.W_K[h])
        g.W_K[h] = d_asked.reshape(-1, 1) * s.query[h]
        g.W_Q[h] = equals.reshape(-1, 1) * d_query
        d_equals += np.dot(w.W_Q[h], d_query)
    g.W_pos[:] = 0
    for a in range(p):
        g.W_E[a] = s.d_symbols[a] + s.d_symbols[p + a]
        g.W_pos[0] += s.d_symbols[a]
        g.W_pos[1] += s.d_symbols[p + a]
    d_equals -= g.W_pos[0] + g.W_pos[1]
    g.W_E[p] = d_equals
    g.W_pos[2] = d_equals
    g.W_in[:] = s.d_readers[:, :m]
    g.b_in[:] = s.d_base[:m]
    d_fold, d_base = s.d_fold[:, :q], s.d_base[m : m + q]
    product(d_fold, w.W_U.T, g.W_out, 0)
    g.W_U[:] = s.d_readers[:, m : m + q] + w.b_out.reshape(-1, 1) * d_base
    product(w.W_out.T, d_fold, g.W_U, 1)
    g.b_out[:] = np.dot(w.W_U, d_base)


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
