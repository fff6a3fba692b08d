"""Intervals over seeds: coverage, and what is decided from them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests.test_toymodel_bad_input import refused
from validate.statistics.intervals import Interval, decide, over_bounds, over_seeds, proportion, rank_correlation

REPLICATES = 2000
ERROR = 3.5 * math.sqrt(0.95 * 0.05 / REPLICATES)  # of a simulated coverage of 95 %


def covers(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


@pytest.mark.parametrize("n", [3, 5, 10])
def test_t_interval_over_normal_seeds_covers_its_level(n: int) -> None:
    draws = np.random.default_rng(n).normal(2.0, 0.7, (REPLICATES, n))
    assert np.mean([covers(over_seeds(x), 2.0) for x in draws]) == pytest.approx(0.95, abs=ERROR)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=10), st.floats(-1e3, 1e3))
def test_t_interval_moves_with_its_seeds(values: list[float], shift: float) -> None:
    one, two = over_seeds(values), over_seeds(np.add(values, shift))
    size = max(1.0, np.max(np.abs(values)), abs(shift))
    assert (two.low, two.value, two.high) == pytest.approx(
        (one.low + shift, one.value + shift, one.high + shift), abs=1e-6 * size
    )
    assert over_seeds([*values, math.nan, math.inf]) == one


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=10))
def test_without_bounds_the_interval_is_students(values: list[float]) -> None:
    assert over_bounds(values, values) == over_seeds(values)
    # Who may be anywhere says nothing.
    assert over_bounds([*values, -math.inf], [*values, math.inf]) == over_seeds(values)


@given(
    st.lists(st.floats(-3, 3), min_size=3, max_size=6, unique_by=lambda x: round(x, 1)),
    st.floats(0.0, 4.0),
    st.floats(0.2, 5.0),
    st.floats(-5.0, 5.0),
)
@settings(max_examples=15)
def test_bounds_follow_shift_scale_and_sign(values: list[float], bound: float, scale: float, shift: float) -> None:
    """One seed lies above `bound`."""
    low, high = np.array([*values, bound]), np.array([*values, math.inf])
    found = over_bounds(low, high)
    assert found.n == len(values) + 1
    assert found.low < found.value < found.high
    assert found.value >= np.mean(values) - 1e-4 * np.std(values)  # a seed that may be larger draws no mean down
    other = over_bounds(low * scale + shift, high * scale + shift)
    expected = [x * scale + shift for x in (found.low, found.value, found.high)]
    assert [other.low, other.value, other.high] == pytest.approx(expected, rel=1e-3, abs=1e-3 * scale)
    turned = over_bounds(-high, -low)
    assert [turned.low, turned.value, turned.high] == pytest.approx([-found.high, -found.value, -found.low], abs=2e-3)


def test_a_bound_far_away_says_nothing_and_one_within_draws() -> None:
    values = [1.0, 1.3, 0.8, 1.1]
    plain = over_seeds(values)
    far = over_bounds([*values, -50.0], [*values, math.inf])
    assert (far.low, far.value, far.high) == pytest.approx((plain.low, plain.value, plain.high), abs=1e-3)
    near = over_bounds([*values, 1.4], [*values, math.inf])
    left_out_and_at_the_bound = plain.value, over_seeds([*values, 1.4]).value
    assert left_out_and_at_the_bound[0] < left_out_and_at_the_bound[1] < near.value
    assert near.high - near.value > near.value - near.low  # how much larger is not known
    narrow = over_bounds([*values, 1.4], [*values, 1.4001])
    same = over_seeds([*values, 1.40005])
    assert (narrow.value, narrow.n) == (pytest.approx(same.value, abs=1e-3), 5)


def test_too_few_values_have_no_interval_however_many_bounds() -> None:
    for low in ([1.0], [], [1.0, 1.0]):
        found = over_bounds([*low, 2.0, 2.0, 2.0], [*low, math.inf, math.inf, math.inf])
        assert math.isnan(found.value)
        assert decide(found, -math.inf, math.inf, 0) == "inconclusive"


@pytest.mark.parametrize(("n", "cut"), [(5, 0.7), (10, 0.0)])
def test_bounds_cover_their_level(n: int, cut: float) -> None:
    """Seeds above `cut`, a third or half, are known to lie there."""
    rng = np.random.default_rng(n)
    draws = [x for x in rng.standard_normal((120, n)) if (x <= cut).sum() >= 2]
    found = [over_bounds(np.minimum(x, cut), np.where(x > cut, math.inf, x)) for x in draws]
    assert np.mean([covers(one, 0.0) for one in found]) > 0.89
    # To leave them out would not.
    assert np.mean([covers(over_seeds(x[x <= cut]), 0.0) for x in draws]) < 0.9


def test_few_values_among_many_bounds_do_not_make_a_narrow_interval() -> None:
    rng = np.random.default_rng(4)
    far = np.full(7, 4.0)
    found = [over_bounds([*x, *(-math.inf * far)], [*x, *far]) for x in rng.standard_normal((60, 2))]
    assert np.mean([covers(one, 0.0) for one in found]) > 0.85


def test_the_interval_of_e_to_the_x() -> None:
    assert Interval(0.0, -1.0, 1.0, 4).exp() == Interval(1.0, 1 / math.e, math.e, 4)
    few = Interval.unknown(1).exp()
    assert math.isnan(few.value)
    assert (few.low, few.high, few.n) == (0.0, math.inf, 1)
    assert Interval(1.0, 0.0, 701.0, 2).exp().high == math.inf


def test_one_seed_has_a_value_and_no_bounds() -> None:
    assert over_seeds([1.0, math.nan]) == Interval(1.0, -math.inf, math.inf, 1)
    assert decide(over_seeds([1.0]), 0.0, 2.0, 0) == "inconclusive"


def test_few_seeds_are_no_error() -> None:
    for found, n in (
        (over_seeds([]), 0),
        (rank_correlation([1, 2, 3], [1, 2, 3]), 3),
        (rank_correlation([1, 1, 1, 1], [1, 2, 3, 4]), 4),
        (proportion(0, 0), 0),
    ):
        assert found.n == n
        assert math.isnan(found.value)
        assert not found.exists
        assert (found.low, found.high) == (-math.inf, math.inf)
        assert decide(found, -math.inf, math.inf, 0) == "inconclusive"


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5])
@pytest.mark.parametrize("trials", [3, 10, 40])
def test_clopper_pearson_never_covers_too_little(trials: int, share: float) -> None:
    each = [covers(proportion(k, trials), share) for k in range(trials + 1)]
    assert np.sum(stats.binom.pmf(np.arange(trials + 1), trials, share) * each) >= 0.95


def test_clopper_pearson_is_the_exact_interval() -> None:
    peer = stats.binomtest(3, 10).proportion_ci(method="exact")
    assert (proportion(3, 10).low, proportion(3, 10).high) == pytest.approx((peer.low, peer.high))
    assert (proportion(0, 5).low, proportion(5, 5).high) == (0.0, 1.0)


def test_rank_correlation_covers_that_of_the_population() -> None:
    rho = 0.7
    draws = np.random.default_rng(5).multivariate_normal([0, 0], [[1, rho], [rho, 1]], size=(REPLICATES, 10))
    truth = 6 / math.pi * math.asin(rho / 2)
    assert np.mean([covers(rank_correlation(*x.T), truth) for x in draws]) == pytest.approx(0.95, abs=0.03)


@given(st.permutations(range(6)))
def test_rank_correlation_sees_only_ranks(y: list[int]) -> None:
    x = np.arange(6.0)
    found = rank_correlation(x, y)
    assert found.value == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found == rank_correlation(np.exp(x), np.array(y) ** 3)
    assert -1 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high
    other = rank_correlation(x, np.negative(y))
    assert (other.low, other.high) == pytest.approx((-found.high, -found.low))


def test_decisions() -> None:
    within = Interval(0.0, -0.05, 0.05, 5)
    assert decide(within, -0.1, 0.1, 3) == "confirmed"
    assert decide(within, -0.1, 0.1, 6) == "inconclusive"
    assert decide(within, -0.1, 0.0, 3) == "inconclusive"
    assert decide(within, 0.1, math.inf, 3) == "refuted"
    assert decide(within, -math.inf, -0.1, 3) == "refuted"
    assert decide(within, -math.inf, 0.06, 3) == "confirmed"


def test_bad_input_is_refused() -> None:
    refused(ValueError, "one number for each seed", "(2, 2)", lambda: over_seeds([[1, 2], [3, 4]]))
    refused(ValueError, "low <= high", "[2.0]", lambda: over_bounds([2.0], [1.0]))
    refused(ValueError, "(n,)", "[1.0, 2.0]", lambda: over_bounds([1.0, 2.0], [1.0]))
    refused(ValueError, "successes <= trials", "4 of 3", lambda: proportion(4, 3))
    refused(ValueError, "pairs", "(3,)", lambda: rank_correlation([1, 2, 3], [1, 2]))
    refused(ValueError, "low <= high", "[1, 0]", lambda: decide(Interval(0, 0, 0, 3), 1, 0, 3))
