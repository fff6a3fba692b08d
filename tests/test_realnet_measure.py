"""Networks from elsewhere, measured: the numbers of a run that was saved, by whatever way its weights come."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

import realnet as rn
from realnet.prepared import prepare

NET = rn.RunConfig(p=11, dataset_size=60, d_model=16, d_mlp=32, n_heads=2, steps=300, dtype="float64",
                   learning_rate=3e-3, weight_history=True, points_per_decade=3)  # fmt: skip
RUNS: dict[str, rn.RunConfig] = {
    "compiled": NET,
    "products": replace(NET, task="mul", biases=True),
    "layer norm": replace(NET, layer_norm=True, biases=True),
    "phases": replace(NET, phases=(rn.Phase(200), rn.Phase(100, dataset_size=20, corrupted=0.2))),
    "general": replace(NET, network="mlp", temperature=2.0),
    "squares": replace(NET, loss="mse"),
    "numbers": rn.RunConfig(task="teacher", network="mlp", loss="mse", activation="tanh", biases=True, d_mlp=20,
                            dataset_size=60, steps=50, dtype="float64", options={"examples": 100}),
}  # fmt: skip


def same(found: xr.Dataset, expected: xr.Dataset, rtol: float = 1e-9) -> None:
    names = [n for n in expected.data_vars if "step" in expected[n].dims]
    assert set(found.data_vars) == set(names)
    last = expected.squeeze(drop=True).isel(step=-1)
    for name in names:
        np.testing.assert_allclose(found[name], last[name], rtol=rtol, atol=1e-12, err_msg=str(name))
        assert found[name].attrs == expected[name].attrs


@pytest.mark.parametrize("name", RUNS)
def test_a_saved_run_that_is_measured_gives_its_last_point(name: str, tmp_path: Path) -> None:
    run = RUNS[name]
    ds = rn.train(run, "cpu", tmp_path, progress=False)
    net = rn.model(tmp_path, run)
    same(rn.measure(net, run), ds)
    same(rn.measure(net.state_dict(), run), ds)
    assert all(p.grad is None for p in net.parameters())


def test_a_task_its_name_or_its_run_say_the_same(tmp_path: Path) -> None:
    ds = rn.train(NET, "cpu", tmp_path, progress=False)
    net, data, task = rn.model(tmp_path, NET), prepare(NET).data(0), prepare(NET).task
    mask = np.isin(np.arange(len(task)), data.train)
    for said in (data.train[::-1].copy(), data.train.tolist(), mask, torch.from_numpy(data.train)):
        same(rn.measure(net, "add", said, p=11), ds)
    same(rn.measure(net, task, data.train), ds)


def test_several_checkpoints_give_a_curve(tmp_path: Path) -> None:
    ds = rn.train(NET, "cpu", tmp_path, progress=False).squeeze(drop=True)
    steps = ds.step.values[[1, 4, -1]].tolist()
    nets = [rn.model(tmp_path, NET, step=s) for s in steps]
    curve = rn.measure(nets, NET, steps=steps)
    assert curve.step.values.tolist() == steps
    for name in ("train_loss", "homogeneity", "frequency_share", "gen_logit", "effective_weight_decay"):
        assert curve[name].dims[0] == "step"
        np.testing.assert_allclose(curve[name], ds[name].sel(step=steps), rtol=1e-9)
    assert rn.measure(nets, NET).step.values.tolist() == [0, 1, 2]
    with pytest.raises(rn.ConfigError, match="steps must be as many as the models"):
        rn.measure(nets, NET, steps=[3])


def lens(net: nn.Module, **changes: Any) -> dict[str, torch.Tensor]:
    """The weights under the names that TransformerLens gives all that it has."""
    state = dict(net.state_dict())
    heads, d, width = state["blocks.0.attn.W_Q"].shape
    state |= {f"blocks.0.attn.b_{n}": torch.zeros(heads, width) for n in "QKV"}
    state |= {"blocks.0.attn.b_O": torch.zeros(d), "unembed.b_U": torch.zeros(state["unembed.W_U"].shape[1])}
    state |= {"blocks.0.attn.mask": torch.ones(3, 3), "blocks.0.attn.IGNORE": torch.tensor(-1e5)}
    return state | changes


@pytest.mark.parametrize("name", ["compiled", "layer norm"])
def test_the_names_of_transformer_lens_are_known(name: str, tmp_path: Path) -> None:
    run = RUNS[name]
    ds = rn.train(run, "cpu", tmp_path, progress=False)
    net, rows = rn.model(tmp_path, run), prepare(run).data(0).train
    longer = torch.cat([net.pos_embed.W_pos.detach(), torch.ones(2, 16)])
    state = lens(net) | {"pos_embed.W_pos": longer}

    class Hooked(nn.Module):
        """What is asked of a HookedTransformer."""

        cfg = SimpleNamespace(normalization_type="LN" if run.layer_norm else None, act_fn="relu")

        def state_dict(self, **_: Any) -> dict[str, torch.Tensor]:  # type: ignore[override]
            return state

    for model in (state, Hooked()):
        found = rn.measure(model, "add", rows, p=11)
        assert found.train_loss.item() == pytest.approx(ds.train_loss.isel(step=-1).item(), rel=1e-9)
        assert found.gen_logit.item() == pytest.approx(ds.gen_logit.isel(step=-1).item(), rel=1e-9)
        assert found.key_frequency_share.item() == pytest.approx(ds.key_frequency_share.isel(step=-1).item(), rel=1e-9)


class Plain(nn.Module):
    """Somebody's own, with dropout and batch norm, in float32."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm = nn.Embedding(7, 8), nn.BatchNorm1d(16)
        self.up, self.down = nn.Linear(16, 32), nn.Linear(32, 7)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        h = self.norm(torch.cat([self.embed(x), self.embed(y)], 1))
        return self.down(nn.functional.dropout(torch.relu(self.up(h)), 0.5, self.training))


