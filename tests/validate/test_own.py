"""D_crit of a user's own network: each seed's bisection finds a threshold that is known, and says what it cannot do."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from figures.own import write
from realnet import ConfigError
from validate import own
from validate.__main__ import main
from validate.experiments.design import Experiment

TRUTH, APART = 91.0, 0.3
"""D_crit, and how far seeds lie apart in ln D"""
KAPPA = 4.0


class Training:
    """Stands for training: accuracy is logistic in ln D about each seed's D_crit, margins follow (8.3), norms (5.1)."""

    def __init__(self) -> None:
        self.experiments: list[Experiment] = []
        self.start = dict.fromkeys(range(9), 1.0)
        self.train = 1.0
        self.chance = 1 / 23
        self.asked: list[bool] = []

    def critical(self, seed: int) -> float:
        return math.log(TRUTH) + APART * (seed - 1)

    def rows(self, folder: Path, name: str, own_test: bool) -> pd.DataFrame:
        self.asked.append(own_test)
        return pd.DataFrame([self.row(run, name) for run in self.experiments[-1].runs])

    def row(self, run: Any, name: str) -> dict[str, float]:
        x, t, d = math.log(run.dataset_size) - self.critical(run.seed), 10.0, run.dataset_size
        if name.endswith(own.PARENTS):
            test = self.start[run.seed]
        elif name.endswith(own.MEMORISING):
            test = self.chance
        else:
            test = self.chance + (1 - self.chance) / (1 + math.exp(-x / 0.03))
        odds = (d / math.exp(self.critical(run.seed)) - 1) / 0.15
        norm = t ** (1 / KAPPA) * (math.exp(0.3 * x) if name.endswith(own.MEMORISING) else 1.0)
        return {"seed": run.seed, "dataset_size": d, "test": test, "train": self.train, "motion": 0.0,
                "weight_decay": run.weight_decay, "train_margin": t, "unseen_margin": t * odds / (1 + odds), "logit": t,
                "norm": norm, "homogeneity": KAPPA}  # fmt: skip


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> Training:
    stand_in = Training()
    monkeypatch.setattr(own, "train", lambda experiment, *rest: stand_in.experiments.append(experiment))
    monkeypatch.setattr(own, "collect", lambda *rest: None)
    monkeypatch.setattr(own, "rows", stand_in.rows)
    return stand_in


def written(folder: Path, text: str = "", search: str = "seeds = 3\nsteps = 500") -> Path:
    path = folder / "net.toml"
    task = "" if "task" in text else 'task = "add"\np = 23\n'
    path.write_text(f"{task}d_model = 16\nd_mlp = 32\n{text}\n[search]\n{search}\n")
    return path


def test_each_seed_is_bisected_for_itself(training: Training, tmp_path: Path) -> None:
    found = own.critical_size(written(tmp_path), tmp_path / "out")
    for row in found.seeds.itertuples():
        assert row.low == row.high == pytest.approx(training.critical(int(row.seed)), abs=0.02)
        mine = np.array(sorted(set(found.table[found.table.seed == row.seed].dataset_size)))
        about = np.searchsorted(mine, math.exp(row.low))
        assert np.log(mine[about] / mine[about - 1]) <= 0.1
    assert math.exp(found.interval.value) == pytest.approx(TRUTH, rel=0.01)
    assert found.interval.n == 3
    assert f"D_crit by seed: {', '.join(f'{math.exp(x):.0f}' for x in found.seeds.low)}" in found.words
    sizes = {(run.dataset_size, run.seed) for run in training.experiments[-1].runs}
    assert len(sizes) < 3 * 14, "no seed is trained on another's sizes"
    run = training.experiments[-1].runs[0]
    assert (run.optimizer, run.steps, run.weight_decay, run.light_every) == ("adam", 500, 1e-4, 5)
    assert run.start_from is not None
    assert (run.start_from.optimizer, run.start_from.weight_decay) == ("adamw", 1.0)


def test_margins_and_norms_are_estimates_beside_it(training: Training, tmp_path: Path) -> None:
    path = written(tmp_path, search="seeds = 3\nsteps = 500\nefficiency = true")
    found = own.critical_size(path, tmp_path / "out")
    for other in (found.margins, found.efficiency):
        assert isinstance(other, dict)
        assert other["value"] == pytest.approx(TRUTH, rel=0.03)
        assert other["low"] < other["value"] < other["high"]
    random = training.experiments[-1]
    assert random.kind == own.MEMORISING
    assert {run.corrupted for run in random.runs} == {1 - 1 / 23}
    assert all(run.start_from is None for run in random.runs)
    assert "by margins of grokked networks: 9" in found.words
    assert own.critical_size(written(tmp_path), tmp_path / "out").efficiency == ""


