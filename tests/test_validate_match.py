"""Matching finds the model again that made the nets (validate.match, validate.degree)."""

import math

import numpy as np
import pandas as pd
import pytest

import toymodel as tm
from tests.synthetic_results import EXCESS, Synthetic, add_cells, nets, truth
from toymodel.times import plateau
from validate.degree import balance, from_sharpness, mixtures, rival_share
from validate.intervals import Interval
from validate.match import match


def holds(interval: Interval, value: float, within: float) -> bool:
    """Whether `value` is in the interval, and the interval is narrow enough for that to mean something."""
    assert interval.half_width <= within * abs(value), interval
    # An interval of no width at all is right up to rounding.
    return interval.low - 1e-6 * abs(value) <= value <= interval.high + 1e-6 * abs(value)


@pytest.mark.parametrize("kappa", [1.2, 4.5])
def test_the_model_behind_the_nets_is_found_again(kappa: float) -> None:
    model = truth(kappa)
    found = match(nets(model))  # type: ignore[arg-type]
    eta = model.gen.efficiency
    for name, value in {
        "β": 0.4,
        "D_crit, isologit": 300.0,
        "η_gen": eta,
        "η_mem, D = 100": eta * (100 / 300) ** -0.4,
        "κ from norm against logit, Mem": kappa,
        "κ from norm against logit, Gen": kappa,
    }.items():
        # η takes κ from the fit as exact, so its interval is of the nets alone.
        assert holds(found.intervals[name], value, 0.1), (name, found.intervals[name], value)
    assert found.model.kappa == pytest.approx(kappa, rel=0.03)
    assert found.critical_size == pytest.approx(300, rel=0.06)
    assert found.tabulated is not None
    assert found.tabulated.ratio(100) == pytest.approx(3**0.4, rel=0.03)


def test_a_matched_model_comes_to_rest_where_the_nets_did() -> None:
    results = nets(truth(4.5), noise=0.0)
    found = match(results)  # type: ignore[arg-type]
    net = results.table("base/memorising_coupled").query("dataset_size == 900 and weight_decay == 1e-4").iloc[0]
    model = found.model.with_parameters(weight_decay=1e-4).at_dataset_size(900)
    model = model.with_parameters(mem_initial_logit=1.0, gen_initial_logit=1.0)
    end = tm.steady_state(model, [0.0, 8.0])
    assert end.mem_logit == pytest.approx(net.logit, rel=1e-6)
    assert end.mem_norm == pytest.approx(net.norm, rel=1e-6)


def test_a_matched_kappa_above_two_says_that_sharpness_is_undefined() -> None:
    assert any("not defined" in remark for remark in match(nets(truth(4.5))).remarks)  # type: ignore[arg-type]
    assert not any("not defined" in remark for remark in match(nets(truth())).remarks)  # type: ignore[arg-type]


def test_sharpness_gives_kappa_where_the_theory_has_one() -> None:
    model, results = truth(), nets(truth())
    add_cells(results, model)
    found = match(results).intervals  # type: ignore[arg-type]
    assert found["ν, sharpness of the transition"].value == pytest.approx(tm.sharpness(model), rel=1e-3)
    assert found["κ from sharpness"].value == pytest.approx(1.2, rel=0.02)
    for way in ("norm against logit", "local"):
        name = f"κ {'from ' if way != 'local' else ''}{way} − from sharpness"
        assert abs(found[name].value) < 0.05


@pytest.mark.parametrize("nu", [0.1, 1.0, 10.0, 1000.0])
def test_no_sharpness_gives_a_kappa_of_two_or_more(nu: float) -> None:
    assert float(from_sharpness(pd.Series([nu]), 0.4).iloc[0]) < 2
    assert math.isnan(float(from_sharpness(pd.Series([-nu]), 0.4).iloc[0]))


def test_fit_and_local_degree_agree_on_one_branch_and_differ_off_it() -> None:
    name = "κ from norm against logit − local, Mem"
    good = match(nets(truth(4.5))).intervals[name]  # type: ignore[arg-type]
    bad = match(nets(truth(4.5), excess_norm=0.03)).intervals[name]  # type: ignore[arg-type]
    assert good.low <= 0 <= good.high
    assert bad.high < -0.3


def test_the_balance_is_one_for_the_true_penalty_and_half_for_twice_as_much() -> None:
    results = nets(truth(1.2), noise=0.0)
    table = results.table("base/memorising_coupled")
    assert balance(table, table.weight_decay, table.homogeneity).to_numpy() == pytest.approx(1.0, rel=1e-6)
    assert balance(table, 2 * table.weight_decay, 1.2).to_numpy() == pytest.approx(0.5, rel=1e-6)
    found = match(results)  # type: ignore[arg-type]
    assert len(found.tables["balance"]) == len(table) + len(results.table("base/generalising_coupled"))
    assert found.intervals["balance with one κ, Mem"].value == pytest.approx(1.0, rel=1e-6)


def test_one_wrong_kappa_breaks_the_balance() -> None:
    table = nets(truth(4.5), noise=0.0).table("base/memorising_coupled")
    assert float(balance(table, table.weight_decay, 3.0).max()) < 0.7


def test_effective_decay_is_read_from_adamw_nets() -> None:
    found = match(nets(truth()))  # type: ignore[arg-type]
    assert holds(found.intervals["α_eff/(λ ε) AdamW, Mem"], EXCESS, 0.2)
    assert found.intervals["exponent of α_eff on λ, AdamW"].value == pytest.approx(1.0, abs=0.05)
    assert found.effective_decay(1.0) == pytest.approx(EXCESS * 1e-4, rel=0.05)


def test_without_adamw_nets_the_effective_decay_is_an_error_that_says_what_to_train() -> None:
    results = nets(truth())
    del results.tables["base/memorising"]
    found = match(results)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Train its memorising"):
        found.effective_decay(1.0)


def test_without_gen_only_nets_matching_says_what_is_missing() -> None:
    results = nets(truth())
    results.tables["base/generalising_coupled"] = results.tables["base/generalising_coupled"].assign(unseen=0.5)
    with pytest.raises(ValueError, match="Gen-only"):
        match(results)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [450, 1050])
def test_a_rival_takes_over_just_above_its_share(size: int) -> None:
    model = truth(4.5).with_parameters(weight_decay=1e-6, gen_initial_logit=1.0, mem_initial_logit=1.0)
    model = model.at_dataset_size(size)
    top = plateau(model, 1)[0]
    share = rival_share(math.log(size), math.log(300.0), 4.5, 0.4)
    # The rival's own logit lowers p a little before the leader gives way: the share is right to a few per cent.
    for factor, wins in ((0.9, False), (1.1, True)):
        end = tm.steady_state(model, [factor * share * top, top])
        assert (end.gen_logit > end.mem_logit) is wins
    assert math.isnan(rival_share(6.0, 5.0, 1.2, 0.4))


def test_mixtures_are_counted_among_nets_at_rest() -> None:
    table = pd.DataFrame({"status": "finished", "settled": [True, True, True, False], "p": 43})
    table["unseen"] = [0.03, 0.5, 1.0, 0.5]
    assert mixtures(table).value == pytest.approx(1 / 3)


def test_rows_are_plain() -> None:
    rows = match(nets(truth())).to_rows()  # type: ignore[arg-type]
    assert {"setting", "quantity", "unit", "value", "low", "high", "n"} == set(rows[0])
    assert all(np.isscalar(value) for row in rows for value in row.values())
    assert isinstance(nets(truth()), Synthetic)
