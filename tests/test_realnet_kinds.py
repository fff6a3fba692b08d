"""Tasks and networks of any kind: what a module is made of is each run's own, kept, and measured as it will be used."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from torch.nn import functional as F

import realnet as rn
from realnet.engine.ensemble import Stack
from realnet.engine.general import General
from realnet.engine.host import Compiled
from realnet.engine.plan import engine_class, plan, refused
from realnet.engine.stacked import Stacked
from realnet.prepared import Habits, prepare
from realnet.tasks.modular import discrete_log

CPU = torch.device("cpu")
SOURCE = '''
import numpy as np
import torch

import realnet as rn


def pairs(p):
    return np.divmod(np.arange(p * p), p)


def wide(seed, p=20):
    """More symbols than p."""
    x, y = pairs(p)
    return rn.Task((x, y), (x + y) % p, symbols=p + 1, classes=p)


def plain(seed, top=9):
    """x + y without modulus; nothing is called p."""
    x, y = pairs(top)
    return rn.Task((x, y), x + y, symbols=top, classes=2 * top - 1)


def three(seed, top=5):
    x, y, z = np.unravel_index(np.arange(top**3), (top,) * 3)
    return rn.Task((x, y, z), (x + y + z) % top, symbols=top, classes=top)


def signs(seed, bits=6):
    x = np.random.default_rng(seed).choice([-1.0, 1.0], (160, bits))
    return rn.Task((x,), (x[:, 0] * x[:, 1] > 0).astype(int))


class Base(torch.nn.Module):
    def __init__(self, task, width=32):
        super().__init__()
        self.up = torch.nn.Linear(task.inputs[0].shape[1], width)
        self.down = torch.nn.Linear(width, task.outputs)

    def middle(self, h):
        return h

    def forward(self, x):
        return self.down(self.middle(torch.relu(self.up(x))))


class Buffered(Base):
    """A fixed random layer as a buffer."""

    def __init__(self, task):
        super().__init__(task)
        self.register_buffer("fixed", torch.randn(32, 32) / 5)

    def middle(self, h):
        return torch.relu(h @ self.fixed)


class Hidden(Base):
    """A fixed random layer that is no buffer."""

    def __init__(self, task):
        super().__init__(task)
        self.fixed = torch.randn(32, 32) / 5

    def middle(self, h):
        return torch.relu(h @ self.fixed.to(h))


class Frozen(Base):
    def __init__(self, task):
        super().__init__(task)
        self.up.requires_grad_(False)


class Dropping(Base):
    def __init__(self, task):
        super().__init__(task)
        self.drop = torch.nn.Dropout(0.3)

    def middle(self, h):
        return self.drop(h)


class Normed(Base):
    def __init__(self, task):
        super().__init__(task)
        self.norm = torch.nn.BatchNorm1d(32)

    def middle(self, h):
        return self.norm(h)


class Layered(Base):
    def __init__(self, task):
        super().__init__(task)
        self.norm = torch.nn.LayerNorm(32)

    def middle(self, h):
        return self.norm(h)


class Counting(Base):
    """Puts a new tensor in the place of its buffer at every step of training."""

    def __init__(self, task):
        super().__init__(task)
        self.register_buffer("mean", torch.zeros(32))

    def middle(self, h):
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * h.detach().mean(0)
        return h - self.mean


class Mixing(Base):
    def middle(self, h):
        return h - h.mean(0)


class Numpy(Base):
    def middle(self, h):
        return h * float(np.random.rand())
'''
NETS = ("Base", "Buffered", "Hidden", "Frozen", "Dropping", "Normed", "Layered", "Counting")


@pytest.fixture(autouse=True)
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(SOURCE)
    return tmp_path


def symbolic(task: str, **fields: Any) -> rn.RunConfig:
    size: dict[str, Any] = {"d_model": 16, "d_mlp": 32, "n_heads": 2, "steps": 40, "light_every": 10}
    return rn.RunConfig(task=task, **({"dataset_size": 60, "dtype": "float64"} | size | fields))


def own(net: str, **fields: Any) -> rn.RunConfig:
    given: dict[str, Any] = {"dataset_size": 100, "steps": 60, "light_every": 20, "learning_rate": 1e-2}
    return rn.RunConfig(task="mine:signs", network=f"mine:{net}", **(given | fields))


def bare(ds: xr.Dataset) -> xr.Dataset:
    return ds.drop_vars("wall_time").drop_attrs()


# --- Sizes come from the task -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["mine:wide", "mine:plain"])
def test_a_task_s_own_symbols_and_classes_train_by_every_engine_alike(task: str) -> None:
    stacks = [Stack([symbolic(task)], CPU), Stack([symbolic(task), symbolic(task, seed=1)], CPU)]
    stacks.append(Stack([symbolic(task, batch_size=60)], CPU))
    assert [s.engine for s in stacks] == ["compiled", "stacked", "general"]
    for stack in stacks:
        stack.advance(20)
    for other in stacks[1:]:
        torch.testing.assert_close(other.weights[0], stacks[0].weights[0], rtol=1e-8, atol=1e-10)
    assert stacks[0].table_logits(0).shape == (len(stacks[0].runs[0].task), stacks[0].runs[0].task.outputs)
    assert (rn.train(symbolic(task, activation="relu"), "cpu", progress=False).status == "finished").all()


def test_compiled_code_is_given_no_place_outside_its_tables() -> None:
    x = np.arange(4)
    for inputs, message in (((x, x), "symbols 0 .. 2; received .0, 3."), ((x - 1, x), "symbols 0 .. 2")):
        with pytest.raises(rn.ConfigError, match=message):
            rn.Task(inputs, x % 2, symbols=3)
    with pytest.raises(rn.ConfigError, match="symbols, integers; received 'float64'"):
        rn.Task((x * 1.0,), x % 2, symbols=4)
    with pytest.raises(rn.ConfigError, match="at least two classes; received 1"):
        rn.Task((x,), 0 * x)
    # Arrays can be changed after they were checked.
    stack = Stack([symbolic("mine:wide")], CPU)
    stack.runs[0].task.inputs[0][0] = 999
    with pytest.raises(IndexError, match=r"x must be 0 .. 20; received 0 .. 999"):
        stack.enter_stage(0)
    stack.runs[0].task.inputs[0][0] = 0
    assert isinstance(stack.ways, Compiled)


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (rn.Group(np.array([0, 4]), np.array([0, 1]), np.array([0, 1])), "rows must be integers 0 .. 3"),
        (rn.Group(np.array([0]), np.array([2]), np.array([0, 1])), "exponents must be integers 0 .. 1"),
        (rn.Group(np.array([0]), np.array([1]), np.array([0, 3])), "classes must be integers 0 .. 1"),
        (rn.Group(np.array([0, 1]), np.array([1]), np.array([0, 1])), "as many exponents as rows"),
    ],
)
def test_a_group_that_is_none_of_the_task_s_is_refused(group: rn.Group, message: str) -> None:
    x = np.arange(4)
    with pytest.raises(rn.ConfigError, match=message):
        rn.Task((x, x), x % 2, symbols=4, group=group)


def test_three_operands_under_the_transformer() -> None:
    run = symbolic("mine:three")
    for many in ([run, replace(run, seed=1)], [replace(run, batch_size=60), replace(run, batch_size=60, seed=1)]):
        stack = Stack(many, CPU)
        loss = stack.gradient()[0]
        task, rows = stack.runs[0].task, stack.data[0].train
        net = stack.runs[0].module(stack.weights[0])
        expected = F.cross_entropy(
            net(*(torch.from_numpy(x[rows]) for x in task.inputs)), torch.from_numpy(task.targets[rows])
        )
        torch.testing.assert_close(loss, expected.detach(), rtol=1e-10, atol=0)
    assert net.pos_embed.W_pos.shape == (4, 16)
    ds = rn.train(symbolic("mine:three", learning_rate=1e-2, dtype="float32", steps=300, dataset_size=100), "cpu",
                  progress=False)  # fmt: skip
    assert ds.train_accuracy.isel(step=-1).item() > 0.9


def test_products_mod_p_have_their_cyclic_group() -> None:
    task = prepare(rn.RunConfig(task="mul", p=11, dataset_size=60)).task
    x, y = task.inputs
    np.testing.assert_array_equal(task.targets, x * y % 11)
    assert task.group is not None
    assert len(task.group.rows) == 100  # without a factor of 0
    logs = discrete_log(11)
    inside = task.group.rows
    np.testing.assert_array_equal(task.group.exponents, (logs[x[inside]] + logs[y[inside]]) % 10)
    assert prepare(rn.RunConfig(task="mul", p=12, dataset_size=60)).task.group is None
    ds = rn.train(rn.RunConfig(task="mul", p=11, dataset_size=60, d_model=16, d_mlp=32, steps=10), "cpu",
                  progress=False)  # fmt: skip
    assert ds.gen_logit.notnull().all()


# --- What a module has ---------------------------------------------------------------------------------------------------


def test_what_a_network_does_in_training_is_found_by_trying_it() -> None:
    found = {net: prepare(own(net)).habits for net in NETS}
    assert found["Dropping"] == Habits(draws=True)
    assert found["Normed"] == found["Counting"] == Habits(remembers=True, mixes=found["Normed"].mixes)
    assert found["Base"] == found["Buffered"] == found["Frozen"] == found["Layered"] == Habits()
    with pytest.raises(rn.ConfigError, match="judge each example by itself"):
        prepare(own("Mixing"))
    with pytest.raises(rn.ConfigError, match="random numbers from torch"):
        prepare(own("Numpy"))


@pytest.mark.parametrize("net", NETS)
def test_a_stack_gives_each_run_what_it_has_alone(net: str, mine: Path) -> None:
    runs = [own(net, seed=s, dataset_size=100 - 10 * s, dtype="float64", batch_size=40 if s < 0 else None)
            for s in range(3)]  # fmt: skip
    alone = bare(rn.train(runs, "cpu", mine / "a", progress=False))
    stack = bare(rn.train(runs, "cpu", mine / "b", progress=False, stack_size=3))
    for name in ("train_loss", "unseen_loss", "norm", "unseen_accuracy"):
        np.testing.assert_allclose(stack[name], alone[name], rtol=1e-8, atol=1e-10)
    for i, run in enumerate(runs):
        for folder in "ab":
            module = rn.model(mine / folder, run).eval()
            ready = prepare(run)
            rows, task = ready.data(0).train, ready.task
            loss = F.cross_entropy(module(torch.from_numpy(task.inputs[0][rows])), torch.from_numpy(task.targets[rows]))
            saved = alone.train_loss.isel(step=-1).sel(seed=i).max().item()
            assert loss.item() == pytest.approx(saved, rel=1e-6)


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("size", [1, 2])
def test_a_run_of_any_network_goes_on_bit_for_bit(net: str, size: int, mine: Path) -> None:
    class Kill(Exception):
        pass

    def kill(shot: rn.Snapshot) -> dict[str, float]:
        if shot.step > 30:
            raise Kill
        return {}

    runs = [own(net, seed=s, batch_size=30) for s in range(size)]
    options: dict[str, Any] = {"progress": False, "stack_size": size}
    whole = bare(rn.train(runs, "cpu", mine / "whole", **options))
    with pytest.raises(Kill):
        rn.train(runs, "cpu", mine / "parts", callbacks=[kill], checkpoint_seconds=0, workers=1, **options)
    xr.testing.assert_identical(bare(rn.train(runs, "cpu", mine / "parts", **options)), whole)
    xr.testing.assert_identical(bare(rn.train(runs, "cpu", mine / "again", **options)), whole)


def test_frozen_stays_bit_for_bit_and_counts_in_no_norm(mine: Path) -> None:
    run = own("Frozen", weight_decay=1.0, seed=3)
    before = prepare(run).module(prepare(run).start)
    ds = rn.train(run, "cpu", mine / "out", progress=False)
    after = rn.model(mine / "out", run)
    assert torch.equal(before.up.weight, after.up.weight)
    assert not torch.equal(before.down.weight, after.down.weight)
    assert not after.up.weight.requires_grad
    squares = sum(float(p.detach().double().square().sum()) for p in after.down.parameters())
    assert ds.norm.isel(step=-1).item() == pytest.approx(squares**0.5)


@pytest.mark.parametrize("fields", [{}, {"n_layers": 2, "layer_norm": True}, {"optimizer": "sgd"}])
def test_weights_are_frozen_by_name_and_inherited(fields: dict[str, Any], mine: Path) -> None:
    run = rn.RunConfig(
        p=11, dataset_size=60, d_model=16, d_mlp=32, n_heads=2, steps=20, frozen=("embed.*", "*.mlp.W_in"), **fields
    )
    child = replace(run, dataset_size=20, start_from=run, data_seed=0, seed=5)
    rn.train([run, child], "cpu", mine / "out", progress=False)
    start = prepare(replace(run, frozen=())).module(prepare(replace(run, frozen=())).start)
    for made in (run, child):
        net = rn.model(mine / "out", made)
        assert torch.equal(net.embed.W_E, start.embed.W_E)
        assert torch.equal(net.blocks[0].mlp.W_in, start.blocks[0].mlp.W_in)
        assert not torch.equal(net.unembed.W_U, start.unembed.W_U)
    with pytest.raises(rn.ConfigError, match=r"frozen must name parameters among embed.W_E.*received 'embedding'"):
        rn.train(replace(run, frozen=("embedding",)), "cpu", progress=False)
    with pytest.raises(rn.ConfigError, match="must have parameters to train"):
        rn.train(replace(run, frozen=("*",)), "cpu", progress=False)


def test_dropout_is_seeded_by_run_and_step_and_measured_without() -> None:
    for network in ("transformer", "mlp"):
        base = rn.RunConfig(p=11, dataset_size=60, d_model=16, d_mlp=32, n_heads=2, network=network)
        run = replace(base, dropout=0.4)
        assert run.key != base.key
        stacks = [Stack([run], CPU) for _ in range(2)] + [Stack([run, replace(run, seed=1)], CPU)]
        for stack in stacks:
            assert stack.engine == "general"
        torch.testing.assert_close(stacks[0].table_logits(0), Stack([base], CPU).table_logits(0), rtol=1e-4, atol=1e-5)
        grads = []
        for step in (3, 3, 4):
            stacks[0].gradient(step)
            grads.append(stacks[0].grads.clone())
        assert torch.equal(grads[0], grads[1])
        assert not torch.equal(grads[0], grads[2])
        for stack in stacks:
            stack.advance(10)
        assert torch.equal(stacks[0].weights, stacks[1].weights)
        torch.testing.assert_close(stacks[2].weights[0], stacks[0].weights[0], rtol=1e-5, atol=1e-6)
    with pytest.raises(rn.ConfigError, match="has no dropout"):
        rn.RunConfig(network="graph", dropout=0.1)
    with pytest.raises(rn.ConfigError, match=r"dropout must be in \[0, 1\)"):
        rn.RunConfig(dropout=1.0)


# --- Engines refuse what they have not learnt -----------------------------------------------------------------------------


def test_an_engine_refuses_a_field_until_it_learns_it() -> None:
    @dataclass(frozen=True)
    class Later(rn.RunConfig):
        invented: str = "as before"

    plain, new = Later(), Later(invented="new")
    for engine in (Compiled, Stacked):
        assert refused(engine, plain) == []
        assert refused(engine, new) == ["invented"]
    assert refused(General, new) == []
    assert len(plan([plain, new], CPU, 2)) == 2
    names = set(rn.RunConfig.__dataclass_fields__)
    assert names >= set(Compiled.knows) | set(Stacked.knows)


@pytest.mark.parametrize(
    ("fields", "engine"),
    [
        ({}, Compiled), ({"biases": True}, Compiled), ({"optimizer": "rmsprop"}, Compiled), ({"n_layers": 2}, Stacked),
        ({"loss": "mse"}, Stacked), ({"temperature": 2.0}, Stacked), ({"activation": "gelu"}, Stacked),
        ({"batch_size": 10}, General), ({"network": "mlp"}, General), ({"dropout": 0.1}, General),
        ({"frozen": ("embed.*",)}, General), ({"groups": {"embed.*": {"weight_decay": 0}}}, Compiled),
    ],
)  # fmt: skip
def test_each_run_has_its_engine(fields: dict[str, Any], engine: type) -> None:
    run = rn.RunConfig(p=11, dataset_size=60, d_model=16, d_mlp=32, **fields)
    assert engine_class([prepare(run)], CPU) is engine


# --- What is said ----------------------------------------------------------------------------------------------------------


def test_a_script_that_trains_while_its_task_is_read_asks_for_a_guard(mine: Path) -> None:
    call = 'rn.train(rn.RunConfig(task="script:signs", network="script:Base", dataset_size=50, steps=3), "cpu")\n'
    (mine / "script.py").write_text(SOURCE + call)
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, cwd=mine)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "script.py must not train while its task or network is read from it" in last
    assert 'if __name__ == "__main__":' in last
    assert len(done.stderr) < 10_000
    (mine / "script.py").write_text(SOURCE + 'if __name__ == "__main__":\n    ' + call)
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, cwd=mine)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"loss": "softmax", "options": {"softmax_dtype": "fp16"}}, "softmax_dtype must be one of float16"),
        (
            {"gradient_filter": "grokfast_ma", "options": {"grokfast_window": 0}},
            "grokfast_window must be .* at least 1",
        ),
        (
            {"gradient_filter": "grokfast_ma", "options": {"grokfast_window": 10.0}},
            "grokfast_window must be an integer",
        ),
        ({"gradient_filter": "clip", "options": {"clip_norm": "1"}}, "clip_norm must be a number; received '1'"),
        ({"gradient_filter": "clip", "options": {"clip_norm": 0}}, "clip_norm must be finite and greater than 0"),
        ({"gradient_filter": "grokfast", "options": {"grokfast_decay": 98}}, r"grokfast_decay must be in \[0, 1\)"),
        ({"gradient_filter": "grokfast", "options": {"grokfast_gain": float("nan")}}, "grokfast_gain must be finite"),
        ({"options": {"d_model": 3}}, "what is a field of RunConfig is no option; received .'d_model'."),
        ({"task": "mine:plain", "dataset_size": 9, "options": {"clip_norm": 3}}, "Correct the spelling"),
    ],
)
def test_values_of_options_are_checked(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(rn.ConfigError, match=message):
        rn.train(rn.RunConfig(**({"steps": 3} | fields)), "cpu", progress=False)
