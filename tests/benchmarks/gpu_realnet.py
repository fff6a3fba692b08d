"""Speed of realnet on a GPU against the plain loop on the same GPU, written down row by row; not yet run on one.

    make bench-gpu                                                        # about half an hour on a GPU
    python -m tests.benchmarks.gpu_realnet --device cpu --tiny            # the same program on a CPU standing in

Run-steps per second at the paper's size for 1 to 256 runs in a stack, in float32 and TF32; what the recorded CUDA graph
saves over launching kernel by kernel; the fraction of the chip's measured product rate; whether TF32 changes what a run
does (same seeds, final accuracies side by side).
"""

from __future__ import annotations

import argparse
import functools
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import realnet as rn
from realnet.engine.ensemble import Stack
from realnet.engine.replay import workers
from tests.benchmarks.measure import RESULTS, Log, spread
from tests.benchmarks.plain import PAPER, SMALL, plain_loop, work

TINY = rn.RunConfig(p=11, d_model=16, d_mlp=32, n_heads=2, dataset_size=60)


def wait(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(act: Callable[[], object], times: int, device: torch.device) -> float:
    """Seconds for one call, averaged over `times` calls in a row."""
    wait(device)
    start = time.perf_counter()
    for _ in range(times):
        act()
    wait(device)
    return (time.perf_counter() - start) / times


def matmul_rate(device: torch.device, n: int) -> float:
    """Floating-point operations per second of n × n products at the present precision."""
    a, b = torch.randn(n, n, device=device), torch.randn(n, n, device=device)
    a @ b
    return 2 * n**3 / seconds(lambda: a @ b, 5, device)


def speed(config: rn.RunConfig, device: torch.device, tiny: bool, put: Callable[[str, Any], None]) -> None:
    """Run-steps per second of stacks and of the faster plain loop."""
    plain = {}
    for kind in ("reference", "fused"):
        step = plain_loop(config, kind, device)
        seconds(step, 2 if tiny else 20, device)
        plain[kind] = spread([1 / seconds(step, 2 if tiny else 100, device) for _ in range(5)])
    best, rate = max(x["median"] for x in plain.values()), matmul_rate(device, 64 if tiny else 8192)
    put("plain run-steps per second", plain)
    put("matmul flops per second", rate)
    rows: list[dict[str, Any]] = []
    for runs in (1, 2) if tiny else (1, 8, 32, 64, 128, 256):
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        stack = Stack([replace(config, seed=s) for s in range(runs)], device)
        stack.advance(10)
        steps = 2 if tiny else max(20, 400 // runs)
        graph = spread([runs * steps / seconds(lambda s=stack, n=steps: s.advance(n), 1, device) for _ in range(5)])
        launched = spread([runs / seconds(stack._one_step, steps, device) for _ in range(3)])
        row = {"runs": runs, "run_steps_per_second": graph, "without_graph": launched}
        row |= {"ratio_to_plain": graph["median"] / best}
        row |= {"fraction_of_matmul_rate": graph["median"] * work(config)["stacked"] / rate}
        if device.type == "cuda":
            row["memory_bytes"] = torch.cuda.max_memory_allocated(device)
        rows.append(row)
        put("stacks", rows)
        del stack


def behaviour(config: rn.RunConfig, device: torch.device, tiny: bool) -> dict[str, Any]:
    """Final accuracies of the same runs; judged by eye and by the largest difference."""
    sizes, seeds, steps = ([30, 60], 2, 20) if tiny else ([500, 700, 1000], 8, 4000)
    runs = rn.grid(replace(config, steps=steps), dataset_size=sizes, seed=range(seeds))
    ds = (
        rn.train(runs, device=str(device), progress=False, tf32=torch.backends.cuda.matmul.allow_tf32)
        .isel(step=-1)
        .squeeze()
    )
    return {"dataset_size": sizes, "unseen_accuracy": ds.unseen_accuracy.values.tolist()}


def _put(log: Log, precision: str, name: str, value: Any) -> None:
    log.put(f"{precision}: {name}", value)


def measure(device: torch.device, tiny: bool, out: Path) -> None:
    """Everything in float32 and, on a GPU, in TF32."""
    command = f"python -m tests.benchmarks.gpu_realnet --device {device}" + (" --tiny" if tiny else "")
    log = Log(out, ("two-circuits", "torch", "numpy"), command)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "a CPU standing in"
    log.put("device", {"device": str(device), "name": name})
    before = torch.backends.cuda.matmul.allow_tf32
    for precision in ("float32", "tf32") if device.type == "cuda" else ("float32",):
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        try:
            with workers(1, device) as pool:
                put = functools.partial(_put, log, precision)
                pool.submit(speed, TINY if tiny else PAPER, device, tiny, put).result()
                put("behaviour", pool.submit(behaviour, TINY if tiny else SMALL, device, tiny).result())
        finally:
            torch.backends.cuda.matmul.allow_tf32 = before


def main(arguments: list[str] | None = None) -> int:
    """0 if it was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="seconds instead of half an hour")
    parser.add_argument("--out", type=Path, default=RESULTS / "realnet_gpu.json")
    given = parser.parse_args(arguments)
    if given.device.startswith("cuda") and not torch.cuda.is_available():
        print("bench-gpu needs a CUDA GPU and a torch build for it; received neither. See realnet/README.md")
        return 1
    measure(torch.device(given.device), given.tiny, given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
