"""Tasks, networks and losses of one's own: found by name, trained, part of the key, refused with reasons."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import realnet as rn
from realnet.__main__ import main
from realnet.config import from_json
from realnet.engine.ensemble import Stack
from realnet.examples import stage_data, task_of
from realnet.training.checks import check

CPU = torch.device("cpu")
SOURCE = """
import numpy as np
import torch

import realnet as rn


def parity(seed, bits=6):
    x = np.random.default_rng(seed).choice([-1.0, 1.0], (120, bits))
    return rn.Task((x,), (x[:, 0] * x[:, 1] > 0).astype(int))


def heights(seed):
    x = np.random.default_rng(seed).standard_normal((60, 3))
    return rn.Task((x,), x[:, :1] ** 2, tolerance=0.1)


class Net(torch.nn.Module):
    def __init__(self, task, width=16):
        super().__init__()
        self.up = torch.nn.Linear(task.inputs[0].shape[1], width)
        self.down = torch.nn.Linear(width, task.outputs)

    def forward(self, x):
        return self.down(torch.relu(self.up(x)))


class Narrow(Net):
    def forward(self, x):
        return super().forward(x)[:, :1]


def hinge(output, target):
    right = output.gather(-1, target[..., None])
    rest = output.scatter(-1, target[..., None], -torch.inf).amax(-1)
    return torch.relu(1 - right[..., 0] + rest)


def no_task(seed):
    return 3


def wants(colour):
    return None


nothing = 3
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(SOURCE)
    return tmp_path / "mine.py"


def own(**fields: object) -> rn.RunConfig:
    given = {"task": "mine:parity", "network": "mine:Net", "dataset_size": 60, "steps": 30, "light_every": 10} | fields
    return rn.RunConfig(**given)  # type: ignore[arg-type]


def test_an_own_task_network_and_loss_are_trained(mine: Path) -> None:
    run = own(loss="mine:hinge", learning_rate=1e-2, weight_decay=0.0, steps=200, options={"width": 24, "bits": 4})
    ds = rn.train(run, "cpu", mine.parent / "out", progress=False).squeeze()
    assert ds.light_train_accuracy[-1] == 1
    assert ds.attrs["engine"] == "general"
    net = rn.model(mine.parent / "out", run.key[:6])
    assert net.up.weight.shape == (24, 4)
    task = task_of(run)
    data = stage_data(run, 0)
    right = net(torch.from_numpy(task.inputs[0]).float()).argmax(1).numpy() == task.targets
    assert right[data.train].mean() == 1
    assert right[data.unseen].mean() == pytest.approx(ds.light_unseen_accuracy[-1].item())


def test_own_ones_are_trained_from_a_terminal(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = "--task mine:parity --network mine:Net --dataset-size 60 --steps 20 --options bits=5 width=24 --seeds 0 1"
    assert main(["train", "out", *asked.split(), "--workers", "1"]) == 0
    assert capsys.readouterr().out.count("-20       finished       20/20") == 2
    assert rn.load("out").seed.values.tolist() == [0, 1]
    assert rn.model("out", replace(own(steps=20), seed=1, options={"bits": 5, "width": 24})).up.weight.shape == (24, 5)
    assert main(["resume", "out"]) == 0
    mine.write_text(SOURCE + "# edited\n")
    assert main(["resume", "out"]) == 2
    assert "with another source it is another run" in capsys.readouterr().err


def test_a_path_names_the_same_thing(mine: Path) -> None:
    by_path = own(task=f"{mine}:parity")
    assert (task_of(by_path).targets == task_of(own()).targets).all()


def test_an_edited_source_is_another_run_and_an_old_config_does_not_train_with_it(mine: Path) -> None:
    before = own()
    mine.write_text(SOURCE.replace("bits=6", "bits=5"))
    after = own()
    assert before.key != after.key
    assert task_of(after).inputs[0].shape[1] == 5
    with pytest.raises(rn.ConfigError, match="Make the RunConfig anew"):
        rn.train(before, "cpu", progress=False)


def test_configs_of_own_runs_are_read_where_the_file_is_not(mine: Path) -> None:
    run = own()
    mine.unlink()
    again = from_json(run.to_json())
    assert again == run
    assert again.key == run.key
    with pytest.raises(rn.ConfigError, match="no such file"):
        check(again)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"task": "mine:absent"}, "must define absent"),
        ({"task": "mine:nothing"}, "must define nothing"),
        ({"task": "mine:no_task"}, "must make a realnet.Task; received 'int'"),
        ({"task": "mine:wants"}, "needs a value for its argument colour"),
        ({"network": "mine:Narrow"}, r"must return \(4, 2\) for mine:parity; received \(4, 1\)"),
        ({"network": "transformer"}, "reads symbols"),
        ({"network": "graph"}, "reads atoms"),
        ({"network": "lstm"}, "reads texts"),
        ({"loss": "mine:parity"}, "must take outputs and targets"),
        ({"dataset_size": 121}, "must not exceed the 120 examples"),
        ({"task": "mine:heights"}, "needs a task with labels"),
        ({"task": "mine:heights", "loss": "mse", "corrupted": 0.5}, "only labels can be corrupted"),
        ({"options": {"widht": 3}}, "Correct the spelling"),
        ({"options": {"bits": 0}}, "must be made of .* received .IndexError"),
    ],
)
def test_what_does_not_fit_is_refused_before_training(mine: Path, fields: dict[str, object], message: str) -> None:
    with pytest.raises(rn.ConfigError, match=message):
        rn.train(own(**fields), "cpu", progress=False)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"task": "absent:parity"}, "needs a Python file"),
        ({"task": "mine:"}, "task must be one of"),
        ({"network": "resnet"}, 'Or name your own as "mine:network"'),
        ({"gradient_filter": "mine:filter"}, "gradient_filter must be one of"),
        ({"options": {"width": object()}}, "option width must be a number"),
        ({"options": 3}, "options must be a dict"),
        ({"dataset_size": None}, "needs a dataset_size"),
        ({"batch_size": 0}, "batch_size must be finite and at least 1"),
        ({"temperature": 0}, "temperature must be finite and greater than 0"),
        ({"phases": [rn.Phase(5, task="add")]}, "must have the pairs"),
    ],
)
def test_bad_fields_are_refused_at_once(mine: Path, fields: dict[str, object], message: str) -> None:
    with pytest.raises(rn.ConfigError, match=message):
        own(**fields)


