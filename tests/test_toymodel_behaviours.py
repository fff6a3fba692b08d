"""The vocabulary of README 7: every word is reached, and censoring is never hidden."""

import math
from itertools import groupby
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import toymodel as tm
from tests.strategies import MILD, models, numbers
from toymodel.behaviours import read_curves, since
from toymodel.integration.problem import pack
from toymodel.losses import chance_accuracy

RUNS: dict[str, Any] = {
    "grokking": lambda: tm.simulate(),
    "comprehension": lambda: tm.simulate(gen_learning_speed=1.0, mem_learning_speed=0.01, t_end=1e4),
    "memorisation": lambda: tm.simulate(dataset_size=200, t_end=1e5),
    "semi-grokking": lambda: tm.simulate(dataset_size=1000, logit_spread=0.5, kappa=1.5, t_end=1e5),
    "semi-comprehension": lambda: tm.simulate(
        dataset_size=1000, logit_spread=0.5, kappa=1.5, t_end=1e5, gen_learning_speed=1.0
    ),
    "ungrokking": lambda: tm.simulate(t_end=1e4).continue_with(dataset_size=200, t_end=1e5),
    "collapse": lambda: tm.simulate(t_end=1e4).continue_with(weight_decay=10.0, t_end=1e5),
    "confusion": lambda: tm.simulate(weight_decay=10.0, t_end=1e5),
    "unfinished": lambda: tm.simulate(t_end=30.0),
}


@pytest.mark.parametrize("word", RUNS)
def test_every_word_is_reached(word: str) -> None:
    run = RUNS[word]()
    assert run.behaviour == word
    assert run.meaning == tm.MEANINGS[word]


def test_the_vocabulary_has_no_other_words() -> None:
    assert set(tm.BEHAVIOURS) == {*RUNS, "failed"} == set(tm.MEANINGS)


@given(st.floats(0.0, 1.0))
def test_a_run_cut_short_is_unfinished_not_memorisation(share: float) -> None:
    full = tm.simulate(t_end=1e4)
    t_end = share * full.t_gen
    run = tm.simulate(t_end=0.98 * t_end)
    assert run.behaviour == "unfinished"
    assert run.t_gen is None


@given(models(MILD | {"weight_decay": (1e-4, 3e-3)}, options=False), st.floats(0.1, 0.9), numbers("t_end", (1.0, 1e4)))
def test_censoring_never_denies_what_the_limit_does(model: Any, share: float, t_end: float) -> None:
    # Gen is the more efficient, so that most limits generalise.
    model = model.with_parameters(mem_efficiency=share * model.gen.efficiency)
    run = tm.simulate(model, t_end)
    bar = 0.1 * math.log(model.num_classes)
    limit = tm.steady_state(model)
    if limit.test_loss < bar:
        assert run.behaviour in ("unfinished", "grokking", "comprehension")
    if run.t_gen is not None and run.behaviour == "grokking":
        assert run.t_gen > 2.0 * run.t_fit
    if run.behaviour == "comprehension":
        assert run.t_gen <= 2.0 * run.t_fit


def test_thresholds_move_the_lines() -> None:
    run = tm.simulate()
    late = run.t_gen / run.t_fit
    assert tm.simulate(criteria=tm.Criteria(delay=1.01 * late)).behaviour == "comprehension"
    assert tm.simulate(criteria=tm.Criteria(delay=0.99 * late)).behaviour == "grokking"
    loss_bar = 0.5 * math.log(113)
    early = tm.simulate(criteria=tm.Criteria(performance=0.5))
    assert early.t_gen < run.t_gen
    at = tm.simulate(times=[early.t_gen])
    assert at.test_loss[0] == pytest.approx(loss_bar, rel=1e-5)


def test_with_a_spread_generalising_is_an_accuracy() -> None:
    run = tm.simulate(logit_spread=0.3)
    at = tm.simulate(logit_spread=0.3, times=[run.t_gen])
    assert at.test_accuracy[0] == pytest.approx(0.9, abs=1e-5)


def test_continuing_hands_the_state_over_exactly() -> None:
    whole = tm.simulate(t_end=200.0, rtol=1e-10)
    half = tm.simulate(t_end=80.0, rtol=1e-10)
    rest = half.continue_with(t_end=200.0)
    assert np.array_equal(rest.logits[: half.time.size], half.logits)
    assert np.array_equal(rest.final_state.invariant, half.final_state.invariant)
    np.testing.assert_allclose(rest.final_state.logit, whole.final_state.logit, rtol=1e-7)


def test_continuing_a_descent_is_the_same_descent() -> None:
    whole = tm.simulate(method="descent", steps=3000)
    rest = tm.simulate(method="descent", steps=1200).continue_with(steps=1800)
    assert rest.method == "descent"
    np.testing.assert_allclose(rest.final_state.logit, whole.final_state.logit, rtol=1e-10)
    np.testing.assert_allclose(rest.final_state.invariant, whole.final_state.invariant, rtol=1e-9)


