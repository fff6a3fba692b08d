"""The theory's numbers are found again in networks that obey it, and those of norm sharing in networks that share norm."""

import math

import numpy as np
import pandas as pd
import pytest

from tests.validate.laboratory import CLASSES, NUMBERS, SHARING, Lab, at_rest, mixtures, row, singles
from validate.matching.efficiency import alone_in, common_logit, gen_nets, isologit, mem_nets, norms_at, slopes
from validate.measured import MissingResult
from validate.predictions.p11_quantitative import fitted, forecast
from validate.predictions.p12_sharing import (
    _of_labels,
    _of_norms,
    _sharpness,
    corrupted_rest,
    mixed_efficiency,
    sharing_of_sharpness,
)


@pytest.fixture(scope="module")
def lab() -> Lab:
    found = Lab()
    singles(found)
    mixtures(found, spread=0.0, sharing=SHARING)
    return found


@pytest.fixture(scope="module")
def shared(lab: Lab) -> pd.DataFrame:
    """Mixtures of one seed that share norm."""
    nets = lab.table("fresh/ungrokking_coupled")
    return nets[nets.seed == 10]


def test_efficiencies_fall_with_the_exponent_of_the_truth(lab: Lab) -> None:
    mem, gen = mem_nets(lab), gen_nets(lab)  # type: ignore[arg-type]
    logit = common_logit(mem, gen)
    np.testing.assert_allclose(slopes(norms_at(mem, logit)), -NUMBERS.beta, rtol=2e-3)
    np.testing.assert_allclose(slopes(norms_at(gen, logit)), 0.0, atol=2e-3)
    crossing = isologit(norms_at(gen, logit), norms_at(mem, logit))
    np.testing.assert_allclose(np.exp(crossing.ln_size), NUMBERS.critical_size, rtol=0.01)


def test_lone_circuits_of_new_seeds_at_rest_decide_where_there_are_any(lab: Lab) -> None:
    assert alone_in(lab, "coupled") == "base"  # type: ignore[arg-type]
    new = Lab(dict(lab.tables))
    singles(new, setting="laws-43")
    assert (alone_in(new, "coupled"), alone_in(new, "AdamW")) == ("laws-43", "base")  # type: ignore[arg-type]


def test_beyond_the_measured_sizes_the_curve_goes_on_from_its_nearer_end() -> None:
    """Mem's ln norm at ln D of 0, 1, 2 bends: 0, 1, 4; a line through all has slope 2."""
    mem = pd.DataFrame({"seed": 0, "dataset_size": np.exp([0.0, 1.0, 2.0]), "norm": np.exp([0.0, 1.0, 4.0])})
    wanted = {-2.0: -1.0, 0.5: 0.5, 2.5: 1.5, 6.0: 3.0}
    gen = pd.DataFrame({"seed": 0, "dataset_size": [1.0], "norm": [1.0]})
    for level, crossing in wanted.items():
        found = isologit(gen.assign(norm=np.exp(level)), mem).iloc[0]
        assert found.ln_size == pytest.approx(crossing)


def test_forecasts_of_numbers_from_lone_circuits_are_of_the_more_efficient_one(lab: Lab) -> None:
    numbers = fitted(lab)  # type: ignore[arg-type]
    found = numbers.kappa, numbers.efficiency, numbers.beta, numbers.critical_size
    assert found == pytest.approx((NUMBERS.kappa, NUMBERS.efficiency, NUMBERS.beta, NUMBERS.critical_size), rel=1e-5)
    # On both sides of D_crit the more efficient one takes all.
    for size in (110, 255, 265, 520):
        logit, norm = forecast(numbers, pd.DataFrame([row(size, 1e-4, 0)]))
        lone = [at_rest(NUMBERS, size, 1e-4, present) for present in ((1, 0), (0, 1))]
        best = lone[size < NUMBERS.critical_size]
        assert (logit[0], norm[0]) == pytest.approx((best["logit"], best["norm"]), rel=1e-5)


def test_lone_circuits_that_cannot_tell_their_numbers_are_missing_results() -> None:
    lab = Lab()
    singles(lab)
    lab.tables["base/memorising_coupled"] = lab.table("base/memorising_coupled").query("dataset_size == 100")
    with pytest.raises(MissingResult, match="two sizes or more"):
        fitted(lab)  # type: ignore[arg-type]


def test_sharing_is_found_again_in_norms_and_in_sharpness(shared: pd.DataFrame) -> None:
    assert _of_norms(NUMBERS, shared) == pytest.approx(SHARING, rel=1e-3)
    for mu in (5.0, SHARING, 9.0):
        assert sharing_of_sharpness(NUMBERS, NUMBERS.beta * NUMBERS.kappa * mu / (mu - NUMBERS.kappa)) == pytest.approx(
            mu
        )
    assert math.isnan(sharing_of_sharpness(NUMBERS, 0.9 * NUMBERS.beta * NUMBERS.kappa))
    nu = _sharpness(shared, NUMBERS.critical_size)
    assert sharing_of_sharpness(NUMBERS, nu) == pytest.approx(SHARING, rel=1e-6)
    assert math.isnan(_sharpness(shared[shared.dataset_size == 240], NUMBERS.critical_size))
    # Within a factor of two of D_crit only.
    far = shared.assign(mem=shared.mem.where(shared.dataset_size > 60, 100 * shared.mem))
    assert _sharpness(far, NUMBERS.critical_size) == pytest.approx(nu)
    eta = mixed_efficiency(NUMBERS, [NUMBERS.critical_size], SHARING)
    assert eta[0] == pytest.approx(NUMBERS.efficiency * 2 ** (1 / NUMBERS.kappa - 1 / SHARING))


@pytest.mark.parametrize("sharing", [2.0, SHARING])
def test_corrupted_labels_tell_sharing(sharing: float) -> None:
    rows = []
    for share in (0.1, 0.3):
        gen, mem, norm = corrupted_rest(NUMBERS, 800, share, 1e-4, CLASSES, sharing)
        assert mem > gen > 5  # the wrong labels are fitted against Gen
        rows.append(row(800, 1e-4, 0, corrupted=share, norm=norm))
    assert _of_labels(NUMBERS, pd.DataFrame(rows)) == pytest.approx(sharing, rel=0.02)


def test_a_lone_circuit_of_the_laboratory_obeys_euler() -> None:
    rest = at_rest(NUMBERS, 200, 1e-4, (0, 1))
    p = (CLASSES - 1) / (math.exp(rest["logit"]) + CLASSES - 1)
    assert p * rest["logit"] == pytest.approx(1e-4 / NUMBERS.kappa * rest["norm"] ** 2, rel=1e-8)
