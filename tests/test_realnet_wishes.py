"""Fractions, schedules, groups, early stops, loggers: what people reach for."""

from __future__ import annotations

import csv
import math
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from torch.nn import functional as F

import realnet as rn
from realnet.config import from_json
from realnet.engine.ensemble import Stack
from realnet.engine.optimizer import OptimizerState, factors, rates, update
from realnet.nets.layout import Layout
from realnet.prepared import prepare
from realnet.records import Folder
from tests.test_realnet_kinds import SOURCE

CPU = torch.device("cpu")
TINY = rn.RunConfig(
    network="mlp", p=7, dataset_size=30, d_model=8, d_mlp=16, steps=60, light_every=20, points_per_decade=4
)


def train(out: Path | None, *runs: rn.RunConfig, **options: Any) -> xr.Dataset:
    return rn.train(runs, "cpu", out, progress=False, **options)


def bare(ds: xr.Dataset) -> xr.Dataset:
    return ds.drop_vars("wall_time").drop_attrs()


# --- Fractions -----------------------------------------------------------------------------------------------------------


def test_a_fraction_is_kept_by_every_p_and_is_an_axis() -> None:
    runs = rn.grid(replace(TINY, dataset_size=None, train_fraction=0.4), p=[7, 11, 13])
    assert [r.dataset_size for r in runs] == [20, 48, 68]
    assert [r.dataset_size for r in rn.grid(rn.RunConfig(p=97), p=[59, 97])] == [1044, 2823]  # the default's 30 %
    runs = rn.grid(rn.RunConfig(p=11), train_fraction=[0.3, 0.5], seed=range(2))
    assert [r.dataset_size for r in runs] == [36, 36, 60, 60]
    ds = train(None, *rn.grid(replace(TINY, dataset_size=None), train_fraction=[0.3, 0.5], seed=range(2)))
    assert ds.train_loss.dims == ("train_fraction", "weight_decay", "seed", "step")
    assert ds.dataset_size.sel(train_fraction=0.5).values.ravel().tolist() == [24, 24]


def test_a_fraction_is_the_run_of_that_many_examples() -> None:
    said, counted = rn.RunConfig(p=11, train_fraction=0.5), rn.RunConfig(p=11, dataset_size=60)
    assert said.key == counted.key
    assert from_json(said.to_json()) == said
    assert replace(said, p=13).dataset_size == 84
    assert replace(counted, p=13).dataset_size == 60  # what was said stays
    with pytest.raises(
        rn.ConfigError, match=r"train_fraction=0.5 is 60 examples; received 50. Pass train_fraction=None"
    ):
        replace(said, dataset_size=50)
    assert replace(said, dataset_size=50, train_fraction=None).dataset_size == 50
    for bad in (0, 1.5, float("nan")):
        with pytest.raises(rn.ConfigError, match=r"train_fraction must be in \(0, 1\]"):
            rn.RunConfig(train_fraction=bad)


def test_a_size_above_the_table_is_refused_for_the_run_that_has_it() -> None:
    with pytest.raises(rn.ConfigError, match="must not exceed the 49 pairs of the task's table; received 60"):
        rn.grid(rn.RunConfig(p=11, dataset_size=60), p=[11, 7])
    runs = rn.grid(rn.RunConfig(p=11, dataset_size=60), p=[11, 7], dataset_size=lambda run: min(60, run.p**2))
    assert [r.dataset_size for r in runs] == [60, 49]


def test_a_fraction_of_an_own_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(SOURCE)
    run = rn.RunConfig(task="mine:plain", train_fraction=0.5, options={"top": 6})
    assert run.dataset_size == 18
    assert replace(run, options={"top": 8}).dataset_size == 32
    (tmp_path / "mine.py").unlink()
    assert from_json(run.to_json()) == run


# --- Optimizers ----------------------------------------------------------------------------------------------------------


