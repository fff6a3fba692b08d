"""The critical data set size on synthetic seeds whose thresholds are known, with and without unfinished runs."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from tests.test_toymodel_bad_input import refused
from validate.censoring import normal_mean
from validate.intervals import over_seeds
from validate.thresholds import Crossing, critical_size, crossing, logistic

SIZES = np.array([60, 90, 120, 160, 210, 280, 370, 500])
X = np.log(SIZES)
DONE = np.ones(8, bool)
MEAN, SPREAD, WIDTH, NOISE = math.log(180.0), 0.15, 0.15, 0.01
START = {"falling": 0.97, "rising": 0.02}


class Seed(NamedTuple):
    """What is seen of a seed, and the ends that its runs would come to."""

    accuracy: npt.NDArray[np.float64]
    settled: npt.NDArray[np.bool_]
    end: npt.NDArray[np.float64]


def draw(rng: np.random.Generator, direction: str = "falling", unfinished: float = 0.0) -> Seed:
    """A seed of which a share of the runs near its threshold are still on their way from where they began."""
    threshold = rng.normal(MEAN, SPREAD)
    end = expit((X - threshold) / WIDTH)
    moving = (abs(X - threshold) < 0.7) & (rng.random(8) < unfinished)
    start = np.maximum(START[direction], end) if direction == "falling" else np.minimum(START[direction], end)
    seen = np.where(moving, end + rng.uniform(0.1, 0.7, 8) * (start - end), end)
    return Seed(np.clip(seen + rng.normal(0, NOISE, 8), 0, 1), ~moving, end)


def test_a_logistic_transition_is_found_exactly() -> None:
    found = crossing(SIZES, expit((X - 5.2) / 0.2), DONE)
    assert (found.low, found.high) == pytest.approx((5.2, 5.2), abs=1e-12)
    assert not found.censored
    assert crossing(SIZES, expit((X - 5.2) / 0.2), DONE, 0.9).low == pytest.approx(5.2 + 0.2 * math.log(9))


def test_steps_and_edges() -> None:
    step = crossing(SIZES, [0, 0, 0, 0, 1, 1, 1, 1], DONE)
    assert (step.low, step.high, step.censored) == (X[3], X[4], False)
    chance = crossing(SIZES, [0.025, 0.02, 0.03, 0.03, 1, 1, 1, 1], DONE, chance=1 / 43)
    assert (chance.low, chance.high) == (X[3], X[4])
    one_sided = crossing(SIZES, [0, 0, 0, 0, 0.6, 1, 1, 1], DONE)
    assert X[3] < one_sided.low < one_sided.high == X[4]
    above, below = crossing(SIZES, np.full(8, 0.8), DONE), crossing(SIZES, np.full(8, 0.2), DONE)
    assert (above.low, above.high, below.low, below.high) == (-math.inf, X[0], X[-1], math.inf)
    assert above.censored
    assert below.censored
    level = crossing(SIZES, [0.1, 0.2, 0.5, 0.5, 0.5, 0.9, 0.9, 0.9], DONE)
    assert level.low == level.high == pytest.approx(0.5 * (X[2] + X[4]))
    assert crossing([60, 90], [np.nan, np.nan], [True, True]) == Crossing(-math.inf, math.inf)


def test_data_that_do_not_rise_are_pooled() -> None:
    noisy = crossing(SIZES, [0.1, 0.1, 0.3, 0.1, 0.9, 0.7, 0.9, 0.9], DONE)
    assert noisy == crossing(SIZES, [0.1, 0.1, 0.2, 0.2, 0.8, 0.8, 0.9, 0.9], DONE)


@pytest.mark.parametrize("direction", ["falling", "rising"])
def test_unfinished_runs_widen_the_crossing(direction: str) -> None:
    def found(accuracy: list[float], moving: int) -> Crossing:
        seen, settled = np.array(accuracy), np.arange(8) != moving
        if direction == "falling":
            return crossing(SIZES, seen, settled)
        other = crossing(1e4 / SIZES, 1 - seen, settled, direction="rising")  # the mirror image
        return Crossing(math.log(1e4) - other.high, math.log(1e4) - other.low)

    undetermined = found([0.1, 0.1, 0.1, 0.6, 0.9, 0.9, 0.9, 0.9], 3)
    assert X[2] < undetermined.low < X[3] < undetermined.high < X[4]
    surely_below = found([0.1, 0.1, 0.1, 0.4, 0.9, 0.9, 0.9, 0.9], 3)
    assert X[3] < surely_below.low < surely_below.high < X[4]
    assert undetermined.censored
    # Held up by a settled run of smaller size; held down by one of larger size.
    held_up = found([0.1, 0.1, 0.1, 0.1, 0.9, 0.9, 0.9, 0.9], 6)
    assert held_up.low == pytest.approx(held_up.high)
    held_down = found([0.1, 0.9, 0.1, 0.1, 0.9, 0.9, 0.9, 0.9], 1)
    assert X[3] < held_down.low <= held_down.high < X[4]
    # All above the level and the smallest still falling: anywhere below the smallest that has settled.
    open_below = found([0.8, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9], 0)
    assert (open_below.low, math.isfinite(open_below.high)) == (-math.inf, True)


@pytest.mark.parametrize("direction", ["falling", "rising"])
def test_bounds_hold_the_crossing_that_the_ends_have(direction: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        seed = draw(rng, direction, 0.5)
        # Noise of the runs that have settled is in both.
        ends = np.where(seed.settled, seed.accuracy, seed.end)
        final, found = crossing(SIZES, ends, DONE), crossing(SIZES, seed.accuracy, seed.settled, direction=direction)
        assert found.low - 0.05 <= final.low
        assert final.high <= found.high + 0.05


@pytest.mark.parametrize("unfinished", [0.0, 0.3])
@pytest.mark.parametrize("n", [3, 5, 10])
def test_interval_covers_the_true_mean(n: int, unfinished: float) -> None:
    rng = np.random.default_rng(n)
    replicates = [[draw(rng, "falling", unfinished) for _ in range(n)] for _ in range(300)]
    found = [critical_size([crossing(SIZES, s.accuracy, s.settled) for s in seeds]).interval for seeds in replicates]
    known = [i for i in found if math.isfinite(i.value)]
    assert len(known) >= 0.85 * len(found)
    for intervals in (found, known):
        assert 0.90 <= np.mean([i.low <= MEAN <= i.high for i in intervals]) <= 0.99


@pytest.mark.parametrize(("direction", "sign"), [("falling", -1), ("rising", 1)])
def test_counting_unfinished_runs_as_final_is_biased(direction: str, sign: int) -> None:
    rng = np.random.default_rng(7)
    replicates = [[draw(rng, direction, 0.3) for _ in range(10)] for _ in range(100)]
    naive = [critical_size([crossing(SIZES, s.accuracy, DONE) for s in seeds]).interval for seeds in replicates]
    ours = [
        critical_size([crossing(SIZES, s.accuracy, s.settled, direction=direction) for s in seeds]).interval
        for seeds in replicates
    ]
    bias = over_seeds([i.value - MEAN for i in naive], level=0.999)
    assert sign * bias.value > 0.06
    assert min(abs(bias.low), abs(bias.high)) > 2 * abs(np.mean([i.value - MEAN for i in ours]))
    assert np.mean([i.low <= MEAN <= i.high for i in naive]) < 0.88


@given(st.lists(st.floats(0, 1), min_size=8, max_size=8), st.lists(st.booleans(), min_size=8, max_size=8), st.data())
def test_laws_of_a_crossing(accuracy: list[float], settled: list[bool], data: st.DataObject) -> None:
    direction = data.draw(st.sampled_from(["falling", "rising"]))
    found = crossing(SIZES, accuracy, settled, direction=direction)
    final = crossing(SIZES, accuracy, DONE)
    assert found.low <= found.high
    if all(settled):
        assert found == final
    # Scale: D -> c D shifts by ln c.
    factor = data.draw(st.floats(0.01, 100))
    scaled = crossing(SIZES * factor, accuracy, settled, direction=direction)
    assert (scaled.low, scaled.high) == pytest.approx((found.low + math.log(factor), found.high + math.log(factor)))
    order = np.array(data.draw(st.permutations(range(8))))
    shuffled = crossing(SIZES[order], np.array(accuracy)[order], np.array(settled)[order], direction=direction)
    assert shuffled == found


bounds = st.tuples(st.floats(4, 6), st.sampled_from([0.0, 0.0, 0.1, 0.5, math.inf]), st.booleans())


@given(st.lists(bounds, min_size=2, max_size=10), st.floats(-5, 5))
def test_laws_of_the_critical_size(drawn: list[tuple[float, float, bool]], shift: float) -> None:
    crossings = [Crossing(x, x + w) if up else Crossing(x - w, x) for x, w, up in drawn]
    one = critical_size(crossings)
    moved = critical_size([Crossing(c.low + shift, c.high + shift) for c in crossings[::-1]])
    assert one.censored == moved.censored == sum(c.low < c.high for c in crossings)
    if math.isnan(one.interval.value):
        assert math.isinf(one.interval.half_width)
        return
    assert one.interval.low <= one.interval.value <= one.interval.high
    if math.isfinite(moved.interval.half_width) and one.interval.half_width > 1e-6:
        ours = np.array([moved.interval.low, moved.interval.value, moved.interval.high]) - shift
        tolerance = 1e-3 * one.interval.half_width
        np.testing.assert_allclose(ours, [one.interval.low, one.interval.value, one.interval.high], atol=tolerance)


def test_exact_crossings_give_the_t_interval() -> None:
    x = np.random.default_rng(1).normal(5, 0.2, 6)
    t = over_seeds(x)
    found = critical_size([Crossing(v, v) for v in x])
    assert (found.interval.value, found.interval.low, found.interval.high) == pytest.approx((t.value, t.low, t.high))
    assert found.spread == pytest.approx(x.std(ddof=1))
    assert (found.size, found.size_low, found.size_high) == pytest.approx(tuple(np.exp([t.value, t.low, t.high])))
    # Bounds so narrow that they are as good as exact: the likelihood's route to the same, but that m counts them half.
    near, spread = normal_mean(np.append(x[1:], x[0]), np.append(x[1:], x[0] + 1e-7))
    assert near.value == pytest.approx(t.value, abs=1e-4)
    assert spread == pytest.approx(x.std(ddof=1), rel=2e-3)
    assert t.half_width < near.half_width < 1.2 * t.half_width


def test_what_seeds_cannot_say() -> None:
    half_lines = [Crossing(-math.inf, 4.1)] * 5
    one_exact = [Crossing(5.0, 5.0), Crossing(4.8, 5.2), Crossing(4.9, math.inf)]
    for crossings, n in (([], 0), ([Crossing(5, 5)], 1), (half_lines, 5), (one_exact, 3)):
        found = critical_size(crossings)
        assert math.isnan(found.interval.value)
        assert (found.interval.low, found.interval.high, found.interval.n) == (-math.inf, math.inf, n)
        assert math.isnan(found.size)
    in_one_gap = critical_size([Crossing(5.0, 5.2, step=True)] * 5)
    assert in_one_gap.interval.low < 5.0 < in_one_gap.interval.value < 5.2 < in_one_gap.interval.high
    assert in_one_gap.censored == 0
    neighbours = critical_size([Crossing(4.8, 5.0, step=True)] * 2 + [Crossing(5.0, 5.2, step=True)] * 2)
    assert neighbours.interval.value == pytest.approx(5.0)
    assert 0.05 < neighbours.interval.half_width < 1
    without = critical_size([Crossing(5, 5), Crossing(5.1, 5.1), Crossing(-math.inf, math.inf)])
    assert (without.interval.n, without.censored) == (2, 1)


@given(st.floats(4.7, 5.7), st.floats(0.1, 0.3), st.floats(0.8, 1.0), st.floats(0.01, 0.1))
def test_logistic_is_recovered(middle: float, scale: float, top: float, chance: float) -> None:
    accuracy = chance + (top - chance) * expit((X - middle) / scale)
    found = logistic(SIZES[::-1], accuracy[::-1], chance)
    assert found == pytest.approx((middle, scale * 2 * math.log(9)), rel=1e-4)
    assert logistic(SIZES * 3.0, accuracy, chance) == pytest.approx((found[0] + math.log(3.0), found[1]), rel=1e-4)


def test_a_step_has_at_most_the_spacing_for_width() -> None:
    assert logistic(SIZES, [0, 0, 0, 0, 1, 1, 1, 1], 0.0) == pytest.approx((0.5 * (X[3] + X[4]), X[4] - X[3]))
    middle, width = logistic(SIZES, [0, 0, 0, 0.3, 1, 1, 1, 1], 0.0)
    assert X[3] < middle < X[4]
    assert width == pytest.approx(max(X[4] - X[3], X[3] - X[2]))


def test_data_that_do_not_span_the_transition_have_no_width() -> None:
    for accuracy in (
        np.full(8, 0.02),
        np.full(8, 0.95),
        expit((X - 7) / 0.3),
        expit((X - 3.5) / 0.3),
        np.full(8, np.nan),
    ):
        assert np.isnan(logistic(SIZES, accuracy, 0.02)).all()
    assert np.isnan(logistic([60, 90], [0.02, 0.9], 0.02)).all()


def test_bad_input_is_refused() -> None:
    refused(ValueError, "one accuracy for each", "(2,)", lambda: crossing(SIZES, [0.5, 0.5], DONE))
    refused(ValueError, "in [0, 1]", "1.5", lambda: crossing([60, 90], [0.5, 1.5], [True, True]))
    refused(ValueError, "positive", "-60", lambda: logistic([-60, 90], [0.5, 0.6], 0.0))
    refused(ValueError, "boolean", "int64", lambda: crossing([60, 90], [0.5, 0.6], [1, 0]))
    refused(ValueError, "distinct", "[60.0, 60.0]", lambda: crossing([60, 60], [0.5, 0.6], [True, True]))
    refused(ValueError, "'falling' or 'rising'", "'up'", lambda: crossing(SIZES, DONE * 0.5, DONE, direction="up"))
    refused(ValueError, "between chance", "1.0", lambda: crossing(SIZES, DONE * 0.5, DONE, 1.0))
    refused(ValueError, "0 <= chance < 1", "1.0", lambda: logistic(SIZES, DONE * 0.5, 1.0))
    refused(ValueError, "low <= high", "2.0 and 1.0", lambda: Crossing(2.0, 1.0))
    refused(ValueError, "low <= high", "[2.0]", lambda: normal_mean([2.0], [1.0]))
    refused(ValueError, "0 < level < 1", "95", lambda: critical_size([], level=95))
