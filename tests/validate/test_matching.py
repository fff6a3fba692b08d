"""The theory's numbers are found again in nets that obey it."""

import math

import numpy as np
import pandas as pd
import pytest

import toymodel as tm
from tests.validate.laboratory import CLASSES, NUMBERS, SHARING, Lab, mixtures, row, singles
from validate.matching.efficiency import common_logit, gen_nets, isologit, mem_nets, norms_at, slopes
from validate.matching.fit import (
    corrupted_rest,
    corrupted_sharing,
    forecast,
    match,
    mixture_sharing,
    residuals,
    sharing_of_sharpness,
    sharpness,
)
from validate.matching.rest import Numbers, at_rest, sharing_from_sharpness


def test_the_rest_state_has_its_reference_values() -> None:
    """toymodel/README.md (8): κ 4.95, μ 7.65, q 43, α 1e-4, η_gen = 14^(1/κ)/20, β 0.32, D_crit 255."""
    numbers = Numbers(4.95, 14 ** (1 / 4.95) / 20, 0.32, 255.0)
    rest = at_rest(numbers.efficiencies([160, 255, 500]), 4.95, np.full(3, 1e-4), 43, 7.65)
    np.testing.assert_allclose(rest.logits, [[1.251, 10.135], [5.579, 5.579], [10.547, 0.514]], atol=6e-4)
    np.testing.assert_allclose(rest.norm, [16.39, 18.18, 19.01], atol=6e-3)


@pytest.mark.parametrize(("kappa", "sharing", "alpha"), [(1.2, 2.0, 5e-3), (4.5, 6.5, 1e-4), (3.0, 3.5, 1e-5)])
def test_the_rest_state_obeys_euler_and_the_equal_slopes(kappa: float, sharing: float, alpha: float) -> None:
    eta = np.array([[0.09, 0.07]])
    rest = at_rest(eta, kappa, [alpha], CLASSES, sharing)
    s, norm, logits = rest.logit[0], rest.norm[0], rest.logits[0]
    p = (CLASSES - 1) / (math.exp(s) + CLASSES - 1)
    assert p * s == pytest.approx(alpha / kappa * norm**2, rel=1e-8)
    own = logits ** (1 / kappa) / eta[0]
    assert (own**sharing).sum() ** (1 / sharing) == pytest.approx(norm, rel=1e-8)
    slope = alpha / kappa * norm ** (2 - sharing) * own**sharing / logits  # (8.2), each circuit at rest
    np.testing.assert_allclose(slope, p, rtol=1e-8)
    assert logits.sum() == pytest.approx(s)


def test_additive_norms_are_the_papers_model() -> None:
    model = tm.TwoCircuitModel()
    rest = at_rest([list(model.efficiencies)], model.kappa, [model.weight_decay], model.num_classes, 2.0)
    np.testing.assert_allclose(rest.logits[0], tm.steady_state(model).logits, rtol=1e-6)


def test_above_its_degree_the_winner_takes_all() -> None:
    with pytest.raises(ValueError, match=r"μ > κ.*4\.5"):
        at_rest([[1.0, 1.0]], 4.5, [1e-4], 43, 4.0)
    assert np.isnan(at_rest([[1e-3, 1e-4]], 4.5, [1.0], 43, 6.0).logit[0])  # nothing grows at such a cost


def test_sharing_follows_from_sharpness_and_back() -> None:
    for mu in (5.0, 6.5, 9.0):
        nu = NUMBERS.beta * NUMBERS.kappa * mu / (mu - NUMBERS.kappa)
        assert sharing_from_sharpness(nu, NUMBERS.kappa, NUMBERS.beta) == pytest.approx(mu)
        assert sharing_of_sharpness(NUMBERS, nu) == pytest.approx(mu)
    assert math.isnan(sharing_of_sharpness(NUMBERS, 0.9 * NUMBERS.beta * NUMBERS.kappa))


@pytest.fixture(scope="module")
def lab() -> Lab:
    found = Lab()
    singles(found)
    mixtures(found, spread=0.0)
    return found


