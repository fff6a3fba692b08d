"""Bad models, laws, tables and curves: every error names the requirement, the value received and a remedy."""

import math

import pytest

import toymodel as tm
from tests.refusals import refused


def test_a_model_must_be_a_model() -> None:
    for value in ("x", 3, tm.Circuit()):
        for call in (tm.simulate, tm.steady_state, tm.critical_dataset_size, tm.grokking_time, tm.ungrokking_time):
            refused(TypeError, "model must be a toymodel.", repr(value), lambda call=call, value=value: call(value))
        for call in (tm.sharpness, tm.steady_ratio, tm.size_thresholds, tm.stability_limits):
            refused(TypeError, "model must be a toymodel.", repr(value), lambda call=call, value=value: call(value))
        refused(TypeError, "model must be a toymodel.", repr(value), lambda value=value: tm.sweep(value, kappa=[1.0]))


def test_circuits_and_laws_must_be_what_they_are_called() -> None:
    refused(TypeError, "must be toymodel.Circuit", "3", lambda: tm.TwoCircuitModel(gen=3))
    refused(TypeError, "must be toymodel.Circuit", "'ab'", lambda: tm.TwoCircuitModel(gen="ab"))
    refused(TypeError, "must be toymodel.Circuit", "[5]", lambda: tm.TwoCircuitModel(mem=[5]))
    refused(ValueError, "at least one toymodel.Circuit", "()", lambda: tm.TwoCircuitModel(gen=()))
    for law in (None, 1.0, tm.PowerLaw):
        refused(TypeError, "law must be an efficiency law", repr(law), lambda law=law: tm.TwoCircuitModel(law=law))


def test_circuits_under_way_keep_their_start() -> None:
    run = tm.simulate(t_end=10.0)
    for name, value in (("gen_learning_speed", 1.0), ("mem_initial_logit", 2.0), ("start", [1.0, 2.0])):
        refused(
            ValueError,
            "keeps the circuits' state",
            repr(value),
            lambda name=name, value=value: run.continue_with(**{name: value}),
        )


def test_no_steady_state_without_weight_decay() -> None:
    for call in (tm.steady_state, tm.grokking_time, tm.ungrokking_time):
        refused(ValueError, "weight_decay > 0", "got 0", lambda call=call: call(tm.TwoCircuitModel(weight_decay=0.0)))


def test_the_steady_ratio_needs_kappa_below_the_norm_power() -> None:
    with pytest.raises(ValueError, match="kappa < norm_power"):
        tm.steady_ratio(tm.TwoCircuitModel(kappa=2.0))


def test_ungrokking_needs_something_to_lose() -> None:
    model = tm.TwoCircuitModel().at_dataset_size(500)
    refused(ValueError, "generalises at its own data set size", "mem", lambda: tm.ungrokking_time(model))


def test_stability_limits_need_a_floor() -> None:
    refused(ValueError, "logit_floor > 0", "got 0", lambda: tm.stability_limits(tm.TwoCircuitModel(kappa=3.0)))


def test_thresholds_are_sought_among_rising_sizes() -> None:
    refused(ValueError, "strictly rising", "[2, 1]", lambda: tm.size_thresholds(sizes=[2, 1]))
    refused(ValueError, "at least one value", "(0,)", lambda: tm.size_thresholds(times=[]))
    refused(ValueError, "0 <= times", "-1", lambda: tm.size_thresholds(times=[-1]))
    refused(ValueError, "0 < full_size", "0", lambda: tm.size_thresholds(full_size=0))


def test_tabulated_laws_refuse_what_is_no_table() -> None:
    refused(ValueError, "at least two sizes", "1", lambda: tm.TabulatedLaw([1], [1]))
    refused(ValueError, "one efficiency ratio for each", "3", lambda: tm.TabulatedLaw([1, 2], [3, 2, 1]))
    for sizes, ratios in (([2, 1], [2, 1]), ([1, 2], [1, 2]), ([1, 1], [2, 1]), ([1, 2], [1, 1])):
        refused(ValueError, "strictly falling", str(float(ratios[0])), lambda s=sizes, r=ratios: tm.TabulatedLaw(s, r))
    refused(TypeError, "axis dataset_size", "'ab'", lambda: tm.TabulatedLaw("ab", [1, 2]))
    refused(ValueError, "efficiency_ratio", "nan", lambda: tm.TabulatedLaw([1, 2], [1, math.nan]))


def test_tabulated_laws_do_not_extrapolate() -> None:
    law = tm.TabulatedLaw([100, 1000], [2.0, 0.5])
    model = tm.TwoCircuitModel(law=law)
    for size in (99.0, 1001.0):
        for call in (
            lambda size=size: law.ratio(size),
            lambda size=size: model.at_dataset_size(size),
            lambda size=size: tm.sweep(model, dataset_size=[500.0, size]),
        ):
            refused(ValueError, "covers 100 <= dataset_size <= 1000", f"{size:g}", call)
    refused(ValueError, "both sides of 1", "1.5 to 2", lambda: tm.TabulatedLaw([1, 2], [2.0, 1.5]).critical_size)


def test_a_wrong_value_is_told_before_that_a_sweep_has_no_axis() -> None:
    for name in ("kappa", "gen_efficiency"):
        refused(TypeError, "without quotes", "'1.2'", lambda name=name: tm.sweep(**{name: "1.2"}))
    refused(ValueError, "at least one axis", "none", lambda: tm.sweep(kappa=1.2))


def test_measured_curves_are_checked() -> None:
    good = [0.1, 0.2]
    refused(ValueError, "one length >= 2", "(1,)", lambda: tm.classify_curves([1], [0.1], [0.1], 10))
    refused(ValueError, "one length >= 2", "(3,)", lambda: tm.classify_curves([1, 2], [0.1] * 3, good, 10))
    refused(ValueError, "must rise", "2, then 1", lambda: tm.classify_curves([2, 1], good, good, 10))
    refused(
        ValueError, "0 <= train_accuracy <= 1", "nan", lambda: tm.classify_curves([1, 2], [0.1, math.nan], good, 10)
    )
    refused(ValueError, "0 <= test_accuracy <= 1", "99", lambda: tm.classify_curves([1, 2], good, [1, 99], 10))
    refused(TypeError, "sequence of numbers", "'a'", lambda: tm.classify_curves([1, 2], [0.1, "a"], good, 10))
    refused(ValueError, "2 <= num_classes", "1", lambda: tm.classify_curves([1, 2], good, good, 1))
    refused(TypeError, "2 <= num_classes", "'x'", lambda: tm.classify_curves([1, 2], good, good, "x"))