def test_a_source_that_does_not_run_says_so(mine: Path) -> None:
    mine.write_text("import nowhere_to_be_found")
    with pytest.raises(rn.ConfigError, match=r"must run as Python; received .*nowhere_to_be_found"):
        check(own())


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (lambda: rn.Task((np.zeros((3, 2)),), np.array([0, 1])), r"inputs\[0\] must have 2 examples; received 3"),
        (lambda: rn.Task((np.full((2, 2), np.nan),), np.array([0, 1])), r"inputs\[0\] must be finite"),
        (lambda: rn.Task((np.zeros((2, 2)),), np.array([0, -1])), "labels must be classes"),
        (lambda: rn.Task((np.zeros((2, 2)),), np.array([0, 2]), classes=2), "labels must be classes 0 .. 1"),
        (lambda: rn.Task((np.zeros((2, 2)),), np.zeros(2)), r"must be \[n, k\]"),
        (lambda: rn.Task((np.zeros((2, 2)),), np.zeros((2, 1), int)), r"must be labels \[n\]"),
        (lambda: rn.Task((), np.array([0, 1])), "needs inputs"),
        (lambda: rn.Task((np.zeros((2, 2)),), np.array([0, 1]), test=2), "must leave examples"),
        (lambda: rn.Task((np.array(["a", "b"]),), np.array([0, 1])), "must be an array of numbers"),
    ],
)
def test_a_task_that_is_none_says_what_is_wrong(task: object, message: str) -> None:
    with pytest.raises(rn.ConfigError, match=message):
        task()  # type: ignore[operator]


def test_test_examples_are_never_trained_on_and_alone_are_unseen() -> None:
    rows = np.arange(50.0)[:, None]
    task = rn.Task((rows,), np.arange(50) % 2, test=20)
    assert task.size == 30
    assert len(task) == 50


def test_runs_of_an_own_network_in_a_stack_equal_runs_alone(mine: Path) -> None:
    runs = [
        replace(own(dtype="float64", steps=20, batch_size=None), seed=s, dataset_size=60 - 10 * s) for s in range(3)
    ]
    alone = rn.train(runs, "cpu", progress=False).drop_vars("wall_time").drop_attrs()
    stack = rn.train(runs, "cpu", progress=False, stack_size=3).drop_vars("wall_time").drop_attrs()
    for name in ("train_loss", "norm", "unseen_accuracy"):
        np.testing.assert_allclose(stack[name], alone[name], rtol=1e-9, atol=1e-12)


def test_the_readme_s_five_minutes_to_an_own_task_and_net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file and the call are those that the README shows."""
    text = (Path(rn.__file__).parent / "README.md").read_text(encoding="utf-8")
    section = text.split("## Bring your own")[1].split("\n## ")[0]
    file, call = (textwrap.dedent(block.split("```")[0]) for block in section.split("```python\n")[1:3])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(file)
    names: dict[str, object] = {}
    exec(call, names)
    ds = names["ds"]
    assert ds.light_train_accuracy.isel(light_step=-1).min() == 1  # type: ignore[attr-defined]
    assert isinstance(names["net"], torch.nn.Module)


def test_own_networks_keep_what_their_constructor_made(mine: Path) -> None:
    run = own(init_scale=3.0)
    one, again = Stack([run], CPU).weights, Stack([run], CPU).weights
    torch.testing.assert_close(one, again, rtol=0, atol=0)
    torch.testing.assert_close(one, 3 * Stack([own()], CPU).weights, rtol=1e-6, atol=0)
    assert (one != Stack([own(init_scale=3.0, seed=1)], CPU).weights).any()
