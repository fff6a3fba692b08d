"""Laws of norm and logit: each is told from the others on runs that it made, with 1 % noise in the norm."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_toymodel_bad_input import refused
from validate.laws import LAWS, compare, curvature, delta_aic, fit, local_exponents

LEVELS = {"180": 0.05, "360": 0.03, "720": 0.02}
SHAPES = {"power": 2.5, "affine": -4.0, "logarithmic": 6.0}
Runs = tuple[np.ndarray, np.ndarray, np.ndarray]


def runs(law: str, shape: float, noise: float = 0.01, each: int = 12) -> Runs:
    """norm, logit and group of runs whose logits span 3 to 15 nats, not quite the same in each group."""
    rng = np.random.default_rng(3)
    logit = np.concatenate([np.exp(rng.uniform(np.log(3), np.log(15), each)) for _ in LEVELS])
    group = np.repeat(list(LEVELS), each)
    scaled = {"power": logit ** (1 / shape), "affine": logit - shape, "logarithmic": np.exp(logit / shape)}[law]
    norm = scaled / np.repeat(list(LEVELS.values()), each)
    return norm * np.exp(noise * rng.normal(size=len(logit))), logit, group


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("shared", [True, False])
def test_the_law_that_made_the_runs_is_recognised(law: str, shared: bool) -> None:
    fits = compare(*runs(law, SHAPES[law]), shared=shared)
    assert min(fits, key=lambda name: fits[name].aic) == law
    assert (delta_aic(fits) < -10) if law == "power" else (delta_aic(fits) > 10)
    assert fits[law].error == pytest.approx(0.01, rel=0.3)
    assert len({len(f.parameters) for f in fits.values()}) == 1


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("noise", "error"), [(0.0, 1e-6), (0.01, 0.05)])
def test_parameters_are_recovered(law: str, noise: float, error: float) -> None:
    norm, logit, group = runs(law, SHAPES[law], noise)
    one, own = fit(law, norm, logit, group), fit(law, norm, logit, group, shared=False)
    assert one.parameters[LAWS[law]] == pytest.approx(SHAPES[law], rel=error)
    assert own.n == len(norm)
    for label, level in LEVELS.items():
        assert one.parameters[f"ln_efficiency[{label}]"] == pytest.approx(math.log(level), abs=error)
        assert own.parameters[f"{LAWS[law]}[{label}]"] == pytest.approx(SHAPES[law], rel=4 * error)


def test_own_shapes_are_told_from_a_shared_one() -> None:
    same = runs("power", 2.5)
    assert fit("power", *same).aic < fit("power", *same, shared=False).aic
    other = runs("power", 1.5)
    norm = np.where(same[2] == "180", other[0], same[0])
    assert fit("power", norm, same[1], same[2], shared=False).aic < fit("power", norm, same[1], same[2]).aic - 10


@given(st.sampled_from(list(LAWS)), st.floats(0.01, 100), st.integers(0, 1000))
def test_neither_the_unit_of_the_norm_nor_the_order_matters(law: str, unit: float, seed: int) -> None:
    norm, logit, group = runs("affine", -2.0)
    order = np.random.default_rng(seed).permutation(len(norm))
    one, two = fit(law, norm, logit, group), fit(law, unit * norm[order], logit[order], group[order])
    assert two.aic == pytest.approx(one.aic, abs=1e-4)
    np.testing.assert_allclose(two.residuals, one.residuals[order], atol=1e-5)
    assert two.parameters[LAWS[law]] == pytest.approx(one.parameters[LAWS[law]], rel=1e-3)


def test_the_affine_law_through_the_origin_is_the_power_law_of_degree_one() -> None:
    norm, logit, group = runs("power", 1.0, noise=0.0)
    fits = compare(norm, logit, group)
    assert fits["affine"].parameters["a"] == pytest.approx(0.0, abs=1e-6)
    assert fits["power"].parameters["kappa"] == pytest.approx(1.0)


def test_curvature_is_that_of_the_law() -> None:
    assert curvature(*runs("power", 2.5, noise=0.0)) == pytest.approx(0.0, abs=1e-9)
    assert curvature(*runs("power", 2.5)) == pytest.approx(0.0, abs=0.1)
    # Local exponents: 1 - a/s of the affine law, b/s of the logarithmic one.
    assert curvature(*runs("affine", -4.0)) < -0.15
    assert curvature(*runs("affine", 2.0)) > 0.15
    assert curvature(*runs("logarithmic", 6.0)) < -0.4


def test_local_exponents() -> None:
    logit = np.linspace(3, 15, 200)
    for law, expected in (
        ("power", lambda s: np.full_like(s, 2.5)),
        ("affine", lambda s: 1 + 4 / s),
        ("logarithmic", lambda s: 6 / s),
    ):
        norm = {"power": logit**0.4, "affine": logit + 4, "logarithmic": np.exp(logit / 6)}[law]
        at, exponents = local_exponents(norm[::-1], logit[::-1])
        np.testing.assert_allclose(exponents, expected(at), rtol=1e-3)
    assert np.isnan(local_exponents([2, 2], [3, 4])[1]).all()


def test_too_few_runs_say_so() -> None:
    assert math.isnan(fit("power", [1, 2, 3], [1, 2, 3], ["x", "x", "x"]).aic)
    alone = fit("power", [1, 2], [3, 4], ["x", "y"])
    assert math.isnan(alone.parameters["kappa"])
    assert all(math.isnan(f.aic) for f in compare([1, 2] * 5, [3, 4] * 5, np.arange(10) // 2, shared=False).values())
    assert all(math.isnan(f.error) for f in compare([1, 2, 3], [3, 4, 5], ["x", "y", "z"], shared=False).values())
    assert all(math.isnan(fit(law, [1, 2], [3, 3], ["x", "x"]).parameters[LAWS[law]]) for law in LAWS)
    assert math.isnan(curvature([1, 2], [3, 4], ["x", "x"]))
    assert math.isnan(delta_aic(compare([1, 2, 3], [1, 2, 3], ["x", "x", "x"])))
    assert math.isnan(delta_aic(compare(np.arange(1.0, 9), np.full(8, 3.0), ["x"] * 8)))


def test_bad_input_is_refused() -> None:
    refused(ValueError, "one of power", "'cubic'", lambda: fit("cubic", [1], [1], ["x"]))
    refused(ValueError, "one value for each run", "(2,)", lambda: fit("power", [1, 2], [1], ["x"]))
    refused(ValueError, "norm must be positive", "-1", lambda: compare([-1, 2], [1, 2], ["x", "x"]))
    refused(ValueError, "logit must be positive", "nan", lambda: curvature([1, 2], [np.nan, 2], ["x", "x"]))
    refused(ValueError, "same runs", "'power': 2", lambda: delta_aic({"power": fit("power", [1, 2], [1, 2], [0, 0])}))
