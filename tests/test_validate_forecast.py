"""Forecasts of held-out cells: right for what the toy made, no better than a rule when shuffled, blind to outcomes."""

import copy
import math

import numpy as np
import pandas as pd
import pytest

import toymodel as tm
from tests.synthetic_results import FLOW_PER_STEP, Synthetic, add_cells, nets, truth
from validate.forecast import CALIBRATION_CELL, Forecasts, forecast
from validate.scaling import across_settings, summary
from validate.skill import cells, error, leave_kind_out, leave_seed_out, logistic_line, skill
from validate.speeds import grokking, learning_speeds, ungrokking


@pytest.fixture(scope="module")
def results() -> Synthetic:
    found = nets(truth(), noise=0.002)
    add_cells(found, truth())
    return found


@pytest.fixture(scope="module")
def found(results: Synthetic) -> Forecasts:
    return forecast(results)  # type: ignore[arg-type]


def arrays(found: Forecasts, name: str) -> np.ndarray:
    return np.array([row[name] for row in found.rows if row["held_out"]], float)


def of(found: Forecasts, kind: str, forecaster: str, baseline: str) -> dict[str, float]:
    wanted = {"kind": kind, "forecaster": forecaster, "baseline": baseline}
    return next(row for row in found.skills if wanted.items() <= row.items())


def test_the_world_is_no_trivial_one(found: Forecasts) -> None:
    assert 0.2 < arrays(found, "measured").mean() < 0.8
    assert len(arrays(found, "measured")) == 29
    assert [row["dataset_size"] for row in found.rows if not row["held_out"]] == [CALIBRATION_CELL[1]]


@pytest.mark.parametrize("rule", ["majority", "persistence"])
def test_what_the_matched_model_made_is_forecast_with_skill_one(found: Forecasts, rule: str) -> None:
    assert of(found, "all", "toy", rule)["skill"] == 1.0


def test_times_of_held_out_cells_are_forecast(found: Forecasts) -> None:
    errors = arrays(found, "ln_time_error")
    assert np.isfinite(errors).sum() >= 6
    assert np.nanmax(np.abs(errors)) < 0.25
    # At the calibration cell's size 1/λ alone is nearly right (P5: the toy's own exponent is -0.93).
    cells = [row for row in found.rows if math.isfinite(row["clock_time"])]
    assert len(cells) == 2
    assert all(abs(math.log(row["clock_time"] / row["measured_time"])) < 0.15 for row in cells)


def test_a_shuffled_forecast_has_no_skill(found: Forecasts) -> None:
    seen = np.repeat(arrays(found, "measured")[:, None], 4, axis=1)
    rng, rule = np.random.default_rng(0), arrays(found, "majority")
    scores = [skill(rng.permutation(arrays(found, "toy")), rule, seen, resamples=10).value for _ in range(200)]
    # Expected: 1 − 2pq/min(p, q), which is 0 at even odds and below 0 otherwise.
    share = float(arrays(found, "measured").mean())
    assert np.mean(scores) == pytest.approx(1 - 2 * max(share, 1 - share), abs=0.1)


def test_forecasts_do_not_see_the_outcomes_of_held_out_cells(results: Synthetic, found: Forecasts) -> None:
    blind = copy.deepcopy(results)
    for kind in ("scratch", "ungrokking", "ungrokking_coupled"):
        table = blind.tables[f"base/{kind}"]
        used = (kind == "scratch") & (table.dataset_size == CALIBRATION_CELL[1]) & (table.weight_decay == 1.0)
        table["unseen"] = np.where(used, table.unseen, 1 - table.unseen)
        for name in ("t_fit", "t_gen", "t_lost"):
            table[name] = np.where(used, table[name], 7.0)
        if "gen_logit" in table:
            table[["gen_logit", "mem_logit"]] = table[["mem_logit", "gen_logit"]].to_numpy()
    again = forecast(blind)  # type: ignore[arg-type]
    for name in ("toy", "isologit", "toy_time"):
        np.testing.assert_array_equal(arrays(found, name), arrays(again, name))
    assert of(again, "ungrokking", "toy", "persistence")["skill"] < 0


def test_without_the_calibration_cell_there_is_no_toy_forecast_and_it_says_so(results: Synthetic) -> None:
    less = copy.deepcopy(results)
    table = less.tables["base/scratch"]
    less.tables["base/scratch"] = table[table.dataset_size != CALIBRATION_CELL[1]]
    again = forecast(less)  # type: ignore[arg-type]
    assert again.speeds is None
    assert np.isnan(arrays(again, "toy")).all()
    assert np.isfinite(arrays(again, "isologit")).all()
    assert any("No toy forecast" in remark for remark in again.remarks)


def test_learning_speeds_come_back_from_two_times() -> None:
    model = truth().with_parameters(weight_decay=1.5e-4)
    run = tm.simulate(model, 1e5)
    assert run.t_fit is not None
    assert run.t_cross is not None
    start = model.with_parameters(gen_learning_speed=0.3, mem_learning_speed=0.3)
    speeds = learning_speeds(start, run.t_fit / FLOW_PER_STEP, run.t_cross / FLOW_PER_STEP, FLOW_PER_STEP)
    assert speeds.known
    assert speeds.model.gen.learning_speed == pytest.approx(0.01, rel=0.01)
    assert speeds.model.mem.learning_speed == pytest.approx(1.0, rel=0.01)


def test_times_that_no_speeds_give_are_not_known() -> None:
    model = truth().with_parameters(weight_decay=1.5e-4)
    # No circuit takes this long to fit at a speed that is looked for.
    assert not learning_speeds(model, 1e4, 2e4, 1.0).known


