"""Laws of the dynamics: README 3."""

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

TIMES = numbers("t_end", (1e-3, 1e12))
SHORT = numbers("t_end", (0.1, 300.0))
SHARING: Bounds = {"kappa": (0.1, 1.999)}
DIVIDED: Bounds = {
    "kappa": (2.0, 6.0),
    "learning_speed": (1e-3, 10.0),
    "efficiency": (1e-2, 1e2),
    "initial_logit": (1e-2, 600.0),
}


def never_rises(run: tm.Trajectory) -> None:
    loss = run.regularised_loss
    assert np.all(np.isfinite(loss))
    assert np.all(np.diff(loss) <= 1e-7 * np.abs(loss).max())


@given(models(SHARING, options=False, most=5), TIMES)
def test_regularised_loss_never_increases(model: Any, t_end: float) -> None:
    never_rises(tm.simulate(model, t_end))


@given(models(DIVIDED, options=False, most=3), TIMES)
def test_regularised_loss_never_increases_where_one_takes_all(model: Any, t_end: float) -> None:
    never_rises(tm.simulate(model, t_end))


@given(models(MILD | {"norm_power": (0.5, 6.0)}, options=False, most=3, started=True), SHORT)
def test_regularised_loss_never_increases_for_any_norm_power(model: Any, t_end: float) -> None:
    never_rises(tm.simulate(model, t_end))


@given(models(MILD | {"logit_floor": (1e-6, 1.0)}, options=False, most=3), SHORT)
def test_regularised_loss_never_increases_above_a_floor(model: Any, t_end: float) -> None:
    run = tm.simulate(model, t_end)
    assert np.all(run.logits >= model.logit_floor * (1.0 - 1e-12))
    never_rises(run)


