"""Laws of sharing norm: README 8."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import toymodel as tm
from tests import references
from tests.strategies import MILD, Bounds, models, numbers
from toymodel import flow

ANY: Bounds = MILD | {"kappa": (0.3, 8.0), "sharing": (0.3, 100.0), "norm_power": (0.5, 6.0)}
# What a solver that knows nothing of walls can follow: circuits share, and none starts at the origin of κ > m.
SOLVABLE: Bounds = MILD | {"kappa": (0.5, 5.0), "sharing": (6.0, 30.0)}
SHORT = numbers("t_end", (0.1, 300.0))
NETWORK = tm.TwoCircuitModel(
    gen=tm.Circuit(14 ** (1 / 4.95) / 20, 0.1, 1.0), mem=tm.Circuit(14 ** (1 / 4.95) / 20, 1.0, 1.0), kappa=4.95,
    sharing=7.65, num_classes=43, weight_decay=1e-4, law=tm.PowerLaw(255.0, 0.32),
)  # fmt: skip


@pytest.mark.parametrize(
    ("size", "gen", "mem", "norm"),
    [(160, 1.251, 10.135, 16.39), (255, 5.579, 5.579, 18.18), (500, 10.547, 0.514, 19.01)],
)
def test_the_reference_values_of_networks_at_rest(size: float, gen: float, mem: float, norm: float) -> None:
    end = tm.steady_state(NETWORK, dataset_size=size)
    assert (end.gen_logit, end.mem_logit) == pytest.approx((gen, mem), abs=6e-4)
    assert end.norm == pytest.approx(norm, abs=6e-3)
    assert end.stable
    # κ > m: the origin is stable too, and between the two lies a saddle (8.3).
    assert [other.stable for other in end.others] == [True, False]
    assert end.others[0].norm == 0.0
    run = tm.simulate(NETWORK, 1e8, dataset_size=size)
    np.testing.assert_allclose(run.limit_logits, end.logits, rtol=1e-12)
    np.testing.assert_allclose(run.final_state.logit, end.logits, rtol=1e-6)
    assert run.norm[-1] == pytest.approx(end.norm, rel=1e-6)


# By the code before circuits could share norm: logits at the 351st default time, t_fit and t_gen.
RECORDED = {
    1.2: ([5.373644602457059, 3.1206677146318187], 1.790138779132327, 103.13576120099816),
    1.9: ([0.0017971003277036147, 9.142364322540441], 1.7545282116182395, 576.332448913364),
}


@pytest.mark.parametrize("kappa", RECORDED)
def test_two_is_the_papers_to_the_last_digits(kappa: float) -> None:
    run = tm.simulate(kappa=kappa)
    logits, t_fit, t_gen = RECORDED[kappa]
    np.testing.assert_allclose(run.logits[350], logits, rtol=1e-13)
    assert (run.t_fit, run.t_gen) == pytest.approx((t_fit, t_gen), rel=1e-12)


@given(models(ANY, options=False, most=4, started=True), SHORT)
def test_the_regularised_loss_never_rises_however_norm_is_shared(model: Any, t_end: float) -> None:
    run = tm.simulate(model, t_end)
    assert run.status == "reached t_end"
    loss = run.regularised_loss
    assert np.all(np.diff(loss) <= 1e-7 * np.abs(loss).max())


@given(models(SOLVABLE, options=False, most=3, started=True), SHORT)
@settings(max_examples=20)
def test_the_flow_is_that_of_the_subweights(model: Any, t_end: float) -> None:
    times = np.array([0.3, 1.0]) * t_end
    run = tm.simulate(model, t_end, times=times)
    expected = references.trajectory(model, times)
    np.testing.assert_allclose(run.logits, expected, rtol=1e-5, atol=1e-6)


@given(models(MILD | {"sharing": (2.5, 30.0)}, options=False, most=3), st.floats(0.5, 100.0))
@settings(max_examples=20)
def test_circuits_that_share_grow_from_nothing_as_the_subweights_do(model: Any, t_end: float) -> None:
    times = np.array([0.01, 0.3, 1.0]) * t_end
    run = tm.simulate(model, t_end, times=times)
    np.testing.assert_allclose(run.logits, references.trajectory(model, times), rtol=2e-4, atol=1e-5)


@given(models(SOLVABLE, options=False, most=3, started=True), st.floats(1e-3, 0.05))
@settings(max_examples=20)
def test_descent_is_equation_3_3_however_norm_is_shared(model: Any, rate: float) -> None:
    u, v, _ = references.descent(model, rate, 50)
    assume(np.all(u > 0.0))
    run = tm.simulate(model, method="descent", learning_rate=rate, steps=50, times=rate * np.arange(51))
    np.testing.assert_allclose(run.logits, u * v, rtol=1e-9)


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=5), numbers("sharing"))
def test_the_norm_lies_between_the_largest_and_its_root_of_n_fold(norms: list[float], sharing: float) -> None:
    whole = float(flow.network_norm(np.array(norms), sharing))
    assert max(norms) * (1.0 - 1e-12) <= whole <= max(norms) * len(norms) ** (1.0 / sharing) * (1.0 + 1e-12)
    assert float(flow.network_norm(np.array(norms), 2.0)) == pytest.approx(float(np.linalg.norm(norms)), rel=1e-12)


@given(models(ANY, options=False, most=4, started=True))
def test_a_mixture_costs_less_norm_than_any_circuit_alone(model: Any) -> None:
    assume(model.kappa < 0.99 * model.sharing)
    end = tm.steady_state(model)
    total = end.logits.sum()
    assume(total > 1e-6)
    cheapest = min(total ** (1.0 / model.kappa) / c.efficiency for c in model.circuits)
    assert end.norm <= cheapest * (1.0 + 1e-9)
    assert tm.mixture_efficiency(model) >= max(c.efficiency for c in model.circuits) * (1.0 - 1e-12)


@given(models(ANY, options=False, started=True), SHORT)
def test_swapping_circuits_swaps_trajectories_however_norm_is_shared(model: Any, t_end: float) -> None:
    one, other = tm.simulate(model, t_end), tm.simulate(model.swapped(), t_end)
    np.testing.assert_allclose(other.logits[:, ::-1], one.logits, rtol=1e-8, atol=1e-10)


@given(models(ANY, options=False, most=3, started=True), SHORT)
def test_an_absent_circuit_changes_nothing_however_norm_is_shared(model: Any, t_end: float) -> None:
    more = dataclasses.replace(model, gen=model.generalising, mem=(*model.memorising, tm.Circuit(1e3, 0.0)))
    with_it, without = tm.simulate(more, t_end), tm.simulate(model, t_end)
    assert np.all(with_it.logits[:, -1] == 0.0)
    np.testing.assert_allclose(with_it.logits[:, :-1], without.logits, rtol=1e-12, atol=0.0)
    np.testing.assert_allclose(with_it.norm, without.norm, rtol=1e-12)
    short = {"method": "descent", "steps": 40, "learning_rate": 1e-5}
    with_it, without = tm.simulate(more, **short), tm.simulate(model, **short)
    assert np.all(with_it.logits[:, -1] == 0.0)
    np.testing.assert_allclose(with_it.logits[:, :-1], without.logits, rtol=1e-12, atol=0.0)


def test_beside_a_grown_circuit_zero_can_be_left_and_the_origin_cannot() -> None:
    shared = NETWORK.with_parameters(gen_initial_logit=0.0)
    assert tm.simulate(shared, 1e8).gen_logit[-1] > 1.0
    for start in ([0.0, 0.0], [1e-9, 1e-9]):
        assert tm.simulate(NETWORK, 1e6, start=start).final_state.logit.max() <= 1e-100 * (start[0] > 0.0)
    # Descent too is held, with a push at the origin of a penalty whose degree is below 1.
    held = {"kappa": 2.5, "sharing": 3.0, "weight_decay": 0.1, "method": "descent", "steps": 200}
    assert tm.simulate(NETWORK, start=[0.0, 0.0], **held).final_state.logit.max() == 0.0
    with pytest.raises(ValueError, match="kappa > norm_power a circuit needs a positive start"):
        tm.simulate(shared, mem_initial_logit=0.0)
    # κ > μ: zero beside a grown circuit is behind the wall, and the origin of κ < m is not.
    alone = tm.TwoCircuitModel(kappa=1.5, sharing=1.2)
    assert tm.simulate(alone).logits[-1].max() > 5.0
    descended, flowed = tm.simulate(alone, 20.0, method="descent"), tm.simulate(alone, 20.0)
    np.testing.assert_allclose(descended.logits[-1], flowed.logits[-1], rtol=0.02)
    assert tm.simulate(alone, start=[0.0, 3.0]).gen_logit[-1] == 0.0
    with pytest.raises(ValueError, match="kappa > sharing a circuit needs a positive start"):
        tm.simulate(alone, mem_initial_logit=1.0)


@pytest.mark.parametrize(("kappa", "sharing"), [(1.5, 1.5), (1.8, 1.1), (4.8, 4.8), (4.8, 4.0)])
def test_winner_takes_all_at_and_above_mu(kappa: float, sharing: float) -> None:
    model = tm.TwoCircuitModel(
        tm.Circuit(1.0, 0.5, 2.0), tm.Circuit(0.8, 0.5, 2.0), kappa=kappa, sharing=sharing, weight_decay=1e-3
    )
    end = tm.steady_state(model)
    assert end.mem_logit == 0.0
    assert end.gen_logit > 5.0
    with pytest.raises(ValueError, match="kappa < sharing"):
        tm.steady_ratio(model)
    # The winner's state does not know of sharing.
    assert end.gen_logit == pytest.approx(tm.steady_state(model, sharing=2.0 * kappa, mem_learning_speed=0.0,
                                                          mem_initial_logit=0.0).gen_logit, rel=1e-9)  # fmt: skip


def test_the_ratio_of_several_circuits_counts_all_of_them() -> None:
    for sharing in (2.0, 5.0):
        model = tm.TwoCircuitModel(
            gen=[tm.Circuit(1.0, 0.1), tm.Circuit(0.9, 0.1), tm.Circuit(3.0, 0.0)],
            mem=[tm.Circuit(0.5), tm.Circuit(0.6), tm.Circuit(0.55)], sharing=sharing,
        )  # fmt: skip
        end = tm.steady_state(model)
        assert tm.steady_ratio(model) == pytest.approx(end.mem_logit / end.gen_logit, rel=1e-12)


def test_a_sweep_over_sharing_is_its_points() -> None:
    mu = [1.0, 2.0, 4.0, 50.0]
    ds = tm.sweep(sharing=mu, kappa=[0.8, 1.2, 1.7], dataset_size=4000.0, progress=False)
    for m in mu:
        for kappa in (0.8, 1.2, 1.7):
            point, run = ds.sel(sharing=m, kappa=kappa), tm.simulate(sharing=m, kappa=kappa, dataset_size=4000.0)
            np.testing.assert_allclose(point.logit, run.final_state.logit, rtol=1e-5, atol=1e-8)
            assert point.behaviour.item() == run.behaviour
            assert point.norm.item() == pytest.approx(run.norm[-1], rel=1e-5)
            limit = tm.steady_state(sharing=m, kappa=kappa, dataset_size=4000.0)
            for name in ("gen_logit", "mem_logit", "norm"):
                expected = pytest.approx(getattr(limit, name), rel=1e-6, abs=1e-9)
                assert point[f"limit_{name}"].item() == expected, name
    alone = tm.sweep(sharing=[2.0], kappa=[0.8, 1.2, 1.7], dataset_size=4000.0, progress=False)
    assert np.array_equal(alone.logit.values[0], ds.logit.values[1])


def test_measured_sharpness_gives_back_the_sharing() -> None:
    nu, beta, kappa = tm.sharpness(NETWORK), 0.32, 4.95
    assert 1.0 / (1.0 / kappa - beta / nu) == pytest.approx(7.65, rel=1e-6)
    assert math.isinf(tm.sharpness(NETWORK, sharing=4.95))
    logs = [math.log(tm.steady_ratio(NETWORK, dataset_size=d)) for d in (200.0, 300.0)]
    assert (logs[0] - logs[1]) / math.log(1.5) == pytest.approx(nu, rel=1e-6)


@pytest.mark.parametrize(("others", "push"), [(0, 1.0), (1, 2**-0.5), (2, 3**-0.5)])
@pytest.mark.parametrize("kappa", [1.0, 0.9999])
def test_the_origin_holds_circuits_that_cost_more_than_they_gain_at_the_norm_power(
    others: int, push: float, kappa: float
) -> None:
    # At κ = m the push from W = 0 is c = α/(2η), for k like circuits c/√k, against a gain of 1 - 1/q; just below, the
    # equilibrium to which they would grow is nothing.
    network = {"mem": tm.Circuit(17.0, 0.0), "kappa": kappa, "norm_power": 1.0, "num_classes": 100_000}
    for cost, grows in ((0.98, True), (1.02, False)):
        gen = [tm.Circuit(0.5 / cost * push, 1.0)] * (others + 1)
        run = tm.simulate(tm.TwoCircuitModel(gen=gen, weight_decay=1.0, **network), 100.0)
        assert run.status == "reached t_end"
        assert np.all(run.logits[-1, : others + 1] > 1.0) == grows
        assert np.all(run.logits[-1, : others + 1] < 1e-9) != grows
        swept = tm.sweep(tm.TwoCircuitModel(gen=gen, **network), 100.0, weight_decay=[1.0])
        np.testing.assert_allclose(swept.gen_logit.values[0], run.gen_logit[-1], atol=1e-5)


@pytest.mark.parametrize(("kappa", "efficiency"), [(3.0, 0.375), (3.0, 0.39), (3.0, 0.41), (2.99, 0.39)])
def test_of_circuits_that_gain_alone_and_lose_together_the_cheapest_leaves_the_origin(
    kappa: float, efficiency: float
) -> None:
    # κ > μ, α = 0.1: one alone gains from η = (α/(2(1 - 1/q)))^(1/3) = 0.37, two alike from 0.37 2^(1/μ - 1/κ) = 0.41.
    network = {"kappa": kappa, "norm_power": 3.0, "weight_decay": 0.1}
    for speed in (1.0, 0.1):
        for better in (1e-9, 1e-3):
            gen, mem = tm.Circuit(efficiency, speed), tm.Circuit(efficiency * (1.0 + better))
            run = tm.simulate(tm.TwoCircuitModel(gen, mem, **network), 1e4)
            assert run.status == "reached t_end"
            assert run.gen_logit[-1] == 0.0
            assert run.mem_logit[-1] == pytest.approx(
                tm.steady_state(tm.TwoCircuitModel(tm.Circuit(1.0, 0.0), mem, **network)).mem_logit, rel=1e-6
            )
    equal = tm.TwoCircuitModel(tm.Circuit(efficiency, 1.0), tm.Circuit(efficiency, 1.0), **network)
    assert np.all(tm.simulate(equal, 1e4).logits == 0.0)
    assert tm.sweep(equal, 1e4, weight_decay=[0.1]).mem_logit.item() == 0.0


@pytest.mark.parametrize("sharing", [2.0, 5.0])
def test_lanes_of_a_sweep_leave_the_origin_each_by_its_own_circuits(sharing: float) -> None:
    # Some points gain, some do not, and for κ > μ some gain alone and lose together.
    model = tm.TwoCircuitModel(
        tm.Circuit(1.0, 1.0), tm.Circuit(1.0, 0.3), kappa=3.0, norm_power=3.0, sharing=sharing, weight_decay=0.1
    )
    gen, mem = np.geomspace(0.3, 0.5, 11), np.geomspace(0.31, 0.45, 3)
    swept = tm.sweep(model, 30.0, gen_efficiency=gen, mem_efficiency=mem, progress=False)
    alone = np.array(
        [[tm.simulate(model, 30.0, gen_efficiency=g, mem_efficiency=m).logits[-1] for m in mem] for g in gen]
    )
    np.testing.assert_allclose(np.stack([swept.gen_logit, swept.mem_logit], -1), alone, rtol=1e-5, atol=1e-8)
    assert 0 < np.count_nonzero(alone[..., 0] > 1e-6) < alone[..., 0].size


def test_a_circuit_held_at_the_origin_takes_no_steps() -> None:
    gen = [tm.Circuit(1.55765e-05, 21.2806), tm.Circuit(6.29966e-06, 0.0)]
    model = tm.TwoCircuitModel(
        gen=gen, mem=tm.Circuit(17.4562, 0.0), kappa=1.0, norm_power=1.0, weight_decay=9.6e-4, num_classes=107_759
    )
    run = tm.simulate(model, 1.0)
    assert (run.status, run.num_steps < 10) == ("reached t_end", True)
    assert np.all(run.logits == 0.0)


def test_circuits_that_differ_by_far_leave_the_origin_together_just_below_the_sharing() -> None:
    gen = [tm.Circuit(1e-3, 1.0), tm.Circuit(2.0, 1.0)]
    for kappa in (1.99, 1.9999):
        model = tm.TwoCircuitModel(gen=gen, mem=tm.Circuit(17.0, 0.0), kappa=kappa, norm_power=kappa, weight_decay=1e-2)
        run = tm.simulate(model, 500.0)
        assert run.status == "reached t_end"
        assert run.logits[-1, 0] < 1e-9 < 5.0 < run.logits[-1, 1]