def test_rmsprop_is_torch_s() -> None:
    run = replace(TINY, optimizer="rmsprop", learning_rate=1e-2, weight_decay=0.1, dtype="float64", betas=(0.5, 0.9))
    stack = Stack([run], CPU)
    net = stack.runs[0].module(stack.weights[0])
    plain = torch.optim.RMSprop(net.parameters(), 1e-2, alpha=0.9, eps=1e-8, weight_decay=0.1, momentum=0.5)
    task, rows = stack.runs[0].task, stack.data[0].train
    inputs = [torch.from_numpy(x[rows]) for x in task.inputs]
    for _ in range(20):
        plain.zero_grad()
        F.cross_entropy(net(*inputs), torch.from_numpy(task.targets[rows])).backward()
        plain.step()
    stack.advance(20)
    for name, view in stack.layout.views(stack.weights[0]).items():
        torch.testing.assert_close(view, net.get_parameter(name).detach(), rtol=0, atol=1e-9)


def test_a_cosine_falls_to_zero_at_the_end_and_its_length_is_part_of_the_run(tmp_path: Path) -> None:
    run = replace(TINY, schedule="cosine", warmup=10, learning_rate=0.5)
    r = rates([run], [run.stages[0]], CPU, Layout({"w": (4,)}, {"w": 0}, 4))
    at = [factors("sgd", r, torch.ones(1, 1), torch.tensor(float(s))).rate.item() for s in (0, 10, 30, 60)]
    assert at == pytest.approx([0.05, 0.5 * (1 + math.cos(math.pi / 6)) / 2, 0.25, 0.0])
    assert replace(run, steps=70).key != run.key
    assert replace(TINY, steps=70).key == TINY.key
    compiled = replace(run, network="transformer", d_model=8, n_heads=2, dtype="float64")
    one, two = Stack([compiled], CPU), Stack([compiled, compiled], CPU)
    assert one.engine == "compiled"
    for stack in (one, two):
        stack.advance(30)
    torch.testing.assert_close(one.weights[0], two.weights[0], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("kind", ["adamw", "adam", "sgd", "rmsprop"])
def test_groups_of_weights_have_rates_of_their_own(kind: str) -> None:
    groups = {"*": {"weight_decay": 0.5}, "embed.*": {"learning_rate": 0.1, "weight_decay": 0.0}}
    run = replace(TINY, optimizer=kind, groups=groups, dtype="float64", learning_rate=1e-2, weight_decay=0.3)
    assert run.key != TINY.key
    assert from_json(run.to_json()) == run
    stack = Stack([run], CPU)
    names = list(stack.layout.shapes)
    plain = {n: w.clone().requires_grad_() for n, w in stack.layout.views(stack.weights[0]).items()}
    make: Any = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "sgd": torch.optim.SGD,
                 "rmsprop": torch.optim.RMSprop}[kind]  # fmt: skip
    more: dict[str, Any] = {"adamw": {"betas": run.betas}, "adam": {"betas": run.betas}, "sgd": {"momentum": 0.9},
                            "rmsprop": {"alpha": 0.98, "momentum": 0.9}}[kind]  # fmt: skip
    embed = [plain[n] for n in names if n.startswith("embed")]
    rest = [plain[n] for n in names if not n.startswith("embed")]
    optimizer = make([{"params": embed, "lr": 1e-3, "weight_decay": 0.0}, {"params": rest, "weight_decay": 0.15}],
                     lr=1e-2, **more)  # fmt: skip
    for _ in range(10):
        stack.gradient()
        for name, slope in stack.layout.views(stack.grads[0]).items():
            plain[name].grad = slope.clone()
        optimizer.step()
        update(kind, stack.weights, stack.grads, stack.state, stack.rates, torch.tensor(0.0), stack.layout)
    for name, weight in stack.layout.views(stack.weights[0]).items():
        torch.testing.assert_close(weight, plain[name].detach(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"groups": {"embed.*": {"decay": 1}}}, "groups must say multiples of learning_rate and weight_decay"),
        ({"groups": {"embed.*": {"weight_decay": -1}}}, "at least 0"),
        ({"groups": 3}, "groups must be a dict"),
        ({"groups": {"*": {"weight_decay": 0}}, "optimizer": "muon"}, "'muon' has no groups"),
        ({"groups": {"nothing": {"weight_decay": 0}}}, "groups must name weights among embed.W_E"),
        ({"frozen": "embed"}, "frozen must be a list of texts"),
        ({"schedule": "linear"}, "schedule must be one of constant, cosine"),
        ({"stop": 3}, "stop must be a Stop"),
        ({"stop": {"measure": "norm"}}, "needs one bound"),
        ({"stop": rn.Stop("nrom", at_least=1)}, "stop must name one of"),
        ({"start_from": replace(TINY, stop=rn.Stop("norm", at_least=0))}, "start_from must be a run without stop"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(rn.ConfigError, match=message):
        train(None, replace(TINY, **fields))


# --- Early stops ---------------------------------------------------------------------------------------------------------

LONG = replace(TINY, steps=4000, learning_rate=1e-2, light_every=50, dataset_size=40)


@pytest.mark.parametrize("size", [1, 3])
def test_a_run_stops_so_many_steps_after_its_number_is_reached(size: int, tmp_path: Path) -> None:
    runs = rn.grid(replace(LONG, stop=rn.Stop("train_accuracy", at_least=0.99, steps=200)), seed=range(3))
    ds = train(tmp_path / "a", *runs, stack_size=size)
    whole = train(tmp_path / "b", *[replace(r, stop=None) for r in runs], stack_size=size)
    for i, run in enumerate(runs):
        one, full = ds.sel(seed=i).squeeze(), whole.sel(seed=i).squeeze()
        assert one.status == "stopped"
        times = [
            full[n].step.values[full[n].values >= 0.99]
            if n == "train_accuracy"
            else full[n].light_step.values[full[n].values >= 0.99]
            for n in ("train_accuracy", "light_train_accuracy")
        ]
        reached = min(t.min() for t in times)
        measured = np.union1d(full.step.values, full.light_step.values)
        end = measured[measured >= reached + 200].min()
        assert one.steps_done == end
        seen = one.light_train_loss.dropna("light_step")
        np.testing.assert_allclose(seen, full.light_train_loss.sel(light_step=seen.light_step), rtol=1e-4, atol=1e-7)
        assert seen.light_step.max() <= end
        assert Folder(tmp_path / "a").read(run, "state").tensors["weights"].shape
    assert (train(tmp_path / "a", *runs).status == "stopped").all()
    assert "stopped" in rn.load(tmp_path / "a").status


def test_without_its_condition_a_stopped_run_goes_on_and_with_it_a_longer_one_is_cut(tmp_path: Path) -> None:
    stop = rn.Stop("unseen_loss", at_most=1e9, steps=100)
    brief = replace(LONG, steps=600, stop=stop)
    assert brief.key == replace(brief, stop=None).key
    first = train(tmp_path, brief).squeeze()
    assert first.status == "stopped"
    assert first.steps_done == 100
    whole = train(tmp_path, replace(brief, stop=None))
    assert whole.status.item() == "finished"
    xr.testing.assert_identical(bare(whole), bare(train(tmp_path / "fresh", replace(brief, stop=None))))
    again = train(tmp_path, brief).squeeze()
    assert (again.status, again.steps_done) == ("stopped", 100)
    later = train(tmp_path, replace(brief, stop=replace(stop, steps=300))).squeeze()
    assert (later.status, later.steps_done) == ("stopped", 300)
    never = train(tmp_path, replace(brief, stop=rn.Stop("unseen_loss", at_most=-1))).squeeze()
    assert never.status == "finished"


# --- Loggers and callbacks -----------------------------------------------------------------------------------------------


def test_the_readme_s_logger_writes_what_is_measured_as_runs_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The class and the call are those that the README shows."""
    text = (Path(rn.__file__).parent / "README.md").read_text(encoding="utf-8")
    block = text.split("## Measures")[1].split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    runs = rn.grid(TINY, seed=range(3))
    names: dict[str, Any] = {"runs": runs, "rn": rn}
    exec(block, names)
    ds, rows = names["ds"], list(csv.reader((tmp_path / "log.csv").open()))
    for i, run in enumerate(runs):
        mine = [(int(step), status, name, float(value)) for key, step, status, name, value in rows if key == run.name]
        one = ds.sel(seed=i).squeeze()
        for name in ("train_loss", "norm", "unseen_margin", "homogeneity"):
            told = {step: value for step, _, n, value in mine if n == name}
            full = {int(s): float(one[name].sel(step=s)) for s in one.step}
            assert {s: told[s] for s in full} == pytest.approx(full, nan_ok=True)
        light = {int(s): float(one.light_train_loss.sel(light_step=s)) for s in one.light_step}
        assert {step: value for step, _, n, value in mine if n == "train_loss" and step in light} == light
        assert {status for step, status, *_ in mine if step < 60} == {"running"}
        assert {status for step, status, *_ in mine if step == 60} == {"finished"}
        steps = [step for step, _, n, _ in mine if n == "norm"]
        assert steps == sorted(steps)


def ignored(run: rn.RunConfig, step: int, numbers: Any, status: str) -> None:
    assert status == "finished" or step < run.steps


def test_loggers_see_what_callbacks_measure(tmp_path: Path) -> None:
    seen: list[tuple[int, float]] = []

    def told(run: rn.RunConfig, step: int, numbers: Any, status: str) -> None:
        if "mine" in numbers:
            seen.append((step, numbers["mine"]))

    ds = train(tmp_path, TINY, callbacks=[mine], loggers=[told])
    assert seen == [(s, float(s)) for s in ds.step.values.tolist()]


def mine(shot: rn.Snapshot) -> dict[str, float]:
    return {"mine": float(shot.step)}


SEEN: list[tuple[str, int]] = []


def state(shot: rn.Snapshot) -> dict[str, float]:
    """Numbers that only the same weights, gradients, outputs and examples give."""
    SEEN.append((shot.config.name, shot.step))
    slope = sum(float(g.double().square().sum()) for g in shot.gradients.values())
    sizes = len(shot.data.train) + 1000 * len(shot.data.removed)
    total = sum(float(w.double().sum()) for w in shot.weights.values())
    return {"own_norm": total, "slope": slope, "outputs": float(shot.logits.double().sum()), "sizes": float(sizes)}


PHASES = (rn.Phase(30), rn.Phase(30, dataset_size=12, keep_optimizer=False))
ENDS = {
    "plain": TINY,
    "compiled": replace(TINY, network="transformer", n_heads=2),
    "phases": replace(TINY, steps=1, phases=PHASES),
    "mini-batches": replace(TINY, batch_size=7),
    "dropout": replace(TINY, dropout=0.3),
    "child": replace(TINY, dataset_size=9, start_from=TINY),
    "history": replace(TINY, weight_history=True),
    "diverged": replace(TINY, optimizer="sgd", learning_rate=1e9),
    "stopped between full measurements": replace(TINY, light_every=7, stop=rn.Stop("norm", at_least=0, steps=45)),
    "stopped at a phase's end": replace(TINY, phases=PHASES, stop=rn.Stop("norm", at_least=0, steps=25)),
}


@pytest.mark.parametrize("run", ENDS.values(), ids=ENDS)
def test_a_callback_sees_the_end_of_a_run_that_was_finished_without_it(tmp_path: Path, run: rn.RunConfig) -> None:
    along, before = train(tmp_path / "along", run, callbacks=[state]), train(tmp_path / "later", run)
    folder = Folder(tmp_path / "later")
    record = folder.read(run, "curve", "state")
    SEEN.clear()
    later = train(tmp_path / "later", run, callbacks=[state])
    assert [(run.name, record.step)] == SEEN
    for name in ("own_norm", "slope", "outputs", "sizes"):
        values = later[name].squeeze(set(later[name].dims) - {"step"})
        assert values.dropna("step").step.values.tolist() in ([record.step], [])  # of a diverged run NaN is measured
        if record.step in along.step:
            np.testing.assert_array_equal(values.sel(step=record.step), along[name].sel(step=record.step).squeeze())
    # Nothing that was there has changed.
    xr.testing.assert_identical(later[list(before)].sel(step=before.step).drop_attrs(), before.drop_attrs())
    now = folder.read(run, "curve", "state")
    assert (now.config, now.status, now.step, now.wall_time, now.provenance) == (
        record.config, record.status, record.step, record.wall_time, record.provenance
    )  # fmt: skip
    for name, x in record.tensors.items():
        np.testing.assert_array_equal(now.tensors[name][: len(x)], x)
    if run.weight_history:
        assert len(now.tensors["history"]) == len(now.curves["step"])
    written = folder.file(run).read_bytes()
    train(tmp_path / "later", run, callbacks=[state])
    assert folder.file(run).read_bytes() == written


class Enough(Exception):
    pass


@pytest.mark.parametrize("how", [{"workers": 1}, {"workers": 3}, {"executor": 2}, {"stack_size": 3}])
def test_callbacks_see_finished_half_finished_and_new_runs_in_one_call(tmp_path: Path, how: dict[str, int]) -> None:
    runs = rn.grid(TINY, seed=range(6))

    def stops(shot: rn.Snapshot) -> dict[str, float]:
        if shot.step >= 30:
            raise Enough
        return {}

    train(tmp_path, *runs[:3])
    for run in runs[3:5]:
        with pytest.raises(Enough):
            train(tmp_path, run, callbacks=[stops], checkpoint_seconds=0)
    SEEN.clear()
    if "executor" in how:
        with ThreadPoolExecutor(2) as pool:
            ds = train(tmp_path, *runs, callbacks=[state], executor=pool, shards=2)
    else:
        ds = train(tmp_path, *runs, callbacks=[state], **how)
    known = ds.slope.squeeze().notnull()
    assert known.isel(step=-1).all()
    assert known.isel(seed=slice(3)).sum("step").values.tolist() == [1, 1, 1]
    assert (known.isel(seed=slice(3, 5)).sum("step") < ds.sizes["step"]).all()
    assert known.isel(seed=5).all()
    for run in runs[:3]:
        assert SEEN.count((run.name, run.steps)) == 1
        assert {step for name, step in SEEN if name == run.name} == {run.steps}
    whole = train(tmp_path / "whole", *runs, callbacks=[state])
    rounding = 1e-3 if "stack_size" in how else 0  # runs are stacked by their steps
    np.testing.assert_allclose(ds.slope.isel(step=-1), whole.slope.isel(step=-1), rtol=rounding)
    assert list((tmp_path / "locks").iterdir()) == []


def test_a_finished_run_without_weights_of_its_end_is_not_seen_by_callbacks_which_is_said(tmp_path: Path) -> None:
    train(tmp_path, TINY)
    SEEN.clear()
    with pytest.warns(UserWarning, match=r"1 of 2 runs, such as .*-40, have no weights of their last step"):
        ds = train(tmp_path, replace(TINY, steps=40), TINY, callbacks=[state])
    assert set(SEEN) == {(TINY.name, 60)}
    assert ds.slope.notnull().sum() == 1


def test_a_callback_of_a_finished_run_is_checked_as_any_other(tmp_path: Path) -> None:
    train(tmp_path, TINY)
    with pytest.raises(rn.ConfigError, match="a callback's names must be its own; received 'train_loss'"):
        train(tmp_path, TINY, callbacks=[lambda shot: {"train_loss": 1.0}])
    with pytest.raises(rn.ConfigError, match="callbacks must be functions"):
        train(tmp_path, TINY, callbacks=[3])
    assert list((tmp_path / "locks").iterdir()) == []


def test_loggers_are_not_told_of_finished_runs_which_is_said(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    train(tmp_path, TINY, loggers=[ignored])
    assert not [w for w in recwarn if "finished before" in str(w.message)]
    with pytest.warns(UserWarning, match="1 of 2 runs were finished before, such as .*loggers are not told"):
        train(tmp_path, TINY, replace(TINY, seed=1), loggers=[ignored])


def test_what_cannot_be_pickled_for_another_process_says_so(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(1, spawn) as pool,
        pytest.raises(rn.ConfigError, match=r"can be pickled, for workers in other processes.*def at the top level"),
    ):
        train(tmp_path, TINY, executor=pool, shards=1, callbacks=[lambda shot: {}])
    with ThreadPoolExecutor(1) as pool:  # threads are handed anything
        ds = train(tmp_path / "threads", TINY, executor=pool, shards=1, callbacks=[lambda shot: {"x": 1.0}])
    assert "x" in ds


def test_the_state_of_an_optimizer_is_as_wide_as_the_device_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    from realnet.engine import ensemble, optimizer

    narrow = lambda device: torch.float32  # noqa: E731
    for module in (ensemble, optimizer):
        monkeypatch.setattr(module, "float64", narrow)
    run = replace(TINY, network="mlp", groups={"*": {"weight_decay": 0.5}}, schedule="cosine", warmup=3)
    stack = Stack([run], CPU)
    stack.advance(5)
    made = [*stack.tensors().values(), *vars(stack.rates).values(), stack._done]
    assert torch.float64 not in {x.dtype for x in made}
    assert isinstance(stack.state, OptimizerState)
    plain = Stack([replace(run, seed=0)], CPU)
    assert prepare(run).layout.size == plain.layout.size
