"""D_crit of a user's own net: bisection finds a threshold that is known, and says what it cannot do."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from realnet import ConfigError
from tests.validate.laboratory import row
from validate import own
from validate.experiments.design import Experiment

TRUTH = 91.0


class Nets:
    """Stands for training: accuracy is logistic in ln D about TRUTH, seeds 3 % apart."""

    start = 1.0

    def __init__(self, folder: Path) -> None:
        pass

    def table(self, name: str) -> pd.DataFrame:
        rows = []
        for run in trained[-1].runs:
            middle = math.log(TRUTH) + 0.03 * (run.seed - 1)
            test = 1 / 23 + (22 / 23) / (1 + math.exp(-(math.log(run.dataset_size) - middle) / 0.1))
            rows.append(row(run.dataset_size, run.weight_decay, run.seed, p=23, test=test, start=Nets.start))
        return pd.DataFrame(rows)


trained: list[Experiment] = []


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    trained.clear()
    monkeypatch.setattr(own, "train", lambda experiment, *rest: trained.append(experiment))
    monkeypatch.setattr(own, "collect", lambda *rest: None)
    monkeypatch.setattr(own, "Results", Nets)
    monkeypatch.setattr(Nets, "start", 1.0)
    path = tmp_path / "mine.toml"
    path.write_text('task = "x^2+y^2"\np = 23\nd_model = 16\nd_mlp = 32\n[search]\nseeds = 3\nsteps = 500\n')
    return path


def test_bisection_finds_the_threshold(net: Path, tmp_path: Path) -> None:
    found = own.critical_size(net, tmp_path)
    assert math.exp(found.interval.value) == pytest.approx(TRUTH, rel=0.01)
    assert found.interval.n == 3
    assert found.interval.low < math.log(TRUTH) < found.interval.high
    assert f"D_crit = {math.exp(found.interval.value):.0f} pairs" in found.words
    sizes = np.array(sorted(set(found.table.dataset_size)))
    about = sizes[np.searchsorted(sizes, TRUTH) - 1 : np.searchsorted(sizes, TRUTH) + 1]
    assert np.log(about[1] / about[0]) <= 0.1
    assert len(sizes) < 10
    run = trained[-1].runs[0]
    assert (run.task, run.p, run.optimizer, run.steps) == ("x^2+y^2", 23, "adam", 500)
    assert run.light_every == 5  # ends and rest are judged by tenths of a run


def test_nets_that_never_grokked_have_nothing_to_lose(
    net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Nets, "start", 0.5)
    with pytest.raises(ConfigError, match=r"must have grokked.*0\.50.*parent_steps"):
        own.critical_size(net, tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("p = [", "TOML"),
        ("[search]\nsedes = 2", "sedes"),
        ("[search]\nseeds = 1", "seeds >= 2"),
        ("d_modle = 3", "d_modle"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        own.read(tmp_path / "bad.toml")


def test_a_task_and_a_network_from_a_file_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example with fewer bits, from end to end: nothing of it is built in."""
    example = Path(own.__file__).parent / "examples"
    (tmp_path / "mine.py").write_bytes((example / "mine.py").read_bytes())
    search = "parent_steps = 120\nsteps = 50\nseeds = 2\nweight_decay = 1e-3\nprecision = 0.99\n"
    (tmp_path / "mine.toml").write_text(
        'task = "mine:parity"\nnetwork = "mine:Net"\nd_mlp = 32\nlearning_rate = 1e-2\n'
        f"options = {{ bits = 6, of = 2 }}\n[search]\n{search}"
    )
    monkeypatch.chdir(tmp_path)
    found = own.critical_size(tmp_path / "mine.toml", tmp_path / "runs", "cpu", 1)
    assert found.pairs == 64
    assert (found.table.p == 2).all()
    assert (found.table.start >= 0.9).all()
    at = found.table.groupby("dataset_size").test.mean()
    assert at[at.index.max()] > 0.9
    assert at[at.index.min()] < 0.8
    assert "D_crit = " in found.words


def test_where_no_size_lies_above_or_none_below_there_is_nothing_between() -> None:
    for tests in ([0.1, 0.2], [0.9, 1.0]):
        table = pd.DataFrame({"dataset_size": [50, 100], "test": tests, "p": 23})
        assert own._next(table, 0.1) is None
    assert own._next(table.assign(test=[0.1, 0.9]), 0.1) == 71
    assert own._next(table.assign(test=[0.1, 0.9]), 0.7) is None
