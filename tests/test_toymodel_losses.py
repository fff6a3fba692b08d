"""Losses are finite and right for S up to 700 and q up to 1e6 (README 2), against 60 digits."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import references
from tests.strategies import numbers
from toymodel import flow, losses

LOGIT = st.one_of(st.sampled_from([0.0, 1e-300, 1e-12, 700.0]), st.floats(0.0, 700.0))
CLASSES = numbers("num_classes", (2.0, 1e6))


def close(got: np.ndarray, exact: mp.mpf) -> None:
    assert np.isfinite(got)
    assert abs(mp.mpf(float(got)) - exact) <= mp.mpf("1e-13") * abs(exact), (float(got), exact)


@given(LOGIT, CLASSES)
@settings(max_examples=300)
def test_train_loss_is_right_to_13_digits(total: float, num_classes: float) -> None:
    close(losses.train_loss(total, num_classes), references.train_loss(total, num_classes))


@given(LOGIT, LOGIT, CLASSES)
@settings(max_examples=300)
def test_test_loss_is_right_to_13_digits(gen: float, mem: float, num_classes: float) -> None:
    close(losses.test_loss(gen, mem, num_classes), references.test_loss(gen, mem, num_classes))


@given(LOGIT, CLASSES)
@settings(max_examples=300)
def test_wrong_probability_is_right_to_13_digits(total: float, num_classes: float) -> None:
    close(losses.wrong_probability(total, num_classes), references.wrong_probability(total, num_classes))


@given(LOGIT, CLASSES)
def test_losses_broadcast(total: float, num_classes: float) -> None:
    grid = losses.train_loss(np.array([[total], [1.0]]), np.array([num_classes, 7.0]))
    assert grid.shape == (2, 2)
    assert grid[0, 0] == losses.train_loss(total, num_classes)


def test_chance_is_where_nothing_is_learnt() -> None:
    for q in (2.0, 113.0, 1e9):
        assert losses.train_loss(0.0, q) == pytest.approx(np.log(q), rel=1e-14)
        assert losses.test_loss(0.0, 0.0, q) == pytest.approx(np.log(q), rel=1e-14)
        assert losses.test_accuracy(np.zeros(2), 1, q) == 1.0 / q


def test_without_a_spread_accuracy_jumps_at_a_tie() -> None:
    for logits, expected in (([2.0, 1.0], 1.0), ([1.0, 2.0], 0.0), ([1.0, 1.0], 0.5)):
        assert losses.test_accuracy(np.array(logits), 1, 113) == expected
    assert losses.train_accuracy(np.array([1.0, 2.0]), 113) == 1.0


@given(st.floats(0.01, 50.0), st.floats(0.01, 50.0), st.floats(0.01, 3.0))
def test_with_a_spread_accuracy_is_a_normal_probability(gen: float, mem: float, spread: float) -> None:
    exact = mp.ncdf((mp.mpf(gen) - mp.mpf(mem)) / (mp.mpf(spread) * mp.sqrt(mp.mpf(gen) ** 2 + mp.mpf(mem) ** 2)))
    got = losses.test_accuracy(np.array([gen, mem]), 1, 113, spread)
    assert float(got) == pytest.approx(float(exact), rel=1e-9, abs=1e-300)
    swapped = losses.test_accuracy(np.array([mem, gen]), 1, 113, spread)
    assert float(got + swapped) == pytest.approx(1.0, rel=1e-12)


@given(st.floats(0.05, 4.0), st.floats(0.1, 10.0), st.floats(0.0, 1.0), st.floats(0.5, 4.0))
def test_penalties_differ_by_the_factor_two(norm: float, other: float, decay: float, power: float) -> None:
    whole = flow.network_norm(np.array([norm, other]), power)
    half = losses.regularisation(whole, decay, "half", power)
    assert half == pytest.approx(0.5 * decay * (norm**power + other**power), rel=1e-12)
    assert losses.regularisation(whole, decay, "full", power) == pytest.approx(2.0 * half, rel=1e-14)
