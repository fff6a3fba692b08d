"""Whole sweeps: more steps, diverged parents, stops by signal, sharing between processes, shards and executors."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import realnet as rn
from realnet.__main__ import main
from realnet.records import Folder

# Networks that are stacked and not compiled: processes start sooner.
TINY = rn.RunConfig(
    network="mlp", p=7, dataset_size=30, d_model=8, d_mlp=16, steps=60, light_every=20, points_per_decade=4
)
SLOW = replace(TINY, p=23, dataset_size=400, d_mlp=64, steps=3000, light_every=100)


def train(out: Path, *configs: rn.RunConfig, **options: object) -> xr.Dataset:
    return rn.train(configs, "cpu", out, progress=False, **options)


def bare(ds: xr.Dataset) -> xr.Dataset:
    return ds.drop_vars("wall_time").drop_attrs()


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    source = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\nfrom test_realnet_sweep import *\n{code}"
    command = [sys.executable, "-c", source, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition: object, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def state(out: Path, config: rn.RunConfig) -> np.ndarray:
    return Folder(out).read(config, "state").tensors["weights"]


# --- Lengths, parents, callbacks ---------------------------------------------------------------------------------------


def test_more_steps_go_on_from_where_the_run_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from realnet.engine.ensemble import Stack

    longer = replace(TINY, steps=100)
    whole = train(tmp_path / "whole", longer)
    train(tmp_path / "parts", TINY)
    taken, advance = [], Stack.advance
    monkeypatch.setattr(Stack, "advance", lambda self, n: (taken.append(n), advance(self, n))[1])
    parts = train(tmp_path / "parts", longer)
    assert sum(taken) == 40
    # Padding between the weights included, which never moves: it would count in the norm.
    np.testing.assert_array_equal(state(tmp_path / "parts", longer), state(tmp_path / "whole", longer))
    np.testing.assert_array_equal(state(tmp_path / "parts", longer)[56:64], 0)
    common = whole.step.values
    xr.testing.assert_identical(bare(parts).sel(step=common), bare(whole).sel(step=common))
    taken.clear()
    for again in (TINY, replace(TINY, steps=40), replace(longer, light_every=7)):
        assert train(tmp_path / "parts", again).status.item() == "finished"
    assert taken == []


@pytest.mark.parametrize("workers", [1, 2])
def test_each_length_of_a_run_is_measured_at_its_own_end_in_whatever_order_they_are_asked_for(
    tmp_path: Path, workers: int
) -> None:
    lengths = [replace(TINY, steps=steps, seed=seed) for seed in (0, 1) for steps in (60, 13, 37)]
    ds = train(tmp_path, *lengths, workers=workers)
    measured = ds.norm.squeeze(drop=True).notnull()
    assert measured.sel(step=13).all()
    assert measured.sel(step=37, steps=[37, 60]).all()
    assert not measured.sel(step=37, steps=13).any()
    alone = train(tmp_path / "alone", lengths[0])
    np.testing.assert_array_equal(state(tmp_path, lengths[0]), state(tmp_path / "alone", lengths[0]))
    assert alone.step.isin(ds.step).all()


def test_a_child_starts_from_its_parents_own_length(tmp_path: Path) -> None:
    parent = replace(TINY, steps=20)
    child = replace(TINY, dataset_size=10, steps=10, start_from=parent)
    train(tmp_path, replace(parent, steps=60))
    train(tmp_path, child)
    train(tmp_path / "alone", child)
    np.testing.assert_array_equal(state(tmp_path, child), state(tmp_path / "alone", child))


def test_a_diverged_parent_blocks_nobody(tmp_path: Path) -> None:
    wild = replace(TINY, optimizer="sgd", learning_rate=1e9)
    lost = replace(TINY, dataset_size=10, start_from=wild)
    with pytest.warns(UserWarning, match="starts from one that diverged"):
        ds = train(tmp_path, lost, replace(TINY, dataset_size=20, start_from=TINY), wild)
    assert sorted(ds.status.values[ds.status.values != "absent"]) == ["diverged", "diverged", "finished"]
    again = train(tmp_path, lost)
    assert again.status.item() == "diverged"
    assert main(["list", str(tmp_path)]) == 0


def test_a_finished_parent_is_not_looked_for_once_its_children_are_finished(tmp_path: Path) -> None:
    child = replace(TINY, dataset_size=10, start_from=TINY)
    train(tmp_path, child)
    folder = Folder(tmp_path)
    folder.file(TINY).unlink()
    train(tmp_path, child)
    assert not folder.file(TINY).exists()


def test_a_finished_run_that_is_damaged_is_trained_again(tmp_path: Path) -> None:
    before = train(tmp_path, TINY)
    folder = Folder(tmp_path)
    content = bytearray(folder.file(TINY).read_bytes())
    at = content.index(folder.read(TINY, "curve").curves["norm"].tobytes()) + 3
    content[at] ^= 1
    folder.file(TINY).write_bytes(content)
    with pytest.warns(UserWarning, match="is damaged"):
        xr.testing.assert_identical(bare(train(tmp_path, TINY)), bare(before))
    assert len(list(folder.runs.glob("*.damaged"))) == 1


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"train_loss": 1.0}, "a callback's names must be its own; received 'train_loss'. Call it 'my_train_loss'"),
        ({"seed": 1.0}, "received 'seed'"),
        ({"light_x": 1.0}, "received 'light_x'"),
        ({"mine": "a"}, "a callback must return a mapping of names to numbers"),
        (3, "a callback must return a mapping of names to numbers; received 3"),
    ],
)
def test_what_a_callback_may_return(tmp_path: Path, found: object, message: str) -> None:
    with pytest.raises(rn.ConfigError) as caught:
        train(tmp_path, TINY, callbacks=[lambda snapshot: found])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stack_size": -1}, "stack_size must be finite and at least 1; received -1"),
        ({"stack_size": 0}, "stack_size must be finite and at least 1; received 0"),
        ({"workers": -1}, "workers must be finite and at least 1; received -1"),
        ({"workers": 1.5}, "workers must be an integer; received 1.5"),
        ({"checkpoint_seconds": "a"}, "checkpoint_seconds must be a number; received 'a'"),
        ({"checkpoint_seconds": float("nan")}, "checkpoint_seconds must be finite"),
        ({"shards": 0}, "shards must be finite and at least 1; received 0"),
        ({"shard": (3, 3)}, "shard must be (i, n) with 0 <= i < n; received (3, 3)"),
        ({"shard": 3}, "shard must be (i, n)"),
        ({"executor": 3}, "executor must have submit(function, *arguments); received 3"),
        ({"executor": ThreadPoolExecutor(1), "shard": (0, 2)}, "an executor's workers must share a folder"),
    ],
)
def test_bad_options_are_refused_in_the_house_form(tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(rn.ConfigError) as caught:
        train(tmp_path, TINY, **options)
    assert message in str(caught.value)


def test_the_terminal_says_what_is_wrong_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "x")
    for options in (["--workers", "-1"], ["--stack-size", "-1"], ["--shard", "4", "4"]):
        assert main(["train", out, "--p", "7", "--steps", "3", *options]) == 2
        assert "received" in capsys.readouterr().err
    train(tmp_path / "y", TINY)
    (path,) = (tmp_path / "y" / "sweeps").iterdir()
    path.write_text("{")
    with pytest.warns(UserWarning, match="runs are known by their checkpoints"):
        assert main(["list", str(tmp_path / "y")]) == 0
    assert "finished" in capsys.readouterr().out


# --- Stops and sharing -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_a_batch_systems_signals_save_and_leave_as_control_c_does(tmp_path: Path, name: str) -> None:
    code = "from realnet.__main__ import main\nsys.exit(main(['resume', sys.argv[1], '--device', 'cpu']))"
    # Events are far apart: it is not the next of them that ends the wait.
    run = replace(SLOW, steps=10**8, light_every=10**7, points_per_decade=1)
    Folder(tmp_path).add([run])
    child = start(code, tmp_path)
    wait_for(lambda: list((tmp_path / "locks").glob("*.lease")) or child.poll() is not None)
    time.sleep(1)
    child.send_signal(getattr(signal, name))
    _, err = child.communicate(timeout=60)
    assert child.returncode == 128 + getattr(signal, name), err
    assert "the same command goes on from the last checkpoint" in err
    assert Folder(tmp_path).read(run).step > 0
    assert [p.name for p in (tmp_path / "locks").iterdir()] == []


def test_handlers_of_others_stay_and_ones_own_go(tmp_path: Path) -> None:
    def theirs(signum: int, frame: object) -> None: ...

    signal.signal(signal.SIGUSR1, theirs)
    try:
        seen = []
        train(tmp_path, TINY, callbacks=[lambda s: seen.append(signal.getsignal(signal.SIGUSR1)) or {}])
        assert set(seen) == {theirs}
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
