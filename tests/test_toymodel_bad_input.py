"""Bad input: every error names the requirement, the value received and a remedy."""

import math
import re
from typing import Any

import numpy as np
import pytest

import toymodel as tm
from tests.refusals import refused
from toymodel.parameters import CIRCUIT_PARAMETERS, LAW_PARAMETERS, MODEL_PARAMETERS, TABLE, Parameter

WRONG_TYPES = ["1.5", b"1", True, np.True_, None, 1 + 2j, np.complex128(1 + 2j), [1.0, 2.0], {}, object()]


def outside(row: Parameter) -> list[float]:
    """Values just out of the range, far out of it, and no numbers."""
    values = [row.low if row.above else math.nextafter(row.low, -math.inf), math.nextafter(row.high, math.inf)]
    values += [row.low - 1.0, row.high * 10.0, math.nan, math.inf, -math.inf]
    return [*values, row.low + 0.5] if row.whole else values


def build(row: Parameter, value: Any) -> Any:
    """Something that takes the parameter."""
    if row in CIRCUIT_PARAMETERS:
        return tm.Circuit(**{row.name: value})
    if row in LAW_PARAMETERS:
        return (
            tm.TwoCircuitModel().at_dataset_size(value)
            if row.name == "dataset_size"
            else tm.PowerLaw(**{row.name: value})
        )
    return tm.TwoCircuitModel(**{row.name: value})


ROWS = (*CIRCUIT_PARAMETERS, *MODEL_PARAMETERS, *LAW_PARAMETERS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_parameters_out_of_range_are_refused(row: Parameter) -> None:
    for value in outside(row):
        refused(ValueError, row.range_text(), repr(value), lambda value=value: build(row, value))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_parameters_of_a_wrong_type_are_refused(row: Parameter) -> None:
    for value in WRONG_TYPES:
        refused(TypeError, row.range_text(), repr(value)[:10], lambda value=value: build(row, value))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_ends_of_ranges_are_legal(row: Parameter) -> None:
    if row.name in ("dataset_size", "critical_size", "exponent"):
        assert tm.PowerLaw(critical_size=TABLE["critical_size"].high, exponent=TABLE["exponent"].high)
        return
    for value in (row.low, row.high, np.float32(row.high), np.array(row.high)):
        if row.legal(np.asarray(float(value))):
            assert getattr(build(row, value), row.name) == float(value)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_axes_are_checked_like_scalars(row: Parameter) -> None:
    name = f"gen_{row.name}" if row in CIRCUIT_PARAMETERS else row.name
    good = min(max(row.low, 2.0), row.high) if row.above or row.whole else row.high
    for value in outside(row):
        message = refused(ValueError, row.name, repr(value), lambda value=value: tm.sweep(**{name: [good, value]}))
        assert "position 1" in message
    for value in ("1.5", True, 1j, {}, None):
        refused(TypeError, f"axis {name} must be", repr(value), lambda value=value: tm.sweep(**{name: [value]}))
    refused(
        ValueError,
        f"axis {name} must be a 1-D sequence with at least one value",
        "(0,)",
        lambda: tm.sweep(**{name: []}),
    )
    refused(ValueError, f"axis {name} must be a 1-D sequence", "(1, 2)", lambda: tm.sweep(**{name: [[good, good]]}))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("t_end", [-1.0, math.nan, math.inf, 1e16]),
        ("learning_rate", [0.0, -0.1, math.nan, math.inf]),
        ("rtol", [0.0, 1.0, math.nan]),
        ("steps", [-1, 2.5, math.nan, math.inf]),
    ],
)
def test_run_settings_out_of_range_are_refused(name: str, values: list[float]) -> None:
    for value in values:
        refused(ValueError, TABLE[name].range_text(), repr(value), lambda value=value: tm.simulate(**{name: value}))
    for value in ("a", True, [1.0, 2.0], 1j):
        refused(TypeError, TABLE[name].range_text(), repr(value), lambda value=value: tm.simulate(**{name: value}))


def test_steps_and_t_end_exclude_each_other() -> None:
    refused(ValueError, "steps stands for t_end", "steps=10", lambda: tm.simulate(t_end=1.0, steps=10))


def test_more_steps_than_can_be_counted_are_refused() -> None:
    def call() -> None:
        tm.simulate(t_end=1e15, method="descent", learning_rate=1e-6)

    refused(ValueError, TABLE["steps"].range_text().split(" with")[0], "1e+21", call)