def test_the_four_numbers_are_found_again(lab: Lab) -> None:
    found = match(gen_nets(lab), mem_nets(lab))
    np.testing.assert_allclose(found.numbers, NUMBERS, rtol=1e-5)
    assert found.rms < 1e-6
    assert found.classes == CLASSES
    for name, truth in zip(("κ", "η_gen", "β", "D_crit"), NUMBERS, strict=True):
        assert found.intervals[name].n == 4
        assert found.intervals[name].value == pytest.approx(truth, rel=1e-4)


def test_efficiencies_fall_with_the_exponent_of_the_truth(lab: Lab) -> None:
    mem, gen = mem_nets(lab), gen_nets(lab)
    logit = common_logit(mem, gen)
    np.testing.assert_allclose(slopes(norms_at(mem, logit)), -NUMBERS.beta, rtol=2e-3)
    np.testing.assert_allclose(slopes(norms_at(gen, logit)), 0.0, atol=2e-3)
    crossing = isologit(norms_at(gen, logit), norms_at(mem, logit))
    np.testing.assert_allclose(np.exp(crossing.ln_size), NUMBERS.critical, rtol=0.01)


def test_beyond_the_measured_sizes_the_curve_goes_on_from_its_nearer_end() -> None:
    """Mem's ln norm at ln D of 0, 1, 2 bends: 0, 1, 4; a line through all has slope 2."""
    mem = pd.DataFrame({"seed": 0, "dataset_size": np.exp([0.0, 1.0, 2.0]), "norm": np.exp([0.0, 1.0, 4.0])})
    wanted = {-2.0: (-1.0, True), 0.5: (0.5, False), 2.5: (1.5, False), 6.0: (3.0, True)}
    gen = pd.DataFrame({"seed": 0, "dataset_size": [1.0], "norm": [1.0]})
    for level, (crossing, outside) in wanted.items():
        found = isologit(gen.assign(norm=np.exp(level)), mem).iloc[0]
        assert found.ln_size == pytest.approx(crossing)
        assert found.outside == outside


def test_nets_of_one_circuit_do_not_give_the_numbers(lab: Lab) -> None:
    with pytest.raises(ValueError, match="Gen-only nets and Mem-only nets of two sizes"):
        match(gen_nets(lab).iloc[:0], mem_nets(lab))


def test_sharing_is_found_again_in_norms_and_in_sharpness(lab: Lab) -> None:
    nets = lab.table("fresh/ungrokking_coupled")
    nets = nets[nets.seed == 10]
    assert mixture_sharing(NUMBERS, nets, CLASSES) == pytest.approx(SHARING, rel=1e-3)
    nu = sharpness(nets, NUMBERS.critical)
    assert nu == pytest.approx(NUMBERS.beta * NUMBERS.kappa * SHARING / (SHARING - NUMBERS.kappa), rel=1e-6)
    assert all(abs(e).max() < 1e-6 for e in residuals(forecast(NUMBERS, nets, CLASSES, sharing=SHARING), nets))
    assert math.isnan(sharpness(nets[nets.dataset_size == 240], NUMBERS.critical))


def test_sharpness_looks_within_a_factor_of_two_only(lab: Lab) -> None:
    nets = lab.table("fresh/ungrokking_coupled")
    nets = nets[nets.seed == 10].copy()
    nets.loc[nets.dataset_size == 60, "mem"] *= 100
    assert sharpness(nets, NUMBERS.critical) == pytest.approx(sharpness(nets[nets.dataset_size > 60], NUMBERS.critical))


@pytest.mark.parametrize("sharing", [2.0, SHARING])
def test_corrupted_labels_tell_sharing(sharing: float) -> None:
    import pandas as pd

    rows = []
    for share in (0.1, 0.3):
        gen, mem, norm = corrupted_rest(NUMBERS, 800, share, 1e-4, CLASSES, sharing)
        assert mem > gen > 5  # the wrong labels are fitted against Gen
        rows.append(row(800, 1e-4, 0, corrupted=share, norm=norm))
    assert corrupted_sharing(NUMBERS, pd.DataFrame(rows), CLASSES) == pytest.approx(sharing, rel=0.02)