@given(models(MILD, options=False, most=3), SHORT)
def test_the_flow_keeps_the_invariant(model: Any, t_end: float) -> None:
    run = tm.simulate(model, t_end)
    u, v = run.final_state.subweights
    np.testing.assert_allclose(v**2 - u**2, model.invariants, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(u * v, run.logits[-1], rtol=1e-12)
    assert np.array_equal(run.invariants, np.broadcast_to(model.invariants, run.logits.shape))


@given(models(MILD, options=False, most=3), st.floats(1e-3, 0.3))
def test_a_descent_step_shrinks_the_invariant_by_exactly_one_less_rate_times_gradient_squared(
    model: Any, learning_rate: float
) -> None:
    u, v, g = references.descent(model, learning_rate, 12)
    if np.any(u < 0.0):  # a projected step is not (3.3)
        return
    settled = tm.sweep(
        model, t_end=12 * learning_rate, method="descent", learning_rate=[learning_rate], progress=False, threads=1
    )
    expected = (u * v)[-1]
    np.testing.assert_allclose(settled.logit.values.ravel(), expected, rtol=1e-9, atol=1e-13)
    factor = 1.0 - learning_rate**2 * g[:-1] ** 2
    np.testing.assert_allclose((v**2 - u**2)[1:], (v**2 - u**2)[:-1] * factor, rtol=1e-6, atol=1e-12)


@given(models(MILD, options=False, most=3), st.floats(1e-3, 0.1))
def test_descent_is_equation_3_3(model: Any, learning_rate: float) -> None:
    u, v, _ = references.descent(model, learning_rate, 50)
    if np.any(u < 0.0):
        return
    run = tm.simulate(
        model, method="descent", learning_rate=learning_rate, steps=50, times=learning_rate * np.arange(51)
    )
    np.testing.assert_allclose(run.logits, u * v, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(run.invariants, v**2 - u**2, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(run.final_state.invariant, (v**2 - u**2)[-1], rtol=1e-6, atol=1e-12)


def test_after_the_first_step_products_are_as_the_squared_learning_speeds() -> None:
    run = tm.simulate(method="descent", steps=1)
    assert run.mem_logit[-1] / run.gen_logit[-1] == pytest.approx(40_000.0, rel=1e-12)


@given(models(options=False), st.floats(1e-4, 0.01))
def test_the_first_step_is_rate_times_p_times_squared_learning_speed(model: Any, learning_rate: float) -> None:
    if model.kappa >= 2.0:
        return
    state = tm.sweep(model, t_end=learning_rate, method="descent", learning_rate=[learning_rate], progress=False)
    assume("failed" not in state.behaviour.values)  # rates above 2 / curvature are refused
    p = 1.0 - 1.0 / model.num_classes
    np.testing.assert_allclose(state.logit.values.ravel(), learning_rate * p * model.invariants, rtol=1e-12)


@given(models(SHARING, options=False), TIMES)
def test_swapping_circuits_swaps_trajectories(model: Any, t_end: float) -> None:
    # Not bitwise: sums over circuits are taken in another order, and step sizes follow their roundings.
    one, other = tm.simulate(model, t_end), tm.simulate(model.swapped(), t_end)
    np.testing.assert_allclose(other.logits[:, ::-1], one.logits, rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(other.limit_logits[::-1], one.limit_logits, rtol=1e-12, atol=1e-300)


@given(models(DIVIDED, options=False), SHORT)
def test_swapping_circuits_swaps_trajectories_where_one_takes_all(model: Any, t_end: float) -> None:
    # Here the flow drives apart what rounding has set apart, step sizes with it: the two runs share the solver's error and
    # no more.  So that error, which is a step's in ln(1 + W), is made small: 250 draws at 1e-11 differ by 4e-12 at most.
    run: Any = {"t_end": t_end, "times": np.linspace(0.0, t_end, 33), "rtol": 1e-11, "kappa": [model.kappa]}
    one, other = (tm.sweep(x, **run, progress=False).logit_at.values for x in (model, model.swapped()))
    np.testing.assert_allclose(np.log1p(other[..., ::-1]), np.log1p(one), rtol=0, atol=1e-10)


@given(models(MILD, options=False), st.integers(1, 300))
def test_swapping_circuits_swaps_descents(model: Any, steps: int) -> None:
    one, other = (tm.simulate(x, method="descent", steps=steps) for x in (model, model.swapped()))
    np.testing.assert_allclose(other.logits[:, ::-1], one.logits, rtol=1e-12, atol=1e-300)


@given(models(SHARING, options=False, most=4), numbers("efficiency"), TIMES, st.booleans())
def test_an_absent_circuit_stays_absent_and_changes_nothing(
    model: Any, efficiency: float, t_end: float, generalises: bool
) -> None:
    absent = tm.Circuit(efficiency=efficiency, learning_speed=0.0)
    gen, mem = model.generalising, model.memorising
    shared = {f.name: getattr(model, f.name) for f in dataclasses.fields(type(model)) if f.kw_only}
    more = tm.TwoCircuitModel(
        gen=(*gen, absent) if generalises else gen, mem=mem if generalises else (*mem, absent), **shared
    )
    where = len(gen) if generalises else len(gen) + len(mem)
    with_it, without = tm.simulate(more, t_end), tm.simulate(model, t_end)
    assert np.all(with_it.logits[:, where] == 0.0)
    assert with_it.final_state.invariant[where] == 0.0
    assert with_it.limit_logits[where] == 0.0
    others = np.delete(with_it.logits, where, axis=1)
    assert np.array_equal(others, without.logits)
    assert with_it.behaviour == without.behaviour
    assert np.array_equal(with_it.events, without.events, equal_nan=True)
    steps = {"method": "descent", "steps": 40, "learning_rate": 1e-3}
    if model.weight_decay > 0.0 and model.weight_decay < 1.0:
        a, b = (
            tm.sweep(more, t_end=0.04, method="descent", learning_rate=[1e-3], progress=False),
            tm.sweep(model, t_end=0.04, method="descent", learning_rate=[1e-3], progress=False),
        )
        assert np.array_equal(np.delete(a.logit.values.ravel(), where), b.logit.values.ravel()), steps


@given(numbers("learning_rate", (1e-5, 1e3)), models(MILD, options=False), SHORT)
def test_flow_time_does_not_depend_on_the_learning_rate(learning_rate: float, model: Any, t_end: float) -> None:
    one, other = tm.simulate(model, t_end), tm.simulate(model, t_end, learning_rate=learning_rate)
    assert np.array_equal(one.events, other.events, equal_nan=True)
    np.testing.assert_allclose(other.step, one.time / learning_rate, rtol=1e-15)


@pytest.mark.parametrize("kappa", [1.0, 1.2, 1.6])
def test_time_scales_with_the_learning_rate(kappa: float) -> None:
    runs = [
        tm.simulate(kappa=kappa, t_end=400.0, method="descent", learning_rate=rate) for rate in (0.02, 0.005, 0.00125)
    ]
    flow = tm.simulate(kappa=kappa, t_end=400.0, rtol=1e-10)
    for name in ("t_fit", "t_gen", "t_cross"):
        times = [getattr(run, name) for run in runs]
        exact = getattr(flow, name)
        for run, time in zip(runs, times, strict=True):
            # Events depend on λ only through t, up to Euler's error and the step at which they are seen.
            assert time == pytest.approx(exact, rel=3.0 * run.learning_rate, abs=2.0 * run.learning_rate)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"kappa": 0.7, "penalty": "full"},
        {"kappa": 1.5, "num_classes": 2, "weight_decay": 0.05},
        {"kappa": 3.0, "gen_initial_logit": 2.0, "mem_initial_logit": 3.0, "weight_decay": 1e-3},
    ],
)
def test_flow_and_descent_agree_at_first_order(parameters: dict[str, float]) -> None:
    times = np.array([1.0, 2.0, 4.0, 8.0])
    exact = tm.simulate(t_end=8.0, times=times, rtol=1e-12, **parameters).logits
    rates = 2.0 ** -np.arange(3, 10)
    errors = [
        np.abs(
            tm.simulate(t_end=8.0, times=times, method="descent", learning_rate=rate, **parameters).logits - exact
        ).max()
        for rate in rates
    ]
    order = np.polyfit(np.log(rates[2:]), np.log(errors[2:]), 1)[0]
    assert order == pytest.approx(1.0, abs=0.05)


@given(models(MILD, options=False, most=3), st.sampled_from(["Radau", "LSODA"]), numbers("t_end", (1.0, 100.0)))
@settings(max_examples=12)
def test_the_flow_agrees_with_stiff_solvers_of_the_subweights(model: Any, method: str, t_end: float) -> None:
    times = t_end * np.array([0.01, 0.1, 0.3, 1.0])
    expected = references.trajectory(model, times, method)
    got = tm.simulate(model, t_end, times=times, rtol=1e-10).logits
    np.testing.assert_allclose(got, expected, rtol=2e-6, atol=1e-7)


@given(models(MILD | {"kappa": (2.05, 5.0), "weight_decay": (1e-5, 1e-3)}, options=False, most=3))
@settings(max_examples=8)
def test_the_flow_agrees_with_stiff_solvers_above_the_norm_power(model: Any) -> None:
    # Until a circuit comes near W = 0, where the subweight equations have no solution that a solver could follow.
    times = np.array([0.1, 0.5, 1.0])
    got = tm.simulate(model, 1.0, times=times, rtol=1e-10).logits
    alive = np.minimum.accumulate(got.min(axis=1)) > 0.3
    if alive.any():
        expected = references.trajectory(model, times[alive])
        np.testing.assert_allclose(got[alive], expected, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("penalty", "gen", "mem"), [("half", (7.83152, 5e-6), (0.978940, 1e-6)), ("full", (7.248, 5e-4), (0.906, 5e-4))]
)
def test_reference_values_at_time_1000(penalty: str, gen: tuple[float, float], mem: tuple[float, float]) -> None:
    run = tm.simulate(penalty=penalty)
    assert run.time[-1] == 1000.0
    assert run.gen_logit[-1] == pytest.approx(gen[0], abs=gen[1])
    assert run.mem_logit[-1] == pytest.approx(mem[0], abs=mem[1])
    assert run.gen_logit[-1] / run.mem_logit[-1] == pytest.approx(8.0, rel=1e-5)


CONVERGENCE = [
    ({}, 100.0),
    ({"kappa": 1.6, "weight_decay": 0.02, "num_classes": 7}, 60.0),
    ({"kappa": 0.8, "gen_learning_speed": 0.1}, 5.0),
    ({"kappa": 3.0, "gen_initial_logit": 1.0, "mem_initial_logit": 2.0, "weight_decay": 1e-3}, 20.0),
]


@pytest.mark.parametrize(("parameters", "t_end"), CONVERGENCE)
def test_tightening_the_tolerance_converges_at_order_five(parameters: dict[str, float], t_end: float) -> None:
    # The tolerance bounds the embedded error of order 4, h^5 a step: so N ∝ tol^(-1/5), and the error of the order-5
    # result over N steps falls as N^-5.
    exact = tm.simulate(t_end=t_end, times=[t_end], rtol=1e-12, **parameters).logits[-1]
    runs = [
        tm.simulate(t_end=t_end, times=[t_end], rtol=tol, **parameters) for tol in 10.0 ** -np.arange(4.0, 9.6, 0.25)
    ]
    errors = np.array([np.abs(run.logits[-1] / exact - 1.0).max() for run in runs])
    steps = np.array([run.num_steps for run in runs], dtype=float)
    order = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert 4.3 < order < 6.2
    assert errors[-1] < 1e-8


@given(models(MILD, options=False, most=3), SHORT)
def test_kept_times_do_not_change_the_run(model: Any, t_end: float) -> None:
    few, many = tm.simulate(model, t_end, times=[0.5 * t_end]), tm.simulate(model, t_end)
    assert np.array_equal(few.final_state.logit, many.final_state.logit)
    assert np.array_equal(few.events, many.events, equal_nan=True)


@given(models(MILD, options=False, most=3), SHORT)
def test_event_times_are_where_conditions_turn(model: Any, t_end: float) -> None:
    run = tm.simulate(model, t_end)
    bar = 0.1 * math.log(model.num_classes)
    for event, condition in (
        (run.t_fit, lambda x: x.train_loss < bar),
        (run.t_gen, lambda x: x.test_loss < bar),
        (run.t_cross, lambda x: x.gen_logit > x.mem_logit),
    ):
        if run.logits[0].max() == 0.0 and condition(run)[1]:
            continue  # holds from the first instant: the test below
        held = condition(run)
        if event is None:
            assert not held[-1] or run.time[-1] == 0.0
            continue
        assert np.all(held[run.time > event * (1.0 + 1e-6) + 1e-9])
        if event > 1e-6:
            before = tm.simulate(model, t_end, times=[event * (1.0 - 1e-5)])
            assert not condition(before)[0]


@given(models(SHARING, options=False, most=4), TIMES)
def test_no_wall_is_reached_below_the_norm_power(model: Any, t_end: float) -> None:
    run = tm.simulate(model, t_end)
    present = model.invariants > 0.0
    with_decay = run.logits[1:][:, present]
    # An equilibrium below 1e-300 nats is no longer a number.
    alive = run.limit_logits[present] > 1e-290
    assert np.all(with_decay[:, alive] > 0.0)


@pytest.mark.parametrize("kappa", [2.5, 3.0, 4.0])
def test_a_losing_circuit_is_absorbed_in_finite_time_above_the_norm_power(kappa: float) -> None:
    model = tm.TwoCircuitModel(
        gen=tm.Circuit(1.0, 0.1, 6.0), mem=tm.Circuit(0.3, 0.1, 0.5), kappa=kappa, weight_decay=0.005
    )
    for method in ("flow", "descent"):
        run = tm.simulate(model, 200.0, method)
        gone = np.flatnonzero(run.mem_logit == 0.0)
        assert gone.size > 0
        assert 0.0 < run.time[gone[0]] < 200.0
        assert np.all(run.mem_logit[gone[0] :] == 0.0)
        assert run.gen_logit[-1] > 5.0


@pytest.mark.parametrize("kappa", [2.0, 2.5])
def test_at_and_above_the_norm_power_the_wall_holds_while_pushed(kappa: float) -> None:
    start = [8.0, 0.0]
    model = tm.TwoCircuitModel(kappa=kappa, weight_decay=0.05, mem=tm.Circuit(0.5, 1.0))
    run = tm.simulate(model, 50.0, start=tm.State(np.array(start), model.invariants))
    assert np.all(run.mem_logit == 0.0)


@given(st.floats(0.01, 0.99), st.floats(1e-3, 3.0), st.floats(1e-3, 3.0), numbers("t_end", (1.0, 1e4)))
def test_a_tie_at_the_norm_power_keeps_the_difference_of_mirror_coordinates(
    efficiency: float, s_gen: float, s_mem: float, t_end: float
) -> None:
    model = tm.TwoCircuitModel(
        gen=tm.Circuit(efficiency, s_gen), mem=tm.Circuit(efficiency, s_mem), kappa=2.0, weight_decay=1e-3
    )
    run = tm.simulate(model, t_end, rtol=1e-10)
    theta = 0.5 * np.arcsinh(2.0 * run.logits / model.invariants)
    apart = theta[:, 0] - theta[:, 1]
    assert np.abs(apart).max() < 1e-6 * max(1.0, np.abs(theta).max())


def test_who_leads_from_the_first_instant_crossed_at_zero() -> None:
    run = tm.simulate(t_end=1.0, gen_learning_speed=1.01)
    assert np.all(run.gen_logit[1:] > run.mem_logit[1:])
    assert run.t_cross is not None
    assert run.t_cross <= run.time[1]


@given(models(most=5), TIMES)
@settings(max_examples=100)
def test_the_whole_legal_range_can_be_simulated(model: Any, t_end: float) -> None:
    run = tm.simulate(model, t_end)
    assert run.status == "reached t_end"
    assert np.all(np.isfinite(run.logits))
    if model.kappa < model.norm_power:
        never_rises(run)


def test_regularised_loss_never_increases_above_a_floor_far_above_the_norm_power() -> None:
    model = tm.TwoCircuitModel(
        gen=(
            tm.Circuit(0.36788311998424805, 0.0001764089213888915, 0.00043494312255580364),
            tm.Circuit(565.5300466356126, 1e-08, 0.07882146143487886),
            tm.Circuit(1.0, 10.017805630903814, 2.2133483634155428e-06),
            tm.Circuit(1.0, 0.0, 3.4751424796652186),
        ),
        mem=(tm.Circuit(9223.260612121076, 1.0, 352.2296895111863),),
        kappa=7.53733301539141,
        weight_decay=7.65222915277853e-08,
        num_classes=231836,
        norm_power=0.13686577556340493,
        logit_floor=3.782687719844653e-08,
    )
    # Here P = W^(1/κ)/η tells logits apart that lie below the default tolerance, so a tighter one is asked for.
    never_rises(tm.simulate(model, 265.08363365900584, rtol=1e-12))


# Logits at the 351st default time, t_fit and t_gen, as the first published version had them.
RECORDED = {
    1.2: ([5.373644602457059, 3.1206677146318187], 1.790138779132327, 103.13576120099816),
    1.9: ([0.0017971003277036147, 9.142364322540441], 1.7545282116182395, 576.332448913364),
}


@pytest.mark.parametrize("kappa", RECORDED)
def test_the_papers_run_is_the_same_to_the_last_digits(kappa: float) -> None:
    run = tm.simulate(kappa=kappa)
    logits, t_fit, t_gen = RECORDED[kappa]
    np.testing.assert_allclose(run.logits[350], logits, rtol=5e-13)
    assert (run.t_fit, run.t_gen) == pytest.approx((t_fit, t_gen), rel=1e-12)


def test_at_the_norm_power_circuits_that_cost_more_than_they_gain_stay_at_zero() -> None:
    # At κ = m = 1 the push from W = 0 is c = α/(2η), against a gain of 1 - 1/q.
    network = {"mem": tm.Circuit(17.0, 0.0), "kappa": 1.0, "norm_power": 1.0, "num_classes": 100_000}
    for cost, grows in ((0.98, True), (1.02, False)):
        gen = tm.Circuit(0.5 / cost, 1.0)
        run = tm.simulate(tm.TwoCircuitModel(gen=gen, weight_decay=1.0, **network), 100.0)
        assert run.status == "reached t_end"
        assert (run.gen_logit[-1] > 1.0) == grows
        assert (run.gen_logit[-1] == 0.0) != grows
        swept = tm.sweep(tm.TwoCircuitModel(gen=gen, **network), 100.0, weight_decay=[1.0])
        np.testing.assert_allclose(swept.gen_logit.values[0], run.gen_logit[-1], atol=1e-5)


def test_lanes_of_a_sweep_leave_the_origin_each_by_its_own_circuits() -> None:
    model = tm.TwoCircuitModel(tm.Circuit(1.0, 1.0), tm.Circuit(1.0, 0.3), kappa=3.0, norm_power=3.0, weight_decay=0.1)
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
