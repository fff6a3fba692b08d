"""The rival theory's tasks: their names, what stands in for what, and what its authors published of them."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from ..palette import COLOURS

__all__ = ["LANDSCAPE", "RUNS", "TASKS", "TIP", "published", "remark", "round_values", "shown"]

TASKS = {
    "teacher": "teacher, student",
    "addition": "addition",
    "digits": "digits",
    "text": "text",
    "molecules": "molecules",
}
STAND_INS = {
    "addition": "modulus 43",
    "digits": "5000 digits",
    "text": "mean of embeddings",
    "molecules": "measured polarisability",
}
# Liu, Michaud & Tegmark 2022, arXiv 2210.01117, and the outputs of the notebooks of KindXiaoming/Omnigrok: what these
# print, else read off their pictures, to two figures at best.
LANDSCAPE = {
    "train": (1.42e-2, 7.4e-3, 1.4e-3, 8.6e-5, 1e-6),
    "test": (1.64e-2, 1.17e-2, 2.3e-3, 3.3e-4, 8.6e-5, 7.8e-5, 1.5e-3, 4.1e-2, 0.43, 2.4, 9.6),
}
"""Teacher and student with the norm held at α = 10^(−1), 10^(−0.8), ...: loss at the end (printed)"""
TIP = {0.4: 30, 0.3: 70, 0.2: 120, 0.1: 650}
"""MNIST, figure 3a: test error at the tip of a contour, and its data set size"""
RUNS = {
    "teacher": (0.05, {"train": ((800, 0.99), (1200, 1.0)),
                       "test": ((2400, 0.20), (10400, 0.46), (19000, 0.76), (80000, 1.0))}),
    "addition-113": (1.0, {"train": ((150, 1.0),), "test": ((4000, 0.1), (7500, 1.0))}),
    "digits": (0.01, {"train": ((1300, 0.95), (2000, 1.0)),
                      "test": ((1e4, 0.2), (2.5e4, 0.5), (4e4, 0.8), (1e5, 0.88))}),
    "text": (1.0, {"train": ((120, 1.0),), "test": ((700, 0.47), (5000, 0.6), (5e4, 0.7))}),
}  # fmt: skip
"""Free runs: γ, and (step, accuracy). Teacher α = 2; addition their figure 7; digits α = 8; text α = 6"""


def shown(found: Iterable[str]) -> tuple[list[str], list[str]]:
    """Of TASKS, those that are there and those that are not."""
    there = set(found)
    return [task for task in TASKS if task in there], [task for task in TASKS if task not in there]


def remark(tasks: Iterable[str], missing: Iterable[str] = ()) -> str:
    """What stands in for what, and what is missing, for a caption."""
    words = [STAND_INS[task] for task in tasks if task in STAND_INS]
    absent = [TASKS[task] for task in missing]
    return (f"Stand-ins: {', '.join(words)}. " if words else "") + (f"Missing: {', '.join(absent)}. " if absent else "")


def round_values(values: npt.ArrayLike) -> list[float]:
    """Ticks for these on a log axis: powers of ten over a long range, else 1, 3, or 1, 2, 3, 5."""
    low, high = np.nanmin(values), np.nanmax(values)
    ratio = float(high / low)
    digits = (1,) if ratio > 300 else (1, 3) if ratio > 10 else (1, 2, 3, 5)
    return [d * 10.0**k for k in range(-3, 8) for d in digits if low <= d * 10.0**k <= high]


def published(axes: Axes, x: Iterable[float], y: Iterable[float], which: str) -> None:
    """Published values as open diamonds."""
    axes.plot(np.asarray(list(x)), np.asarray(list(y)), "D", ms=3.6, mfc="w", mec=COLOURS[which], mew=0.9, zorder=4)
