"""When things happen: event times against dense curves, samples within steps, and what a sweep keeps."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import toymodel as tm
from tests import references
from toymodel import losses
from toymodel.kernel import lane
from toymodel.kernel.rows import LEAVE, N_EVENTS


def since(time: np.ndarray, holds: np.ndarray) -> tuple[float, float]:
    """The two neighbouring times between which `holds` began to hold for good."""
    assert holds[-1]
    first = np.flatnonzero(~holds)[-1] + 1
    return time[first - 1], time[first]


def curves(run: tm.Trajectory) -> dict[str, np.ndarray]:
    """For each event, where its condition holds, from the equations (2.1), (2.2), (5.4) themselves."""
    m, c = run.model, run.criteria
    log_q = np.log(m.num_classes)
    if m.logit_spread > 0.0:
        chance = float(losses.chance_accuracy(m.num_classes, m.logit_spread))
        performance = run.test_accuracy
    else:
        chance, performance = 0.0, 1.0 - run.test_loss / log_q
    return {
        "fit": run.train_loss < (1.0 - c.performance) * log_q,
        "gen": performance > c.performance,
        "cross": run.gen_logit > run.mem_logit,
        "leave": performance > chance + c.chance_margin,
    }


@pytest.mark.parametrize("spread", [0.0, 0.3])
@pytest.mark.parametrize("performance", [0.9, 0.6])
def test_events_are_where_their_curves_cross(spread: float, performance: float) -> None:
    times = np.geomspace(1e-2, 1000.0, 20_001)
    criteria = tm.Criteria(performance=performance, chance_margin=0.11)
    run = tm.simulate(times=times, logit_spread=spread, criteria=criteria)
    leave = float(run.events[LEAVE])
    found = {"fit": run.t_fit, "gen": run.t_gen, "cross": run.t_cross, "leave": leave}
    assert 0.0 < leave < run.t_gen
    for name, holds in curves(run).items():
        before, after = since(times, holds)
        assert before * (1.0 - 1e-5) <= found[name] <= after * (1.0 + 1e-5), name


@pytest.mark.parametrize("changes", [{}, {"kappa": 1.7, "dataset_size": 2000}, {"kappa": 1.6}])
def test_events_are_found_in_few_evaluations(changes: dict[str, float], monkeypatch: Any) -> None:
    calls: dict[str, int] = {}

    def counted(module: ModuleType, name: str) -> None:
        function = getattr(module, name)

        def count(*arguments: Any) -> Any:
            calls[name] = calls.get(name, 0) + 1
            return function(*arguments)

        monkeypatch.setattr(module, name, count)

    counted(lane, "logits_inside")  # one for each evaluation within a step
    run = tm.simulate(times=[1000.0], **changes)
    happened = np.count_nonzero(run.events[:N_EVENTS] > 0.0)
    # Bisection to 1e-12 takes 40.
    assert 0 < calls["logits_inside"] <= 12 * (happened + 1)


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_events_of_descent_are_the_first_step_of_their_curves(spread: float) -> None:
    rate, steps = 0.05, 4000
    run = tm.simulate(
        method="descent", learning_rate=rate, steps=steps, times=rate * np.arange(steps + 1), logit_spread=spread
    )
    holds = curves(run)
    for name, event in (
        ("fit", run.t_fit),
        ("gen", run.t_gen),
        ("cross", run.t_cross),
        ("leave", float(run.events[LEAVE])),
    ):
        assert event == pytest.approx(since(run.time, holds[name])[1], rel=1e-12), name
    # Mem led before, so that "lost" is over; where it never ends it began with the first step.
    assert run.t_lost is None
    lost = tm.simulate(method="descent", learning_rate=rate, steps=500, dataset_size=300.0)
    assert lost.t_lost == rate


@given(st.floats(0.5, 1.9), st.floats(1e-3, 1e-1))
@settings(max_examples=15)
def test_samples_within_steps_are_as_good_as_the_steps(kappa: float, decay: float) -> None:
    times = np.geomspace(1e-3, 900.0, 400)
    loose, tight = (
        tm.simulate(kappa=kappa, weight_decay=decay, times=times, rtol=rtol).logits for rtol in (1e-7, 1e-11)
    )
    assert np.abs(np.log1p(loose) - np.log1p(tight)).max() < 1e-5


@given(st.floats(1e-250, 1e-20), st.floats(0.5, 1.9))
@settings(max_examples=20)
def test_the_largest_logits_have_their_rest_state(decay: float, kappa: float) -> None:
    model = tm.TwoCircuitModel(weight_decay=decay, kappa=kappa)
    end = tm.steady_state(model)
    assume(end.logits.sum() > 40.0)
    np.testing.assert_allclose(end.logits, references.steady_logits(model), rtol=1e-10)


def test_the_rest_state_beyond_e_to_the_fifth() -> None:
    end = tm.steady_state(weight_decay=1e-150)
    assert end.gen_logit > 300.0
    np.testing.assert_allclose(end.logits, references.steady_logits(end.model), rtol=1e-12)


def test_a_sweep_keeps_both_kinds_of_several_circuits() -> None:
    model = tm.TwoCircuitModel(
        gen=[tm.Circuit(0.8, 0.05), tm.Circuit(1.0, 0.005)], mem=[tm.Circuit(0.5, 1.0), tm.Circuit(0.4, 0.5)]
    )
    times = [1.0, 30.0, 100.0]
    ds = tm.sweep(model, 100.0, times=times, kappa=[1.0, 1.5], progress=False)
    for kappa in (1.0, 1.5):
        run = tm.simulate(model, 100.0, times=times, kappa=kappa)
        for name in ("gen_logit", "mem_logit"):
            np.testing.assert_allclose(ds[f"{name}_at"].sel(kappa=kappa), getattr(run, name), rtol=1e-5)
        assert ds.gen_logit_at.attrs["units"] == "nats"


def test_a_silent_circuit_beside_a_loud_one_is_not_silence() -> None:
    logits = np.array([[0.0, 5.0], [5.0, 0.0], [0.0, 0.0], [2.0, 2.0]])
    assert losses.test_accuracy(logits, 1, 10, 0.3)[[0, 1]] == pytest.approx([0.00042906, 0.99957094], abs=1e-6)
    assert losses.test_accuracy(logits, 1, 10).tolist() == [0.0, 1.0, 0.1, 0.5]
    assert losses.train_accuracy(logits, 10).tolist() == [1.0, 1.0, 0.1, 1.0]
    assert losses.chance_accuracy(10, np.array([0.0, 0.2, 1.0])) == pytest.approx([0.1, 0.1, 0.158655], abs=1e-6)


def test_one_late_measurement_does_not_settle_a_run() -> None:
    few = ([0.0, 1.0, 100.0], [1.0, 1.0, 1.0], [0.1, 0.5, 0.5], 10)
    assert tm.classify_curves(*few) == "unfinished"
    more = ([0.0, 1.0, 60.0, 100.0], [1.0, 1.0, 1.0, 1.0], [0.1, 0.5, 0.5, 0.5], 10)
    assert tm.classify_curves(*more) == "semi-grokking"


def test_tables_differ_in_sizes_or_ratios() -> None:
    law = tm.TabulatedLaw([1, 2, 3], [3, 2, 1])
    assert law == tm.TabulatedLaw([1, 2, 3], [3, 2, 1])
    for other in (tm.TabulatedLaw([1, 2, 4], [3, 2, 1]), tm.TabulatedLaw([1, 2, 3], [3, 2, 0.5]), tm.PowerLaw(), 3):
        assert law != other


def test_ungrokking_starts_from_the_seed_that_survives() -> None:
    before, after = tm.TwoCircuitModel(), tm.TwoCircuitModel().at_dataset_size(500.0)
    times = tm.ungrokking_time(before, 500.0)
    seed = tm.steady_state(before).mem_logit
    travelled = 0.5 * (np.arcsinh(times.plateau_logit) - np.arcsinh(2.0 * seed))
    assert times.closed_form == pytest.approx(travelled / times.plateau_rate, rel=1e-9)
    assert times.plateau_logit == pytest.approx(
        tm.steady_state(after, mem_learning_speed=0.0).gen_logit, rel=1e-9
    )  # Mem absent
