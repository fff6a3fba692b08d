"""How near a sweep comes to the time that its exponentials and logarithms alone would take."""

import sys
import time

import numpy as np

import toymodel as tm
from toymodel.integration.compilation import compiled

from .bench_toymodel import GRID, PAPER
from .measure import save, seconds, spread


def _elementary(steps: float, n: int = 2) -> float:
    """Microseconds that the exponentials and logarithms of a point alone take on one thread: a bound.

    Eight evaluations a step, each with two exponentials and a logarithm for each of n circuits and one more exponential
    (3.6); at the speed of the kernel's own functions in the first cache.
    """
    compiled()
    functions = sys.modules["toymodel.compiled.elementary"]
    x = np.linspace(0.5, 2.0, 2048)
    costs = []
    for function in (functions.exp_all, functions.log_all):
        function(x.copy(), x.size)
        costs.append(min(seconds(lambda f=function: f(x.copy(), x.size)) for _ in range(300)) / x.size)
    return 1e6 * steps * 8 * ((2 * n + 1) * costs[0] + n * costs[1])


def run() -> None:
    """Measures it on one thread and writes results/toymodel_bound.json."""
    steps = float(tm.sweep(PAPER, **GRID, progress=False).num_steps.mean())
    # In processor time, so that what else the machine does plays no part.
    shares = []
    for _ in range(9):
        start = time.process_time()
        tm.sweep(PAPER, **GRID, progress=False, threads=1)
        whole = 1e6 * (time.process_time() - start) / (GRID["kappa"].size * GRID["dataset_size"].size)
        shares.append(_elementary(steps) / whole)
    packages = ("two-circuits", "numpy", "numba")
    path = save("toymodel_bound", {"steps_per_point": steps, "share": spread(shares)}, packages)
    print(f"{spread(shares)['median']:.0%} of a sweep's time; {path}")
