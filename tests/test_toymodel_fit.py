"""From measurements to numbers: lone circuits and margins give back what they were made of; what cannot tell is refused."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import toymodel as tm
from tests.refusals import refused
from tests.strategies import numbers

Table = dict[str, np.ndarray]


def networks(sizes: Any, logits: Any, norm: Any, seeds: int = 1) -> Table:
    """Every size with every logit and seed."""
    size, logit, seed = (x.ravel() for x in np.meshgrid(sizes, logits, range(seeds), indexing="ij"))
    return {"dataset_size": size, "logit": logit, "norm": norm(size, logit), "seed": seed.astype(float)}


def circuits(kappa: float, eta: float, beta: float, critical: float, seeds: int = 1) -> tuple[Table, Table]:
    gen = networks([500.0, 2000.0], [8.0, 12.0, 19.0], lambda d, s: s ** (1 / kappa) / eta, seeds)
    mem = networks(
        [100.0, 250.0, 600.0], [7.0, 13.0], lambda d, s: s ** (1 / kappa) / eta * (d / critical) ** beta, seeds
    )
    return gen, mem


@given(numbers("kappa", (0.3, 8.0)), numbers("efficiency", (1e-4, 1e3)), st.floats(0.02, 3.0), st.floats(20.0, 5000.0))
def test_lone_circuits_without_noise_give_their_four_numbers(
    kappa: float, eta: float, beta: float, critical: float
) -> None:
    """D_crit lies below, between and above the sizes of Mem."""
    gen, mem = circuits(kappa, eta, beta, critical, seeds=3)
    for given_kappa in (None, kappa):
        found = tm.fit_circuits(gen, mem, kappa=given_kappa)
        numbers_ = (found.kappa, found.efficiency, found.beta, found.critical_size)
        assert numbers_ == pytest.approx((kappa, eta, beta, critical), rel=1e-6)
        assert found.rms < 1e-9
        assert found.seeds == 3
        for name, truth in (("kappa", kappa), ("efficiency", eta), ("beta", beta), ("critical_size", critical)):
            assert found.intervals[name] == pytest.approx((truth, truth), rel=1e-6)
    # η is an inverse norm, D_crit a size: units go through.
    gen["norm"], mem["norm"] = gen["norm"] * 7.0, mem["norm"] * 7.0
    assert tm.fit_circuits(gen, mem).efficiency == pytest.approx(eta / 7.0, rel=1e-6)
    gen["dataset_size"], mem["dataset_size"] = gen["dataset_size"] * 3.0, mem["dataset_size"] * 3.0
    assert tm.fit_circuits(gen, mem).critical_size == pytest.approx(3.0 * critical, rel=1e-6)


def test_between_sizes_of_mem_its_norm_is_interpolated_and_beyond_them_it_is_on_the_line() -> None:
    """Mem's ln norm at ln D of 1, 2, 3 bends: 0, 1, 4; the line through them has slope 2 and is 5/3 at 2."""
    mem = {"dataset_size": np.exp([1.0, 2.0, 3.0]), "logit": np.ones(3), "norm": np.exp([0.0, 1.0, 4.0])}
    for level, crossing in ((0.5, 1.5), (2.5, 2.5), (-1.0, 2 - (1 + 5 / 3) / 2), (6.0, 2 + (6 - 5 / 3) / 2)):
        gen = {"dataset_size": [9.0], "logit": [1.0], "norm": [math.exp(level)]}
        assert math.log(tm.fit_circuits(gen, mem, kappa=4.0).critical_size) == pytest.approx(crossing)


def test_intervals_of_lone_circuits_cover() -> None:
    truth = {"kappa": 4.8, "efficiency": 0.08, "beta": 0.33, "critical_size": 260.0}
    covered = dict.fromkeys(truth, 0)
    for draw in range(200):
        rng = np.random.default_rng(draw)
        gen, mem = circuits(*truth.values(), seeds=5)
        for table in (gen, mem):
            # Seeds differ, and so do networks of one seed.
            table["norm"] = table["norm"] * np.exp(
                0.01 * rng.standard_normal(5)[table["seed"].astype(int)]
                + 0.004 * rng.standard_normal(len(table["norm"]))
            )
        found = tm.fit_circuits(gen, mem)
        for name, number in truth.items():
            covered[name] += found.intervals[name][0] <= number <= found.intervals[name][1]
    assert all(180 <= n <= 199 for n in covered.values()), covered


