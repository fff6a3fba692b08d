"""Speed of realnet on a CPU against plain loops in the same run, saved with device, versions, n and spread.

    python -m tests.benchmarks.bench_realnet            # every part, about 5 minutes on two quiet cores
    python -m tests.benchmarks.bench_realnet ratio      # one part of them (PARTS)
    python -m tests.benchmarks.bench_realnet --shared ratio      # others use the machine: processor time, one thread

Ratios are per run-step with the same threads on both sides, to the faster of two baselines (`plain`).
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from threadpoolctl import threadpool_info, threadpool_limits

import realnet as rn
from realnet.engine import buffers, compiled, ensemble
from realnet.engine.ensemble import Stack
from realnet.engine.general import General
from realnet.engine.replay import workers
from realnet.records import Folder, environment
from realnet.training.life import How, Life, measured_steps
from tests.benchmarks.measure import RESULTS as FOLDER
from tests.benchmarks.measure import spread
from tests.benchmarks.plain import CPU, PAPER, SMALL, plain_loop, work

RESULTS = FOLDER / "realnet.json"
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Clock:
    """Wall time; on a shared machine the processor's time, in which one thread does not see its neighbours wait."""

    shared = False

    def __call__(self) -> float:
        """Seconds."""
        return time.process_time() if self.shared else time.perf_counter()


clock = Clock()


def seconds(act: Callable[[], object], times: int) -> float:
    """Seconds for one call, averaged over `times` calls in a row."""
    start = clock()
    for _ in range(times):
        act()
    return (clock() - start) / times


def matmul_rate(threads: int) -> dict[str, float]:
    """Floating-point operations per second in large products: torch's own, and BLAS with a thread a run."""
    n = 1536
    a, b, c = torch.randn(n, n), torch.randn(n, n), torch.empty(n, n)
    torch.set_num_threads(threads)
    torch_rate = max(2 * n**3 / seconds(lambda: torch.mm(a, b, out=c), 3) for _ in range(3))
    x, y = a.numpy(), b.numpy()
    with ThreadPoolExecutor(threads) as pool, threadpool_limits(1, "blas"):
        together = lambda: list(pool.map(lambda _: x @ y, range(threads)))  # noqa: E731
        blas_rate = max(threads * 2 * n**3 / seconds(together, 3) for _ in range(3))
    return {"torch": torch_rate, "blas": blas_rate}


