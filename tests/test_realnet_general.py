"""The general engine, mini-batches, losses, gradient filters and optimizers: against torch, by hand, and resumed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import realnet as rn
from realnet import losses
from realnet.engine import filters
from realnet.engine.batch import batch_rows
from realnet.engine.ensemble import Stack
from realnet.engine.general import saved_numbers
from realnet.engine.optimizer import OptimizerState, _orthogonal, rates, update
from realnet.nets.layout import Layout
from realnet.prepared import prepare

CPU = torch.device("cpu")
TEACHER = rn.RunConfig(
    task="teacher", network="mlp", loss="mse", activation="tanh", biases=True, init="torch", init_scale=2.0, d_mlp=20,
    n_layers=2, dataset_size=60, steps=40, light_every=10, weight_decay=0.3, learning_rate=1e-2, dtype="float64",
    options={"examples": 100, "teacher_width": 10},
)  # fmt: skip
PAIRS = rn.RunConfig(p=11, dataset_size=60, d_model=16, d_mlp=32, n_heads=2, steps=40, dtype="float64", light_every=10)
CURVES = ("train_loss", "unseen_loss", "norm", "gradient_norm", "train_accuracy")


def bare(ds: Any) -> Any:
    return ds.drop_vars("wall_time").drop_attrs()


def torch_loss(kind: str) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    return {"mse": F.mse_loss, "cross_entropy": F.cross_entropy}[kind]


@pytest.mark.parametrize("size", [1, 3])
def test_teacher_and_student_train_as_a_plain_torch_loop_does(size: int) -> None:
    stack = Stack([replace(TEACHER, seed=s) for s in range(size)], CPU)
    net = prepare(TEACHER).module(stack.weights[0])
    optimizer = torch.optim.AdamW(net.parameters(), 1e-2, betas=(0.9, 0.98), weight_decay=0.3)
    x, y = stack.ways.feed.batch.inputs[0][0], stack.ways.feed.batch.target[0]
    for _ in range(30):
        optimizer.zero_grad()
        F.mse_loss(net(x), y).backward()
        optimizer.step()
    stack.advance(30)
    for name, view in stack.layout.views(stack.weights[0]).items():
        torch.testing.assert_close(view, net.get_parameter(name).detach(), rtol=0, atol=1e-10)


def test_pytorch_s_own_initialisation_has_its_range_and_scales_as_a_whole() -> None:
    wide = replace(TEACHER, d_mlp=400, init_scale=1.0)
    views = prepare(wide).layout.views(prepare(wide).start)
    for name, fan_in in (("layers.1.W", 400), ("layers.1.b", 400), ("layers.0.W", 5), ("unembed.b_U", 400)):
        bound = fan_in**-0.5
        assert views[name].abs().max() <= bound
        assert views[name].abs().max() > 0.5 * bound
    scaled = prepare(replace(wide, init_scale=3.0)).start
    torch.testing.assert_close(scaled, 3 * prepare(wide).start, rtol=1e-12, atol=0)


def test_mini_batches_take_every_example_once_a_round_in_an_order_of_their_own() -> None:
    run = replace(PAIRS, batch_size=20)
    rounds = [np.concatenate([batch_rows(run, 0, 3 * r + i) for i in range(3)]) for r in range(2)]
    for taken in rounds:
        assert sorted(taken) == list(range(60))
    assert (rounds[0] != rounds[1]).any()
    assert (batch_rows(run, 0, 0) != batch_rows(replace(run, seed=1), 0, 0)).any()
    assert len(batch_rows(replace(run, batch_size=100), 0, 5)) == 60
    # What does not fill a batch waits for the next round.
    assert len(batch_rows(replace(run, batch_size=25), 0, 1)) == 25


def test_a_mini_batch_step_is_torch_s_on_these_rows() -> None:
    run = replace(PAIRS, batch_size=20, optimizer="sgd", weight_decay=0.0, learning_rate=0.1)
    stack = Stack([run], CPU)
    net = prepare(run).module(stack.weights[0])
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    x, y = np.divmod(stack.data[0].train, 11)
    for step in range(7):
        rows = batch_rows(run, 0, step)
        optimizer.zero_grad()
        logits = net(torch.from_numpy(x[rows]), torch.from_numpy(y[rows]))
        F.cross_entropy(logits, torch.from_numpy((x + y)[rows] % 11)).backward()
        optimizer.step()
    stack.advance(7)
    assert stack.engine == "general"
    for name, view in stack.layout.views(stack.weights[0]).items():
        torch.testing.assert_close(view, net.get_parameter(name).detach(), rtol=0, atol=1e-10)


KILLED: dict[str, dict[str, Any]] = {
    "mini-batches": {"batch_size": 20},
    "grokfast": {"gradient_filter": "grokfast"},
    "window": {"gradient_filter": "grokfast_ma", "options": {"grokfast_window": 7}},
    "muon": {"optimizer": "muon"},
    "phases": {"batch_size": 16, "phases": (rn.Phase(17), rn.Phase(23, dataset_size=30, keep_optimizer=False))},
}


@pytest.mark.parametrize("kind", KILLED)
def test_a_killed_run_goes_on_bit_for_bit(kind: str, tmp_path: Path) -> None:
    class Kill(Exception):
        pass

    def kill(shot: rn.Snapshot) -> dict[str, float]:
        if shot.step > 20:
            raise Kill
        return {}

    run = replace(PAIRS, points_per_decade=20, weight_history=True, **KILLED[kind])
    with pytest.raises(Kill):
        rn.train(run, "cpu", tmp_path / "a", callbacks=[kill], checkpoint_seconds=0, progress=False)
    resumed = bare(rn.train(run, "cpu", tmp_path / "a", progress=False)).squeeze()
    whole = bare(rn.train(run, "cpu", tmp_path / "b", progress=False)).squeeze()
    for name in CURVES:
        np.testing.assert_array_equal(resumed[name], whole[name])
    for step in (0, 10, 40):
        nets = [rn.model(tmp_path / folder, run, step=step) for folder in "ab"]
        for one, other in zip(*(net.parameters() for net in nets), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize(
    "change", [{"batch_size": 20}, {"gradient_filter": "perpendicular"}, {"temperature": 3.0}, {"loss": "mse"}]
)
def test_every_part_of_an_update_changes_what_is_trained(change: dict[str, Any]) -> None:
    stacks = [Stack([run], CPU) for run in (PAIRS, replace(PAIRS, **change))]
    for stack in stacks:
        stack.advance(5)
    assert (stacks[0].weights - stacks[1].weights).norm() > 1e-4


def test_temperature_divides_the_outputs() -> None:
    plain, warm = (Stack([replace(PAIRS, temperature=t)], CPU) for t in (1.0, 4.0))
    torch.testing.assert_close(warm.table_logits(0) * 4, plain.table_logits(0), rtol=1e-10, atol=1e-12)
    loss = warm.gradient()
    x, y = (torch.from_numpy(z) for z in np.divmod(warm.data[0].train, 11))
    net = prepare(warm.configs[0]).module(warm.weights[0])
    expected = F.cross_entropy(net(x, y) / 4, (x + y) % 11)
    torch.testing.assert_close(loss[0], expected.detach(), rtol=1e-10, atol=0)
    expected.backward()
    for name, slope in warm.layout.views(warm.grads[0]).items():
        torch.testing.assert_close(slope, net.get_parameter(name).grad, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["cross_entropy", "softmax", "stablemax", "mse"])
def test_slopes_of_losses_are_their_derivatives(name: str) -> None:
    rng = torch.Generator().manual_seed(0)
    output = 3 * torch.randn(2, 5, 4, generator=rng, dtype=torch.float64)
    target = torch.randint(4, (2, 5), generator=rng)
    loss: Any = getattr(losses, name)
    if name == "softmax":
        loss = lambda o, t: losses.softmax(o, t, softmax_dtype="float64")  # noqa: E731
    value, slope = losses.evaluate(loss, output.clone(), target)
    step = 1e-6
    for k in range(4):
        moved = [losses.evaluate(loss, output + s * step * F.one_hot(torch.tensor(k), 4), target)[0] for s in (1, -1)]
        torch.testing.assert_close((moved[0] - moved[1]) / (2 * step), slope[..., k], rtol=1e-6, atol=1e-8)
    plain = {
        "cross_entropy": F.cross_entropy(output.flatten(0, 1), target.flatten(), reduction="none"),
        "mse": ((output - F.one_hot(target, 4)) ** 2).mean(-1).flatten(),
    }
    plain["softmax"] = plain["cross_entropy"]
    if name in plain:
        torch.testing.assert_close(value.flatten(), plain[name])


def test_stablemax_is_the_paper_s() -> None:
    output = torch.tensor([[2.0, -1.0, 0.0]])
    value = losses.stablemax(output, torch.tensor([1]))
    assert value.item() == pytest.approx(-np.log(0.5 / (3 + 0.5 + 1)))


def test_a_rounded_softmax_collapses_where_the_exact_one_does_not() -> None:
    output, target = torch.tensor([[30.0, 0.0]]), torch.tensor([0])
    value, slope = losses.evaluate(losses.softmax, output, target)
    assert value.item() == slope[0, 0].item() == 0
    assert losses.evaluate(losses.cross_entropy, output, target)[1].abs().min() > 0
    half = losses.softmax(torch.tensor([[9.0, 0.0]]), target, softmax_dtype="float16")
    assert half.item() == 0


def test_mse_hits_numbers_as_they_are() -> None:
    output, target = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 4.0]])
    value, slope = losses.mse(output, target)
    assert value.item() == pytest.approx(2.5)
    torch.testing.assert_close(slope, torch.tensor([[1.0, -2.0]]))


PLAN = Layout({"a.W": (3, 2), "b": (4,)}, {"a.W": 0, "b": 16}, 32)


def drawn(seed: int) -> torch.Tensor:
    flat = torch.zeros(2, 32, dtype=torch.float64)
    for view in PLAN.views(flat).values():
        view.copy_(torch.from_numpy(np.random.default_rng(seed).normal(size=view.shape)))
    return flat


def test_perpendicular_gradients_are_perpendicular_and_as_long_tensor_by_tensor() -> None:
    w, g = drawn(0), drawn(1)
    before = g.clone()
    filters.perpendicular()(w, g, OptimizerState.zeros(w), PLAN)
    for x, slope, old in zip(*(PLAN.views(z).values() for z in (w, g, before)), strict=True):
        x, slope, old = (z.flatten(1) for z in (x, slope, old))
        torch.testing.assert_close((x * slope).sum(1), torch.zeros(2, dtype=torch.float64), rtol=0, atol=1e-12)
        torch.testing.assert_close(slope.norm(dim=1), old.norm(dim=1))
        # It is the old gradient less a part along the weights.
        along = (old * slope).sum(1) / slope.norm(dim=1) ** 2
        rest = old - along[:, None] * slope
        assert ((rest * x).sum(1).abs() / (rest.norm(dim=1) * x.norm(dim=1)) > 0.999).all()


def test_grokfast_adds_its_moving_average() -> None:
    w, state = drawn(0), OptimizerState.zeros(drawn(0), 1)
    mean = None
    for step in range(4):
        g = drawn(step + 1)
        mean = g.clone() if mean is None else 0.98 * mean + 0.02 * g
        expected = g + 2 * mean
        filters.grokfast()(w, g, state, PLAN)
        state.count += 1
        torch.testing.assert_close(g, expected)


def test_grokfast_over_a_window_waits_until_it_is_full() -> None:
    w, state, seen = drawn(0), OptimizerState.zeros(drawn(0), 3), []
    for step in range(7):
        g = drawn(step + 1)
        seen.append(g.clone())
        expected = g + (5 * torch.stack(seen[-3:]).mean(0) if len(seen) >= 3 else 0)
        filters.grokfast_ma(grokfast_window=3)(w, g, state, PLAN)
        state.count += 1
        torch.testing.assert_close(g, expected)


def test_clipping_leaves_short_gradients_and_shortens_long_ones_run_by_run() -> None:
    w, g = drawn(0), drawn(1)
    g[0] *= 0.5 / g[0].norm()
    g[1] *= 7 / g[1].norm()
    before = g.clone()
    filters.clip(clip_norm=2.0)(w, g, OptimizerState.zeros(w), PLAN)
    torch.testing.assert_close(g[0], before[0])
    torch.testing.assert_close(g[1], before[1] * 2 / 7, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(6, 6), (9, 4), (4, 9)])
def test_muon_s_direction_has_singular_values_near_one(shape: tuple[int, int]) -> None:
    m = torch.from_numpy(np.random.default_rng(0).normal(size=(2, *shape)))
    direction = _orthogonal(m)
    scale = max(1, shape[0] / shape[1]) ** 0.5
    values = torch.linalg.svdvals(direction) / scale
    assert values.min() > 0.3
    assert values.max() < 1.3
    u, _, v = torch.linalg.svd(m, full_matrices=False)
    exact = u @ v
    alike = (direction * exact).sum((1, 2)) / (direction.norm(dim=(1, 2)) * exact.norm(dim=(1, 2)))
    assert (alike > 0.95).all()


def test_muon_moves_hidden_matrices_by_itself_and_leaves_the_rest_to_adamw() -> None:
    plan = Layout({"embed.W_E": (4, 3), "layers.0.W": (3, 5), "layers.0.b": (5,)},
                  {"embed.W_E": 0, "layers.0.W": 16, "layers.0.b": 32}, 48)  # fmt: skip
    run = replace(PAIRS, learning_rate=0.02, weight_decay=0.1)
    r, step = rates([run], [run.stages[0]], CPU, plan), torch.tensor(0.0, dtype=torch.float64)
    rng = np.random.default_rng(0)
    start = torch.from_numpy(rng.normal(size=(1, 48)))
    both = {kind: (start.clone(), OptimizerState.zeros(start)) for kind in ("muon", "adamw")}
    velocity = torch.zeros(1, 3, 5, dtype=torch.float64)
    expected = plan.views(start.clone())["layers.0.W"].clone()
    for _ in range(3):
        g = torch.from_numpy(rng.normal(size=(1, 48)))
        slope = plan.views(g)["layers.0.W"].clone()
        velocity = 0.9 * velocity + slope
        expected = expected * (1 - 0.02 * 0.1) - 0.02 * _orthogonal(slope + 0.9 * velocity)
        for kind, (w, state) in both.items():
            update(kind, w, g.clone(), state, r, step, plan)
    muon, adamw = (plan.views(both[kind][0]) for kind in ("muon", "adamw"))
    torch.testing.assert_close(muon["layers.0.W"], expected)
    for name in ("embed.W_E", "layers.0.b"):
        torch.testing.assert_close(muon[name], adamw[name])
    assert (muon["layers.0.W"] - adamw["layers.0.W"]).abs().max() > 1e-3


def test_a_child_and_a_phase_go_on_alike(tmp_path: Path) -> None:
    """The end of a run in two phases is the end of a child of a run: moments kept, or not, by the same word."""
    for keep in (True, False):
        later = {"dataset_size": 30, "weight_decay": 0.2, "keep_optimizer": keep}
        phased = replace(PAIRS, phases=(rn.Phase(15), rn.Phase(25, **later)))
        child = replace(PAIRS, steps=25, start_from=replace(PAIRS, steps=15), **later)
        one, other = (rn.train(run, "cpu", tmp_path, progress=False).squeeze() for run in (phased, child))
        assert one.unseen_loss[-1].item() == other.unseen_loss[-1].item()
    assert rn.Phase(5).keep_optimizer == PAIRS.keep_optimizer
    assert rn.Phase(5).nested == PAIRS.nested


def test_a_child_whose_norm_is_held_keeps_the_norm_that_it_inherits(tmp_path: Path) -> None:
    parent = replace(PAIRS, steps=30)
    child = replace(PAIRS, steps=20, start_from=parent, fixed_norm=True, weight_decay=0.0)
    before, after = (rn.train(run, "cpu", tmp_path, progress=False).squeeze() for run in (parent, child))
    np.testing.assert_allclose(after.norm, before.norm[-1], rtol=1e-12)
    assert abs(before.norm[-1] / before.norm[0] - 1) > 0.01


def test_saved_numbers_count_what_a_plain_net_keeps() -> None:
    one, two = (saved_numbers(prepare(replace(TEACHER, d_mlp=width))) for width in (20, 40))
    assert 2 * 20 <= two - one <= 6 * 20


def test_transformer_lens_takes_the_weights_by_name(tmp_path: Path) -> None:
    lens = pytest.importorskip("transformer_lens")
    if int(metadata.version("transformer_lens").split(".")[0]) >= 4:
        pytest.skip("TransformerLens 4.0 removed HookedTransformer")
    run = replace(PAIRS, dtype="float32", layer_norm=True, biases=True, steps=10)
    rn.train(run, "cpu", tmp_path, progress=False)
    net = rn.model(tmp_path, run)
    about = {"n_layers": 1, "d_model": 16, "n_ctx": 3, "d_head": 8, "n_heads": 2, "d_mlp": 32, "d_vocab": 12}
    config = lens.HookedTransformerConfig(**about, d_vocab_out=11, act_fn="relu", normalization_type="LN")
    hooked = lens.HookedTransformer(config)
    missing, unexpected = hooked.load_state_dict(net.state_dict(), strict=False)
    assert not unexpected
    assert not [n for n in missing if not n.endswith(("mask", "IGNORE")) and ".b_" not in n]
    x, y = torch.tensor([0, 3, 7]), torch.tensor([5, 5, 1])
    tokens = torch.stack([x, y, torch.full_like(x, 11)], 1)
    torch.testing.assert_close(hooked(tokens)[:, -1], net(x, y).detach(), rtol=1e-4, atol=1e-4)
