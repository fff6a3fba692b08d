"""Intervals over seeds: coverage, and what is decided from them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tests.test_toymodel_bad_input import refused
from validate.statistics.intervals import Interval, decide, over_seeds, proportion, rank_correlation

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


def test_the_interval_of_e_to_the_x() -> None:
    assert Interval(0.0, -1.0, 1.0, 4).exp() == Interval(1.0, 1 / math.e, math.e, 4)
    few = Interval.unknown(1).exp()
    assert math.isnan(few.value)
    assert (few.low, few.high, few.n) == (0.0, math.inf, 1)
    assert Interval(1.0, 0.0, 701.0, 2).exp().high == math.inf


def test_few_seeds_are_no_error() -> None:
    for found, n in (
        (over_seeds([]), 0),
        (over_seeds([1.0, math.nan]), 1),
        (rank_correlation([1, 2, 3], [1, 2, 3]), 3),
        (rank_correlation([1, 1, 1, 1], [1, 2, 3, 4]), 4),
        (proportion(0, 0), 0),
    ):
        assert found.n == n
        assert math.isnan(found.value)
        assert (found.low, found.high, found.half_width) == (-math.inf, math.inf, math.inf)
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
    assert found.half_width > 0
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
    assert str(within) == "0 [-0.05, 0.05] (n = 5)"


def test_bad_input_is_refused() -> None:
    refused(ValueError, "one number for each seed", "(2, 2)", lambda: over_seeds([[1, 2], [3, 4]]))
    refused(ValueError, "0 < level < 1", "95", lambda: over_seeds([1, 2], level=95))
    refused(ValueError, "successes <= trials", "4 of 3", lambda: proportion(4, 3))
    refused(ValueError, "pairs", "(3,)", lambda: rank_correlation([1, 2, 3], [1, 2]))
    refused(ValueError, "low <= high", "[1, 0]", lambda: decide(Interval(0, 0, 0, 3), 1, 0, 3))