def test_any_module_is_measured_in_eval_and_left_as_it_was() -> None:
    torch.manual_seed(0)
    net = Plain().train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    train, removed = np.arange(0, 20), np.arange(20, 30)
    found = rn.measure(net, "add", train, removed=removed, p=7,
                       callbacks=[lambda shot: {"mine": float(shot.logits.max())}])  # fmt: skip
    assert net.training
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    x, y = (torch.from_numpy(z) for z in np.divmod(np.arange(49), 7))
    outputs = net.eval()(x, y)
    losses = nn.functional.cross_entropy(outputs, (x + y) % 7, reduction="none").detach().double()
    for split, rows in (("train", train), ("removed", removed), ("unseen", np.arange(30, 49))):
        assert found[f"{split}_loss"].item() == pytest.approx(losses[rows].mean().item(), rel=1e-6)
    assert found.mine.item() == pytest.approx(outputs.max().item(), rel=1e-6)
    losses = nn.functional.cross_entropy(net(x[:20], y[:20]), ((x + y) % 7)[:20])
    grads = torch.autograd.grad(losses, list(net.parameters()))
    assert found.gradient_norm.item() == pytest.approx(sum(float((g**2).sum()) for g in grads) ** 0.5, rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"train": None}, "train must say what was trained on"),
        ({"train": []}, "train must name examples"),
        ({"train": [49]}, "train must be examples 0 .. 48; received .49, 49."),
        ({"train": [True, False]}, "a mask train must have 49 values"),
        ({"train": [0, 1] * 20}, "each example once; received '40 numbers of which 2 differ'. Is it a mask"),
        ({"train": [0.5, 1.0]}, "train must be integers, or True and False; received 'float64'"),
        ({"train": [[0, 1], [2, 3]]}, "train must be one row of numbers"),
        ({"model": "net.pt"}, "torch.nn.Module or its weights; received 'net.pt'. Pass torch.load"),
        ({"p": 5, "train": [0]}, "must return .25, 5. for task 'add' with p = 5"),
        ({"removed": [0]}, "removed examples must not be in train"),
        ({"task": 3}, "task must be a Task, a RunConfig or a task's name"),
        ({"task": "ad"}, "task must be one of"),
        ({"model": nn.Linear(2, 2)}, "must take the inputs of task 'add' with p = 7; received .TypeError"),
        ({"model": nn.Flatten()}, "weights with requires_grad"),
        ({"model": {"up.weight": torch.zeros(2)}, "task": prepare(NET).task}, "weights must be those of a transformer"),
        ({"model": {"up.weight": torch.zeros(2)}}, "weights must be those of a transformer"),
        ({"model": 3}, "a model must be a torch.nn.Module or its weights"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"model": Plain(), "task": "add", "train": [0, 1], "p": 7} | arguments
    model, task, train = (given.pop(k) for k in ("model", "task", "train"))
    with pytest.raises((rn.ConfigError, TypeError), match=message):
        rn.measure([model] if model == 3 else model, task, train, **given)


def test_weights_that_the_transformer_here_cannot_hold_are_refused() -> None:
    net = prepare(NET).module(prepare(NET).start)
    for state, message in (
        (lens(net, **{"unembed.b_U": torch.ones(11)}), "unembed.b_U must be 0"),
        (
            lens(net, **{"unembed.W_U": torch.ones(16, 12)}),
            r"unembed.W_U \(16, 11\); received 'unembed.W_U \(16, 12\)",
        ),
        (lens(net, **{"blocks.0.attn.W_V": torch.ones(2, 16, 7)}), "must have these shapes"),
        (lens(net, **{"pos_embed.W_pos": torch.ones(2, 16)}), "W_pos must have 3 places"),
    ):
        with pytest.raises(rn.ConfigError, match=message):
            rn.measure(state, "add", [0, 1], p=11)
    with pytest.raises(rn.ConfigError, match="activation must be one of"):
        rn.measure(lens(net), "add", [0, 1], p=11, activation="solu_ln")
