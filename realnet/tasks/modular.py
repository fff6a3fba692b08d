"""Tables of pairs (x, y) of symbols and their label: arithmetic mod p, permutations, random labels.

Axis order: one row a pair, x slowest. Tasks: Power et al. 2022, arXiv 2201.02177, appendix A.1.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from realnet.tasks.task import RANDOM_LABELS, Group, Task

__all__ = ["MODULAR", "Table", "discrete_log", "is_prime", "modular", "symbols", "table", "table_size"]

Ints = np.ndarray

POLYNOMIALS: dict[str, Callable[[Ints, Ints], Ints]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "x^2+y^2": lambda x, y: x**2 + y**2,
    "x^2+xy+y^2": lambda x, y: x**2 + x * y + y**2,
    "x^2+xy+y^2+x": lambda x, y: x**2 + x * y + y**2 + x,
    "x^3+xy": lambda x, y: x**3 + x * y,
    "x^3+xy^2+y": lambda x, y: x**3 + x * y**2 + y,
}
# In the products of S5 the right factor acts first.
COMPOSITIONS = ("s5_xy", "s5_xyx^-1", "s5_xyx")
MODULAR = (*POLYNOMIALS, "div", "div_odd", *COMPOSITIONS, "random")
"""`div_odd` is x / y for odd y and x - y for even y; `random` has wholly random labels."""


@dataclass(frozen=True)
class Table:
    """All pairs of a task: `x`, `y` and `label`, each [n_pairs], values in 0 .. symbols - 1."""

    x: Ints
    y: Ints
    label: Ints | None
    """None where the task has no true label (`random`)"""


def is_prime(n: int) -> bool:
    """Whether n is prime, by trial division."""
    return n > 1 and all(n % k for k in range(2, int(n**0.5) + 1))


def symbols(task: str, p: int) -> int:
    """Number of symbols and of classes: p, or the 120 permutations of S5."""
    return 120 if task in COMPOSITIONS else p


def table_size(task: str, p: int) -> int:
    """Number of pairs; division leaves out y = 0."""
    return p * (p - 1) if task in ("div", "div_odd") else symbols(task, p) ** 2


@functools.lru_cache(maxsize=8)
def table(task: str, p: int) -> Table:
    """All pairs of `task` with p symbols (Power et al. 2022, A.1)."""
    n = symbols(task, p)
    first = 1 if task in ("div", "div_odd") else 0
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(n), np.arange(first, n), indexing="ij"))
    label: Ints | None
    if task in POLYNOMIALS:
        # Reduced first, so that a cube of a large symbol cannot overflow.
        label = POLYNOMIALS[task](x.astype(object), y.astype(object)) % n if n > 10**6 else None
        label = (POLYNOMIALS[task](x, y) % n) if label is None else label.astype(np.int64)
    elif task in ("div", "div_odd"):
        inverse = np.array([0] + [pow(k, -1, p) for k in range(1, p)])
        quotient = x * inverse[y] % p
        label = quotient if task == "div" else np.where(y % 2 == 1, quotient, (x - y) % p)
    elif task in COMPOSITIONS:
        label = _composition(task, x, y)
    else:
        label = None
    return Table(x, y, label)


def _composition(task: str, x: Ints, y: Ints) -> Ints:
    permutations = np.array(list(itertools.permutations(range(5))))
    place = 5 ** np.arange(5)
    index = np.full(5**5, -1)
    index[permutations @ place] = np.arange(len(permutations))
    # (f·g)(i) = f(g(i))
    product = index[np.take_along_axis(permutations[:, None], permutations[None], axis=2) @ place]
    inverse = index[np.argsort(permutations, axis=1) @ place]
    xy = product[x, y]
    return {"s5_xy": xy, "s5_xyx^-1": product[xy, inverse[x]], "s5_xyx": product[xy, x]}[task]


def modular(name: str, p: int, seed: int) -> Task:
    """The task called `name` of MODULAR with p symbols; `seed` draws the labels of `random`."""
    pairs, q = table(name, p), symbols(name, p)
    label = pairs.label
    if label is None:
        label = np.random.default_rng([seed, RANDOM_LABELS]).integers(q, size=len(pairs.x))
    return Task((pairs.x, pairs.y), label, symbols=q, classes=q, group=_group(name, p, label))


def _group(name: str, p: int, label: Ints) -> Group | None:
    if name in ("add", "sub"):
        return Group(np.arange(len(label)), label, np.arange(p))
    if name == "div" or (name == "mul" and is_prime(p)):  # without 0, a cyclic group
        logs, rows = discrete_log(p), np.flatnonzero(label > 0)
        return Group(rows, logs[label[rows]], np.argsort(logs)[1:])
    return None


def discrete_log(p: int) -> Ints:
    """[p] exponent of each residue to the smallest primitive root of the prime p; -1 at 0."""
    for root in range(1, p):
        powers = [pow(root, k, p) for k in range(p - 1)]
        if len(set(powers)) == p - 1:
            logs = np.full(p, -1)
            logs[powers] = np.arange(p - 1)
            return logs
    raise ValueError(f"discrete_log needs a prime p; received {p}. Check the modulus.")