@pytest.mark.parametrize("value", [0, -1, 2.5, math.nan, math.inf])
def test_threads_must_be_a_whole_number(value: float) -> None:
    refused(ValueError, "a whole number with 1 <= threads", repr(value), lambda: tm.sweep(kappa=[1.0], threads=value))


@pytest.mark.parametrize("value", ["2", True, [2]])
def test_threads_must_be_a_number(value: Any) -> None:
    refused(TypeError, "a whole number with 1 <= threads", repr(value), lambda: tm.sweep(kappa=[1.0], threads=value))


@pytest.mark.parametrize("times", [5, [[1, 2]], [], [2, 1], [1, 1], [math.nan], [-1, 2], [1, 2000]])
def test_times_must_rise_within_the_run(times: Any) -> None:
    refused(ValueError, "strictly rising and within [0, t_end = 1000]", repr(times), lambda: tm.simulate(times=times))
    refused(ValueError, "strictly rising", repr(times), lambda: tm.sweep(kappa=[1.0], times=times))


@pytest.mark.parametrize("times", [["a"], "abc", [1j], [None, {}]])
def test_times_must_be_numbers(times: Any) -> None:
    refused(TypeError, "times must be a 1-D sequence of numbers", repr(times), lambda: tm.simulate(times=times))


def test_a_start_has_one_legal_logit_for_each_circuit() -> None:
    refused(ValueError, "one logit for each circuit (gen, mem)", "got 1", lambda: tm.simulate(start=[1.0]))
    refused(ValueError, "one logit for each circuit (gen, mem)", "got 3", lambda: tm.simulate(start=[1.0, 2.0, 3.0]))
    refused(ValueError, "0 <= start[0]", "nan", lambda: tm.simulate(start=[math.nan, 1.0]))
    refused(ValueError, "0 <= start[1] <= 600", "601", lambda: tm.simulate(start=[0.0, 601.0]))
    refused(TypeError, "0 <= start[1] <= 600", "'a'", lambda: tm.simulate(start=[0.0, "a"]))
    for start in (5, "ab", [[1.0], [2.0]]):
        refused(
            TypeError, "start must be a State or a sequence", repr(start), lambda start=start: tm.simulate(start=start)
        )
    refused(ValueError, "0 <= start[0]", "-1", lambda: tm.sweep(kappa=[1.0], start=[-1.0, 0.0]))


def test_a_state_to_start_from_is_checked() -> None:
    two = np.ones(2)
    for logit, invariant, required, received in (
        (np.array([math.nan, 1.0]), two, "start[0]", "nan"),
        (np.array([-1.0, 1.0]), two, "start[0]", "-1.0"),
        (two, np.array([1.0, -2e6]), "start.invariant[1]", "-2000000.0"),
        (two, np.ones(1), "one logit for each circuit", "got 1"),
    ):
        state = tm.State(logit, invariant)
        refused(ValueError, required, received, lambda state=state: tm.simulate(start=state))
        refused(ValueError, required, received, lambda state=state: tm.sweep(kappa=[1.0], start=state))
        refused(ValueError, required, received, lambda state=state: tm.steady_state(start=state))


@pytest.mark.parametrize("thresholds", ["x", 5, tm.Criteria, {"delay": 2.0}])
def test_thresholds_must_be_thresholds(thresholds: Any) -> None:
    refused(TypeError, "toymodel.Criteria", repr(thresholds), lambda: tm.simulate(criteria=thresholds))
    refused(TypeError, "toymodel.Criteria", repr(thresholds), lambda: tm.sweep(kappa=[1.0], criteria=thresholds))


@pytest.mark.parametrize("name", ["fit_accuracy", "performance", "delay", "chance_margin", "level"])
def test_thresholds_out_of_range_are_refused(name: str) -> None:
    for value in (-1.0, 0.0, math.nan, math.inf, *(() if name == "delay" else (1.0, 2.0))):
        refused(
            ValueError, f"{name} must be a number with", repr(value), lambda value=value: tm.Criteria(**{name: value})
        )
    for wrong in ("a", None, True, [0.5]):
        refused(
            TypeError, f"{name} must be a number with", repr(wrong), lambda wrong=wrong: tm.Criteria(**{name: wrong})
        )
    if name == "delay":
        assert tm.Criteria(delay=1.0).delay == 1.0


