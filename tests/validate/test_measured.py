"""Saved runs as rows: end values, rest, times, circuits, and what is said where something is not there."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import realnet as rn
from realnet.results import write_netcdf
from tests.validate import laboratory
from validate.measured import MissingResult, Results, Run, crossing_time, equivalent_logit

NET = rn.RunConfig(p=43, d_model=32, d_mlp=64, dataset_size=200, steps=1000, weight_decay=1e-3, optimizer="adam")
STEP = np.arange(0.0, 1001.0, 20.0)


def run(config: dict[str, object] | None = None, full: xr.Dataset | None = None, **curves: object) -> Run:
    default = {"train": 1.0, "unseen": 0.5, "removed": math.nan, "loss": 1e-3, "unseen_loss": 1.0, "norm": 20.0}
    made = {n: np.broadcast_to(np.asarray(curves.get(n, v), float), STEP.shape).copy() for n, v in default.items()}
    about = json.loads(NET.to_json()) | (config or {})
    return Run(about, "finished", STEP, **made, full=full if full is not None else xr.Dataset())


def test_end_values_are_means_over_the_last_tenth() -> None:
    row = run(norm=STEP / 100, loss=np.where(STEP > 900, 2e-3, 1e-3)).row()
    assert row["norm"] == pytest.approx(np.mean([9.2, 9.4, 9.6, 9.8, 10.0]))
    assert row["loss"] == pytest.approx(2e-3)
    assert row["logit"] == pytest.approx(math.log(42 / math.expm1(2e-3)))
    assert row["protocol"] == "coupled"
    assert row["pairs"] == 1849


def test_full_measurements_too_are_means_over_the_last_tenth_or_the_last_one() -> None:
    log = xr.Dataset({"norm": ("step", [1.0, 2.0, 4.0, 8.0])}, {"step": [0, 880, 910, 1000]})
    assert run(full=log).last("norm") == 6.0
    assert run(full=log.isel(step=slice(2))).last("norm") == 2.0
    assert run(full=log.where(log.step < 900)).last("norm") == 2.0
    assert math.isnan(run(full=log.where(log.step < 0)).last("norm"))
    assert math.isnan(run(full=log).last("homogeneity"))


def test_the_equivalent_logit_is_the_toys_with_the_same_loss() -> None:
    for logit in (0.5, 5.0, 15.0):
        assert equivalent_logit(math.log1p(42 * math.exp(-logit)), 43) == pytest.approx(logit, rel=1e-6)


def test_never_seen_and_removed_pairs_are_pooled_by_their_numbers() -> None:
    parent = json.loads(NET.to_json()) | {"dataset_size": 1600}
    pooled = run({"start_from": parent}, unseen=0.2, removed=0.6).test
    np.testing.assert_allclose(pooled, (249 * 0.2 + 1400 * 0.6) / 1649)
    np.testing.assert_allclose(run(unseen=0.2).test, 0.2)  # from scratch nothing was removed


def test_where_phases_change_the_pairs_they_are_those_of_the_step() -> None:
    phases = [
        {"steps": 400, "dataset_size": 100},
        {"steps": 400, "dataset_size": 480},
        {"steps": 200, "dataset_size": None},
    ]
    config = {"start_from": json.loads(NET.to_json()) | {"dataset_size": 1600}, "phases": phases, "dataset_size": 100}
    one = run(config, measurements(gen_logit=10.0, mem_logit=2.0), unseen=0.2, removed=0.6)
    np.testing.assert_allclose(one.test[STEP <= 400], (249 * 0.2 + 1500 * 0.6) / 1749)
    np.testing.assert_allclose(one.test[STEP > 400], (249 * 0.2 + 1120 * 0.6) / 1369)
    _, gen, mem = one.circuits()
    np.testing.assert_allclose(gen, 10 - 2 * np.array([100 / 1749] * 3 + [480 / 1369] * 2))
    np.testing.assert_allclose(mem, 2 * 1849 / np.array([1749] * 3 + [1369] * 2))
    assert one.row()["dataset_size"] == 480


@pytest.mark.parametrize(("early", "rests"), [(0.515, True), (0.481, True), (0.53, False), (0.47, False)])
def test_rest_is_what_moved_from_the_sixth_tenth_to_the_last(early: float, rests: bool) -> None:
    inside = (STEP > 500) & (STEP <= 600)
    row = run(unseen=np.where(inside, early, 0.5)).row()
    assert row["motion"] == pytest.approx(0.5 - early)
    assert row["rests"] is rests
    assert run(unseen=np.where(inside, 0.5, np.where(STEP > 900, 0.5, 0.9))).row()["rests"]  # the rest does not count


def test_a_norm_rests_if_it_stands_still_and_the_penalty_balances_the_loss() -> None:
    balanced = measurements(norm=20.0, effective_weight_decay=1.02e-3)
    assert run(full=balanced).row()["norm_rests"]
    for off in (1.05e-3, 0.95e-3):
        assert not run(full=measurements(norm=20.0, effective_weight_decay=off)).norm_rests
    assert not run().norm_rests  # never measured: not known to
    grows = np.exp(0.02 * STEP / 1000 * 2.5)
    row = run(full=balanced, norm=20 * grows).row()
    assert row["norm_drift"] == pytest.approx(0.02, rel=1e-2)
    assert not row["norm_rests"]
    assert run({"optimizer": "adamw"}).norm_rests  # no penalty that could be out of balance


FINE = np.arange(0.0, 4001.0, 20.0)


@pytest.mark.parametrize(
    ("curve", "begins", "ends"),
    [
        (np.where(FINE < 500, 0.02, np.where(FINE < 2000, 0.5, 1.0)), 540, 1940),  # a step on the way
        (np.where(FINE < 500, 0.02, np.where(FINE < 900, 0.5, 1.0)), math.nan, math.nan),  # too short
        (
            np.where(FINE < 500, 0.02, 0.5 + 0.39 * (FINE - 500) / 3500),
            math.nan,
            math.nan,
        ),  # a slope that does not stay
        (np.where(FINE < 500, 0.02, 1.0), math.nan, math.nan),  # at once
        (np.full(201, 0.02), math.nan, math.nan),  # at chance
        (np.full(201, 0.11), math.nan, math.nan),  # hardly above it
        (np.full(201, 0.5), 40, 3960),
    ],
)
def test_a_plateau_is_between_chance_and_generalisation_while_the_steps_double(
    curve: np.ndarray, begins: float, ends: float
) -> None:
    made = {"train": 1.0, "unseen": curve, "removed": math.nan, "loss": 1e-3, "unseen_loss": 1.0, "norm": 20.0}
    arrays = {n: np.broadcast_to(np.asarray(v, float), FINE.shape).copy() for n, v in made.items()}
    one = Run(json.loads(NET.to_json()) | {"steps": 4000}, "finished", FINE, **arrays, full=xr.Dataset())
    found = one.plateau()
    if math.isnan(begins):
        assert math.isnan(found[0])
        assert math.isnan(found[1])
    else:
        assert found == pytest.approx((begins, ends), abs=40)
        # Adam's noise of single measurements does not break it.
        noisy = np.clip(curve + 0.03 * (np.arange(201) % 2 - 0.5), 0, 1)
        assert dataclasses.replace(one, unseen=noisy).plateau() == pytest.approx((begins, ends), abs=60)
    assert one.row()["left_chance"] is bool(curve.max() > 1 / 43 + 0.1)


def test_a_laboratory_has_every_column_of_a_run() -> None:
    assert set(laboratory.row(200, 1e-3, 0)) == set(run().row())


def test_times_are_for_good_and_interpolated() -> None:
    step = np.array([0.0, 10.0, 20.0, 40.0, 80.0])
    curve = np.array([0.0, 0.9, 0.2, 0.6, 1.0])
    assert crossing_time(step, curve, 0.5, rising=True) == pytest.approx(20 + 20 * 0.3 / 0.4)
    assert math.isnan(crossing_time(step, curve, 0.5, rising=False))
    assert crossing_time(step, 1 - curve, 0.5, rising=False) == pytest.approx(35.0)
    assert crossing_time(step, curve + 1, 0.5, rising=True) == 0.0
    assert math.isnan(crossing_time(step, curve, 1.1, rising=True))


def test_a_row_has_the_times_of_fitting_generalising_and_losing() -> None:
    row = run(train=np.clip(STEP / 200, 0, 1), unseen=np.clip((STEP - 300) / 400, 0.02, 1)).row()
    assert row["t_fit"] == pytest.approx(198.0)
    assert row["t_half"] == pytest.approx(500.0)
    assert row["t_gen"] == pytest.approx(660.0)
    assert math.isnan(row["t_lost"])
    assert run(unseen=np.clip(1 - STEP / 800, 0.02, 1)).row()["t_lost"] == pytest.approx(400.0)


def measurements(**values: object) -> xr.Dataset:
    step = np.array([0, 100, 300, 950, 1000])
    return xr.Dataset(
        {k: ("step", np.broadcast_to(np.asarray(v, float), step.shape)) for k, v in values.items()}, {"step": step}
    )


def test_circuits_are_freed_of_the_projections_bias() -> None:
    """Raw: gen = W_gen + (D/N) W_mem, mem = (1 − D/N) W_mem, the averages over all pairs."""
    share = 200 / 1849
    full = measurements(gen_logit=7.0 + share * 12.0, mem_logit=(1 - share) * 12.0)
    _, gen, mem = run(full=full).circuits()
    np.testing.assert_allclose(gen, 7.0)
    np.testing.assert_allclose(mem, 12.0)
    row = run(full=full).row()
    assert (row["gen"], row["mem"]) == (pytest.approx(7.0), pytest.approx(12.0))


def test_the_head_start_is_gens_logit_when_the_training_set_is_fitted() -> None:
    full = measurements(gen_logit=[0.0, 1.0, 5.0, 9.0, 9.0], mem_logit=0.0)
    row = run(full=full, train=np.clip(STEP / 202.02, 0, 1)).row()
    assert row["t_fit"] == pytest.approx(200.0, abs=0.1)
    assert row["gen_at_fit"] == pytest.approx(3.0, abs=1e-2)


def test_the_gradient_tells_how_far_the_penalty_is_from_balanced() -> None:
    # ∇L = −αw exactly: |∇L| = α‖w‖ and α_eff = α.
    at_rest = measurements(gradient_norm=1e-3 * 20, effective_weight_decay=1e-3, norm=20.0)
    assert run(full=at_rest).gradient_rest == pytest.approx(0.0, abs=1e-6)
    sideways = measurements(gradient_norm=math.hypot(1e-3 * 20, 0.01), effective_weight_decay=1e-3, norm=20.0)
    assert run(full=sideways).gradient_rest == pytest.approx(0.01 / (1e-3 * 20))
    assert math.isnan(run({"optimizer": "adamw"}, full=at_rest).gradient_rest)


def save(folder: Path, name: str, config: rn.RunConfig, state: str = "finished") -> None:
    light = np.arange(0, 1001, 20)
    ds = xr.Dataset(
        {
            "status": (("seed",), [state]),
            "key": (("seed",), ["k"]),
            "light_norm": (("seed", "light_step"), np.full((1, len(light)), 20.0)),
            "light_train_accuracy": (("seed", "light_step"), np.ones((1, len(light)))),
            "light_unseen_accuracy": (("seed", "light_step"), np.full((1, len(light)), 0.5)),
            "light_train_loss": (("seed", "light_step"), np.full((1, len(light)), 1e-3)),
            "norm": (("seed", "step"), np.full((1, 2), 20.0)),
        },
        {"seed": [config.seed], "light_step": light, "step": [0, 1000]},
        {"configs": json.dumps({"k": json.loads(config.to_json())})},
    )
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    write_netcdf(ds, folder / f"{name}.nc")


def test_saved_runs_are_read_back_and_new_seeds_decide(tmp_path: Path) -> None:
    from dataclasses import replace

    save(tmp_path, "base/scratch_coupled", NET)
    results = Results(tmp_path)
    assert list(results.table("base/scratch_coupled").test) == [0.5]
    wanted = "scratch_coupled", "laws-43", "fresh", "base"
    assert results.deciding(*wanted) == "base/scratch_coupled"
    save(tmp_path, "fresh/scratch_coupled", replace(NET, seed=12))
    again = Results(tmp_path)
    assert again.names == ["base/scratch_coupled", "fresh/scratch_coupled"]
    assert again.deciding(*wanted) == "fresh/scratch_coupled"
    assert again.deciding("memorising", "fresh", "base") == "base/memorising"  # which says that it is missing
    both = again.together("base/scratch_coupled", "fresh/scratch_coupled", "long/scratch_coupled")
    assert list(both.experiment) == ["base/scratch_coupled", "fresh/scratch_coupled"]


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingResult, match="must be a folder"):
        Results(tmp_path)
    save(tmp_path, "base/scratch", NET, "running")
    with pytest.raises(MissingResult, match="must have finished runs"):
        Results(tmp_path).table("base/scratch")
    with pytest.raises(MissingResult, match="must be among the saved results"):
        Results(tmp_path).table("base/memorising")
    with pytest.raises(MissingResult, match="'base/x'"):
        Results(tmp_path).together("base/x", "base/y")