def test_seeds_are_the_units_and_without_them_there_is_no_interval() -> None:
    gen, mem = circuits(4.5, 0.1, 0.3, 260.0, seeds=3)
    for drop in ("both", "one seed"):
        tables = [
            {k: v for k, v in t.items() if k != "seed"}
            if drop == "both"
            else {k: v[t["seed"] == 1] for k, v in t.items()}
            for t in (gen, mem)
        ]
        found = tm.fit_circuits(*tables)
        assert found.seeds == (0 if drop == "both" else 1)
        assert np.isnan(list(found.intervals.values())).all()
        assert found.critical_size == pytest.approx(260.0)
    # A seed of Mem alone is held against Gen of all seeds; one with a single size of Mem has no fit of its own.
    mem["seed"] = mem["seed"] + 1
    assert tm.fit_circuits(gen, mem).seeds == 3
    lone = {k: v[(mem["seed"] != 2) | (mem["dataset_size"] == 100)] for k, v in mem.items()}
    assert tm.fit_circuits(gen, lone).seeds == 2


@pytest.mark.parametrize(
    ("change", "required", "received"),
    [
        ({"norm": [1.0, -1.0]}, "norm of the Mem networks must be positive numbers", "-1.0"),
        ({"logit": [math.nan, 9.0]}, "logit of the Mem networks must be positive numbers", "nan"),
        ({"dataset_size": [0.0, 9.0]}, "dataset_size of the Mem networks", "0.0"),
        ({"norm": None}, "must have a column 'norm'", "dataset_size, logit"),
        ({"norm": [1.0]}, "one length", "2, 2, 1"),
        ({"norm": [[1.0, 2.0]]}, "positive numbers (n,)", "[[1.0, 2.0]]"),
        ({"dataset_size": [100.0, 100.0]}, "two sizes or more", "[100.0]"),
        ({"logit": [9.0, "many"]}, "logit of the Mem networks must be numbers", "many"),
        (
            {
                "dataset_size": [100.0, 100.0, 200.0, 200.0],
                "logit": [8.0, 10.0, 8.0, 10.0],
                "norm": [12.0, 12.5, 10.0, 10.4],
                "seed": list("aaaa"),
            },
            "must rise with their number",
            "swapped",
        ),
        ({"norm": [1.0, 1.001], "logit": [9.0, 9.0], "kappa": [5.0, 5.0]}, "within a factor of 10", "100 to 200"),
        ({}, "must rest at several logits", "0 in ln S"),
    ],
)
def test_lone_circuits_that_cannot_tell_are_refused(change: dict[str, Any], required: str, received: str) -> None:
    mem = {"dataset_size": [100.0, 200.0], "logit": [9.0, 9.0], "norm": [10.0, 12.0]} | change
    gen = {"dataset_size": [500.0], "logit": [9.0], "norm": [11.0]}
    mem = {name: column for name, column in mem.items() if column is not None}
    kappa = mem.pop("kappa", [None])[0]
    said = refused(ValueError, required, received, lambda: tm.fit_circuits(gen, mem, kappa=kappa))
    if not change:
        assert "kappa=" in said
        assert tm.fit_circuits(gen, mem, kappa=5.0).kappa == pytest.approx(5.0)
        refused(ValueError, "kappa must be positive", "-1", lambda: tm.fit_circuits(gen, mem, kappa=-1))


def grokked(
    critical: float, scale: float, multiples: Any = (1.0, 1.6, 3.0, 7.0), seeds: int = 1, t: float = 12.0
) -> tuple[np.ndarray, ...]:
    """Sizes from where u/t is 0.6 on, t, u and seed of networks on the line u/(t − u) = (D − D_crit)/D_1."""
    size, seed = (
        x.ravel() for x in np.meshgrid(critical + scale * 1.5 * np.asarray(multiples), range(seeds), indexing="ij")
    )
    odds = (size - critical) / scale
    return size, np.full(len(size), t), t * odds / (1 + odds), seed.astype(float)