@pytest.mark.parametrize(
    ("call", "near"),
    [
        (lambda: tm.simulate(kapa=1.0), "'kappa'"),
        (lambda: tm.sweep(kapa=[1.0]), "'kappa'"),
        (lambda: tm.sweep(gen_eficiency=[1.0]), "'gen_efficiency'"),
        (lambda: tm.simulate().continue_with(datasetsize=400), "'dataset_size'"),
        (lambda: tm.TwoCircuitModel().with_parameters(weightdecay=0.1), "'weight_decay'"),
        (lambda: tm.simulate(method="Flow"), "'flow'"),
        (lambda: tm.sweep(kappa=[1.0], method="decent"), "'descent'"),
        (lambda: tm.TwoCircuitModel(penalty="hal"), "'half'"),
        (lambda: tm.sweep(penalty=["ful"]), "'full'"),
        (lambda: tm.simulate().plot(against="tim"), "'time'"),
    ],
)
def test_for_an_unknown_name_the_nearest_is_offered(call: Any, near: str) -> None:
    message = refused(ValueError, "must be one of", "got", call)
    assert f"Did you mean {near}?" in message
    assert message.index("Did you mean") < message.index("must be one of")
    offered = message.partition("must be one of ")[2].rstrip(".").split(", ")
    assert len(offered) == len(set(offered))


@pytest.mark.parametrize(
    ("value", "advice"),
    [("1.5", "Pass 1.5 without quotes"), ("x", "Pass a single real"), ([1.0, 2.0], "toymodel.sweep(kappa=")],
)
def test_advice_fits_what_was_passed(value: Any, advice: str) -> None:
    assert advice in refused(TypeError, "kappa", repr(value), lambda: tm.simulate(kappa=value))


def test_a_run_as_a_start_is_told_of_its_end() -> None:
    run = tm.simulate(t_end=1.0)
    message = refused(TypeError, "start must be a State", "Trajectory", lambda: tm.simulate(start=run))
    assert "run.final_state" in message
    assert tm.simulate(start=run.final_state, t_end=1.0).final_state != run.final_state


def test_a_sweep_needs_an_axis() -> None:
    refused(ValueError, "sweep needs at least one axis", "none", tm.sweep)


@pytest.mark.parametrize("values", [[], [["half"], ["full"]]])
def test_the_penalty_axis_is_a_sequence(values: Any) -> None:
    refused(ValueError, "axis penalty must be a 1-D sequence", repr(values), lambda: tm.sweep(penalty=values))


@pytest.mark.parametrize("name", ["dataset_size", "critical_size", "exponent"])
def test_the_law_and_the_efficiency_it_sets_conflict(name: str) -> None:
    value = {"dataset_size": 400.0, "critical_size": 500.0, "exponent": 0.5}[name]
    required = "both set the memorising efficiency"
    refused(ValueError, required, name, lambda: tm.simulate(**{name: value, "mem_efficiency": 0.3}))
    refused(ValueError, required, name, lambda: tm.sweep(**{name: [value], "mem_efficiency": [0.3]}))


def test_kept_times_and_an_axis_of_run_lengths_conflict() -> None:
    refused(ValueError, "one t_end for all points", "t_end", lambda: tm.sweep(t_end=[1.0, 2.0], times=[0.5]))


def test_a_law_that_asks_for_an_illegal_efficiency_is_refused_alike_everywhere() -> None:
    law = tm.PowerLaw(exponent=20.0)
    model = tm.TwoCircuitModel(law=law)
    for size, got in ((1e15, "1e-240"), (1e-9, "e+240")):
        refused(ValueError, "efficiency", got, lambda size=size: tm.simulate(model, dataset_size=size))
        refused(ValueError, "efficiency", got, lambda size=size: tm.sweep(model, dataset_size=[1000.0, size]))
    refused(ValueError, "efficiency", "inf", lambda: tm.sweep(model, dataset_size=[1e-300]))


