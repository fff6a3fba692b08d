"""What sympy derives (tests/symbolic.py) against what the package computes."""

import math

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

import toymodel as tm
from tests import symbolic as sy
from toymodel import flow, losses
from toymodel.behaviours import Criteria
from toymodel.integration.problem import Problem, pack

SETTINGS = (sy.kappa, sy.alpha, sy.q, sy.m)
LOGITS, ETAS = sy.some("W", 3), sy.some("eta", 3)
GRADIENT = sp.lambdify((*LOGITS, *ETAS, *SETTINGS), sy.gradient(LOGITS, ETAS), "math")
_, THETAS, SPEEDS, _ = sy.rates(3)
JACOBIAN = sp.lambdify((*THETAS, *SPEEDS, *ETAS, *SETTINGS), sy.jacobian(3).tolist(), "math")
FLOATS = st.floats(0.2, 3.0)
# κ, α, q, m
RULES = st.tuples(st.floats(0.3, 8.0), st.floats(1e-4, 0.1), st.integers(2, 1000), st.floats(0.2, 12.0))


def problem(etas: list[float], speeds: list[float], kappa: float, alpha: float, q: float, m: float) -> Problem:
    parts = [tm.Circuit(e, s, 0.1) for e, s in zip(etas, speeds, strict=True)]
    model = tm.TwoCircuitModel(
        gen=parts[:1], mem=parts[1:], kappa=kappa, weight_decay=alpha, num_classes=q, norm_power=m
    )
    return pack(model, {}, 1, None, Criteria())


def test_the_flow_keeps_and_descent_shrinks_the_invariant() -> None:
    assert sy.invariant_drift() == 0
    g = sp.Symbol("g", real=True)
    assert sp.simplify(sy.descent_factor() - (1 - sy.lam**2 * g**2)) == 0


def test_the_flow_closes_and_the_mirror_coordinate_straightens_it() -> None:
    assert sy.closed_flow() == 0
    assert sy.mirror_rate() == 1


@given(st.tuples(*[FLOATS] * 6), RULES)
def test_gradients(parts: tuple[float, ...], settings: tuple[float, ...]) -> None:
    w1, w2, w3, e1, e2, e3 = parts
    logits = np.array([[w1, w2, w3]])
    point = problem([e1, e2, e3], [1.0] * 3, *settings)
    p = losses.wrong_probability(logits.sum(axis=1), settings[2])
    expected = GRADIENT(w1, w2, w3, e1, e2, e3, *settings)
    np.testing.assert_allclose(flow.pushes(logits, point.slope, point.r)[0] - p, expected, rtol=1e-9, atol=1e-12)
    assert p[0] == pytest.approx(float(sy.wrong_probability().subs({sy.S: logits.sum(), sy.q: settings[2]})), rel=1e-9)


@given(st.tuples(*[st.floats(0.1, 1.5)] * 3, *[FLOATS] * 6), RULES)
def test_the_hessian_is_diagonal_plus_rank_one(parts: tuple[float, ...], settings: tuple[float, ...]) -> None:
    values = (*parts, *settings)
    point = problem(list(values[6:9]), list(values[3:6]), *values[9:])
    logits = flow.logit_from_mirror(np.array(values[:3]), point.invariant)
    derived = -np.array(JACOBIAN(*values), float)
    w = flow.mobility(logits, point.invariant)[0]
    # The package's form is made symmetric by √w on either side.
    expected = derived * np.sqrt(w)[:, None] / np.sqrt(w)[None, :]
    np.testing.assert_allclose(point.hessian(logits)[0], expected, rtol=1e-8, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize(("gen", "mem", "q"), [(0.0, 0.0, 2), (1.5, 0.3, 113), (3.0, 40.0, 10**6)])
def test_test_loss(gen: float, mem: float, q: int) -> None:
    expected = float(sy.test_loss(sp.Float(gen, 40), sp.Float(mem, 40)).subs(sy.q, q).evalf(30))
    assert float(losses.test_loss(gen, mem, q)) == pytest.approx(expected, rel=1e-12)


def test_the_balance_of_euler() -> None:
    assert sy.euler() == 0


def test_the_exponent_of_the_ratio() -> None:
    chi = sy.ratio_exponent()
    assert sp.simplify(chi - sy.kappa * sy.m / (sy.m - sy.kappa)) == 0
    for kappa, m in ((1.2, 2.0), (0.5, 3.0), (4.8, 7.0)):
        model = tm.TwoCircuitModel(
            gen=tm.Circuit(1.0, 1.0, 1.0), mem=tm.Circuit(0.5, 1.0, 1.0), kappa=kappa, norm_power=m
        )
        exponent = float(chi.subs({sy.kappa: kappa, sy.m: m}))
        assert tm.steady_ratio(model) == pytest.approx(0.5**exponent, rel=1e-12)


def test_sharpness() -> None:
    beta = sp.Symbol("beta", positive=True)
    for kappa, m, b in ((1.2, 2.0, 0.5), (1.7, 2.0, 1.5), (4.8, 7.0, 0.32)):
        expected = float(sy.sharpness().subs({sy.kappa: kappa, sy.m: m, beta: b}))
        assert tm.sharpness(kappa=kappa, norm_power=m, exponent=b) == pytest.approx(expected, rel=1e-6)
    assert tm.sharpness(kappa=2.0) == math.inf


def test_a_shared_total_is_a_maximum_of_the_penalty_above_the_norm_power() -> None:
    variation = sy.second_variation()
    names = {symbol.name: symbol for symbol in variation.free_symbols}
    for kappa, m, sign in ((1.2, 2.0, 1), (3.0, 2.0, -1), (4.8, 7.0, 1), (7.5, 7.0, -1)):
        values = {sy.kappa: kappa, sy.m: m, names["S"]: 5.0, names["x"]: 0.3, names["eta1"]: 1.0, names["eta2"]: 0.8}
        assert sp.sign(variation.subs(values).evalf()) == sign
