"""Phases, parents, labels and the command line: what comes out of training, and what is said meanwhile."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import realnet as rn
from realnet.__main__ import main
from realnet.engine.ensemble import Stack
from realnet.engine.plan import plan
from realnet.examples import stage_data
from realnet.records import Folder
from realnet.results import read_netcdf
from realnet.training import estimate

CPU = torch.device("cpu")
TINY = rn.RunConfig(p=11, dataset_size=80, d_model=16, d_mlp=32, n_heads=2, steps=60, light_every=10)


def train(*configs: rn.RunConfig, out: Path | None = None) -> xr.Dataset:
    return rn.train(configs, "cpu", out, progress=False)


@pytest.mark.parametrize("keep", [True, False])
def test_two_phases_equal_a_run_that_starts_from_the_first(tmp_path: Path, keep: bool) -> None:
    later = {"dataset_size": 30, "weight_decay": 0.1, "learning_rate": 3e-3}
    phased = replace(TINY, phases=(rn.Phase(40), rn.Phase(50, **later, keep_optimizer=keep)))
    first = replace(TINY, steps=40)
    second = replace(TINY, steps=50, **later, start_from=first, keep_optimizer=keep)
    train(phased, second, out=tmp_path)
    folder = Folder(tmp_path)
    one, two = (folder.read(run, "curve", "state") for run in (phased, second))
    for name in ("weights", "first", "second"):
        np.testing.assert_array_equal(one.tensors[name], two.tensors[name])
    assert one.curves["removed_accuracy"][-1] == two.curves["removed_accuracy"][-1]
    assert folder.read(first).done  # the parent was trained first, unasked


def test_removed_examples_are_those_trained_on_before_and_not_now() -> None:
    run = replace(TINY, phases=(rn.Phase(5), rn.Phase(5, dataset_size=50), rn.Phase(5, dataset_size=20)))
    sizes = [(len(d.train), len(d.removed), len(d.unseen)) for d in (stage_data(run, i) for i in range(3))]
    assert sizes == [(80, 0, 41), (50, 30, 41), (20, 60, 41)]


def test_removed_quantities_are_missing_while_nothing_is_removed() -> None:
    ds = train(replace(TINY, phases=(rn.Phase(20), rn.Phase(20, dataset_size=50)))).squeeze()
    assert ds.removed_accuracy.sel(step=slice(None, 20)).isnull().all()
    assert ds.removed_accuracy.sel(step=slice(21, None)).notnull().all()


def test_dims_are_dataset_size_weight_decay_seed_and_step() -> None:
    ds = train(*rn.grid(TINY, dataset_size=[40, 80], weight_decay=[0.1, 1.0], seed=range(2)))
    assert ds.train_loss.dims == ("dataset_size", "weight_decay", "seed", "step")
    assert ds.light_train_loss.dims == ("dataset_size", "weight_decay", "seed", "light_step")
    assert (ds.status == "finished").all()
    assert ds.train_loss.notnull().all()


def test_every_run_keeps_its_own_rates_and_data() -> None:
    ds = train(*rn.grid(TINY, dataset_size=[40, 80], weight_decay=[0.0, 3.0])).squeeze().isel(step=-1)
    assert (ds.norm.sel(weight_decay=0.0) > ds.norm.sel(weight_decay=3.0)).all()
    assert len(np.unique(ds.train_loss)) == 4


def test_other_fields_that_vary_become_dims_too() -> None:
    ds = train(*rn.grid(TINY, learning_rate=[1e-3, 1e-2], optimizer=["adamw", "adam"]))
    assert ds.sizes["learning_rate"] == ds.sizes["optimizer"] == 2
    assert ds.train_loss.notnull().all()


def test_runs_off_the_grid_are_absent_not_zero() -> None:
    ds = train(replace(TINY, seed=0), replace(TINY, seed=1, dataset_size=40))
    assert (ds.status == "absent").sum() == 2
    assert ds.train_loss.where(ds.status == "absent").isnull().all()
    assert np.isnan(ds.steps_done.where(ds.status == "absent")).all()


def test_a_memorised_random_table_stays_at_chance_elsewhere() -> None:
    run = replace(TINY, task="random", dataset_size=60, d_model=32, d_mlp=128, learning_rate=3e-3, steps=600)
    ds = train(replace(run, weight_decay=0.0)).squeeze().isel(step=-1)
    assert ds.train_accuracy == 1
    assert ds.unseen_accuracy < 0.3


def test_a_net_on_most_of_the_table_generalises_and_then_forgets_on_a_few_pairs() -> None:
    """The point of it all, small: comprehension on 80 % of mod 13, ungrokking on 20 pairs of them."""
    run = rn.RunConfig(p=13, dataset_size=135, d_model=32, d_mlp=128, learning_rate=3e-3, steps=2500, seed=1)
    grown = replace(run, phases=(rn.Phase(2500), rn.Phase(2500, dataset_size=12)), light_every=500)
    ds = train(grown).squeeze()
    assert ds.unseen_accuracy.sel(step=2500) > 0.9
    assert ds.train_accuracy.isel(step=-1) == 1
    assert ds.unseen_accuracy.isel(step=-1) < 0.6
    assert ds.removed_accuracy.isel(step=-1) < 0.6


def test_stacks_hold_only_runs_that_fit_together() -> None:
    import torch

    runs = rn.grid(TINY, dataset_size=[40, 80], seed=range(3)) + rn.grid(TINY, d_mlp=[64], seed=range(2))
    stacks = plan(runs, torch.device("cpu"), 4)
    assert sorted(len(s) for s in stacks) == [2, 2, 4]
    assert sorted(c.key for s in stacks for c in s) == sorted(r.key for r in runs)
    assert all(len({c.d_mlp for c in s}) == 1 for s in stacks)
    assert [len(s) for s in plan(runs, torch.device("cpu"))] == [1] * 8


def test_results_on_disk_equal_those_in_memory_and_carry_their_provenance(tmp_path: Path) -> None:
    ds = train(*rn.grid(TINY, seed=range(2)), out=tmp_path)
    for other in (rn.load(tmp_path), read_netcdf(tmp_path / "results.nc")):
        xr.testing.assert_identical(other, ds)
    configs = json.loads(ds.attrs["configs"])
    assert set(configs) == set(ds.key.values.ravel())
    assert {"commit", "device", "dtype", "seeds", "versions", "processor", "blas"} <= set(ds.attrs)
    assert json.loads(ds.attrs["versions"])["torch"].startswith("2.")
    assert ds.attrs["device"] == "cpu"
    assert (ds.wall_time > 0).all()


def test_the_estimate_is_measured_under_the_conditions_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where subnormal numbers slow a processor down, steps timed with them would say nothing about steps without."""
    flushed, advance = [], Stack.advance

    def watched(stack: Stack, steps: int) -> None:
        flushed.append(bool(torch.tensor(1e-40) * 1.0 == 0))
        advance(stack, steps)

    monkeypatch.setattr(Stack, "advance", watched)
    rn.train(replace(TINY, steps=10), "cpu", workers=1)
    probes = 2
    assert len(flushed) > probes
    assert all(flushed)