def test_continuing_keeps_settings_and_changes_what_is_asked() -> None:
    run = tm.simulate(t_end=50.0, rtol=1e-6, learning_rate=0.02, criteria=tm.Criteria(delay=3.0))
    on = run.continue_with(dataset_size=400)
    assert (on.t_end, on.rtol, on.learning_rate, on.criteria) == (100.0, 1e-6, 0.02, run.criteria)
    assert on.model.dataset_size == pytest.approx(400.0)
    assert on.model.gen == run.model.gen
    assert on.time[0] == 0.0


def test_a_grokked_network_ungroks_only_below_the_critical_size() -> None:
    grokked = tm.simulate(t_end=1e4)
    for size, ends in ((300.0, False), (900.0, False), (1100.0, True), (3000.0, True)):
        on = grokked.continue_with(dataset_size=size, t_end=1e6)
        assert (on.gen_logit[-1] > on.mem_logit[-1]) == ends, size


def curves(train: Any, test: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    t = np.geomspace(1.0, 1e4, 200)
    return t, np.clip(train(t), 0.0, 1.0), np.clip(test(t), 0.0, 1.0)


def step(at: float, high: float = 1.0, low: float = 0.01) -> Any:
    return lambda t: np.where(t >= at, high, low)


@pytest.mark.parametrize(
    ("word", "train", "test"),
    [
        ("grokking", step(10), step(1000)),
        ("comprehension", step(10), step(15)),
        ("memorisation", step(10), step(1e9)),
        ("semi-grokking", step(10), step(1000, 0.6)),
        ("semi-comprehension", step(10), step(15, 0.6)),
        ("ungrokking", lambda t: np.ones_like(t), lambda t: np.where(t < 100, 1.0, 0.01)),
        (
            "collapse",
            lambda t: np.where((t > 10) & (t < 1000), 1.0, 0.02),
            lambda t: np.where((t > 50) & (t < 900), 1.0, 0.01),
        ),
        ("confusion", step(1e9), step(1e9)),
        ("comprehension", lambda t: np.full_like(t, 0.96), step(100, 0.95)),
        ("unfinished", step(10), lambda t: 0.01 + 0.5 * t / 1e4),
        ("unfinished", lambda t: 0.9 * t / 1e4, step(1e9)),
        ("grokking", step(10), lambda t: np.where(t < 500, 0.01, np.where(t < 4900, 0.95, 0.999))),
    ],
)
def test_measured_curves_are_classified_by_the_same_words(word: str, train: Any, test: Any) -> None:
    assert tm.classify_curves(*curves(train, test), num_classes=113) == word


def test_a_toy_run_and_its_curves_have_the_same_name() -> None:
    for spread, size in ((0.3, 4000.0), (0.3, 200.0)):
        run = tm.simulate(dataset_size=size, logit_spread=spread, t_end=1e5)
        measured = tm.classify_curves(run.time, run.train_accuracy, run.test_accuracy, 113)
        assert measured == run.behaviour


def test_one_memorising_and_several_generalising_circuits_give_a_staircase() -> None:
    model = tm.TwoCircuitModel(
        gen=tuple(tm.Circuit(e, s) for e, s in ((0.7, 1e-2), (1.0, 1e-7), (1.5, 1e-16**0.75))),
        mem=(tm.Circuit(0.4, 1.0),), kappa=1.8, logit_spread=0.4,
    )  # fmt: skip
    run = tm.simulate(model, 1e4)
    leaders = np.argmax(run.logits[run.time > 1.0], axis=1)
    order = [int(k) for k, _ in groupby(leaders)]
    assert order == [3, 0, 1, 2]


@pytest.mark.parametrize(
    ("curve", "first"),
    [
        ([0, 0, 1, 1, 1, 1], 2.0),
        ([1, 1, 1, 1, 1, 1], 0.0),
        ([0, 1, 0, 1, 1, 1], 1.0),  # one measurement alone is a dip
        ([0, 1, 1, 1, 1, 0], 1.0),  # the last one too
        ([0, 1, 0, 0, 1, 1], 4.0),  # two that take half of the time gone by are none
        ([0, 1, 1, 1, 0, 0], math.nan),
        ([0, 0, 1, 0, 0, 0], math.nan),  # nor does one alone above the line say anything
        ([0, 0, 0, 0, 0, 1], math.nan),
        ([0, 1, 0.985, 0.985, 0.985, 0.985], 1.0),  # a little below the line is noise for as long as it likes
        ([0, 0.985, 0.985, 0.985, 0.985, 0.985], math.nan),  # but never is past it
    ],
)
def test_since_is_for_good_but_for_dips(curve: list[float], first: float) -> None:
    assert since(np.arange(6.0), np.array(curve), 0.99, tm.Criteria()) == pytest.approx(first, nan_ok=True)


def test_a_dip_lasts_a_tenth_of_the_time_gone_by() -> None:
    t = np.arange(1.0, 2001.0)
    for first, last, found in ((500, 549, 100.0), (500, 560, 561.0), (1000, 1099, 100.0)):
        curve = np.where((t < 100) | ((t >= first) & (t <= last)), 0.0, 1.0)
        assert since(t, curve, 0.99, tm.Criteria()) == found
    assert since(t, np.where((t < 100) | ((t >= 500) & (t <= 700)), 0.0, 1.0), 0.99, tm.Criteria(dip=0.5)) == 100.0


def grokking() -> tuple[Any, Any, Any]:
    t = np.linspace(0.0, 5000.0, 101)
    return t, np.clip(t / 200, 0.01, 1.0), np.clip((t - 1000) / 1500, 0.01, 1.0)


SHAPES: dict[str, Any] = {
    "grokking": grokking,
    "memorisation": lambda: (*grokking()[:2], np.full(101, 0.01)),
    "semi-grokking": lambda: (*grokking()[:2], np.minimum(grokking()[2], 0.6)),
    "ungrokking": lambda: (grokking()[0], np.ones(101), np.clip(1.0 - grokking()[0] / 500, 0.01, 1.0)),
    "confusion": lambda: (grokking()[0], np.full(101, 0.3), np.full(101, 0.01)),
}


@pytest.mark.parametrize("name", SHAPES)
@given(place=st.integers(60, 100), depth=st.floats(0.0, 0.99))
def test_no_dip_of_one_measurement_renames_a_run(name: str, place: int, depth: float) -> None:
    t, train, test = SHAPES[name]()
    assert tm.classify_curves(t, train, test, 113) == name
    train[place] *= depth
    assert tm.classify_curves(t, train, test, 113) == name
    test[place] *= depth
    assert tm.classify_curves(t, train, test, 113) == name


@pytest.mark.parametrize("name", SHAPES)
@given(seed=st.integers(0, 2**32 - 1))
def test_noise_of_half_a_percent_renames_no_run(name: str, seed: int) -> None:
    t, *accuracies = SHAPES[name]()
    rng = np.random.default_rng(seed)
    noisy = [np.clip(curve + 0.005 * rng.standard_normal(t.size), 0.0, 1.0) for curve in accuracies]
    assert tm.classify_curves(t, *noisy, 113) == name


def test_what_is_under_way_at_the_end_is_unfinished() -> None:
    t, train, test = grokking()
    for late, fall in ((98, 0.5), (93, 0.5), (97, 0.0)):
        assert tm.classify_curves(t, train, np.where(np.arange(101) >= late, fall, test), 113) == "unfinished"
    never = np.full(101, 0.01)
    for late in (99, 92, 70):
        assert tm.classify_curves(t, train, np.where(np.arange(101) >= late, 0.5, never), 113) == "unfinished"
    # A slow slide along the line is no rest either.
    assert tm.classify_curves(t, train, np.linspace(1.0, 0.88, 101), 113) == "unfinished"


def test_chance_is_of_unequal_classes_where_it_is_given() -> None:
    t, train, _ = grokking()
    guess = np.full(101, 0.76)
    assert tm.classify_curves(t, train, guess, chance=0.75) == "memorisation"
    assert tm.classify_curves(t, train, guess, 2) == "semi-comprehension"
    for wrong in ({}, {"num_classes": 2, "chance": 0.75}):
        with pytest.raises(TypeError, match="one of num_classes and chance"):
            tm.classify_curves(t, train, guess, **wrong)
    with pytest.raises(ValueError, match=r"chance must lie more than.*0\.9"):
        tm.classify_curves(t, train, guess, chance=0.86)
    assert tm.classify_curves(t, train, 0.99 + 0 * t, criteria=tm.Criteria(performance=0.98), chance=0.86) != "failed"


def test_curves_need_not_be_measured_at_the_same_times() -> None:
    t, train, test = grokking()
    whole = read_curves((t, train), (t, test), 0.01, tm.Criteria())
    apart = read_curves((t[::2], train[::2]), (t[1::5], test[1::5]), 0.01, tm.Criteria())
    assert whole.behaviour == apart.behaviour == "grokking"
    assert apart.t_fit == pytest.approx(whole.t_fit, abs=50)
    assert apart.t_gen == pytest.approx(whole.t_gen, abs=250)
    with pytest.raises(ValueError, match="measured twice"):
        read_curves((t[:1], train[:1]), (t, test), 0.01, tm.Criteria())


def test_chance_is_nothing_where_inputs_are_all_alike_and_a_memorisers_accuracy_where_they_spread() -> None:
    alike, spread = (pack(tm.TwoCircuitModel(logit_spread=s), {}, 1, None, tm.Criteria()) for s in (0.0, 0.005))
    assert alike.chance.tolist() == [0.0]
    assert spread.chance.tolist() == [chance_accuracy(113, 0.005)]
    assert 0.0 < spread.chance[0] < 0.01
