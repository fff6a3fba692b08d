"""toymodel against scipy's LSODA, and how its cost grows."""

import subprocess
import sys
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

import toymodel as tm
from tests.references import slopes

from .measure import in_turn, save, seconds, spread

GRID = {"kappa": np.linspace(1.0, 1.9, 64), "dataset_size": np.geomspace(100.0, 1e4, 64)}
T_END = 1000.0
PAPER = tm.TwoCircuitModel()


def subweight_rates(_t: float, y: np.ndarray, a: np.ndarray, r: float, q: float) -> np.ndarray:
    """toymodel/README.md (3.2) on (u_gen, u_mem, v_gen, v_mem), as one would write it for scipy."""
    u, v = y[:2], y[2:]
    logits = u * v
    p = 1.0 / (1.0 + np.exp(logits.sum() - np.log(q - 1.0)))
    g = -p + a * np.maximum(logits, 0.0) ** (r - 1.0)
    return np.concatenate([-g * v, -g * u])


def scipy_logits(
    kappa: float, size: float, method: str = "LSODA", rtol: float = 1e-6, atol: float = 1e-6
) -> np.ndarray:
    """Final logits (2,) by scipy on the four subweights; atol's default is scipy's own."""
    model = tm.TwoCircuitModel(kappa=kappa).at_dataset_size(size)
    start = np.concatenate([np.zeros(2), np.sqrt(model.invariants)])
    run = solve_ivp(
        subweight_rates, (0.0, T_END), start, method=method, rtol=rtol, atol=atol,
        args=(slopes(model), 2.0 / model.kappa, model.num_classes),
    )  # fmt: skip
    return np.asarray(run.y[:2, -1] * run.y[2:, -1])


def throughput() -> dict[str, Any]:
    """sweep against a loop over solve_ivp: ratio of points per second, pair by pair, and the errors of both."""
    rng = np.random.default_rng(0)
    some = [(int(i), int(j)) for i, j in rng.integers(0, 64, (48, 2))]
    points = [(float(GRID["kappa"][i]), float(GRID["dataset_size"][j])) for i, j in some]
    total = GRID["kappa"].size * GRID["dataset_size"].size

    def loop() -> list[np.ndarray]:
        return [scipy_logits(*point) for point in points]

    tm.sweep(PAPER, **GRID, progress=False)
    ours, theirs = in_turn(lambda: tm.sweep(PAPER, **GRID, progress=False), loop, 7)
    both = [(b / len(points)) / (a / total) for a, b in zip(ours, theirs, strict=True)]
    single, again = in_turn(lambda: tm.sweep(PAPER, **GRID, progress=False, threads=1), loop, 5)
    alone = [(b / len(points)) / (a / total) for a, b in zip(single, again, strict=True)]

    found = tm.sweep(PAPER, **GRID, progress=False).logit.values
    tight = tm.sweep(PAPER, **GRID, rtol=1e-12, progress=False).logit.values
    errors = np.abs(found - tight).max(axis=-1).ravel()
    # An independent tight reference, on the points that LSODA was timed on.
    exact = np.array([scipy_logits(*point, "DOP853", 1e-13, 1e-14) for point in points[:16]])
    ours_exact = np.array([found[index] for index in some[:16]])
    loose = np.array(loop())[:16]
    return {
        "baseline": "loop over scipy.integrate.solve_ivp(method='LSODA', rtol=1e-6), four subweights, one process",
        "grid": "64 kappa in [1, 1.9] x 64 dataset sizes in [100, 1e4], t_end 1000",
        "ratio_all_cores": spread(both),
        "ratio_one_thread": spread(alone),
        "microseconds_per_point": spread([1e6 * a / total for a in ours]),
        "baseline_microseconds_per_point": spread([1e6 * b / len(points) for b in theirs]),
        "logit_error": {
            "against": "sweep at rtol 1e-12, all points",
            **{f"quantile_{q:g}": float(np.quantile(errors, q)) for q in (0.5, 0.9, 0.99, 1.0)},
        },
        "logit_error_independent": {
            "against": "DOP853 at rtol 1e-13 on the four subweights, 16 points",
            "sweep_max": float(np.abs(ours_exact - exact).max()),
            "baseline_max": float(np.abs(loose - exact).max()),
        },
    }


