"""Thresholds, times that some runs never reach, AUC, Welch's interval and power, against known truths."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from validate.statistics.escape import fit_escape, median_time
from validate.statistics.intervals import area_under_curve, welch
from validate.statistics.power import power
from validate.statistics.thresholds import bounds, crossing, width


def test_a_logistic_transition_is_found_exactly() -> None:
    size = np.array([420, 135, 150, 210, 290])
    share = expit((np.log(size) - math.log(230)) / 0.2)
    assert crossing(size, share) == pytest.approx(math.log(230), abs=1e-9)
    assert crossing(size, share, 0.25) == pytest.approx(math.log(230) - 0.2 * math.log(3), abs=1e-9)
    assert width(size, share) == pytest.approx(0.2 * 2 * math.log(9), abs=1e-9)


def test_a_width_starts_above_chance() -> None:
    size = np.array([80, 110, 150, 210, 290, 420])
    share = 1 / 11 + (10 / 11) * expit((np.log(size) - math.log(230)) / 0.2)
    low = 1 / 11 + 0.02
    found = width(size, share, 1 / 11)
    assert 0.5 < found < 2
    assert found == pytest.approx(crossing(size, share, 0.9, 1 / 11) - crossing(size, share, low, 1 / 11))


def test_missing_sizes_and_those_that_do_not_span_it() -> None:
    assert crossing([100, 200, 400], [0.1, math.nan, 0.9]) == pytest.approx(math.log(200))
    assert math.isnan(crossing([100, 200], [0.1, 0.4]))
    assert math.isnan(crossing([100, 200], [0.6, 0.9]))
    assert math.isnan(crossing([], []))
    # What falls for once is pooled with its neighbour, of unequal accuracies.
    assert crossing([100, 200, 300, 400], [0.1, 0.7, 0.4, 0.9]) == pytest.approx(
        crossing([100, 200, 300, 400], [0.1, 0.55, 0.55, 0.9])
    )


def test_a_threshold_outside_the_sizes_has_the_nearest_as_its_bound() -> None:
    assert bounds([100, 200, 400], [0.1, math.nan, 0.9]) == (pytest.approx(math.log(200)),) * 2
    assert bounds([200, 100], [0.4, 0.1]) == (math.log(200), math.inf)
    assert bounds([200, 100], [0.9, 0.6]) == (-math.inf, math.log(100))
    # A size without an accuracy bounds nothing.
    assert bounds([100, 200, 400], [0.1, 0.4, math.nan]) == (math.log(200), math.inf)
    assert bounds([100], [math.nan]) == bounds([], []) == (-math.inf, math.inf)
    # What falls for once is pooled, as in the crossing.
    assert bounds([100, 200], [0.7, 0.4]) == (-math.inf, math.log(100))


@pytest.mark.parametrize(
    ("size", "share", "said"),
    [([1, 2], [0.1], "same length"), ([0, 2], [0.1, 0.9], "positive"), ([1, 2], [0.1, 1.2], r"\[0, 1\]")],
)
def test_what_is_no_transition_is_refused(size: list[float], share: list[float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        crossing(size, share)


def test_a_level_at_chance_is_refused() -> None:
    with pytest.raises(ValueError, match="between chance"):
        crossing([1, 2], [0.1, 0.9], 0.02, chance=0.02)


def test_the_median_of_censored_times() -> None:
    assert median_time([100, 200, 300, math.nan], [400] * 4) == 200
    assert median_time([100, math.nan, math.nan], [400, 50, 400]) == 100  # the one cut off at 50 says nothing of 100
    assert median_time([100, math.nan, math.nan], [400] * 3) == math.inf


def test_the_law_of_escape_is_found_again_with_a_third_censored() -> None:
    rng = np.random.default_rng(5)
    x = np.repeat(np.log([400.0, 480.0, 560.0, 700.0]), 60)
    time = np.exp(8.0 - 9.0 * (x - math.log(500)) + 0.5 * rng.standard_normal(len(x)))
    end = np.full(len(x), 5000.0)
    censored = np.where(time > end, math.nan, time)
    assert 0.2 < np.isnan(censored).mean() < 0.45
    law = fit_escape(x - math.log(500), censored, end)
    assert law.slope == pytest.approx(-9.0, abs=0.6)
    assert law.level == pytest.approx(8.0, abs=0.12)
    assert law.spread == pytest.approx(0.5, abs=0.08)
    # Left out, the censored would have flattened it.
    there = np.isfinite(censored)
    assert law.slope < np.polyfit(x[there], np.log(censored[there]), 1)[0] - 0.3
    assert law.share(0.0, math.exp(8.0)) == pytest.approx(0.5, abs=0.1)


def test_too_few_escapes_have_no_law() -> None:
    with pytest.raises(ValueError, match="three escapes"):
        fit_escape([1.0, 2.0, 3.0], [10.0, math.nan, 5.0], [20.0] * 3)


def test_the_area_under_the_curve_is_mann_and_whitneys() -> None:
    rng = np.random.default_rng(7)
    score, happened = rng.standard_normal(31), rng.random(31) < 0.4
    score[happened] += 1.0
    u = stats.mannwhitneyu(score[happened], score[~happened]).statistic
    found = area_under_curve(score, happened)
    assert found.value == pytest.approx(u / (happened.sum() * (~happened).sum()))
    assert area_under_curve(-score, happened).value == pytest.approx(1 - found.value)
    assert found.low < found.value < found.high
    assert found.n == 31


def test_a_perfect_or_empty_ranking_is_not_certain() -> None:
    perfect = area_under_curve([3.0, 4.0, 1.0, 2.0], [True, True, False, False])
    assert perfect.value == 1.0
    assert perfect.low < 0.95
    assert math.isnan(area_under_curve([1.0, 2.0], [True, True]).value)
    assert area_under_curve([1.0, 1.0], [True, False]).value == 0.5


def test_hanley_and_mcneils_interval_covers() -> None:
    rng = np.random.default_rng(11)
    truth = stats.norm.cdf(1 / math.sqrt(2))
    covered = 0
    for _ in range(400):
        found = area_under_curve(
            np.concatenate([rng.normal(1, 1, 12), rng.normal(0, 1, 17)]), [True] * 12 + [False] * 17
        )
        covered += found.low <= truth <= found.high
    assert 0.9 < covered / 400 < 0.99


def test_welch_is_scipys_and_drops_what_is_missing() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(1, 2, 5), rng.normal(0, 0.5, 12)
    peer = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    found = welch([*a, math.nan], b)
    assert (found.low, found.high) == pytest.approx((peer.low, peer.high))
    assert found.value == pytest.approx(a.mean() - b.mean())
    assert found.n == 5
    assert math.isnan(welch([1.0], b).value)


def test_power_is_how_often_a_rule_decides() -> None:
    assert power(-0.14, 0.14, 0.0, 1e-6, 3) == 1.0
    assert power(-0.14, 0.14, 0.14, 0.1, 10) < 0.1  # on the edge nothing is decided but by error
    assert power(-0.14, 0.14, 0.5, 0.1, 10) > 0.99
    few, more = power(0.0, math.inf, 0.1, 0.1, 3), power(0.0, math.inf, 0.1, 0.1, 12)
    assert few < more
    # One sided, the t test's own power.
    noncentral = stats.nct(11, math.sqrt(12)).sf(stats.t.ppf(0.975, 11))
    assert more == pytest.approx(noncentral, abs=0.02)
