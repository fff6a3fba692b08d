"""A loop jitted and vmapped by JAX beside realnet, measured once: `pip install jax`, then

    python -m tests.benchmarks.compare_jax

JAX is not among the project's dependencies, so `make bench` leaves this out. It is given every advantage that carries over:
all runs in one program, several steps in one call, buffers donated, only the last position computed after attention.
Both sides have all cores, start from the same weights, and are held to the same loss after the same steps.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from jax import lax
from torch.nn import functional as F

import realnet as rn
from realnet.engine.ensemble import Stack
from realnet.prepared import prepare
from realnet.tasks.modular import table
from tests.benchmarks.bench_realnet import Others, Together
from tests.benchmarks.measure import save, spread
from tests.benchmarks.plain import CPU, PAPER, SMALL

RUNS = 8
Params = dict[str, Any]


def logits(w: Params, x: Any, y: Any) -> Any:
    """Logits [n, p] of one run at "="; weights by their names in realnet."""
    equals = jnp.full_like(x, w["embed.W_E"].shape[0] - 1)
    r = w["embed.W_E"][jnp.stack([x, y, equals], 1)] + w["pos_embed.W_pos"]
    q, k, v = (jnp.einsum(f"{s},hde->{s[:-1]}he", part, w[f"blocks.0.attn.W_{name}"])
               for name, s, part in (("Q", "nd", r[:, -1]), ("K", "nsd", r), ("V", "nsd", r)))  # fmt: skip
    scores = jnp.einsum("nhe,nshe->nhs", q, k) / math.sqrt(q.shape[-1])
    mixed = jnp.einsum("nhs,nshe->nhe", jax.nn.softmax(scores), v)
    last = r[:, -1] + jnp.einsum("nhe,hed->nd", mixed, w["blocks.0.attn.W_O"])
    last = last + jax.nn.relu(last @ w["blocks.0.mlp.W_in"]) @ w["blocks.0.mlp.W_out"]
    return last @ w["unembed.W_U"]


def loss(w: Params, x: Any, y: Any, label: Any) -> Any:
    """Mean cross-entropy of one run."""
    return -jnp.take_along_axis(jax.nn.log_softmax(logits(w, x, y)), label[:, None], 1).mean()


def adamw(c: rn.RunConfig, state: tuple[Params, Params, Params, Any], data: tuple[Any, Any, Any]) -> Any:
    """One step of AdamW for one run."""
    w, first, second, step = state
    (b1, b2), step = c.betas, step + 1
    g = jax.grad(loss)(w, *data)
    first = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, first, g)
    second = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, second, g)
    rate, scale = c.learning_rate / (1 - b1**step), 1 / (1 - b2**step)
    w = jax.tree.map(
        lambda w, m, v: (1 - c.learning_rate * c.weight_decay) * w - rate * m / (jnp.sqrt(v * scale) + c.epsilon),
        w, first, second,
    )  # fmt: skip
    return w, first, second, step


def loop(configs: list[rn.RunConfig], steps: int) -> tuple[Callable[[], Any], Callable[[], np.ndarray]]:
    """A function that takes `steps` steps of all runs, and one that says their losses."""
    stack, pairs = Stack(configs, CPU), table(configs[0].task, configs[0].p)
    modules = [prepare(c).module(prepare(c).start) for c in configs]
    w = {name: jnp.stack([dict(m.named_parameters())[name].detach().numpy() for m in modules])
         for name, _ in modules[0].named_parameters()}  # fmt: skip
    data = tuple(jnp.stack([jnp.asarray(z) for z in part]) for part in zip(
        *((pairs.x[d.train], pairs.y[d.train], d.labels[d.train]) for d in stack.data), strict=True))  # fmt: skip

    def advance(state: Any) -> Any:
        one = jax.vmap(lambda s, d: adamw(configs[0], s, d))
        return lax.fori_loop(0, steps, lambda _, s: one(s, data), state)

    jitted, losses = jax.jit(advance, donate_argnums=0), jax.jit(jax.vmap(loss))
    zero = jax.tree.map(jnp.zeros_like, w)
    state = [(w, zero, jax.tree.map(jnp.zeros_like, w), jnp.zeros(len(configs)))]

    def step() -> None:
        state[0] = jax.block_until_ready(jitted(state[0]))

    return step, lambda: np.asarray(losses(state[0][0], *data))


def train_loss(stack: Stack) -> float:
    """Mean cross-entropy of a stack's first run."""
    data = stack.data[0]
    rows = stack.table_logits(0)[torch.from_numpy(data.train)]
    return float(F.cross_entropy(rows, torch.from_numpy(data.labels[data.train]).long()))


def ratio(config: rn.RunConfig, repeats: int, steps: int) -> dict[str, Any]:
    """Seconds per run-step on both sides, turn about, and their ratio; runs that drift apart end the comparison."""
    configs = [replace(config, seed=s) for s in range(RUNS)]
    ours, (step, losses) = Together(configs), loop(configs, steps)
    times: dict[str, list[float]] = {"realnet": [], "jax": []}
    others = Others()
    others.start()
    for _ in range(repeats + 1):
        begun = time.perf_counter()
        step()
        times["jax"].append((time.perf_counter() - begun) / steps / RUNS)
        times["realnet"].append(ours.advance(steps))
        if len(times["jax"]) == 1:
            np.testing.assert_allclose([train_loss(stack) for stack in ours.stacks], losses(), rtol=1e-3)
    times = {side: values[1:] for side, values in times.items()}  # the first call compiles
    ratios = [a / b for a, b in zip(times["jax"], times["realnet"], strict=True)]
    return {"seconds_per_run_step": {k: spread(v) for k, v in times.items()}, "ratio": spread(ratios),
            "others_share_of_the_machine": others.share(), "dataset_size": config.dataset_size, "runs": RUNS}  # fmt: skip


def main() -> None:
    """Writes results/jax.json."""
    cases = {
        "small": (SMALL, 7, 20),
        "paper": (PAPER, 5, 4),
        "paper, smallest of figure 4": (replace(PAPER, dataset_size=390), 5, 20),
    }
    found = {name: ratio(*case) for name, case in cases.items()}
    save("jax", found, ("jax", "jaxlib", "torch", "numpy", "numba"), "python -m tests.benchmarks.compare_jax")


if __name__ == "__main__":
    main()
