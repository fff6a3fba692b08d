"""What a task is: examples, what to learn of them, and which of them may be trained on (realnet/README.md, Tasks).

Axis order: the example first. A data set is a prefix of one seeded order of the examples, so that a smaller data set
is a subset of a larger one with the same seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realnet.fields import require

__all__ = ["Group", "Task", "order", "trained_labels"]

Array = np.ndarray

# Streams of random numbers that must not depend on each other.
ORDER, RANDOM_LABELS, CORRUPTION, INITIAL, BATCHES, DATA, DRAWS = 1, 2, 3, 4, 5, 6, 7


@dataclass(frozen=True, eq=False)
class Group:
    """Where a task's labels form a cyclic group of order n: what circuits are projected on."""

    rows: Array
    """[m] examples whose labels belong to the group"""
    exponents: Array
    """[m] their labels as exponents of a generator"""
    classes: Array
    """[n] classes in the group's order, and so the symbols"""

    def check(self, examples: int, outputs: int) -> None:
        """Raise ConfigError unless this is a group of the labels of a task of so many examples and classes."""
        order = len(self.classes)
        for name, size in (("rows", examples), ("exponents", order), ("classes", outputs)):
            x = np.asarray(getattr(self, name))
            inside = x.ndim == 1 and x.dtype.kind in "iu" and x.size > 0 and x.min() >= 0 and x.max() < size
            received = (str(x.dtype), x.shape) if x.ndim != 1 or x.dtype.kind not in "iu" else x.tolist()[:10]
            require(inside, f"a group's {name} must be integers 0 .. {size - 1}", received, "Count from 0.")
        same = len(self.rows) == len(self.exponents)
        remedy = "Give an exponent for each row."
        require(same, "a group must have as many exponents as rows", (len(self.rows), len(self.exponents)), remedy)


@dataclass(frozen=True, eq=False)
class Task:
    """Examples [n] and what to learn of them.

    Errors: ConfigError where lengths differ, a value is not finite, or a label is not a class.
    """

    inputs: tuple[Array, ...]
    """one array [n, ...] for each argument of the network's forward; integers are symbols, floats are numbers"""
    targets: Array
    """[n] integers are classes; [n, k] floats are to be hit"""
    symbols: int | None = None
    """how many symbols the inputs are made of, 0 .. symbols - 1; None where they are numbers"""
    classes: int | None = None
    """how many classes there are; default: the largest label + 1"""
    test: int = 0
    """the last `test` examples are never trained on and are the ones to be judged by; 0: all that are not trained on"""
    tolerance: float | None = None
    """floats to be hit: an example counts as correct if its squared error, mean over k, is below this"""
    group: Group | None = None

    def __post_init__(self) -> None:
        arrays: dict[str, Any] = {f"inputs[{i}]": x for i, x in enumerate(self.inputs)} | {"targets": self.targets}
        remedy = "Give numpy arrays whose first axis is the example."
        for name, x in arrays.items():
            ok = isinstance(x, np.ndarray) and x.ndim > 0 and x.dtype.kind in "iuf"
            require(ok, f"a task's {name} must be an array of numbers", getattr(x, "dtype", type(x).__name__), remedy)
            require(len(x) == len(self), f"a task's {name} must have {len(self)} examples", len(x), remedy)
            require(bool(np.isfinite(x).all()), f"a task's {name} must be finite", "NaN or infinity", "Clean the data.")
        require(len(self) > 0, "a task needs examples", 0, remedy)
        require(len(self.inputs) > 0, "a task needs inputs", self.inputs, "Give a tuple of arrays.")
        require(
            0 <= self.test < len(self), f"test must leave examples of {len(self)} to train on", self.test, "Lower it."
        )
        self._check_symbols()
        if not self.labelled:
            require(self.targets.ndim == 2, "targets of floats must be [n, k]", self.targets.shape, "Reshape them.")
            return
        require(self.targets.ndim == 1, "targets of integers must be labels [n]", self.targets.shape, "Flatten them.")
        low, high = int(self.targets.min()), int(self.targets.max())
        object.__setattr__(self, "classes", high + 1 if self.classes is None else self.classes)
        inside = low >= 0 and high < self.outputs
        require(inside, f"labels must be classes 0 .. {self.outputs - 1}", (low, high), "Number the classes from 0.")
        require(self.outputs > 1, "labels must be of at least two classes", self.outputs, "Say classes=2, or more.")
        if self.group is not None:
            self.group.check(len(self), self.outputs)

    def _check_symbols(self) -> None:
        if self.symbols is None:
            return
        for i, x in enumerate(self.inputs):
            remedy = "Number the symbols from 0, or leave symbols out where inputs are numbers."
            kinds = x.dtype.kind != "f"
            require(kinds, f"a task's inputs[{i}] must be symbols, integers", str(x.dtype), remedy)
            low, high = (int(x.min()), int(x.max())) if x.size else (0, 0)
            inside = low >= 0 and high < self.symbols
            require(inside, f"a task's inputs[{i}] must be symbols 0 .. {self.symbols - 1}", (low, high), remedy)

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def labelled(self) -> bool:
        """Whether the targets are classes."""
        return self.targets.dtype.kind != "f"

    @property
    def outputs(self) -> int:
        """Numbers that a network must return for an example: classes, or k."""
        return int(self.classes or 0) if self.labelled else int(self.targets.shape[1])

    @property
    def size(self) -> int:
        """Examples that may be trained on."""
        return len(self) - self.test


def order(size: int, seed: int) -> Array:
    """[size] examples in their seeded order: a data set of size D is the first D of them."""
    return np.random.default_rng([seed, ORDER]).permutation(size)


def trained_labels(task: Task, seed: int, corrupted: float = 0.0) -> Array:
    """[n] targets to train on: each label with probability `corrupted` a wrong class; a larger share corrupts a superset."""
    if not task.labelled or not corrupted:
        return task.targets
    rng = np.random.default_rng([seed, CORRUPTION])
    wrong = (task.targets + rng.integers(1, task.outputs, size=len(task))) % task.outputs
    return np.where(rng.random(len(task)) < corrupted, wrong, task.targets)