def imports() -> dict[str, Any]:
    """`import toymodel` in a new interpreter, less the interpreter, and what it loads."""

    def run(code: str) -> float:
        return seconds(lambda: subprocess.run([sys.executable, "-c", code], check=True))

    run("import toymodel")
    with_it, without = in_turn(lambda: run("import toymodel"), lambda: run("import numpy"), 9)
    bare = [run("pass") for _ in range(9)]
    heavy = "numba torch xarray scipy matplotlib sympy"
    code = f"import sys, toymodel; print(*[m for m in {heavy.split()!r} if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    floor = spread(bare)["median"]
    return {
        "seconds": spread([x - floor for x in with_it]),
        "numpy_alone_seconds": spread([x - floor for x in without]),
        "heavy_modules_loaded": loaded,
    }


def default_simulation() -> dict[str, Any]:
    """The paper's simulation: the first call after import, and later ones."""
    code = (
        "import time, toymodel as tm\n"
        "t = time.perf_counter(); tm.simulate(); first = time.perf_counter() - t\n"
        "print(first)"
    )
    first = [
        float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
        for _ in range(5)
    ]
    return {"first_call_seconds": spread(first), "seconds": spread([seconds(tm.simulate) for _ in range(30)])}


def growth() -> dict[str, Any]:
    """Microseconds a point against the number of points, of circuits, and the distance of κ from 2."""
    cost: dict[str, Any] = {"points": {}, "circuits": {}, "two_minus_kappa": {}}
    for count in (100, 1_000, 10_000, 100_000, 1_000_000):
        alpha = np.geomspace(1e-4, 1e-1, count)
        times = [
            seconds(lambda a=alpha: tm.sweep(weight_decay=a, progress=False)) for _ in range(3 if count < 1e6 else 1)
        ]
        cost["points"][str(count)] = spread([1e6 * t / count for t in times])
    for n in (2, 4, 8, 16, 32, 64):
        gens = [tm.Circuit(0.5 + 0.5 * k / n, 0.5**k) for k in range(1, n)]
        model = tm.TwoCircuitModel(gen=gens, mem=[tm.Circuit(0.5, 1.0)])
        alpha = np.geomspace(1e-3, 1e-1, 2048)
        tm.sweep(model, weight_decay=alpha[:64], progress=False)
        runs = [(seconds(lambda m=model, a=alpha: tm.sweep(m, weight_decay=a, progress=False))) for _ in range(3)]
        cost["circuits"][str(n)] = spread([1e6 * t / alpha.size for t in runs])
    for gap in (1.0, 0.1, 1e-2, 1e-3, 1e-4, 1e-6, 0.0):
        alpha = np.geomspace(1e-3, 1e-1, 2048)
        model = tm.TwoCircuitModel(kappa=2.0 - gap)
        runs = [(seconds(lambda m=model, a=alpha: tm.sweep(m, weight_decay=a, progress=False))) for _ in range(3)]
        steps = float(tm.sweep(model, weight_decay=alpha, progress=False).num_steps.mean())
        cost["two_minus_kappa"][f"{gap:g}"] = {**spread([1e6 * t / alpha.size for t in runs]), "steps": steps}
    return cost


def phase_diagram() -> dict[str, Any]:
    """A 256 × 256 phase diagram, start to end."""
    grid = {"kappa": np.linspace(1.0, 1.9, 256), "dataset_size": np.geomspace(100.0, 1e4, 256)}
    return {"points": 65536, "seconds": spread([seconds(lambda: tm.sweep(**grid, progress=False)) for _ in range(3)])}


def run() -> None:
    """Measures everything and writes results/toymodel.json."""
    results = {part.__name__: part() for part in (imports, default_simulation, throughput, phase_diagram, growth)}
    path = save("toymodel", results, ("two-circuits", "numpy", "scipy", "numba"))
    speed = results["throughput"]["ratio_all_cores"]
    print(f"sweep is {speed['median']:.0f} ({speed['min']:.0f} to {speed['max']:.0f}) times LSODA's throughput; {path}")
