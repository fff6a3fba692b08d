"""Saved runs as rows: end values, times, standing, and what is said where something is not there."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import realnet as rn
import toymodel as tm
from tests.laboratory import save
from validate.measured import MEASURED, THRESHOLDS, MissingResult, Results, Run, equivalent_logit

NET = rn.RunConfig(p=43, d_model=32, d_mlp=64, dataset_size=200, steps=1000, light_every=20)


def saved(folder: Path, **values: object) -> Run:
    save(folder, "base/scratch", {NET: values})
    return Results(folder).runs("base/scratch")[0]


def step_at(*when: float, values: tuple[float, ...]) -> object:
    """values[k] from step when[k - 1] on."""
    return lambda step: np.select([step < at for at in when], values[:-1], values[-1])


def test_end_values_are_means_over_the_last_tenth(tmp_path: Path) -> None:
    run = saved(
        tmp_path,
        norm=lambda step: step / 100,
        unseen=lambda step: 0.4 + 0.1 * (step // 20 % 2),
        loss=lambda step: 1e-3 * (1 + (step > 900)),
    )
    row = run.row()
    assert row["norm"] == pytest.approx(np.mean([9.2, 9.4, 9.6, 9.8, 10.0]))
    assert row["unseen"] == pytest.approx(0.4 + 0.1 * 2 / 5)
    assert row["loss"] == pytest.approx(2e-3)
    assert row["logit"] == pytest.approx(math.log(42 / math.expm1(2e-3)), rel=1e-5)
    assert row["logit_spread"] == pytest.approx(0, abs=1e-6)
    assert row["drift"] == pytest.approx(9.6 / 8.6 - 1)
    assert not row["stationary"]
    assert not row["settled"]
    assert math.isnan(row["removed"])
    assert row["gen_share"] == 1.0


def test_the_equivalent_logit_is_the_toys_with_the_same_loss() -> None:
    for logit in (0.5, 5.0, 15.0):
        loss = math.log1p(42 * math.exp(-logit))
        assert equivalent_logit(loss, 43) == pytest.approx(logit, rel=1e-6)


@pytest.mark.parametrize(("last", "settled"), [(0.30, True), (0.315, True), (0.33, False)])
def test_settled_is_level_in_the_second_half(tmp_path: Path, last: float, settled: bool) -> None:
    run = saved(tmp_path, unseen=step_at(500, 800, values=(0.9, 0.30, last)))
    assert run.settled is settled


@pytest.mark.parametrize(("last", "stationary"), [(20.1, True), (20.5, False), (19.5, False)])
def test_stationary_is_a_norm_that_does_not_drift(tmp_path: Path, last: float, stationary: bool) -> None:
    run = saved(tmp_path, norm=step_at(901, values=(20.0, last)))
    assert run.drift == pytest.approx(last / 20 - 1, abs=1e-6)
    assert bool(run.row()["stationary"]) is stationary


def test_times_are_for_good(tmp_path: Path) -> None:
    run = saved(
        tmp_path,
        train=step_at(100, 200, 300, values=(0.1, 1.0, 0.9, 0.99)),
        unseen=step_at(200, 400, 600, values=(0.02, 0.95, 0.5, 0.95)),
    )
    assert [run.t_fit, run.t_gen] == [300.0, 600.0]
    assert math.isnan(run.t_lost)


def test_the_time_of_loss(tmp_path: Path) -> None:
    run = saved(tmp_path, unseen=step_at(200, 400, 600, values=(1.0, 0.4, 0.9, 0.5)))
    assert run.t_lost == 600.0
    assert math.isnan(run.t_gen)
    assert run.row()["start"] == 1.0


def test_a_run_as_it_was_is_the_run_cut_off(tmp_path: Path) -> None:
    run = saved(tmp_path, unseen=step_at(400, values=(1.0, 0.1)), norm=lambda step: step + 1.0).until(300)
    assert run.step[-1] == 300
    assert run.row()["unseen"] == 1.0
    assert run.row()["norm"] == pytest.approx(np.mean([281, 301]))
    assert math.isnan(run.t_lost)
    assert run.settled
    assert run.full.step.values.tolist() == [0]
    assert len(run.train) == len(run.removed) == len(run.step)


CURVES = {
    "comprehension": (step_at(100, values=(0.1, 1.0)), step_at(160, values=(0.02, 1.0))),
    "grokking": (step_at(100, values=(0.1, 1.0)), step_at(600, values=(0.02, 1.0))),
    "memorisation": (step_at(100, values=(0.1, 1.0)), step_at(0, values=(0.02, 0.02))),
    "semi-grokking": (step_at(100, values=(0.1, 1.0)), step_at(400, values=(0.02, 0.5))),
    "semi-comprehension": (step_at(100, values=(0.1, 1.0)), step_at(120, values=(0.02, 0.5))),
    "ungrokking": (step_at(0, values=(1.0, 1.0)), step_at(200, values=(1.0, 0.03))),
    "confusion": (step_at(0, values=(0.3, 0.3)), step_at(0, values=(0.02, 0.02))),
    "unfinished": (step_at(100, values=(0.1, 1.0)), lambda step: 0.05 + 0.5 * step / 1000),
}


@pytest.mark.parametrize("name", CURVES)
def test_a_run_has_the_name_that_the_vocabulary_gives_its_curves(tmp_path: Path, name: str) -> None:
    train, unseen = CURVES[name]
    run = saved(tmp_path, train=train, unseen=unseen)
    assert run.behaviour == name
    assert run.row()["behaviour"] == tm.classify_curves(run.step, run.train, run.unseen, 43, THRESHOLDS)


def test_without_test_examples_there_is_no_behaviour(tmp_path: Path) -> None:
    row = saved(tmp_path, unseen=math.nan).row()
    assert row["behaviour"] == "no test examples"
    assert not row["settled"]
    assert math.isnan(row["t_gen"])


def test_pending_diverged_and_absent_runs_are_rows_that_say_so(tmp_path: Path) -> None:
    wild, later = replace(NET, seed=1), replace(NET, seed=2, weight_decay=2.0)
    diverged = {"status": "diverged", "norm": step_at(500, values=(20.0, math.nan))}
    save(tmp_path, "base/scratch", {NET: {}, wild: diverged, later: None})
    results = Results(tmp_path)
    table = results.table("base/scratch").set_index("seed")
    assert table.status.to_dict() == {0: "finished", 1: "diverged", 2: "pending"}  # and none for the grid's empty cells
    assert table.behaviour.to_dict() == {0: "comprehension", 1: "diverged", 2: "pending"}
    assert table.unseen[0] == 1.0
    assert table.loc[[1, 2], "unseen"].isna().all()
    runs = {run.config["seed"]: run for run in results.runs("base/scratch")}
    assert runs[1].step[-1] == 480
    assert runs[1].behaviour == "diverged"
    assert runs[2].behaviour == "absent"


def test_an_experiment_without_a_finished_run_has_all_columns(tmp_path: Path) -> None:
    save(tmp_path, "base/scratch", {NET: None, replace(NET, seed=1): None})
    table = Results(tmp_path).table("base/scratch")
    assert set(MEASURED) <= set(table.columns)
    assert table.status.tolist() == ["pending", "pending"]
    save(tmp_path, "base/ungrokking", {NET: {}})
    assert list(Results(tmp_path).table("base/ungrokking").columns) == list(table.columns)


def test_every_experiment_is_there_by_name_and_the_base_comes_first(tmp_path: Path) -> None:
    for name in ("a/scratch", "base/ungrokking", "base/scratch"):
        save(tmp_path, name, {NET: {}})
    results = Results(tmp_path)
    assert results.names == ["a/scratch", "base/scratch", "base/ungrokking"]
    assert results.settings == ["base", "a"]
    assert "base/scratch" in results
    assert "base/memorising" not in results


def test_a_missing_experiment_says_what_is_there_and_which_command_makes_it(tmp_path: Path) -> None:
    folder = tmp_path / "standard"
    save(folder, "base/scratch", {NET: {}})
    for ask in (Results(folder).dataset, Results(folder).runs, Results(folder).table):
        with pytest.raises(MissingResult) as error:
            ask("base/memorising")
        for part in ("'base/memorising' must be among", "base/scratch", "python -m validate run --profile standard"):
            assert part in str(error.value)


def test_an_empty_folder_says_which_command_fills_it(tmp_path: Path) -> None:
    with pytest.raises(MissingResult, match=r"none in .*nowhere.*python -m validate run --profile quick"):
        Results(tmp_path / "nowhere")
