"""Estimates of times against simulation (README 6), and efficiency laws (README 5)."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import toymodel as tm
from tests import references
from tests.strategies import numbers


@given(
    st.floats(0.8, 1.6),
    numbers("weight_decay", (1e-3, 1e-2)),
    numbers("learning_speed", (1e-4, 1e-2)),
    st.floats(0.3, 0.6),
)
@settings(max_examples=25)
def test_the_adiabatic_time_is_within_a_tenth(kappa: float, decay: float, speed: float, efficiency: float) -> None:
    model = tm.TwoCircuitModel(
        gen=tm.Circuit(1.0, speed), mem=tm.Circuit(efficiency, 1.0), kappa=kappa, weight_decay=decay
    )
    times = tm.grokking_time(model)
    assert abs(times.error("adiabatic")) < 0.1
    assert times.error() == pytest.approx(times.closed_form / times.simulated - 1.0)


def test_estimates_at_the_papers_values() -> None:
    times = tm.grokking_time()
    assert times.simulated == pytest.approx(tm.simulate(t_end=3000.0).t_cross, rel=1e-6)
    assert times.error() == pytest.approx(0.128, abs=0.005)
    assert times.error("adiabatic") == pytest.approx(0.022, abs=0.005)
    expected = math.asinh(times.plateau_logit / 0.005**2) / (2.0 * times.plateau_rate)
    assert times.closed_form == pytest.approx(expected, rel=1e-12)
    for part in ("12.8%", "2.2%", "closed_form", "adiabatic", "plateau"):
        assert part in repr(times)


def test_the_plateau_solves_its_equation() -> None:
    times = tm.grokking_time()
    model = tm.TwoCircuitModel()
    p = 112.0 / (math.exp(times.plateau_logit) + 112.0)
    assert times.plateau_rate == pytest.approx(p, rel=1e-12)
    push = references.slopes(model)[1] * times.plateau_logit ** (2.0 / model.kappa - 1.0)
    assert push == pytest.approx(p, rel=1e-7)


def test_grokking_slows_like_one_over_weight_decay_up_to_logarithms() -> None:
    decays = np.array([1e-3, 3e-3, 1e-2])
    times = [tm.grokking_time(tm.TwoCircuitModel(weight_decay=a)).simulated for a in decays]
    slope = np.polyfit(np.log(decays), np.log(times), 1)[0]
    assert -1.0 < slope < -0.7


def test_grokking_slows_logarithmically_in_the_learning_speed() -> None:
    times = [tm.grokking_time(tm.TwoCircuitModel(gen=tm.Circuit(1.0, s))).simulated for s in (1e-3, 1e-5, 1e-7)]
    assert times[2] - times[1] == pytest.approx(times[1] - times[0], rel=0.01)


def test_ungrokking_is_timed_from_the_surviving_seed() -> None:
    model = tm.TwoCircuitModel().at_dataset_size(4000)
    times = tm.ungrokking_time(model)
    assert abs(times.error("adiabatic")) < 0.1
    state = tm.steady_state(model)
    after = model.at_dataset_size(500)
    swapped = after.swapped()
    run = tm.simulate(swapped, 1e4, start=state.logits[::-1].tolist())
    assert times.simulated == pytest.approx(run.t_cross, rel=1e-3)


def test_a_circuit_that_leads_from_the_first_needs_no_time() -> None:
    times = tm.grokking_time(gen_learning_speed=2.0)
    assert (times.simulated, times.closed_form, times.adiabatic) == (0.0, 0.0, 0.0)


def test_a_lead_that_never_changes_has_no_time() -> None:
    assert math.isnan(tm.grokking_time(tm.TwoCircuitModel().at_dataset_size(500)).simulated)
    assert "never" in repr(tm.grokking_time(tm.TwoCircuitModel().at_dataset_size(500)))


SIZES = st.floats(1.0, 1e6)


@given(numbers("critical_size", (10.0, 1e6)), st.floats(0.1, 3.0), SIZES, SIZES)
def test_a_power_law_falls_and_inverts(critical: float, exponent: float, one: float, other: float) -> None:
    law = tm.PowerLaw(critical, exponent)
    assert law.ratio(critical) == 1.0
    assert float(law.dataset_size(law.ratio(one))) == pytest.approx(one, rel=1e-9)
    if one < other * (1.0 - 1e-9):
        assert law.ratio(one) > law.ratio(other)
    slope = np.log(law.ratio(2.0 * one) / law.ratio(one)) / math.log(2.0)
    assert slope == pytest.approx(-exponent, rel=1e-9)


@st.composite
def tables(draw: st.DrawFn) -> tm.TabulatedLaw:
    count = draw(st.integers(2, 7))
    gaps = draw(st.lists(st.floats(0.1, 2.0), min_size=2 * count, max_size=2 * count))
    sizes = 50.0 * np.exp(np.cumsum(gaps[:count]))
    return tm.TabulatedLaw(sizes, np.exp(2.0 - np.cumsum(gaps[count:])))


@given(tables(), st.lists(st.floats(0.0, 1.0), min_size=2, max_size=10, unique=True))
def test_a_tabulated_law_falls_inverts_and_meets_its_points(law: tm.TabulatedLaw, shares: list[float]) -> None:
    np.testing.assert_allclose(law.ratio(law.sizes), law.ratios, rtol=1e-12)
    low, high = np.log(law.sizes[[0, -1]])
    sizes = np.clip(np.exp(low + (high - low) * np.sort(shares)), law.sizes[0], law.sizes[-1])
    ratios = law.ratio(sizes)
    apart = np.diff(np.log(sizes)) > 1e-6
    assert np.all(np.diff(ratios)[apart] < 0.0)
    np.testing.assert_allclose(law.ratio(law.dataset_size(ratios)), ratios, rtol=1e-9)
    assert np.isnan(law.dataset_size([law.ratios[0] * 1.01, law.ratios[-1] * 0.99, 0.0, -1.0, math.nan])).all()


@given(tables())
def test_equal_tables_are_equal_laws(law: tm.TabulatedLaw) -> None:
    same = tm.TabulatedLaw(law.sizes, law.ratios)
    assert same == law
    assert hash(same) == hash(law)
    assert tm.TabulatedLaw(law.sizes * 2.0, law.ratios) != law
    assert repr(law).startswith("TabulatedLaw([")


def test_laws_set_the_memorising_efficiency_only() -> None:
    model = tm.TwoCircuitModel().at_dataset_size(1500, law=tm.PowerLaw(critical_size=1000, exponent=0.5))
    assert model.gen == tm.TwoCircuitModel().gen
    assert model.mem.efficiency == pytest.approx(1.5**-0.5)
    assert model.dataset_size == pytest.approx(1500.0)
    table = tm.TabulatedLaw([100, 1000, 10_000], [3.0, 1.0, 0.3])
    model = dataclasses.replace(model, law=table).at_dataset_size(10_000)
    assert model.mem.efficiency == pytest.approx(0.3)
    assert tm.critical_dataset_size(model) == pytest.approx(1000.0)


def test_a_measured_laws_critical_size_needs_no_size_within_it() -> None:
    law = tm.TabulatedLaw([100, 1000], [3, 0.5])
    assert tm.critical_dataset_size(law=law) == law.critical_size == tm.critical_dataset_size(law=law, dataset_size=500)


def test_nonpositive_ratios_have_no_size() -> None:
    assert np.isnan(tm.PowerLaw().dataset_size([0.0, -1.0, math.nan])).all()
