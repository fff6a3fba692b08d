"""Laws of the equation at rest: README (4.1) to (4.3)."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

import toymodel as tm
from tests.strategies import MILD, Bounds, models, numbers
from toymodel import rest

ANY: Bounds = MILD | {"kappa": (0.3, 8.0)}
POWERS: Bounds = ANY | {"norm_power": (0.5, 6.0)}


def gap(y: float, efficiency: float, kappa: float, decay: float, classes: float) -> float:
    """ln p(S) - ln push at S = e^y, (4.1), written out for a circuit alone under the half penalty."""
    log_p = -np.logaddexp(0.0, math.exp(y) - math.log(classes - 1.0))
    return float(log_p - math.log(decay / kappa) + 2.0 * math.log(efficiency) - (2.0 / kappa - 1.0) * y)


@given(*(numbers(name, zero=False) for name in ("efficiency", "kappa", "weight_decay", "num_classes")))
@settings(max_examples=300)
def test_a_circuit_alone_rests_at_the_stable_root_over_the_whole_legal_range(
    efficiency: float, kappa: float, decay: float, classes: float
) -> None:
    found = float(tm.rest_logit(efficiency, kappa, decay, classes))
    settings_ = (efficiency, kappa, decay, classes)
    if kappa < 2.0:
        # One root, unless it is below what a float resolves.
        if gap(-700.0, *settings_) > 0.0:
            assert found == pytest.approx(math.exp(brentq(gap, -700.0, 8.0, settings_, xtol=1e-13)), rel=1e-9)
        else:
            assert found <= math.exp(-699.0)
        return
    # The gap is concave, with its top where (1 - p) S = 1 - 2/κ; the stable root is beyond it.
    top = brentq(
        lambda y: math.exp(y) / (1.0 + (classes - 1.0) * math.exp(-math.exp(y))) - (1.0 - 2.0 / kappa) - 1e-300, -700.0, 6.5
    ) if kappa > 2.0 else -700.0  # fmt: skip
    assume(abs(gap(top, *settings_)) > 1e-9)
    if gap(top, *settings_) < 0.0:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(math.exp(brentq(gap, top, 8.0, settings_, xtol=1e-13)), rel=1e-7)


@given(models(POWERS, options=False, started=True))
def test_the_steady_state_of_a_circuit_alone_is_the_same_number(model: Any) -> None:
    lone = model.with_parameters(mem_learning_speed=0.0, mem_initial_logit=0.0, gen_initial_logit=20.0)
    assume(abs(model.kappa / model.norm_power - 1.0) > 1e-6)
    found = float(
        tm.rest_logit(
            lone.gen.efficiency, lone.kappa, lone.weight_decay, lone.num_classes, penalty=lone.penalty,
            norm_power=lone.norm_power,
        )
    )  # fmt: skip
    end = tm.steady_state(lone)
    if end.gen_logit > 1e-6:
        assert end.gen_logit == pytest.approx(found, rel=1e-10)
        assert end.norm == pytest.approx(found ** (1.0 / lone.kappa) / lone.gen.efficiency, rel=1e-9)


@given(models(ANY, options=False, started=True))
@settings(max_examples=20)
def test_a_long_flow_of_a_circuit_alone_ends_there(model: Any) -> None:
    assume(abs(model.kappa - 2.0) > 0.05)
    lone = model.with_parameters(mem_learning_speed=0.0, mem_initial_logit=0.0, gen_initial_logit=20.0)
    found = float(
        tm.rest_logit(lone.gen.efficiency, lone.kappa, lone.weight_decay, lone.num_classes, penalty=lone.penalty)
    )
    end = tm.simulate(lone, 1e8, times=[1e8]).gen_logit[-1]
    if np.isnan(found):
        assert end < 1e-6
    else:
        assume(found > 1e-3)
        assert end == pytest.approx(found, rel=1e-6)


def test_arrays_broadcast_and_each_cell_is_its_own() -> None:
    eta, alpha = np.geomspace(0.05, 1.0, 4), np.geomspace(1e-5, 1e-2, 3)
    found = tm.rest_logit(eta, 4.95, alpha[:, None], 43)
    assert found.shape == (3, 4)
    for i, a in enumerate(alpha):
        for j, e in enumerate(eta):
            np.testing.assert_array_equal(tm.rest_logit(e, 4.95, a, 43), found[i, j])
    assert tm.rest_logit(0.5).shape == ()
    np.testing.assert_array_equal(tm.rest_logit([0.5, np.nan]), [tm.rest_logit(0.5), np.nan])
    full, half = tm.rest_logit(eta, weight_decay=1e-3, penalty="full"), tm.rest_logit(eta, weight_decay=2e-3)
    np.testing.assert_allclose(full, half, rtol=1e-14)


@pytest.mark.parametrize("kappa", [0.3, 1.2, 1.999, 2.0, 2.001, 4.95, 30.0])
def test_the_equation_takes_few_steps(kappa: float, monkeypatch: pytest.MonkeyPatch) -> None:
    eta, alpha = np.geomspace(0.01, 10.0, 40), np.geomspace(1e-9, 1.0, 40)[:, None]
    found = tm.rest_logit(eta, kappa, alpha)
    monkeypatch.setattr(rest, "MOST_STEPS", 40)
    np.testing.assert_array_equal(tm.rest_logit(eta, kappa, alpha), found)


@given(st.floats(2.05, 8.0), st.floats(0.3, 3.0), st.floats(0.3, 3.0))
def test_above_the_norm_power_no_flow_leads_to_the_smaller_root(kappa: float, gen: float, mem: float) -> None:
    assume(abs(gen - mem) > 0.01)
    model = tm.TwoCircuitModel(tm.Circuit(gen, 1.0, 5.0), tm.Circuit(mem, 1.0, 5.0), kappa=kappa, weight_decay=1e-3)
    end = tm.steady_state(model)
    stable = [end, *(state for state in end.others if state.stable)]
    for state in stable:
        grown = np.flatnonzero(state.logits)
        assert grown.size <= 1
        for k in grown:
            expected = tm.rest_logit(model.efficiencies[k], kappa, 1e-3)
            assert state.logits[k] == pytest.approx(float(expected), rel=1e-10)
    assert len(stable) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"efficiency": -1.0}, "efficiency .* must be a number with 1e-06 <= efficiency <= 1e"),
        ({"weight_decay": 0.0}, "logits grow for ever, got 0"),
        ({"weight_decay": [1e-3, -1.0]}, "weight_decay .* got -1"),
        ({"kappa": 100.0}, "kappa .* got 100. Choose"),
        ({"num_classes": 2.5}, "a whole number .* got 2.5"),
        ({"penalty": "third"}, "penalty must be one of full, half; got 'third'"),
    ],
)
def test_what_has_no_rest_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tm.rest_logit(**{"efficiency": 1.0} | changes)