def test_the_answer_is_saved_and_drawn(training: Training, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, search="seeds = 3\nsteps = 500\nefficiency = true")
    found = own.critical_size(path, tmp_path / "out")
    folder = tmp_path / "out" / "own-net"
    answer = json.loads((folder / "own.json").read_text())
    assert answer["critical_size"]["value"] == pytest.approx(math.exp(found.interval.value))
    assert [seed["low"] for seed in answer["seeds"]] == pytest.approx([math.exp(x) for x in found.seeds.low])
    assert len(answer["runs"]) == len(found.table)
    assert answer["search"]["efficiency"] is True
    assert f"python -m figures own {folder}" in capsys.readouterr().out
    assert write(folder).read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(FileNotFoundError, match="validate run --net"):
        write(tmp_path)


def test_a_seed_beyond_the_sizes_is_a_bound(
    training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "critical", lambda seed: math.log((91.0, 95.0, 1e6, 0.5)[seed]))
    found = own.critical_size(written(tmp_path, search="seeds = 4\nsteps = 500"), tmp_path / "out")
    assert [low == high for low, high in zip(found.seeds.low, found.seeds.high, strict=True)] == [
        True,
        True,
        False,
        False,
    ]
    assert "above 476, below 2" in found.words
    answer = json.loads((tmp_path / "out" / "own-net" / "own.json").read_text())
    assert answer["seeds"][2]["high"] is None


def test_parents_are_looked_at_before_children_are_trained(training: Training, tmp_path: Path) -> None:
    training.start |= {1: 0.5}
    found = own.critical_size(written(tmp_path), tmp_path / "out")
    assert training.experiments[0].kind == own.PARENTS
    assert set(found.seeds.seed) == {0, 2}, "what has not grokked has nothing to lose"
    training.experiments.clear()
    training.start |= {0: 0.3}
    with pytest.raises(
        ConfigError, match=r"must have grokked.*0\.30, 0\.50, 1\.00.*do not generalise: raise parent_steps"
    ):
        own.critical_size(written(tmp_path), tmp_path / "out")
    assert [experiment.kind for experiment in training.experiments] == [own.PARENTS]
    training.train = 0.6
    with pytest.raises(ConfigError, match=r"do not even fit: .*lower weight_decay \(now 1\)"):
        own.critical_size(written(tmp_path), tmp_path / "out")


MINE = """
import numpy as np
import realnet as rn

def unequal(n: int = 400) -> rn.Task:
    return rn.Task((np.random.default_rng(0).standard_normal((n, 3)),), np.arange(n) % 4 // 3)

def tested(n: int = 400) -> rn.Task:
    x = np.random.default_rng(0).standard_normal((n, 3))
    return rn.Task((x,), np.where(np.arange(n) < n - 100, np.arange(n) % 2, np.arange(n) % 5 == 0).astype(int), test=100)

def regression(n: int = 400) -> rn.Task:
    return rn.Task((np.ones((n, 3)),), np.ones((n, 1)))

def lopsided(n: int = 400) -> rn.Task:
    return rn.Task((np.ones((n, 3)),), (np.arange(n) == 0).astype(int))
"""


