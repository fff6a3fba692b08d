"""Laws of the tables, splits and labels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import realnet as rn
from realnet.tasks import task as streams
from realnet.tasks.modular import MODULAR, discrete_log, is_prime, modular, symbols, table, table_size
from realnet.tasks.task import order as data_order
from realnet.tasks.task import trained_labels


def labels(task: str, p: int, seed: int, corrupted: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Labels to train on and true ones."""
    made = modular(task, p, seed)
    return trained_labels(made, seed, corrupted), made.targets


PRIMES = st.sampled_from([2, 3, 5, 7, 11, 13, 17])
SEEDS = st.integers(0, 10**6)
KNOWN_ORDER, KNOWN_LABELS = [1, 3, 6, 7, 8, 0, 4, 2, 5], [8, 0, 2, 3, 2, 5, 8, 1, 3]
KNOWN_CORRUPTED = [3, 4, 10, 13, 14, 16]


@pytest.mark.parametrize("task", MODULAR)
def test_every_pair_occurs_once_and_labels_are_symbols(task: str) -> None:
    p = symbols(task, 13)
    pairs = table(task, p)
    assert len(pairs.x) == table_size(task, p) == len(set(zip(pairs.x.tolist(), pairs.y.tolist(), strict=True)))
    noisy, truth = labels(task, p, 0, 0.5)
    for label in (noisy, truth):
        assert label.min() >= 0
        assert label.max() < p


@given(p=st.integers(2, 20))
def test_subtraction_undoes_addition(p: int) -> None:
    total = table("add", p).label.reshape(p, p)
    back = table("sub", p).label.reshape(p, p)
    x, y = np.meshgrid(range(p), range(p), indexing="ij")
    assert (back[total, y] == x).all()


@given(p=PRIMES)
def test_division_undoes_multiplication(p: int) -> None:
    pairs = table("div", p)
    assert (pairs.label * pairs.y % p == pairs.x).all()
    assert (pairs.y > 0).all()
    mixed = table("div_odd", p).label
    odd = pairs.y % 2 == 1
    assert (mixed[odd] == pairs.label[odd]).all()
    assert (mixed[~odd] == (pairs.x - pairs.y)[~odd] % p).all()


@given(p=st.integers(2, 30), pair=st.tuples(st.integers(0, 29), st.integers(0, 29)))
def test_polynomials_are_those_they_are_called(p: int, pair: tuple[int, int]) -> None:
    x, y = pair[0] % p, pair[1] % p
    for task in ("x^2+y^2", "x^2+xy+y^2", "x^2+xy+y^2+x", "x^3+xy", "x^3+xy^2+y"):
        source = task.replace("xy", "x*y").replace("^", "**")
        assert table(task, p).label[x * p + y] == eval(source, {"x": x, "y": y}) % p


def test_s5_is_the_group_of_permutations() -> None:
    elements = list(itertools.permutations(range(5)))
    number = {e: i for i, e in enumerate(elements)}
    xy, xyx, conjugate = (table(t, 120).label.reshape(120, 120) for t in ("s5_xy", "s5_xyx", "s5_xyx^-1"))
    rng = np.random.default_rng(0)
    for i, j in rng.integers(120, size=(300, 2)):
        f, g = elements[i], elements[j]
        h = tuple(f[g[k]] for k in range(5))
        assert xy[i, j] == number[h]
        assert xyx[i, j] == number[tuple(h[f[k]] for k in range(5))]
        assert xy[conjugate[i, j], i] == xy[i, j]  # (x y x^-1) x = x y
    assert all(sorted(row) == list(range(120)) for row in xy)


@given(seed=SEEDS, p=PRIMES, sizes=st.tuples(st.integers(1, 100), st.integers(1, 100)))
def test_a_smaller_data_set_is_a_subset_of_a_larger_one(seed: int, p: int, sizes: tuple[int, int]) -> None:
    order = data_order(p * p, seed)
    small, large = sorted(sizes)
    assert set(order[:small]) <= set(order[:large])
    assert sorted(order) == list(range(p * p))


def test_splits_differ_between_seeds() -> None:
    assert (data_order(961, 0) != data_order(961, 1)).any()


@given(seed=SEEDS, shares=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_corruption_changes_its_share_of_labels_and_more_of_it_corrupts_a_superset(
    seed: int, shares: tuple[float, float]
) -> None:
    less, more = sorted(shares)
    one, truth = labels("add", 31, seed, less)
    two, _ = labels("add", 31, seed, more)
    assert ((one != truth) <= (two != truth)).all()
    # Five standard deviations of a binomial share of 961 labels.
    assert abs((one != truth).mean() - less) < 5 * 0.5 / 961**0.5


def test_corruption_of_everything_leaves_no_label_right() -> None:
    noisy, truth = labels("add", 31, 3, 1.0)
    assert (noisy != truth).all()


def test_random_labels_are_uniform_and_follow_the_seed() -> None:
    first, again, other = (labels("random", 31, s)[0] for s in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).mean() > 0.9
    counts = np.bincount(first, minlength=31)
    chi_squared = ((counts - 31) ** 2 / 31).sum()
    assert chi_squared < 30 + 5 * 60**0.5


@given(p=PRIMES)
def test_discrete_log_turns_products_into_sums(p: int) -> None:
    logs = discrete_log(p)
    x = np.arange(1, p)
    products = logs[np.outer(x, x) % p]
    assert (products == (logs[x][:, None] + logs[x]) % (p - 1)).all()


@given(n=st.integers(0, 500))
def test_primes_have_no_divisor(n: int) -> None:
    assert is_prime(n) == (n > 1 and not any(n % k == 0 for k in range(2, n)))


def test_streams_of_random_numbers_are_one_s_own() -> None:
    """Known values: whoever changes a stream changes every run there is; two streams made one would correlate."""
    names = ("ORDER", "RANDOM_LABELS", "CORRUPTION", "INITIAL", "BATCHES", "DATA")
    assert [getattr(streams, name) for name in names] == [1, 2, 3, 4, 5, 6]
    assert data_order(9, 0).tolist() == KNOWN_ORDER
    assert labels("random", 9, 0)[0][:9].tolist() == KNOWN_LABELS
    noisy, truth = labels("add", 9, 0, 0.3)
    assert np.flatnonzero(noisy != truth)[:6].tolist() == KNOWN_CORRUPTED


def test_test_examples_are_judged_and_never_trained_on() -> None:
    made = rn.Task((np.arange(30.0)[:, None],), np.arange(30) % 3, test=10)
    assert made.size == 20
    assert made.outputs == 3
    assert trained_labels(made, 0, 0.0) is made.targets
    assert (trained_labels(made, 0, 1.0) != made.targets).all()
