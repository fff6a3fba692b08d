"""Speed of realnet on a GPU against the plain loop on the same GPU; ready to run, not yet run on one.

    make bench-gpu

Run-steps per second at the paper's size for 1 to 256 runs in a stack, in float32 and TF32; what the recorded
CUDA graph saves over launching kernel by kernel; the fraction of the chip's measured product rate; whether
TF32 changes what a run does (same seeds, final accuracies side by side).
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import realnet as rn
from realnet.engine.ensemble import Stack
from realnet.records import environment
from tests.benchmarks.bench_realnet import PAPER, SMALL, plain_loop, spread, work

RESULTS = Path(__file__).parent / "results" / "realnet_gpu.json"
GPU = torch.device("cuda")


def seconds_per_step(stack: Stack, steps: int, launches: bool) -> float:
    """Seconds for one step of the whole stack; with `launches`, kernel by kernel, not from the graph."""
    torch.cuda.synchronize()
    start = time.perf_counter()
    if launches:
        done = torch.tensor(float(stack.step), dtype=torch.float64, device=GPU)
        for _ in range(steps):
            stack._one_step(done)
    else:
        stack.advance(steps)
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / steps


def matmul_rate() -> float:
    """Floating-point operations per second of a large product at the present precision."""
    n = 8192
    a, b = torch.randn(n, n, device=GPU), torch.randn(n, n, device=GPU)
    a @ b
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(5):
        a @ b
    torch.cuda.synchronize()
    return 5 * 2 * n**3 / (time.perf_counter() - start)


def speed() -> dict[str, Any]:
    """Run-steps per second of stacks and of the faster plain loop."""
    plain = {}
    for kind in ("reference", "fused"):
        step = plain_loop(PAPER, kind, GPU)
        for _ in range(20):
            step()
        times = []
        for _ in range(5):
            torch.cuda.synchronize()
            start = time.perf_counter()
            for _ in range(100):
                step()
            torch.cuda.synchronize()
            times.append(100 / (time.perf_counter() - start))
        plain[kind] = spread(times)
    best = max(plain[k]["median"] for k in plain)
    rate, rows = matmul_rate(), []
    for runs in (1, 8, 32, 64, 128, 256):
        stack = Stack([replace(PAPER, seed=s) for s in range(runs)], GPU)
        stack.advance(10)
        steps = max(20, 400 // runs)
        graph = spread([runs / seconds_per_step(stack, steps, False) for _ in range(5)])
        launched = spread([runs / seconds_per_step(stack, steps, True) for _ in range(3)])
        per_step = graph["median"] * work(PAPER)["stacked"]
        rows.append(
            {
                "runs": runs,
                "run_steps_per_second": graph,
                "without_graph": launched,
                "ratio_to_plain": graph["median"] / best,
                "fraction_of_matmul_rate": per_step / rate,
                "memory_bytes": torch.cuda.max_memory_allocated(),
            }
        )
        torch.cuda.reset_peak_memory_stats()
        del stack
    return {"plain_run_steps_per_second": plain, "matmul_flops_per_second": rate, "stacks": rows}


def behaviour() -> dict[str, Any]:
    """Final accuracies of the same runs; judged by eye and by the largest difference."""
    runs = rn.grid(replace(SMALL, steps=4000), dataset_size=[500, 700, 1000], seed=range(8))
    ds = rn.train(runs, device="cuda", progress=False).squeeze().isel(step=-1)
    return {"dataset_size": [500, 700, 1000], "unseen_accuracy": ds.unseen_accuracy.values.tolist()}


def main() -> int:
    """Run everything in float32 and in TF32, and save it."""
    if not torch.cuda.is_available():
        print("bench-gpu needs a CUDA GPU and a torch build for it; received neither. See realnet/README.md")
        return 1
    results: dict[str, Any] = {"environment": environment(f"cuda: {torch.cuda.get_device_name()}")}
    for name, precision in {"float32": "highest", "tf32": "high"}.items():
        torch.set_float32_matmul_precision(precision)
        results[name] = {"speed": speed(), "behaviour": behaviour()}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