def test_chance_is_that_of_the_commonest_class_it_is_judged_by(training: Training, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    training.chance = 0.75
    found = own.critical_size(written(tmp_path, 'task = "mine:unequal"\nnetwork = "mlp"'), tmp_path / "out")
    assert (found.chance, found.pairs) == (0.75, 400)
    assert math.exp(found.interval.value) == pytest.approx(TRUTH, rel=0.02)
    assert "chance 0.75" in found.words
    training.asked.clear()
    training.chance = 0.8
    found = own.critical_size(written(tmp_path, 'task = "mine:tested"\nnetwork = "mlp"'), tmp_path / "out")
    assert (found.chance, found.pairs) == (0.8, 300)
    assert training.experiments[0].runs[0].dataset_size == 360, "of the unequal ones"
    assert set(training.asked) == {True}
    assert training.experiments[-1].runs[0].start_from.dataset_size == 270, "test examples are not trained on"  # type: ignore[union-attr]


def test_names_are_looked_for_beside_the_file(
    training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine.py").write_text(MINE)
    (tmp_path / "mine.py").write_text("def unequal(): raise RuntimeError('not this one')")
    path = written(tmp_path / "there", 'task = "mine:unequal"\nnetwork = "mlp"')
    training.chance = 0.75
    monkeypatch.chdir(tmp_path)
    own.critical_size(path.relative_to(tmp_path), Path("out"))
    assert (tmp_path / "out" / "own-net" / "own.json").exists()
    assert Path.cwd() == tmp_path


@pytest.mark.parametrize(
    ("text", "search", "said"),
    [
        ("p = [", "", "TOML"),
        ("d_modle = 3", "", "d_modle"),
        ("weight_decay = 'x'", "", "weight_decay must be a number"),
        ("dataset_size = 30", "", "the search itself sets.*dataset_size"),
        ("phases = [{steps = 3}]", "", "the search itself sets.*phases"),
        ("optimizer = 'sgd'", "", "another optimizer.*weight_decay"),
        ("light_every = 400", "steps = 500", "twenty measurements"),
        ("", "sedes = 2", "sedes"),
        ("", "seeds = 1", "at least 2"),
        ("", "seeds = 'four'", "seeds must be an integer; received 'four'"),
        ("", "precision = '0.1'", "precision must be a number"),
        ("", "precision = 1.0", "precision must be below 1"),
        ("", "efficiency = 1", "efficiency must be True or False"),
        ("", "weight_decay = 0", "weight_decay must be finite and greater than 0"),
        ('task = "mine:regression"', "", "needs classes"),
        ('task = "mine:lopsided"', "", "commonest class"),
        ('task = "teacher"', "", "needs classes"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_one_line_before_anything_is_trained(
    training: Training, tmp_path: Path, text: str, search: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    path = written(tmp_path, text + ('\nnetwork = "mlp"' if "task" in text else ""), search)
    with pytest.raises(ConfigError, match=said):
        own.critical_size(path, tmp_path / "out")
    assert training.experiments == []
    assert main(["run", "--net", str(path), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.strip().count("\n") == 0
    (tmp_path / "flat.toml").write_text("search = 3\n")
    with pytest.raises(ConfigError, match="must be a table"):
        own.read(tmp_path / "flat.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        own.critical_size(tmp_path / "none.toml", tmp_path / "out")


def test_the_decay_and_optimizer_of_the_parents_are_the_files(training: Training, tmp_path: Path) -> None:
    path = written(tmp_path, "optimizer = 'sgd'\nweight_decay = 1e-3\nbatch_size = 50")
    own.critical_size(path, tmp_path / "out")
    parent, child = training.experiments[0].runs[0], training.experiments[-1].runs[0]
    assert (parent.optimizer, parent.weight_decay, parent.batch_size) == ("sgd", 1e-3, 50)
    assert (child.optimizer, child.weight_decay, child.start_from) == ("adam", 1e-4, parent)
    assert child.batch_size == min(50, child.dataset_size) == child.dataset_size < 50


@pytest.mark.parametrize("kind", ["parity", "tested"])
def test_a_task_and_a_network_from_a_file_of_ones_own(tmp_path: Path, kind: str) -> None:
    """The example with fewer bits, from end to end, also with test examples of its own: nothing of it is built in."""
    text = (Path(own.__file__).parent / "examples" / "mine.py").read_text()
    text += "\n\ndef tested() -> rn.Task:\n    task = parity(7, 2)\n    return rn.Task(task.inputs, task.targets, test=32)\n"
    (tmp_path / "mine.py").write_text(text)
    search = "parent_steps = 120\nsteps = 60\nseeds = 2\nweight_decay = 1e-3\nprecision = 0.5\nefficiency = true\n"
    options = "options = { bits = 6, of = 2 }\n" if kind == "parity" else ""
    (tmp_path / "mine.toml").write_text(
        f'task = "mine:{kind}"\nnetwork = "mine:Net"\nd_mlp = 32\nlearning_rate = 1e-2\n{options}[search]\n{search}'
    )
    found = own.critical_size(tmp_path / "mine.toml", tmp_path / "runs", "cpu", 1)
    assert found.pairs == {"parity": 64, "tested": 96}[kind]
    at = found.table.groupby("dataset_size").test.mean()
    assert at[at.index.max()] > 0.9
    assert at[at.index.min()] < 0.8
    assert "D_crit" in found.words
    assert (tmp_path / "runs" / "own-mine" / "own.json").exists()
