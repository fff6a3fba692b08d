"""Whether a GPU computes what a CPU does, in about two minutes: `make check-gpu`, or on a CPU standing in for it:

    python -m tests.benchmarks.check_gpu --device cpu [--tiny]

Each part trains or differentiates the same configs on the CPU by themselves (compiled where possible) and on the device
in stacks, and states the largest difference beside the one allowed. The results are written after every part.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import realnet as rn
from realnet.engine.ensemble import Stack
from realnet.engine.plan import memory
from realnet.engine.replay import workers
from realnet.metrics import Snapshot
from tests.benchmarks.measure import RESULTS, Log

CPU = torch.device("cpu")
NETS: dict[str, dict[str, Any]] = {
    "look-ups": {},
    "biases and GELU": {"biases": True, "activation": "gelu"},
    "two layers, layer norm": {"n_layers": 2, "layer_norm": True, "biases": True},
    "MLP": {"network": "mlp"},
}
TOLERANCE = {"float32": 1e-4, "float64": 1e-10}
"""of a loss, and of a gradient in units of its norm"""


@dataclass(frozen=True)
class Sizes:
    """How much is trained: p = 113 on a GPU; `tiny` for a test of this program."""

    net: rn.RunConfig
    steps: int
    sizes: tuple[int, ...]
    seeds: int


FULL = Sizes(rn.RunConfig(p=113, dataset_size=1000), 2000, (400, 800, 1200), 4)
STAND_IN = Sizes(rn.RunConfig(p=31, d_model=32, d_mlp=128, dataset_size=300), 1000, (200, 400, 600), 2)
TINY = Sizes(rn.RunConfig(p=11, d_model=16, d_mlp=32, n_heads=2, dataset_size=60), 30, (40, 60), 2)


def gradients(device: torch.device, s: Sizes) -> dict[str, Any]:
    """Losses and gradients of a padded stack against its runs by themselves on the CPU."""
    found: dict[str, Any] = {}
    for name, options in NETS.items():
        for dtype, allowed in TOLERANCE.items():
            configs = [replace(s.net, **options, dtype=dtype, seed=k, dataset_size=n) for k, n in enumerate(s.sizes)]
            stack = Stack(configs, device)
            losses = stack.gradient().cpu()
            off = []
            for i, config in enumerate(configs):
                alone = Stack([config], CPU)
                loss, grad = alone.gradient()[0], alone.grads[0]
                off += [abs(losses[i] - loss).item(), ((stack.grads[i].cpu() - grad).norm() / grad.norm()).item()]
            found[f"{name}, {dtype}"] = {"difference": max(off), "allowed": allowed, "passed": max(off) <= allowed}
    return found


def replay(device: torch.device, s: Sizes) -> dict[str, Any]:
    """Weights after the same steps, recorded and replayed, and launched one by one."""
    configs = [replace(s.net, seed=k) for k in range(s.seeds)]
    recorded, eager = Stack(configs, device), Stack(configs, device)
    recorded.advance(s.steps // 10)
    for _ in range(s.steps // 10):
        eager._one_step()
    difference = ((recorded.weights - eager.weights).norm() / eager.weights.norm()).item()
    replayed = recorded._recorded.graph is not None
    expected = device.type == "cuda"
    passed = difference <= 1e-4 and replayed == expected
    return {"difference": difference, "allowed": 1e-4, "replayed": replayed, "passed": passed}


def resumption(device: torch.device, s: Sizes) -> dict[str, Any]:
    """Curves of stacked runs that fail half-way and go on from their checkpoints, and of runs that do not."""
    runs = [replace(s.net, steps=s.steps // 5, seed=k, light_every=10) for k in range(s.seeds)]
    failed = False

    def fail_once(snapshot: Snapshot) -> dict[str, float]:
        nonlocal failed
        if snapshot.step > s.steps // 10 and not failed:
            failed = True
            raise ArithmeticError("half-way")
        return {}

    options: dict[str, Any] = {"progress": False, "stack_size": s.seeds}
    with tempfile.TemporaryDirectory() as out:
        with contextlib.suppress(ArithmeticError):
            rn.train(runs, str(device), out, callbacks=(fail_once,), checkpoint_seconds=0.0, **options)
        resumed = rn.train(runs, str(device), out, **options)
    whole = rn.train(runs, str(device), **options)
    off = float(np.nanmax(np.abs(resumed.light_train_loss.values - whole.light_train_loss.values)))
    return {"difference": off, "allowed": 1e-5, "failed_half_way": failed, "passed": failed and off <= 1e-5}


def two_workers(device: torch.device, s: Sizes) -> dict[str, Any]:
    """Two workers on the device, each recording and measuring its own stacks, against one."""
    runs = [replace(s.net, steps=s.steps // 5, seed=k) for k in range(4)]
    one, two = (rn.train(runs, str(device), stack_size=2, workers=n, progress=False) for n in (1, 2))
    off = float(np.abs(one.light_train_loss.values - two.light_train_loss.values).max())
    return {"difference": off, "allowed": 0.0, "passed": off == 0.0}


def accuracies(device: torch.device, s: Sizes) -> dict[str, Any]:
    """Final accuracies by data set size: means over seeds against the spread between the CPU's seeds."""
    runs = rn.grid(replace(s.net, steps=s.steps), dataset_size=s.sizes, seed=range(s.seeds))
    here, there = (
        rn.train(runs, name, progress=False, stack_size=size).unseen_accuracy.isel(step=-1).squeeze()
        for name, size in (("cpu", 1), (str(device), len(runs)))
    )
    off = float(np.abs(here.mean("seed") - there.mean("seed")).max())
    allowed = 0.05 + 2 * float(here.std("seed").max()) / s.seeds**0.5
    lists = {"cpu": here.values.tolist(), "device": there.values.tolist()}
    return {"dataset_size": list(s.sizes), **lists, "difference": off, "allowed": allowed, "passed": off <= allowed}


