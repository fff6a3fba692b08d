"""Fast paths against plain modules, and runs against themselves in other company."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr
from numba import njit
from torch.nn import functional as F

import realnet as rn
from realnet.engine import compiled, stacked
from realnet.engine.ensemble import Stack
from realnet.engine.general import General
from realnet.engine.host import Compiled
from realnet.engine.optimizer import OptimizerState, rates, update
from realnet.engine.plan import engine_class
from realnet.engine.products import product
from realnet.examples import stage_data
from realnet.nets.layout import Layout
from realnet.prepared import prepare
from realnet.tasks.modular import table

CPU = torch.device("cpu")
PLAN = Layout({"w": (50,)}, {"w": 0}, 50)
TINY = rn.RunConfig(p=11, dataset_size=60, d_model=16, d_mlp=32, n_heads=2, steps=40, dtype="float64", light_every=10)
NETS = {
    "plain": {},
    "one head": {"n_heads": 1},
    "biases": {"biases": True},
    "wide": {"d_model": 48, "n_heads": 3, "d_mlp": 200},
    "gelu": {"activation": "gelu", "biases": True},
    "layer norm": {"layer_norm": True},
    "two layers": {"n_layers": 2, "layer_norm": True, "biases": True},
    "three layers": {"n_layers": 3},
    "mlp": {"network": "mlp"},
    "one-hot mlp": {"network": "mlp", "embedding": False, "n_layers": 2, "biases": True},
    "division": {"task": "div"},
    "s5": {"task": "s5_xy", "p": 120, "dataset_size": 500},
}


def disturbed(stack: Stack, scale: float = 0.3) -> Stack:
    """Starting weights leave biases and gains at special values: move everything off them."""
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, scale, stack.weights.shape))
    for name, view in stack.layout.views(stack.weights).items():
        view += stack.layout.views(noise.to(stack.weights))[name]
    return stack


def plain_gradient(stack: Stack, index: int) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    """Logits on the training set, loss and gradients from the reference module and F.cross_entropy."""
    config = stack.configs[index]
    net, pairs, data = prepare(config).module(stack.weights[index]), table(config.task, config.p), stack.data[index]
    x, y, label = (torch.from_numpy(z[data.train]).long() for z in (pairs.x, pairs.y, data.labels))
    logits = net(x, y)
    loss = F.cross_entropy(logits, label)
    loss.backward()
    return logits.detach(), loss.detach(), {k: net.get_parameter(k).grad for k in stack.layout.shapes}


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("size", [1, 3])
def test_logits_and_gradients_equal_the_plain_module(name: str, size: int) -> None:
    base = replace(TINY, **NETS[name])
    # Sizes differ, so that a stack has padding.
    configs = [replace(base, seed=s, dataset_size=base.dataset_size - 7 * s) for s in range(size)]
    stack = disturbed(Stack(configs, CPU))
    loss = stack.gradient()
    for i in range(size):
        logits, plain_loss, plain = plain_gradient(stack, i)
        torch.testing.assert_close(stack.table_logits(i)[stack.data[i].train], logits, rtol=0, atol=1e-10)
        torch.testing.assert_close(loss[i], plain_loss, rtol=0, atol=1e-10)
        for k, grad in stack.layout.views(stack.grads[i]).items():
            torch.testing.assert_close(grad, plain[k], rtol=0, atol=1e-10)


def test_the_paper_net_is_compiled_on_a_cpu() -> None:
    assert engine_class([prepare(rn.RunConfig())], CPU) is Compiled


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(5, 7, 3), (1, 4, 1), (1, 1, 6), (6, 1, 1), (4, 1, 5)])
def test_compiled_products_write_into_and_add_to_parts_of_arrays(shape: tuple[int, int, int], dtype: str) -> None:
    @njit
    def multiply(a: np.ndarray, b: np.ndarray, out: np.ndarray, keep: float) -> None:
        product(a, b, out, keep)

    rng, (n, k, m) = np.random.default_rng(0), shape
    wide_a, wide_b, wide_out = (
        rng.normal(size=(max(n, k) + 2, max(n, k) + 2)).astype(dtype),
        rng.normal(size=(max(k, m) + 2, max(k, m) + 2)).astype(dtype),
        rng.normal(size=(n + 2, m + 2)).astype(dtype),
    )
    for a in (wide_a[1 : n + 1, 1 : k + 1], wide_a[1 : k + 1, 1 : n + 1].T):
        for b in (wide_b[1 : k + 1, 1 : m + 1], wide_b[1 : m + 1, 1 : k + 1].T):
            for keep in (0.0, 1.0):
                whole, expected = wide_out.copy(), wide_out.copy()
                expected[1 : n + 1, 1 : m + 1] = keep * expected[1 : n + 1, 1 : m + 1] + a @ b
                multiply(a, b, whole[1 : n + 1, 1 : m + 1], keep)
                np.testing.assert_allclose(whole, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", [10.0, 60.0])
def test_compiled_gradient_survives_attention_scores_far_apart(scale: float) -> None:
    stack = disturbed(Stack([TINY], CPU))
    views = stack.layout.views(stack.weights)
    views["blocks.0.attn.W_Q"] *= scale  # beyond the range of float32 exponentials for the larger one
    _, plain_loss, plain = plain_gradient(stack, 0)
    loss = stack.gradient()
    torch.testing.assert_close(loss[0], plain_loss, rtol=1e-10, atol=1e-10)
    for k, grad in stack.layout.views(stack.grads[0]).items():
        torch.testing.assert_close(grad, plain[k], rtol=1e-9, atol=1e-10)
    apart = np.ptp(stack.ways.buffers().scores[:-1], axis=0).max()
    assert (apart > compiled.SPREAD) == (scale == 60.0)


@pytest.mark.parametrize("size", [1, 2])
def test_gradient_keeps_its_digits_when_the_loss_is_tiny(size: int) -> None:
    """softmax - 1 is 0 in float32 below 6e-8; the sum over the wrong classes is not."""
    config = replace(TINY, dataset_size=20, learning_rate=0.03, weight_decay=0.0)
    stack = Stack([config] * size, CPU)
    for _ in range(40):
        stack.advance(100)
        if stack.gradient()[0] < 1e-8:
            break
    assert 0 < stack.gradient()[0] < 1e-8
    single = Stack([replace(config, dtype="float32")] * size, CPU)
    single.weights.copy_(stack.weights)
    single.gradient()
    error = (single.grads[0].double() - stack.grads[0]).norm() / stack.grads[0].norm()
    assert error < 1e-3


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("kind", ["adamw", "adam", "sgd"])
def test_training_equals_a_plain_torch_loop(kind: str, size: int) -> None:
    config = replace(TINY, optimizer=kind, learning_rate=0.02, weight_decay=0.3)
    stack = Stack([replace(config, seed=s) for s in range(size)], CPU)
    net = prepare(stack.configs[0]).module(stack.weights[0])
    optimizer = torch_optimizer(kind, list(net.parameters()), stack.configs[0])
    pairs, data = table("add", 11), stack.data[0]
    x, y, label = (torch.from_numpy(z[data.train]).long() for z in (pairs.x, pairs.y, data.labels))
    for _ in range(30):
        optimizer.zero_grad()
        F.cross_entropy(net(x, y), label).backward()
        optimizer.step()
    stack.advance(30)
    for name, view in stack.layout.views(stack.weights[0]).items():
        torch.testing.assert_close(view, net.get_parameter(name).detach(), rtol=0, atol=1e-8)


def torch_optimizer(kind: str, parameters: list[torch.Tensor], c: rn.RunConfig) -> torch.optim.Optimizer:
    if kind == "sgd":
        return torch.optim.SGD(parameters, c.learning_rate, momentum=c.betas[0], weight_decay=c.weight_decay)
    make = torch.optim.AdamW if kind == "adamw" else torch.optim.Adam
    return make(parameters, c.learning_rate, betas=c.betas, eps=c.epsilon, weight_decay=c.weight_decay)


@pytest.mark.parametrize("kind", ["adamw", "adam", "sgd"])
def test_stacked_optimizer_equals_torch_with_rates_of_its_own_for_each_run(kind: str) -> None:
    configs = [
        replace(TINY, optimizer=kind, learning_rate=r, weight_decay=d, betas=b, warmup=u)
        for r, d, b, u in [
            (1e-2, 0.0, (0.9, 0.98), 0),
            (3e-3, 1.0, (0.0, 0.9), 7),
            (0.1, 0.2, (0.5, 0.999), 25),
        ]
    ]
    rng = np.random.default_rng(0)
    w = torch.from_numpy(rng.normal(size=(3, 50)))
    plain = [row.clone().requires_grad_() for row in w]
    optimizers = [torch_optimizer(kind, [p], c) for p, c in zip(plain, configs, strict=True)]
    state, r = OptimizerState.zeros(w), rates(configs, [c.stages[0] for c in configs], CPU, PLAN)
    for step in range(40):
        g = torch.from_numpy(rng.normal(size=(3, 50)))
        for i, (p, o, c) in enumerate(zip(plain, optimizers, configs, strict=True)):
            o.param_groups[0]["lr"] = c.learning_rate * min(1, (step + 1) / max(1, c.warmup))
            p.grad = g[i].clone()
            o.step()
        update(kind, w, g, state, r, torch.tensor(float(step)), PLAN)
    torch.testing.assert_close(w, torch.stack([p.detach() for p in plain]), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [1, 2])
def test_fixed_norm_keeps_the_starting_norm(size: int) -> None:
    stack = Stack([replace(TINY, fixed_norm=True, init_scale=2.0, seed=s) for s in range(size)], CPU)
    before = stack.weights.norm(dim=1)
    start = stack.weights.clone()
    stack.advance(20)
    torch.testing.assert_close(stack.weights.norm(dim=1), before, rtol=1e-12, atol=0)
    assert (stack.weights - start).norm() > 0.01 * before[0]


def bare(ds: xr.Dataset) -> xr.Dataset:
    return ds.drop_vars("wall_time").drop_attrs()


@pytest.mark.parametrize("net", ["plain", "gelu", "two layers", "mlp"])
def test_on_a_cpu_a_run_has_the_same_bits_alone_in_company_in_any_order_and_on_a_rerun(net: str) -> None:
    runs = rn.grid(replace(TINY, dtype="float32", **NETS[net]), dataset_size=[40, 60], seed=range(3))
    together = bare(rn.train(runs, "cpu", progress=False))
    xr.testing.assert_identical(bare(rn.train(runs[::-1], "cpu", progress=False)), together)
    xr.testing.assert_identical(bare(rn.train(runs, "cpu", progress=False, workers=1)), together)
    alone = bare(rn.train(runs[4], "cpu", progress=False))
    xr.testing.assert_identical(alone.squeeze(), together.sel(dataset_size=60, seed=1).squeeze())


@pytest.mark.parametrize("net", ["plain", "two layers", "mlp"])
def test_a_stack_and_its_halves_give_the_same_curves_to_rounding(net: str) -> None:
    """The stacked kernels (those of a GPU) may sum in another order: 1e-9 in float64 over 40 steps."""
    runs = rn.grid(replace(TINY, **NETS[net]), dataset_size=[40, 60], seed=range(3))
    alone = bare(rn.train(runs, "cpu", progress=False))
    for size in (6, 2):
        stack = bare(rn.train(runs, "cpu", progress=False, stack_size=size))
        xr.testing.assert_allclose(stack, alone, rtol=1e-9, atol=1e-9)


def test_tasks_with_other_tables_may_share_a_stack() -> None:
    runs = [replace(TINY, task=task) for task in ("add", "div", "random")]
    alone = [bare(rn.train(r, "cpu", progress=False)).train_loss.squeeze() for r in runs]
    stack = bare(rn.train(runs, "cpu", progress=False, stack_size=3)).train_loss
    for run, curve in zip(runs, alone, strict=True):
        np.testing.assert_allclose(stack.sel(task=run.task).squeeze(), curve, rtol=1e-9)


def test_lookups_equal_the_general_transformer() -> None:
    config = replace(TINY, biases=True)
    stack = disturbed(Stack([config, replace(config, seed=1)], CPU))
    views = stack.layout.views(stack.weights)
    inputs, slots = stack.ways.feed.batch.inputs, stack.ways.slots
    quick = stacked.forward_by_lookup(config, views, inputs, slots)
    torch.testing.assert_close(quick, stacked._transformer(config, views, inputs, slots), rtol=0, atol=1e-12)
    general = General(stack.runs, stack.weights, torch.zeros_like(stack.weights))
    plain = general._together(views, inputs)
    torch.testing.assert_close(quick, plain, rtol=0, atol=1e-12)


def test_weights_start_at_the_stated_scale_whatever_the_precision() -> None:
    config = replace(TINY, d_model=64, d_mlp=256, n_heads=4, init_scale=3.0)
    views = prepare(config).layout.views(prepare(config).start)
    for name, fan_in in (
        ("embed.W_E", 64),
        ("blocks.0.mlp.W_in", 64),
        ("blocks.0.mlp.W_out", 256),
        ("unembed.W_U", 64),
    ):
        assert views[name].std().item() == pytest.approx(3 / fan_in**0.5, rel=0.1)
    single = prepare(replace(config, dtype="float32")).start
    torch.testing.assert_close(single, prepare(config).start.float(), rtol=0, atol=0)


def test_training_set_of_a_child_is_nested_in_its_parents() -> None:
    parent = replace(TINY, dataset_size=80)
    child = replace(TINY, dataset_size=30, start_from=parent)
    old, new = stage_data(parent, 0), stage_data(child, 0)
    assert set(new.train) < set(old.train)
    assert set(new.removed) == set(old.train) - set(new.train)
    assert set(new.unseen) == set(old.unseen)
