"""Laws of equilibria: README 4, 5 and 6.3."""

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

DECAY: Bounds = {"weight_decay": (1e-10, 1e4)}
LIVING: Bounds = MILD | {"kappa": (0.3, 1.7), "learning_speed": (1e-2, 2.0)}


@given(models(DECAY | {"kappa": (0.05, 1.99)}, options=False, most=5))
def test_steady_state_is_the_root_of_the_scalar_equation(model: Any) -> None:
    assume(np.any(model.invariants > 0.0))
    state = tm.steady_state(model)
    np.testing.assert_allclose(state.logits, references.steady_logits(model), rtol=1e-10, atol=1e-250)
    assert state.stable
    assert state.others == ()


@given(models(LIVING | {"weight_decay": (1e-3, 0.1)}, options=False, most=4))
def test_long_flow_ends_in_the_steady_state(model: Any) -> None:
    state = tm.steady_state(model)
    run = tm.simulate(model, 1e7, times=[1e7])
    np.testing.assert_allclose(run.logits[-1], state.logits, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(run.limit_logits, state.logits, rtol=1e-12)


@given(models(DECAY | {"kappa": (0.05, 1.95)}, options=False))
def test_steady_ratio_is_the_closed_form(model: Any) -> None:
    assume(np.all(model.invariants > 0.0))
    expected = (model.mem.efficiency / model.gen.efficiency) ** (2.0 * model.kappa / (2.0 - model.kappa))
    assert tm.steady_ratio(model) == pytest.approx(expected, rel=1e-10)
    state = tm.steady_state(model)
    assume(min(state.gen_logit, state.mem_logit) > 1e-200)
    assert state.mem_logit / state.gen_logit == pytest.approx(expected, rel=1e-8)


@given(models(MILD | {"norm_power": (0.5, 6.0)}, options=False), st.floats(0.1, 0.9))
def test_theorem_d4_holds_for_every_norm_power(model: Any, share: float) -> None:
    model = dataclasses.replace(model, kappa=max(0.05, share * model.norm_power))
    m, kappa = model.norm_power, model.kappa
    expected = (1.0 / model.mem.efficiency / (1.0 / model.gen.efficiency)) ** (-m * kappa / (m - kappa))
    state = tm.steady_state(model)
    assert state.mem_logit / state.gen_logit == pytest.approx(expected, rel=1e-8)
    np.testing.assert_allclose(state.logits, references.steady_logits(model), rtol=1e-9)


SHARED: Bounds = MILD | {"kappa": (0.3, 8.0), "norm_power": (0.5, 12.0)}


@given(models(SHARED, options=False, most=5, started=True))
def test_rest_states_solve_the_scalar_equation_for_any_norm_power(model: Any) -> None:
    assume(model.kappa < 0.97 * model.norm_power)
    state = tm.steady_state(model)
    expected = references.steady_logits(model)
    np.testing.assert_allclose(state.logits, expected, rtol=1e-10, atol=1e-290)
    # Euler's balance: W·∇R = (m/κ) R, and ∇R = p(S) at rest.
    p = (model.num_classes - 1.0) / (math.exp(state.logits.sum()) + model.num_classes - 1.0)
    penalty = state.regularised_loss - state.train_loss
    assert p * state.logits.sum() == pytest.approx(model.norm_power / model.kappa * penalty, rel=1e-6, abs=1e-12)


@given(models(MILD, options=False), numbers("weight_decay", (1e-6, 1.0)), numbers("num_classes", (2.0, 1e6)))
def test_the_ratio_does_not_depend_on_weight_decay_or_classes(model: Any, decay: float, classes: float) -> None:
    other = dataclasses.replace(model, weight_decay=decay, num_classes=classes)
    one, two = tm.steady_state(model), tm.steady_state(other)
    assert one.mem_logit / one.gen_logit == pytest.approx(two.mem_logit / two.gen_logit, rel=1e-9)


@given(models(MILD, options=False))
def test_more_efficient_means_a_larger_logit_below_the_norm_power(model: Any) -> None:
    ratio = model.gen.efficiency / model.mem.efficiency
    assume(abs(ratio - 1.0) > 1e-6)
    state = tm.steady_state(model)
    assert (state.gen_logit > state.mem_logit) == (ratio > 1.0)


@given(
    st.floats(2.0, 6.0),
    st.floats(1.2, 4.0),
    st.floats(0.05, 2.0),
    st.floats(0.3, 3.0),
    numbers("num_classes", (2.0, 1e6)),
)
def test_more_efficient_wins_at_equal_speeds_above_the_norm_power(
    kappa: float, ratio: float, speed: float, start: float, classes: float
) -> None:
    model = tm.TwoCircuitModel(
        gen=tm.Circuit(ratio, speed, start), mem=tm.Circuit(1.0, speed, start), kappa=kappa, weight_decay=1e-3,
        num_classes=int(classes),
    )  # fmt: skip
    state = tm.steady_state(model)
    assert state.mem_logit == 0.0
    assert state.gen_logit > 0.0
    assert tm.steady_state(model.swapped()).gen_logit == 0.0


def critical_size_by_bisection(model: tm.TwoCircuitModel) -> float:
    """Where the steady states of the two circuits are equal, found from steady states alone."""
    low, high = 1.0, 1e6
    for _ in range(50):
        middle = math.sqrt(low * high)
        state = tm.steady_state(model.at_dataset_size(middle))
        low, high = (low, middle) if state.gen_logit > state.mem_logit else (middle, high)
    return math.sqrt(low * high)


@given(
    models(MILD | {"kappa": (0.5, 1.8)}, options=False),
    numbers("critical_size", (100.0, 1e4)),
    st.floats(0.2, 1.0),
)
@settings(max_examples=15)
def test_the_critical_size_does_not_move_with_weight_decay_or_classes(model: Any, size: float, exponent: float) -> None:
    law = tm.PowerLaw(critical_size=size, exponent=exponent)
    for decay, classes in ((model.weight_decay, model.num_classes), (1e-4, 2), (0.3, 10**6)):
        other = dataclasses.replace(model, weight_decay=decay, num_classes=classes, law=law)
        assert tm.critical_dataset_size(other) == size
        assert critical_size_by_bisection(other) == pytest.approx(size, rel=1e-6)


@given(st.floats(0.3, 1.8), st.floats(0.1, 2.0), st.floats(0.3, 3.0))
def test_sharpness_is_the_slope_of_the_ratio(kappa: float, exponent: float, power: float) -> None:
    law = tm.PowerLaw(exponent=exponent)
    model = tm.TwoCircuitModel(kappa=kappa, law=law)
    assert tm.sharpness(model) == pytest.approx(2.0 * exponent * kappa / (2.0 - kappa), rel=1e-6)
    sizes = 1000.0 * np.array([0.9, 1.1])
    logs = [math.log(s.mem_logit / s.gen_logit) for s in (tm.steady_state(model.at_dataset_size(d)) for d in sizes)]
    assert -(logs[1] - logs[0]) / math.log(sizes[1] / sizes[0]) == pytest.approx(tm.sharpness(model), rel=1e-7)


def test_sharpness_is_infinite_where_one_takes_all() -> None:
    assert tm.sharpness(tm.TwoCircuitModel(kappa=2.0)) == math.inf


@given(models(MILD, options=False, most=3))
def test_a_steady_state_has_no_push(model: Any) -> None:
    state = tm.steady_state(model)
    assert np.abs(references.push(model, state.logits)).max() < 1e-12


@given(models(MILD, options=False))
def test_the_slowest_rate_is_how_the_last_distance_closes(model: Any) -> None:
    state = tm.steady_state(model)
    slow, fast = np.linalg.eigvalsh(state.problem.hessian(state.logits[None])[0])
    assert slow == pytest.approx(state.slowest_rate, rel=1e-9)
    # The other direction must be gone by the time that one looks.
    assume(fast > 4.0 * slow)
    near = tm.State(state.logits * np.array([1.0 + 1e-5, 1.0 - 1e-5]), model.invariants)
    times = np.array([4.0, 6.0]) / state.slowest_rate
    run = tm.simulate(model, times[-1], start=near, times=times, rtol=1e-12)
    away = np.abs(run.logits / state.logits - 1.0).max(axis=1)
    assume(away[0] > 1e-8)
    assert math.log(away[0] / away[1]) == pytest.approx(2.0, rel=0.05)


DIVIDED = tm.TwoCircuitModel(
    gen=tm.Circuit(1.0, 0.1, 3.0), mem=tm.Circuit(0.9, 0.1, 3.0), kappa=3.0, weight_decay=0.005
)


@pytest.mark.parametrize("kappa", [3.0, 5.0])
@pytest.mark.parametrize("efficiency", [0.5, 0.9, 1.0])
def test_above_the_norm_power_pure_states_are_stable_and_mixed_ones_are_not(kappa: float, efficiency: float) -> None:
    model = dataclasses.replace(DIVIDED, kappa=kappa, mem=tm.Circuit(efficiency, 0.1, 3.0))
    state = tm.steady_state(model)
    every = [state, *state.others]
    zero = [s for s in every if not s.logits.any()]
    pure = [s for s in every if np.count_nonzero(s.logits) == 1]
    mixed = [s for s in every if np.count_nonzero(s.logits) == 2]
    assert len(zero) == 1
    assert zero[0].stable
    assert {int(np.argmax(s.logits)) for s in pure if s.stable} == {0, 1}
    assert mixed
    assert not any(s.stable for s in mixed)
    for s in every:
        alive = s.logits > 0.0
        with np.errstate(divide="ignore"):  # the penalty's slope is infinite at W = 0
            np.testing.assert_allclose(references.push(model, s.logits)[alive], 0.0, atol=1e-9)
        # Perturb and integrate: a stable state comes back, an unstable one goes away.
        kick = 1e-3 * np.array([1.0, -1.0])
        ends = [
            tm.simulate(model, 3e4, start=np.maximum(s.logits + sign * kick * alive, 0.0).tolist()).final_state.logit
            for sign in (1.0, -1.0)
        ]
        back = [np.abs(end - s.logits).max() < 1e-5 for end in ends]
        assert all(back) == s.stable, s
        if s.stable:
            assert all(back)
        elif len(back) == 2:
            assert not all(back)


@pytest.mark.parametrize("kappa", [3.0, 5.0])
def test_nothing_learnt_is_locally_stable_above_the_norm_power(kappa: float) -> None:
    model = dataclasses.replace(DIVIDED, kappa=kappa)
    # Both shrink where a W^(r-1) > p(0): up to this logit for the more efficient one.
    slopes, r = references.slopes(model), model.norm_power / model.kappa
    edge = float(slopes.min() / (1.0 - 1.0 / model.num_classes)) ** (1.0 / (1.0 - r))
    for share in (0.01, 0.9):
        start = [share * edge, share * edge]
        assert np.all(tm.simulate(model, 10.0, start=start).final_state.logit == 0.0)
        assert tm.steady_state(model, start=start).logits.tolist() == [0.0, 0.0]
    grown = tm.simulate(model, 100.0, start=[1.1 * edge, 1.1 * edge]).final_state.logit
    assert grown.sum() > 1.0


@pytest.mark.parametrize("kappa", [2.05, 2.2, 2.5])
def test_no_circuit_leaves_zero_just_above_the_norm_power(kappa: float) -> None:
    assert tm.simulate(kappa=kappa, start=[0.0, 0.0]).final_state.logit.tolist() == [0.0, 0.0]


def test_the_end_depends_on_the_start_above_the_norm_power() -> None:
    gen = tm.simulate(DIVIDED, 1e4, start=[5.0, 0.5])
    mem = tm.simulate(DIVIDED, 1e4, start=[0.5, 5.0])
    assert gen.mem_logit[-1] == mem.gen_logit[-1] == 0.0
    assert gen.gen_logit[-1] > 5.0
    assert mem.mem_logit[-1] > 5.0
    assert tm.steady_state(DIVIDED, start=[5.0, 0.5]).gen_logit == pytest.approx(gen.gen_logit[-1], rel=1e-6)
    assert tm.steady_state(DIVIDED, start=[0.5, 5.0]).mem_logit == pytest.approx(mem.mem_logit[-1], rel=1e-6)


def test_the_end_does_not_depend_on_the_start_below_the_norm_power() -> None:
    model = dataclasses.replace(DIVIDED, kappa=1.5)
    ends = [tm.simulate(model, 1e5, start=start).final_state.logit for start in ([5.0, 0.5], [0.5, 5.0], [1e-6, 1e-6])]
    np.testing.assert_allclose(ends[1], ends[0], rtol=1e-6)
    np.testing.assert_allclose(ends[2], ends[0], rtol=1e-6)


def test_equal_slopes_at_the_norm_power_share_as_the_start_decides() -> None:
    for s_gen, s_mem in ((1.0, 1.0), (0.5, 1.0), (0.01, 1.0)):
        model = tm.TwoCircuitModel(gen=tm.Circuit(1.0, s_gen), mem=tm.Circuit(1.0, s_mem), kappa=2.0, weight_decay=1e-3)
        state = tm.steady_state(model)
        theta = np.arcsinh(2.0 * state.logits / model.invariants)
        assert theta[0] == pytest.approx(theta[1], rel=1e-5)
        assert state.stable
        assert state.gen_logit <= state.mem_logit * (1.0 + 1e-9)


@pytest.mark.parametrize("kappa", [2.0, 2.5, 4.0])
def test_stability_limits_are_where_pure_states_lose_stability(kappa: float) -> None:
    model = tm.TwoCircuitModel(
        gen=tm.Circuit(1.0, 0.1), mem=tm.Circuit(0.9, 0.1), kappa=kappa, weight_decay=0.005, logit_floor=0.05
    )
    limits = tm.stability_limits(model)
    floor = model.logit_floor
    for limit, leader in ((limits.gen_below, 0), (limits.mem_above, 1)):
        if not math.isfinite(limit):
            continue
        for factor in (0.98, 1.02):
            at = model.at_dataset_size(limit * factor)
            # The pure state, with the other held at its floor: found by taking the other's push away.
            etas = {"gen_efficiency": at.gen.efficiency, "mem_efficiency": at.mem.efficiency}
            etas["mem_efficiency" if leader == 0 else "gen_efficiency"] = 1e-3
            start = [20.0, floor] if leader == 0 else [floor, 20.0]
            pure = tm.simulate(at, 1e5, start=start, **etas).final_state.logit
            assert pure[1 - leader] == pytest.approx(floor, rel=1e-9)
            end = tm.simulate(at, 1e6, start=pure.tolist()).final_state.logit
            assert (end[0] > end[1]) == (factor > 1.0), (limit, factor)
    assert (limits.gap > 0.0) == (kappa > 2.0)


def test_the_gap_of_thresholds_closes_below_the_norm_power() -> None:
    ds = tm.size_thresholds(tm.TwoCircuitModel(kappa=1.2), times=[500.0, 2000.0, 1e4, 1e5])
    gap = ds.gap.values
    assert np.all(np.isfinite(gap))
    assert gap[0] > 0.03
    assert np.all(np.diff(gap) <= 1e-3)
    assert abs(gap[-1]) < 1e-3
    assert ds.from_scratch.values[-1] == pytest.approx(1000.0, rel=0.02)


def test_the_gap_of_thresholds_stays_above_the_norm_power() -> None:
    model = tm.TwoCircuitModel(
        gen=tm.Circuit(1.0, 0.1), mem=tm.Circuit(0.5, 1.0), kappa=2.5, weight_decay=0.005, logit_floor=0.05
    )
    ds = tm.size_thresholds(model, times=[1e4, 1e5, 1e6, 1e7])
    limits = tm.stability_limits(model)
    assert ds.ungrokking.values[-1] == pytest.approx(limits.gen_below, rel=0.02)
    # From scratch both circuits start at the floor, so Gen can win before Mem's pure state is left.
    assert ds.from_scratch.values[-1] <= limits.mem_above * 1.02
    assert ds.gap.values[-1] > 1.0
    assert abs(ds.gap.values[-1] - ds.gap.values[-2]) < 0.02


def test_the_model_left_out_is_the_papers() -> None:
    paper = tm.TwoCircuitModel()
    assert tm.sharpness() == tm.sharpness(paper)
    assert tm.steady_ratio() == tm.steady_ratio(paper)
    assert tm.critical_dataset_size() == tm.critical_dataset_size(paper)


def test_both_equilibria_are_found_close_to_the_fold_where_they_meet() -> None:
    # κ > m: a circuit alone rests where p(W) = α m/(2κ η^m) W^(m/κ-1), which has two roots below a largest α.
    kappa, m, q = 3.0, 2.0, 113
    logit = np.linspace(1.0, 15.0, 1_400_001)
    p = (q - 1) / (np.exp(logit) + q - 1)
    largest = float(np.max(p * logit ** (1 - m / kappa))) * 2 * kappa / m
    model = tm.TwoCircuitModel(tm.Circuit(1.0, 0.1, 8.0), tm.Circuit(0.5, 0.0), kappa=kappa, num_classes=q)
    for share, states in ((1.0 - 1e-7, 3), (1.0 + 1e-7, 1)):
        end = tm.steady_state(model, weight_decay=share * largest)
        found = sorted(state.gen_logit for state in (end, *end.others))
        assert (len(found), found[0]) == (states, 0.0)
        if states == 3:
            assert found[1] < logit[np.argmax(p * logit ** (1 - m / kappa))] < found[2] < found[1] + 0.01


def test_the_ratio_of_several_circuits_counts_all_of_them() -> None:
    model = tm.TwoCircuitModel(
        gen=[tm.Circuit(1.0, 0.1), tm.Circuit(0.9, 0.1), tm.Circuit(3.0, 0.0)],
        mem=[tm.Circuit(0.5), tm.Circuit(0.6), tm.Circuit(0.55)],
    )
    end = tm.steady_state(model)
    assert tm.steady_ratio(model) == pytest.approx(end.mem_logit / end.gen_logit, rel=1e-12)