def tf32(device: torch.device, s: Sizes) -> dict[str, Any]:
    """What TF32 does to a gradient; there is nothing to allow: whether runs may use it is for `make bench-gpu` to say."""
    if device.type != "cuda":
        return {"passed": None, "reason": "only a GPU has TF32"}
    stack = Stack([s.net], device)
    stack.gradient()
    exact, before = stack.grads.clone(), torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        stack.gradient()
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    return {"difference": ((stack.grads - exact).norm() / exact.norm()).item(), "passed": None}


def used(device: torch.device, s: Sizes) -> dict[str, Any]:
    """Memory that a stack takes against what the planner reckons with."""
    if device.type != "cuda":
        return {"passed": None, "reason": "only a GPU counts its memory"}
    configs = [replace(s.net, seed=k) for k in range(16)]
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    Stack(configs, device).advance(8)
    taken, reckoned = torch.cuda.max_memory_allocated(device) - before, len(configs) * memory(configs[0])
    return {"taken": taken, "reckoned": reckoned, "ratio": taken / reckoned, "passed": taken <= 1.25 * reckoned}


PARTS: tuple[Callable[[torch.device, Sizes], dict[str, Any]], ...] = (
    gradients,
    replay,
    resumption,
    two_workers,
    tf32,
    used,
    accuracies,
)


def check(device: torch.device, sizes: Sizes, out: Path) -> bool:
    """Run every part, also after one has failed, and write down each as it ends; whether all passed."""
    log = Log(out, ("two-circuits", "torch", "numpy"), f"python -m tests.benchmarks.check_gpu --device {device}")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "a CPU standing in"
    log.put("device", {"device": str(device), "name": name})
    passed = True
    for part in PARTS:
        start = time.perf_counter()
        try:
            with workers(1, device) as pool:
                found = pool.submit(part, device, sizes).result()
        except Exception:
            found = {"passed": False, "error": traceback.format_exc()}
        verdicts = [x["passed"] for x in (found, *found.values()) if isinstance(x, dict) and "passed" in x]
        passed &= all(v is not False for v in verdicts)
        log.put(part.__name__, found | {"seconds": time.perf_counter() - start})
        print(f"{part.__name__:12} {'FAILED' if False in verdicts else 'passed'}", flush=True)
    return passed


def main(arguments: list[str] | None = None) -> int:
    """0 if every part passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--tiny", action="store_true", help="seconds instead of minutes")
    parser.add_argument("--out", type=Path, default=RESULTS / "check_gpu.json")
    given = parser.parse_args(arguments)
    device = torch.device(given.device)
    sizes = TINY if given.tiny else FULL if device.type == "cuda" else STAND_IN
    return 0 if check(device, sizes, given.out) else 1


if __name__ == "__main__":
    sys.exit(main())
