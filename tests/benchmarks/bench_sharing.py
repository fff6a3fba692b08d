"""What sharing norm costs: μ = 4 against μ = 2 and against scipy's LSODA, in one run, in CPU time and by the clock.

CPU time is what a thread worked, so that it holds on a machine that others use too; the load is written down.
"""

import os
import time
from typing import Any

import toymodel as tm

from .bench_toymodel import GRID, PAPER, scipy_logits
from .measure import save, spread

POINTS = GRID["kappa"].size * GRID["dataset_size"].size
ROUNDS, SAMPLE = 5, 12


def both(call: Any) -> tuple[float, float]:
    """CPU seconds of this process, and seconds by the clock."""
    cpu, wall = time.process_time(), time.perf_counter()
    call()
    return time.process_time() - cpu, time.perf_counter() - wall


def run() -> None:
    """Measures in turn and writes results/sharing.json."""
    some = [(float(k), float(d)) for k, d in zip(GRID["kappa"][::5], GRID["dataset_size"][::5], strict=True)][:SAMPLE]
    calls: dict[str, tuple[Any, int]] = {"lsoda": (lambda: [scipy_logits(*point) for point in some], len(some))}
    for threads in (1, 2):
        for mu in (2.0, 4.0):

            def at(mu: float = mu, threads: int = threads) -> None:
                tm.sweep(PAPER, **GRID, sharing=mu, threads=threads, progress=False)

            calls[f"mu_{mu:g}_threads_{threads}"] = (at, POINTS)
            at()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, (call, count) in calls.items():
            times[name].append(tuple(1e6 * x / count for x in both(call)))  # type: ignore[arg-type]
    cost = {
        name: {"cpu": spread([cpu for cpu, _ in found]), "clock": spread([wall for _, wall in found])}
        for name, found in times.items()
    }

    def ratio(above: str, below: str) -> dict[str, float]:
        return spread([a[0] / b[0] for a, b in zip(times[above], times[below], strict=True)])

    results = {
        "note": "measured while other work shared the processor: compare CPU times, and ratios within this run",
        "load": {"average_1_5_15_minutes": os.getloadavg(), "cores": os.cpu_count()},
        "grid": "64 kappa in [1, 1.9] x 64 dataset sizes in [100, 1e4], t_end 1000; LSODA on 12 of them",
        "microseconds_per_point": cost,
        "cpu_ratios": {
            "mu_4_to_mu_2": ratio("mu_4_threads_1", "mu_2_threads_1"),
            "lsoda_to_mu_2": ratio("lsoda", "mu_2_threads_1"),
            "lsoda_to_mu_4": ratio("lsoda", "mu_4_threads_1"),
        },
    }
    path = save("sharing", results, ("two-circuits", "numpy", "scipy", "numba"))
    print(f"{path}: μ = 4 takes {results['cpu_ratios']['mu_4_to_mu_2']['median']:.2f} times the CPU time of μ = 2")  # type: ignore[index]