def test_an_estimate_counts_steps_measurements_and_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step of D examples takes D / 100 seconds here, a full measurement 7, a light one 3."""
    probed = []

    def probe(stack: list[rn.RunConfig], *rest: Any) -> tuple[float, float, float]:
        probed.append(stack[0].dataset_size)
        return stack[0].dataset_size / 100, 7.0, 3.0

    monkeypatch.setattr(estimate, "_probe", probe)
    base = replace(TINY, light_every=10, points_per_decade=1)
    runs = [
        replace(base, steps=30, dataset_size=20),
        replace(base, steps=30, dataset_size=70),
        replace(base, dataset_size=50, phases=(rn.Phase(20), rn.Phase(10, dataset_size=20))),
    ]
    folder, at = Folder(tmp_path), dict(zip(runs, (0, 0, 5), strict=True))
    # Full at 1, 10, 30 and light at 20; the third has full ones at 10, 20, 21, 30.
    took = [30 * 0.2 + 3 * 7 + 3, 30 * 0.7 + 3 * 7 + 3, 15 * 0.5 + 10 * 0.2 + 4 * 7]
    for busy in (1, 2, 3):
        found = estimate.seconds([[run] for run in runs], at, folder, CPU, busy)
        assert found == pytest.approx(max(sum(took) / busy, max(took)))
    assert set(probed) == {70}
    assert len(probed) == 1 + 2 + 3  # as many at once as will train


def test_results_are_written_where_netcdf4_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "netCDF4" else find(name, *rest)
    )
    ds = rn.train(replace(TINY, steps=10), "cpu", tmp_path, progress=False)
    assert (tmp_path / "results.nc").read_bytes()[:3] == b"CDF"
    saved = read_netcdf(tmp_path / "results.nc")
    monkeypatch.undo()
    xr.testing.assert_equal(saved, ds)
    xr.testing.assert_equal(read_netcdf(tmp_path / "results.nc"), ds)


def test_a_line_before_and_a_bar_while_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rn.train(rn.grid(TINY, seed=range(2)), "cpu", tmp_path)
    err = capsys.readouterr().err
    assert "2 runs, 120 run-steps in 2 stacks" in err
    assert "MiB, about 0 min" in err
    assert "run-step/s" in err


def test_the_command_line_trains_lists_shows_and_resumes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "runs")
    net = "--p 11 --d-model 16 --d-mlp 32 --n-heads 2 --light-every 10 --device cpu"
    assert (
        main(
            [
                "train",
                out,
                *net.split(),
                *["--steps", "20", "--dataset-sizes", "40", "60", "--seeds", "0", "1"],
            ]
        )
        == 0
    )
    assert capsys.readouterr().out.count("finished") == 4
    assert main(["train", out, *net.split(), "--phases", "steps=10", "steps=20,dataset_size=20"]) == 0
    runs = Folder(out).configs()
    assert runs[-1].stages[1].dataset_size == 20
    Folder(out).file(runs[0]).unlink()
    assert main(["list", out]) == 0
    assert "pending" in capsys.readouterr().out
    assert main(["resume", out]) == 0
    assert capsys.readouterr().out.count("finished") == 5
    assert main(["show", out, runs[0].key[:8]]) == 0
    shown = capsys.readouterr().out
    assert '"dataset_size": 40' in shown
    assert "finished at step 20 of 20" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "x", "--p", "12", "--task", "div"], "needs a prime modulus p; received 12"),
        (["train", "x", "--task", "dvi"], "task must be one of"),
        (["train", "x", "--phases", "dataset_size=3"], "a Phase must say its steps"),
        (["train", "x", "--phases", "stepps=3"], "received ['stepps']"),
        (["resume", "nowhere"], "out must be a folder that realnet.train wrote; received 'nowhere'"),
    ],
)
def test_the_command_line_says_what_is_wrong(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