class Others:
    """Share of the machine that other processes used since `start` (Linux; 0 where that cannot be told)."""

    def start(self) -> None:
        """Begin to watch."""
        self.before = self._now()

    def share(self) -> float:
        """The share so far."""
        busy, own, wall = (b - a for a, b in zip(self.before, self._now(), strict=True))
        return max(0.0, (busy - own) / (wall * (os.cpu_count() or 1)))

    @staticmethod
    def _now() -> tuple[float, float, float]:
        try:
            fields = [int(x) for x in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
            busy = (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")
        except OSError:
            busy = 0.0
        return busy, time.process_time(), time.perf_counter()


QUIET = 0.04  # a repeat in which others took more of the machine is thrown away and counted
PATIENCE = 75.0  # seconds after which what there is must do


class Together:
    """Runs stepped as `train` does on a CPU: a stack each, a thread a core."""

    def __init__(self, configs: list[rn.RunConfig], threads: int = CORES) -> None:
        self.stacks = [Stack([c], CPU) for c in configs]
        self.pool = ThreadPoolExecutor(threads)

    def advance(self, steps: int) -> float:
        """Seconds per run-step."""
        torch.set_num_threads(1)
        with threadpool_limits(1, "blas"):
            start = clock()
            list(self.pool.map(lambda s: s.advance(steps), self.stacks))
            return (clock() - start) / steps / len(self.stacks)


def ratio(config: rn.RunConfig, runs: int, repeats: int, steps: int, threads: int) -> dict[str, Any]:
    """Seconds per run-step on both sides, turn about, and their ratio."""
    ours = Together([replace(config, seed=s) for s in range(runs)], threads)
    loops = {kind: plain_loop(config, kind) for kind in ("reference", "fused")}
    ours.advance(2)
    times: dict[str, list[float]] = {"realnet": [], **{k: [] for k in loops}}
    others, discarded, begun = Others(), 0, time.monotonic()
    while len(times["realnet"]) < repeats and time.monotonic() - begun < PATIENCE:
        others.start()
        once = {}
        for kind, step in loops.items():
            torch.set_num_threads(threads)
            step()
            once[kind] = seconds(step, steps)
        once["realnet"] = ours.advance(steps)
        # Others may have the cores that this comparison leaves free.
        if not clock.shared and others.share() > QUIET + 0.95 * (CORES - threads) / CORES:
            discarded += 1
            continue
        for kind, value in once.items():
            times[kind].append(value)
    if not times["realnet"]:
        return {"runs": runs, "threads": threads, "discarded": discarded, "ratio": "no quiet moment"}
    best = min(loops, key=lambda k: statistics.median(times[k]))
    ratios = [a / b for a, b in zip(times[best], times["realnet"], strict=True)]
    rate, flops = matmul_rate(threads), work(config)
    return {
        "config": {"p": config.p, "d_model": config.d_model, "d_mlp": config.d_mlp, "D": config.dataset_size},
        "runs": runs,
        "threads": threads,
        "discarded": discarded,
        "faster_baseline": best,
        "seconds_per_run_step": {k: spread(v) for k, v in times.items()},
        "ratio": spread(ratios),
        "matmul_flops_per_second": rate,
        "flops_per_step": flops,
        "fraction_of_matmul_rate": {
            "realnet": flops["compiled"] / statistics.median(times["realnet"]) / rate["blas"],
            "baseline": flops["plain"] / statistics.median(times[best]) / rate["torch"],
        },
    }


def growth() -> dict[str, Any]:
    """Seconds per run-step against runs, data set size and width (one thing varied at a time)."""
    found: dict[str, Any] = {}
    varied: dict[str, tuple[int, ...]] = {
        "dataset_size": (100, 200, 400, 800, 1600),
        "d_mlp": (64, 128, 256, 512, 1024),
        "d_model": (32, 64, 128, 256),
    }
    cases = {"runs": [(n, [replace(SMALL, seed=s) for s in range(n)]) for n in (1, 2, 4, 8, 16, 64, 256)]}
    for name, values in varied.items():
        cases[name] = [(v, [replace(SMALL, seed=s, **{name: v}) for s in range(4)]) for v in values]
    for name, rows in cases.items():
        found[name] = []
        for value, configs in rows:
            together = Together(configs)
            steps = max(4, 64 // len(configs))
            together.advance(2)
            found[name].append([value, spread([together.advance(steps) for _ in range(5)])])
    return found


def measuring() -> dict[str, Any]:
    """Cost of a full and of a light measurement, and their share in a run of the default length."""
    found = {}
    for name, config in {"small": SMALL, "paper": PAPER}.items():
        with tempfile.TemporaryDirectory() as out, threadpool_limits(1, "blas"):
            torch.set_num_threads(1)
            job = Life([config], {config: None}, Folder(out), CPU, How())
            job.stack.advance(2)
            times = {
                "step": spread([seconds(lambda j=job: j.stack.advance(1), 5) for _ in range(5)]),
                "full": spread([seconds(lambda j=job: j.measure(True, False), 3) for _ in range(5)]),
                "light": spread([seconds(lambda j=job: j.measure(False, True), 3) for _ in range(5)]),
                "checkpoint": spread([seconds(lambda j=job: j.save("running"), 3) for _ in range(5)]),
            }
        counts = {"full": len(measured_steps(config)), "light": config.steps // config.light_every}
        stepping = config.steps * times["step"]["median"]
        spent = sum(counts[k] * times[k]["median"] for k in counts)
        spent += times["checkpoint"]["median"] * (stepping // 60 + 1)
        share = spent / (spent + stepping)
        found[name] = {"steps": config.steps, "counts": counts, "seconds": times, "share_not_stepping": share}
    return found


def profile() -> dict[str, Any]:
    """Where a step's time goes on one core: medians of parts timed by themselves, in seconds."""
    found = {}
    for name, config in {"small": SMALL, "paper": PAPER}.items():
        stack = Stack([config], CPU)
        with threadpool_limits(1, "blas"):
            stack.advance(2)
            ways = stack.ways
            w, g, e, s = ways._weights, ways._grads, ways.examples, ways.buffers()
            blocks = [(i, min(i + buffers.ROWS, len(e.x))) for i in range(0, len(e.x), buffers.ROWS)]
            m = len(s.fold)
            h, f, o = (np.ones(z.shape, z.dtype) for z in (s.rows[:, :m], s.fold, s.rows[:, m:]))
            parts: dict[str, Callable[[], object]] = {
                "whole step": lambda stack=stack: stack.advance(1),
                "gradient": lambda stack=stack: stack.gradient(),
                "tables forward": lambda w=w, s=s: compiled._tables(w, s),
                "tables backward": lambda w=w, s=s, g=g: compiled._tables_back(w, s, g),
                "attention": lambda e=e, s=s, c=config: compiled._attention(e, s, c.p),
                "block forward": lambda e=e, s=s, c=config, b=blocks: [compiled._block(e, s, c.p, *x) for x in b],
                "matmul forward": lambda h=h, f=f, o=o, b=blocks: [np.matmul(h, f, out=o) for _ in b],
                "matmul backward": lambda h=h, f=f, o=o, b=blocks: [(o @ f.T, h.T @ o) for _ in b],
            }
            found[name] = {k: spread([seconds(act, 3) for _ in range(7)]) for k, act in parts.items()}
    return found


def ratios() -> dict[str, Any]:
    """Both sizes, with a thread on both sides and with all cores on both sides."""
    found = {}
    for threads in [1] if clock.shared else sorted({1, CORES}, reverse=True):
        found[f"small, {threads} threads"] = ratio(SMALL, 8, 7, 20, threads)
        found[f"paper, {threads} threads"] = ratio(PAPER, 8, 5, 4, threads)
    return found


def general() -> dict[str, Any]:
    """What the general engine takes over the stacked one for transformers that `compiled` does not know, turn about."""
    found: dict[str, Any] = {}
    changes: dict[str, dict[str, Any]] = {"two layers": {"n_layers": 2}, "layer norm": {"layer_norm": True}}
    for (name, change), runs in itertools.product(changes.items(), (1, 8)):
        configs = [replace(SMALL, seed=s, activation="gelu", **change) for s in range(runs)]
        stacked = Stack(configs, CPU)
        with mock.patch.object(ensemble, "engine_class", return_value=General):
            by_module = Stack(configs, CPU)
        torch.set_num_threads(1)
        times: dict[str, list[float]] = {"stacked": [], "general": []}
        for _ in range(8):
            for stack in (stacked, by_module):
                times[stack.engine].append(seconds(partial(stack.advance, 2), 1) / 2 / runs)
        ratio = [b / a for a, b in zip(times["stacked"][1:], times["general"][1:], strict=True)]
        found[f"{name}, {runs} in a stack"] = {k: spread(v[1:]) for k, v in times.items()} | {"ratio": spread(ratio)}
    return found


LATE = rn.RunConfig(p=43, d_model=64, d_mlp=256, dataset_size=160, biases=True, steps=10_000)


def late() -> dict[str, Any]:
    """Seconds of a step after 5000 steps against the first steps, turn about, for every optimizer.

    Half of the hidden units start dead, and the gradient of a dead unit is exactly 0: Adam's moments decay into the
    subnormal range. "kept" is the same under the processor's default, which computes with subnormal numbers.
    """
    found: dict[str, Any] = {}
    for optimizer in ("adamw", "adam", "sgd", "muon"):
        for flushed in (True, False):
            pool = workers(1, CPU) if flushed else ThreadPoolExecutor(1)
            with pool, threadpool_limits(1, "blas"):
                found[f"{optimizer}, subnormals {'flushed' if flushed else 'kept'}"] = pool.submit(
                    _late, optimizer
                ).result()
    return found


def _late(optimizer: str) -> dict[str, Any]:
    torch.set_num_threads(1)
    old, young = (_half_dead(replace(LATE, optimizer=optimizer)) for _ in range(2))
    old.advance(5000)
    young.advance(20)
    times: dict[str, list[float]] = {"early": [], "late": []}
    for _ in range(9):
        times["early"].append(seconds(lambda: young.advance(20), 1) / 20)
        times["late"].append(seconds(lambda: old.advance(20), 1) / 20)
    ratio = [b / a for a, b in zip(times["early"], times["late"], strict=True)]
    tiny = np.finfo(np.float32).tiny
    moments = torch.cat([old.state.first, old.state.second]).numpy()
    share = float(((np.abs(moments) < tiny) & (moments != 0)).mean())
    return {k: spread(v) for k, v in times.items()} | {"late_over_early": spread(ratio), "subnormal_share": share}


def _half_dead(config: rn.RunConfig) -> Stack:
    stack = Stack([config], CPU)
    stack.layout.views(stack.weights)["blocks.0.mlp.b_in"][:, : config.d_mlp // 2] = -1e4
    return stack


class Heard(io.StringIO):
    """What was said, and when the estimate came."""

    at = 0.0

    def write(self, text: str) -> int:
        if "about" in text:
            self.at = time.perf_counter()
        return super().write(text)


def estimate() -> dict[str, Any]:
    """What `train` says that it will take, and what it took from then on, in wall time."""
    runs = [replace(LATE, seed=s, steps=6000) for s in range(4)]
    said = Heard()
    with contextlib.redirect_stderr(said):
        rn.train(runs, "cpu")
    took = time.perf_counter() - said.at
    line = next(x for x in said.getvalue().splitlines() if "about" in x)
    minutes, rest = re.findall(r"about (\d+) min (\d+) s", line)[0]
    return {"said": line, "said_seconds": 60 * int(minutes) + int(rest), "took_seconds": took}


PARTS: dict[str, Callable[[], Any]] = {
    "ratio": ratios,
    "general": general,
    "late": late,
    "estimate": estimate,
    "growth": growth,
    "measuring": measuring,
    "profile": profile,
}


def main(parts: list[str], out: Path = RESULTS) -> None:
    """Run the parts and put them into the saved results, each with the environment it ran in."""
    clock.shared = "--shared" in parts
    results = json.loads(out.read_text()) if out.exists() else {}
    for name in [x for x in parts if x != "--shared"] or list(PARTS):
        about: dict[str, Any] = environment("cpu")
        about["versions"] = json.loads(str(about["versions"]))
        blas = [i.get("architecture") for i in threadpool_info() if i["user_api"] == "blas"]
        about |= {"cores": CORES, "blas_kernels": blas, "load_average": os.getloadavg()[0]}
        about["clock"] = "processor time: the machine was shared" if clock.shared else "wall time"
        place = f"{name}, shared machine" if clock.shared else name
        results[place] = {"environment": about, **PARTS[name]()}
        print(place, json.dumps(results[place], indent=1))
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(results, indent=1) + "\n")


def run() -> None:
    """Every part, for `python -m tests.benchmarks`."""
    main([])


if __name__ == "__main__":
    main(sys.argv[1:])
