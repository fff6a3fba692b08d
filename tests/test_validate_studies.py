"""Each study finds the numbers that were put in, and leaves out what was not trained."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

import realnet as rn
from realnet.nets.layout import layout
from tests.laboratory import save
from validate.further import tables
from validate.measured import MissingResult, Results
from validate.studies import STUDIES, by_setting, kept_examples, small_decays, tasks, times_by_setting

NET = rn.RunConfig(p=43, d_model=32, d_mlp=64, dataset_size=200, steps=1000)
WIDE = replace(NET, d_model=64)
COUPLED = replace(NET, optimizer="adam", weight_decay=1e-4)


def after(config: rn.RunConfig, **axes: object) -> list[rn.RunConfig]:
    """Runs that start from a net that had grokked."""
    parent = replace(config, dataset_size=config.table_size, optimizer="adamw", weight_decay=1.0)
    return rn.grid(config, **axes, start_from=lambda run: replace(parent, seed=run.seed))  # type: ignore[arg-type]


def falling(config: rn.RunConfig, middle: float) -> dict[str, float]:
    """A sharp transition between two sizes, `middle` halfway in ln D."""
    above = config.dataset_size > middle
    return {"unseen": 0.97 if above else 0.06, "removed": 0.99 if above else 0.16}


def nearly(value: float) -> object:
    return pytest.approx(value, rel=1e-5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studies") / "small"
    # D_crit 200 in base and 400 in the wide net: geometric means of the sizes beside it, as accuracies are symmetric.
    for setting, net, middle in (("base", COUPLED, 200), ("width-64", replace(COUPLED, d_model=64), 400)):
        runs = after(net, dataset_size=(100, 400) if middle == 200 else (200, 800), seed=range(3))
        save(folder, f"{setting}/ungrokking_coupled", {run: falling(run, middle) for run in runs})
        # η_mem falls as D^-0.5 and meets η_gen at 300: norm² ∝ D/300.
        mem = rn.grid(replace(net, task="random"), dataset_size=(100, 900), seed=range(3))
        norms = {run: {"norm": 20 * math.sqrt(run.dataset_size / 300), "unseen": 1 / 43} for run in mem}
        save(folder, f"{setting}/memorising_coupled", norms)
        save(folder, f"{setting}/generalising_coupled", {r: {"norm": 20.0} for r in after(net, seed=range(3))})
    scratch = rn.grid(NET, dataset_size=(300, 900), seed=range(4))
    grows = {
        run: {
            "unseen": (lambda step, at=200 + 100 * run.seed: (step >= at) * 0.95 + 0.02)
            if run.dataset_size > 500
            else 0.1,
            "train": lambda step: (step >= 100) * 1.0,
        }
        for run in scratch
    }
    save(folder, "base/scratch", grows)
    save(folder, "init-2/scratch", {replace(r, init_scale=2.0): {"unseen": 0.02} for r in scratch})
    save(folder, "long/scratch", {replace(r, steps=2000): {"unseen": 0.5} for r in scratch})
    decays = (0.0, 0.1)
    save(folder, "small-decay/scratch", {
        run: {"unseen": 0.3 + run.weight_decay, "norm": 40 - 100 * run.weight_decay}
        for run in rn.grid(NET, dataset_size=(900,), weight_decay=decays, seed=range(3))
    })  # fmt: skip
    base = after(NET, dataset_size=(100, 400), weight_decay=(0.5, 1.0), seed=range(3))
    save(folder, "base/ungrokking", {run: falling(run, 200) for run in base})
    squares = after(replace(NET, task="x^2+y^2"), dataset_size=(100, 400), seed=range(3))
    # The parent of seed 2 had not grokked.
    starts = {run: 1.0 if run.seed < 2 else 0.4 for run in squares}
    save(folder, "task-squares/ungrokking", {
        run: {"unseen": lambda step, run=run: (step > 0) * falling(run, 200)["unseen"] + (step == 0) * starts[run]}
        for run in squares
    })  # fmt: skip
    save(folder, "task-sub/ungrokking", dict.fromkeys(after(replace(NET, task="sub"), seed=range(2))))
    return folder


@pytest.fixture(scope="module")
def results(folder: Path) -> Results:
    return Results(folder)


def test_critical_sizes_by_setting(results: Results) -> None:
    base, wide = by_setting(results)
    assert [base["setting"], wide["setting"]] == ["base", "width-64"]
    assert [base["width"], wide["width"], base["p"], base["layers"]] == [32, 64, 43, 1]
    assert [base["parameters"], wide["parameters"]] == [layout(NET).size, layout(WIDE).size]
    assert base["ungrokking_pairs"] == pytest.approx(200, rel=0.1)
    assert wide["ungrokking_pairs"] == pytest.approx(2 * base["ungrokking_pairs"], rel=1e-3)
    assert base["ungrokking_share_of_pairs"] == nearly(base["ungrokking_pairs"] / 43**2)
    assert base["isologit_pairs"] == pytest.approx(300, rel=1e-3)
    assert base["isologit_low"] <= base["isologit_pairs"] * (1 + 1e-9)
    assert [base["gen_norm"], base["seeds"], base["censored"]] == [nearly(20.0), 3, 0]


def test_grokking_from_scratch_by_setting(results: Results) -> None:
    rows = {(row["setting"], row["dataset_size"]): row for row in times_by_setting(results)}
    assert set(rows) == {("base", 300), ("base", 900), ("init-2", 300), ("init-2", 900)}  # long runs are no setting
    groks = rows["base", 900]
    assert [groks["seeds"], groks["generalise"], groks["t_gen"], groks["t_fit"]] == [4, 4, 350.0, 100.0]
    assert groks["share_of_pairs"] == nearly(900 / 43**2)
    assert rows["base", 300]["generalise"] == 0
    assert math.isnan(rows["base", 300]["t_gen"])
    assert rows["base", 300]["accuracy"] == nearly(0.1)
    assert rows["init-2", 900]["init_scale"] == 2.0


def test_small_weight_decays(results: Results) -> None:
    rows = {(row["from"], row["weight_decay"]): row for row in small_decays(results)}
    assert set(rows) == {("scratch", 0.0), ("scratch", 0.1), ("scratch", 1.0)}  # the last from base, at the same size
    for decay in (0.0, 0.1):
        row = rows["scratch", decay]
        found = [row["accuracy"], row["low"], row["high"], row["norm"]]
        assert found == pytest.approx([0.3 + decay, 0.3 + decay, 0.3 + decay, 40 - 100 * decay], rel=1e-5)
        assert [row["seeds"], row["dataset_size"]] == [3, 900]


def test_small_weight_decays_need_only_their_own_runs(tmp_path: Path) -> None:
    runs = rn.grid(NET, weight_decay=(0.0, 0.1), seed=range(2))
    save(tmp_path, "small-decay/scratch", {run: {"unseen": 0.3} for run in runs})
    assert [row["weight_decay"] for row in small_decays(Results(tmp_path))] == [0.0, 0.1]


def test_accuracy_on_removed_examples(results: Results) -> None:
    rows = {(r["experiment"], r["weight_decay"], r["dataset_size"]): r for r in kept_examples(results)}
    assert len(rows) == 6
    for decay in (0.5, 1.0):
        assert rows["base/ungrokking", decay, 100]["removed_less_unseen"] == nearly(0.1)
        assert rows["base/ungrokking", decay, 400]["removed_less_unseen"] == nearly(0.02)
        assert rows["base/ungrokking", decay, 400]["seeds"] == 3
    assert rows["base/ungrokking_coupled", 1e-4, 100]["unseen"] == nearly(0.06)


def test_other_tasks(results: Results) -> None:
    rows = {(row["setting"], row["weight_decay"]): row for row in tasks(results)}
    assert set(rows) == {("base", 0.5), ("base", 1.0), ("task-squares", 1.0)}  # of task-sub nothing has been trained
    squares = rows["task-squares", 1.0]
    assert [squares["task"], squares["seeds"], squares["grokked_parents"]] == ["x^2+y^2", 3, 2]
    assert squares["parent_accuracy"] == nearly((1 + 1 + 0.4) / 3)
    assert squares["pairs"] == pytest.approx(200, rel=0.1)
    assert squares["share_of_pairs"] == nearly(squares["pairs"] / 43**2)


def test_studies_leave_out_what_is_not_there(tmp_path: Path) -> None:
    save(tmp_path, "base/memorising", {NET: {"unseen": 0.02}})
    assert {title: study(Results(tmp_path)) for title, study in STUDIES.items()} == {title: [] for title in STUDIES}


@pytest.mark.parametrize("kind", ["scratch", "ungrokking", "ungrokking_coupled", "memorising_coupled"])
def test_studies_of_runs_that_have_not_been_trained_do_not_fail(tmp_path: Path, kind: str) -> None:
    for setting in ("base", "small-decay", "task-sub"):
        save(tmp_path, f"{setting}/{kind}", {NET: None, replace(NET, seed=1): None})
    for study in STUDIES.values():
        for row in study(Results(tmp_path)):
            assert not any(math.isfinite(row.get(name, math.nan)) for name in ("accuracy", "ungrokking_pairs", "t_gen"))


def test_all_studies_stand_beside_the_verdicts(results: Results) -> None:
    found = tables(results, {"P1a": "confirmed", "P2": "refuted"})
    for title, study in STUDIES.items():
        assert repr(found[title]) == repr(study(results))
    assert "Rival explanations" in found


def test_results_say_what_a_study_misses(results: Results) -> None:
    with pytest.raises(MissingResult, match="'depth-2/ungrokking'"):
        results.table("depth-2/ungrokking")