@pytest.mark.parametrize("kappa", [2.001, 3.0, 10.0])
def test_no_circuit_grows_from_zero_above_the_norm_power(kappa: float) -> None:
    for call in (
        lambda: tm.simulate(kappa=kappa),
        lambda: tm.sweep(kappa=[1.0, kappa]),
        lambda: tm.steady_state(tm.TwoCircuitModel(kappa=kappa)),
        lambda: tm.grokking_time(tm.TwoCircuitModel(kappa=kappa)),
        lambda: tm.simulate(kappa=kappa, mem_initial_logit=1.0),
    ):
        message = refused(ValueError, "needs a positive start", f"kappa = {kappa:g}", call)
        assert "initial_logit > 0" in message
        assert "logit_floor > 0" in message
    # Each remedy that is named works.
    assert tm.simulate(kappa=kappa, gen_initial_logit=1.0, mem_initial_logit=1.0).status == "reached t_end"
    assert tm.simulate(kappa=kappa, gen_learning_speed=0.0, mem_learning_speed=0.0).status == "reached t_end"
    assert tm.simulate(kappa=kappa, logit_floor=0.1).status == "reached t_end"


def test_descent_at_the_papers_rate_is_not_refused_for_an_extinct_circuit() -> None:
    # For κ near 2 the lesser circuit ends at 1e-11 nats with a curvature of 4e6: it may bounce, and nobody sees it.
    run = tm.simulate(kappa=1.9, method="descent")
    assert run.behaviour == "grokking"
    assert np.abs(run.final_state.logit - tm.simulate(kappa=1.9).final_state.logit).max() < 1e-3
    # A large learning speed makes the bouncing a large one, and that is refused.
    with pytest.raises(ValueError, match="learning_rate <"):
        tm.simulate(kappa=1.9, method="descent", mem_learning_speed=100.0)


def test_a_diverging_learning_rate_is_refused_with_its_bound() -> None:
    message = refused(
        ValueError, "learning_rate <", "got 100,", lambda: tm.simulate(method="descent", learning_rate=100.0)
    )
    assert "diverges or oscillates" in message
    bound = float(re.search(r"= ([0-9.e+-]+);", message)[1])
    for factor in (1.001, 1.5, 1e4):
        refused(
            ValueError,
            "learning_rate <",
            f"got {factor * bound:g}",
            lambda factor=factor: tm.simulate(method="descent", learning_rate=factor * bound),
        )


@pytest.mark.parametrize("weight_decay", [0.001, 0.005, 0.05])
@pytest.mark.parametrize("kappa", [0.8, 1.2, 1.7])
def test_the_bound_on_the_learning_rate_is_where_descent_stops_converging(kappa: float, weight_decay: float) -> None:
    model = tm.TwoCircuitModel(kappa=kappa, weight_decay=weight_decay)
    with pytest.raises(ValueError, match="learning_rate") as caught:
        tm.simulate(model, method="descent", learning_rate=1e5)
    bound = float(re.search(r"= ([0-9.e+-]+);", str(caught.value))[1])
    end = tm.steady_state(model).logits
    # From near the equilibrium, because the bound is on where descent can stay; start on the model's own invariant.
    near = tm.State(end * (1.0 + 1e-6), model.invariants)
    below = tm.simulate(model, method="descent", learning_rate=0.97 * bound, steps=3000, start=near)
    assert np.abs(below.final_state.logit - end).max() < 1e-6 * end.max()
    # The sweep does not refuse, so it shows what happens above.
    above = tm.sweep(
        model, t_end=3000 * 1.03 * bound, method="descent", learning_rate=[1.03 * bound], start=near, progress=False
    )
    away = np.max(np.abs(above.logit.values.ravel() / end - 1.0))
    assert np.isnan(away) or away > 1e-3


@pytest.mark.parametrize("t_end", [0.0, 0.01, 0.5, 3.0, 30.0, 90.0])
def test_a_run_that_is_too_short_is_unfinished(t_end: float) -> None:
    assert tm.simulate(t_end=t_end).behaviour == "unfinished"
    assert tm.simulate(t_end=t_end, method="descent").behaviour == "unfinished"
    assert tm.sweep(t_end=t_end, kappa=[1.2], progress=False).behaviour.item() == "unfinished"


def test_run_settings_can_be_axes() -> None:
    ds = tm.sweep(t_end=[30.0, 1000.0], kappa=[1.2, 1.5], progress=False)
    assert ds.behaviour.dims == ("kappa", "t_end")
    assert ds.behaviour.sel(kappa=1.2).values.tolist() == ["unfinished", "grokking"]
    ds = tm.sweep(learning_rate=[0.01, 0.1], method="descent", progress=False)
    assert ds.num_steps.values.tolist() == [100_000, 10_000]
