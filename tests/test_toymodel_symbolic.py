"""sympy derives the equations; the numeric code must say the same (issue 2, item 4)."""

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

import toymodel as tm
from toymodel import flow, losses, symbolic

POINT = st.floats(0.05, 8.0)
SLOPE, POWER, CLASSES = st.floats(1e-3, 0.5), st.floats(0.3, 4.0), st.integers(2, 10_000)
a1, a2, W1, W2 = sp.symbols("a1 a2 W1 W2", positive=True)
GRADIENT = sp.lambdify((W1, W2, a1, a2, symbolic.r, symbolic.q), symbolic.gradient([W1, W2], [a1, a2]), "math")
PROBABILITY = sp.lambdify((symbolic.S, symbolic.q), symbolic.wrong_probability(), "math")
DERIVED, FORM = symbolic.jacobian(3)
ORDER = [*sp.symbols("theta1:4 s1:4 a1:4", positive=True), symbolic.r, symbolic.q]
JACOBIAN, RANK_ONE_FORM = sp.lambdify(ORDER, DERIVED, "numpy"), sp.lambdify(ORDER, FORM, "numpy")


def test_the_invariant_does_not_drift() -> None:
    assert symbolic.invariant_drift() == 0


def test_a_descent_step_multiplies_the_invariant() -> None:
    g = sp.Symbol("g", real=True)
    assert sp.simplify(symbolic.descent_factor() - (1 - symbolic.lam**2 * g**2)) == 0
    u, v = np.array([0.3, 1.0]), np.array([0.7, 1.5])
    grad = np.array([-0.4, 0.2])
    after = flow.invariant(*flow.descent_step(u, v, grad, 0.1))
    np.testing.assert_allclose(after, flow.invariant(u, v) * (1 - 0.01 * grad**2), rtol=1e-13)


def test_the_flow_closes_in_the_logit() -> None:
    assert symbolic.closed_flow() == 0


def test_the_mirror_coordinate_moves_at_minus_the_gradient() -> None:
    assert symbolic.mirror_rate() == 1


@given(POINT, POINT, SLOPE, SLOPE, POWER, CLASSES)
def test_gradient(w1: float, w2: float, s1: float, s2: float, r: float, q: int) -> None:
    got = flow.gradient(np.array([w1, w2]), np.array([s1, s2]), r, q)
    np.testing.assert_allclose(got, GRADIENT(w1, w2, s1, s2, r, q), rtol=1e-11, atol=1e-13)


@given(POINT, CLASSES)
def test_wrong_probability(total: float, q: int) -> None:
    assert float(losses.wrong_probability(total, q)) == pytest.approx(PROBABILITY(total, q), rel=1e-11)


@given(POINT, POINT, st.integers(3, 10_000))
def test_test_loss(gen: float, mem: float, q: int) -> None:
    expected = float(symbolic.test_loss(sp.Float(gen, 40), sp.Float(mem, 40)).subs(symbolic.q, q).evalf(30))
    assert float(losses.test_loss(gen, mem, q)) == pytest.approx(expected, rel=1e-13)


@given(
    st.floats(0.2, 5.0),
    st.floats(0.1, 5.0),
    st.floats(1e-4, 1.0),
    st.sampled_from(["half", "full"]),
    st.floats(0.3, 5.0),
)
def test_penalty_slope(efficiency: float, kappa: float, decay: float, penalty: str, power: float) -> None:
    factor = {"half": sp.Rational(1, 2), "full": sp.Integer(1)}[penalty]
    values = {symbolic.eta: efficiency, symbolic.kappa: kappa, symbolic.alpha: decay, symbolic.m: power}
    expected = float(symbolic.penalty_slope(factor).subs(values))
    assert float(flow.penalty_slope(efficiency, kappa, decay, penalty, power)) == pytest.approx(expected, rel=1e-10)


def test_the_jacobian_is_diagonal_plus_rank_one() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        values = [*rng.uniform(0.2, 1.5, 3), *rng.uniform(0.3, 1.5, 3), *rng.uniform(0.01, 0.5, 3),
                  rng.uniform(0.3, 3.0), 57.0]  # fmt: skip
        np.testing.assert_allclose(JACOBIAN(*values), RANK_ONE_FORM(*values), rtol=1e-9, atol=1e-11)
        theta, invariants, slopes = np.array(values[:3]), np.array(values[3:6]) ** 2, np.array(values[6:9])
        d, rho, w = flow.jacobian(flow.logit_from_mirror(theta, invariants), invariants, slopes, *values[9:])
        np.testing.assert_allclose(
            -np.diag(d) - rho * np.outer(np.ones(3), w), JACOBIAN(*values), rtol=1e-9, atol=1e-11
        )


def test_curvatures_are_eigenvalues_of_minus_the_jacobian() -> None:
    values = [0.4, 0.9, 1.3, 0.5, 0.7, 1.1, 0.02, 0.1, 0.3, 1.6, 57.0]
    invariants = np.array(values[3:6]) ** 2
    logits = flow.logit_from_mirror(np.array(values[:3]), invariants)
    expected = np.sort(np.linalg.eigvals(-JACOBIAN(*values)).real)
    np.testing.assert_allclose(
        flow.curvatures(logits, invariants, np.array(values[6:9]), *values[9:]), expected, rtol=1e-9
    )


def test_theorem_d4() -> None:
    m, kappa = symbolic.m, symbolic.kappa
    assert sp.simplify(symbolic.steady_ratio() - m * kappa / (m - kappa)) == 0
    for k, power in ((1.2, 2.0), (0.5, 3.0), (1.9, 2.0)):
        model = tm.TwoCircuitModel(kappa=k, norm_power=power)
        exponent = float(symbolic.steady_ratio().subs({kappa: k, m: power}))
        assert tm.steady_ratio(model) == pytest.approx(0.5**exponent, rel=1e-9)


def test_sharing_is_a_maximum_of_the_penalty_above_the_norm_power() -> None:
    names = {s.name: s for s in symbolic.second_variation().free_symbols}
    for k, sign in ((1.2, 1), (3.0, -1)):
        values = {
            symbolic.kappa: k,
            symbolic.m: 2.0,
            names["S"]: 5.0,
            names["x"]: 0.3,
            names["b1"]: 0.1,
            names["b2"]: 0.2,
        }
        assert sp.sign(symbolic.second_variation().subs(values).evalf()) == sign


def test_sharpness() -> None:
    beta = sp.Symbol("beta", positive=True)
    for k, b in ((1.2, 0.5), (1.7, 1.5)):
        expected = float(symbolic.sharpness().subs({symbolic.kappa: k, symbolic.m: 2, beta: b}))
        assert tm.sharpness(tm.TwoCircuitModel(kappa=k, law=tm.PowerLaw(exponent=b))) == pytest.approx(
            expected, rel=1e-6
        )