@given(st.floats(10.0, 1e5), st.floats(0.02, 3.0), st.floats(0.1, 100.0))
def test_margins_on_the_line_give_the_critical_size_and_its_scale(critical: float, share: float, t: float) -> None:
    size, train, test, seed = grokked(critical, share * critical, (1.01, 1.6, 3.0, 7.0), seeds=2, t=t)
    for labels in (None, seed):
        found = tm.critical_size_from_margins(size, train, test, labels)
        assert (found.critical_size, found.scale) == pytest.approx((critical, share * critical), rel=1e-5)
        assert found.rms < 1e-9
        assert found.sizes == pytest.approx(tuple(np.unique(size)))
        assert found.interval == pytest.approx((critical, critical), rel=1e-4)
        assert found.seeds == (0 if labels is None else 2)


def test_networks_near_the_threshold_or_without_memory_are_left_out() -> None:
    size, train, test, _ = grokked(200.0, 40.0)
    near = np.r_[size, 210.0, 5000.0], np.r_[train, 12.0, 12.0], np.r_[test, 0.5 * 12, 12.5]
    found = tm.critical_size_from_margins(*near)
    assert found.sizes == tuple(size)
    assert found.critical_size == pytest.approx(200.0)
    assert 210.0 in tm.critical_size_from_margins(*near, least_share=0.4).sizes


@pytest.mark.parametrize("by_seed", [True, False])
def test_intervals_from_margins_cover(by_seed: bool) -> None:
    covered = 0
    for draw in range(300):
        rng = np.random.default_rng(draw)
        size, train, _, seed = grokked(250.0, 45.0, seeds=4)
        # Errors are relative errors of u/(t − u), as the line weighs them; seeds have thresholds of their own.
        own = 250.0 * np.exp(0.03 * rng.standard_normal(4))[seed.astype(int)] if by_seed else 250.0
        odds = (size - own) / 45.0 * np.exp(0.03 * rng.standard_normal(len(size)))
        found = tm.critical_size_from_margins(
            size, train, train * odds / (1 + odds), seed if by_seed else None, least_share=0.3
        )
        covered += found.interval[0] <= 250.0 <= found.interval[1]
    assert 270 <= covered <= 298, covered


def test_two_networks_give_a_line_and_no_interval() -> None:
    size, train, test, _ = grokked(200.0, 40.0, (1.0, 3.0))
    found = tm.critical_size_from_margins(size, train, test)
    assert (found.critical_size, found.scale) == pytest.approx((200.0, 40.0))
    assert np.isnan(found.interval).all()
    # A seed with one size has no line of its own; the others' do.
    size, train, test, seed = grokked(200.0, 40.0, seeds=3)
    kept = (seed < 2) | (size == size.max())
    assert tm.critical_size_from_margins(size[kept], train[kept], test[kept], seed[kept]).seeds == 2


@pytest.mark.parametrize(
    ("arguments", "required", "received"),
    [
        (([100, 200], [10, 10], [2, 3]), "All sizes lie below D_crit or near it: train larger", "0.3"),
        (([200, 200], [10, 10], [8, 8.1]), "two sizes or more", "200"),
        (([200, 400], [10, 10], [9, 7]), "must rise with size", "D_crit ="),
        (([200, 400], [10, 10], [8, 8.2]), "at a positive size", "D_crit = -"),
        (([200, 400], [10, 10], [8]), "must be (n,) each", "(1,)"),
        (([200, 400], [10, 10], [8, 9], [1]), "must be (n,) each", "(1,)"),
        (([200, -400], [10, 10], [8, 9]), "must be positive", "-400"),
        (([200, 400], [10, 0], [8, 9]), "must be positive", "0.0"),
        (([200, 400], [10, 10], [8, math.nan]), "margins finite", "nan"),
        (([200, 400], [10, 10], [11, 12]), "must lie below training margins", "1.1"),
    ],
)
def test_margins_that_cannot_tell_are_refused(arguments: tuple[Any, ...], required: str, received: str) -> None:
    with pytest.raises(ValueError, match=r".+") as caught:
        tm.critical_size_from_margins(*arguments)
    assert required in str(caught.value)
    assert received in str(caught.value)