def test_above_two_the_grokking_time_gives_a_seed() -> None:
    model = truth(4.5).with_parameters(weight_decay=1.5e-4)
    time = grokking(model, 1e7, 6.0)
    assert math.isfinite(time)
    speeds = learning_speeds(model, 100.0, 100.0 + time / 0.1, 0.1)
    assert speeds.seed == pytest.approx(6.0, rel=1e-3)
    assert "cannot be told" in speeds.remark


def test_above_two_the_calibration_cell_comes_back_and_the_rest_follows() -> None:
    model, world = truth(4.5), nets(truth(4.5), noise=0.0)
    rows = []
    for size in (330, 700, 1050, 1300):
        at = model.with_parameters(weight_decay=1.5e-4).at_dataset_size(size)
        t_gen = 100.0 + grokking(at, 1e7, 5.0) / FLOW_PER_STEP
        row = {"unseen": float(math.isfinite(t_gen)), "t_gen": t_gen if math.isfinite(t_gen) else math.nan}
        about = {"kind": "scratch", "p": 43, "dataset_size": size, "weight_decay": 1.0, "steps": 2_000_000}
        about |= {
            "status": "finished",
            "behaviour": "",
            "settled": True,
            "start": 0.0,
            "t_fit": 100.0,
            "t_lost": math.nan,
        }
        rows += [about | row | {"seed": seed} for seed in range(2)]
    world.tables["base/scratch"] = pd.DataFrame(rows)
    cell = {row["dataset_size"]: row for row in forecast(world).rows}  # type: ignore[arg-type]
    assert [cell[size]["toy"] for size in cell] == [cell[size]["measured"] for size in cell] == [0, 1, 1, 1]
    for size in (700, 1050, 1300):
        assert cell[size]["toy_time"] == pytest.approx(cell[size]["measured_time"], rel=0.05 if size != 1050 else 1e-3)


def test_above_two_a_circuit_below_the_unstable_mixture_never_returns() -> None:
    model = truth(4.5).with_parameters(weight_decay=1.5e-4)
    assert grokking(model, 1e9, 0.5) == math.inf
    assert ungrokking(model.at_dataset_size(1600), 250, 1e9, 0.5) == math.inf
    assert ungrokking(model.at_dataset_size(1600), 30, 1e9, 5.0) < math.inf


def runs(thresholds: dict[str, float], seeds: int = 4) -> pd.DataFrame:
    rows = [
        {"kind": kind, "dataset_size": size, "weight_decay": 1.0, "seed": seed, "generalises": float(size > threshold)}
        for kind, threshold in thresholds.items()
        for size in (100, 200, 400, 800)
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows)


def test_logistic_rules_are_not_starved() -> None:
    table = runs({"a": 300.0, "b": 300.0, "c": 700.0})
    seen = cells(table).to_numpy(float)
    assert error(leave_seed_out(table).to_numpy(), seen) == 0.0
    assert 0 < error(leave_kind_out(table).to_numpy(), seen) < 0.5


def test_a_logistic_line_finds_a_threshold() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(4, 8, 4000)
    level, slope = logistic_line(x, (rng.uniform(size=x.size) < 1 / (1 + np.exp(-2 * (x - 6)))).astype(float))
    assert -level / slope == pytest.approx(6, abs=0.1)
    assert slope == pytest.approx(2, abs=0.15)


def test_skill_is_unknown_against_a_perfect_rule_and_varies_with_seeds() -> None:
    seen = np.array([[1, 1, 1, 0], [0, 0, 1, 1], [0, 1, 0, 0]], float)
    right, wrong = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 1.0])
    assert math.isnan(skill(right, right, np.repeat(right[:, None], 4, axis=1)).value)
    one = skill(right, wrong, seen)
    assert one.low < one.value <= one.high  # the second cell is a tie
    assert error(right, seen) == pytest.approx(0.5 / 3)


def setting(p: int, critical: float) -> tuple[dict[str, pd.DataFrame], tm.TwoCircuitModel]:
    model = truth().with_parameters(num_classes=p, critical_size=critical).at_dataset_size(1050)
    world = nets(model, noise=0.001)
    rows = [
        {"p": p, "dataset_size": size, "weight_decay": 1e-4, "seed": seed, "status": "finished", "settled": True,
         "unseen": 1 / (1 + (critical * (1 + 0.02 * seed) / size) ** 3), "d_model": 64, "n_layers": 1}
        for size in (0.25 * critical, 0.5 * critical, critical, 2 * critical)
        for seed in range(4)
    ]  # fmt: skip
    return world.tables | {"base/ungrokking_coupled": pd.DataFrame(rows)}, model


def test_across_settings_the_right_rule_and_the_own_crossing_win() -> None:
    world = Synthetic()
    for name, p, critical in (("base", 43, 300.0), ("small", 31, 300.0 * (31 / 43) ** 2)):
        tables, _ = setting(p, critical)
        world.tables |= {key.replace("base", name): table for key, table in tables.items()}
    rows = across_settings(world)  # type: ignore[arg-type]
    found = {row["forecast"]: row["error"] for row in rows if row["setting"] == "small"}
    assert abs(found["∝ pairs"]) < 0.05
    assert abs(found["own isologit crossing"]) < 0.05
    assert found["unchanged"] == pytest.approx(2 * math.log(43 / 31), abs=0.05)
    assert [row["forecast"] for row in rows if row["setting"] == "base"] == ["own isologit crossing"]
    assert summary(rows)[-1]["forecast"] in ("unchanged", "∝ width", "∝ weights")
