"""Each prediction is confirmed where it is true, refuted where it is false, and undecided where runs do not say."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tests.laboratory import CHANCE, Laboratory, Recorded, moving
from tests.synthetic_results import Synthetic
from validate.intervals import Interval
from validate.measured import MissingResult, Results
from validate.prediction import Criterion, Estimate, Measurement, Prediction, Verdict, judge
from validate.predictions import PREDICTIONS

TRUE = Laboratory()
TEN = replace(TRUE, seeds=10)  # as many as P10 asks for
SIZES = (180, 235, 310, 410, 540, 710)


def lab(name: str) -> Laboratory:
    return TEN if name == "P10" else TRUE


def verdict(name: str, results: Synthetic) -> Verdict:
    return judge(PREDICTIONS[name], results)  # type: ignore[arg-type]


def numbers(found: Verdict) -> list[float]:
    return [f.estimate.interval.value for f in found.findings]


@cache
def results(lab: Laboratory = TRUE) -> Synthetic:
    return lab.results()


def gaps(third: float, last: float, sizes: tuple[int, ...] = SIZES, at: float = 250) -> Recorded:
    """Thresholds `third` apart in ln D at 3T and `last` apart at 10T."""

    def scratch(share: np.ndarray) -> np.ndarray:
        return math.log(at) + np.where(share <= 0.5, third, last)

    return Recorded(
        {
            "base/ungrokking": moving(lambda share: np.full(len(share), math.log(at)), sizes),
            "base/scratch": moving(scratch, sizes),
        }
    )


WIDTH = 2 * math.log(9)
# Name: what makes it false, the number that each criterion must then find, and where it is refuted.
FALSE = {
    "P1a": ({"gen_slope": 0.3}, [0.3], [0]),
    "P1b": ({"mem_slope": 0.2}, [0.2], [0]),
    "P2": ({"width": 0.3}, [0.3 * WIDTH, None, None, 1.0], [0]),
    "P3": ({"shift": 0.25}, [0.25 * math.log(0.5 / 2)], [0]),
    "P4": ({"scattered": False}, [-1.0], [0]),
    "P5": ({"t_gen": -0.4}, [-0.4], [0]),
    "P6": ({"t_lost": -1.6}, [-1.6], [0]),
    "P8a": ({"ungrokking": 0.7}, [-0.7], [0]),
    "P8b": ({"scratch": 0.9}, [-0.9], [0]),
    "P9": ({"law": "logarithmic"}, [None, math.log(20.1 / 16.4) / math.log(12.7 / 9.05) - 1], [0, 1]),
    "P10": ({"own": -1.0}, [-1.0, 0.1 * np.abs(TEN.z).mean()], [0, 1]),
}
TRUTH = {
    "P1a": [0.0],
    "P1b": [-0.4],
    "P2": [0.1 * WIDTH, 1.0, 0.0, 1.0],
    "P3": [0.0],
    "P4": [1.0],
    "P5": [-1.0],
    "P6": [-1.0],
    "P8a": [0.0],
    "P8b": [-0.2],
    "P9": [None, 0.0],
    "P10": [1.0, -0.1 * np.abs(TEN.z).mean()],
}


def agree(found: Verdict, truth: list[float | None]) -> None:
    """Within what a grid of sizes leaves open."""
    for value, wanted in zip(numbers(found), truth, strict=True):
        assert wanted is None or value == pytest.approx(wanted, rel=0.01, abs=0.012)


@pytest.mark.parametrize("name", TRUTH)
def test_a_true_claim_is_confirmed_with_the_number_put_in(name: str) -> None:
    found = verdict(name, results(lab(name)))
    assert found.verdict == "confirmed", numbers(found)
    agree(found, TRUTH[name])
    assert found.censored == 0


@pytest.mark.parametrize("name", FALSE)
def test_a_false_claim_is_refuted_with_the_number_put_in(name: str) -> None:
    change, truth, refuted = FALSE[name]
    found = verdict(name, results(replace(lab(name), **change)))
    assert found.verdict == "refuted", numbers(found)
    assert all(found.findings[k].verdict == "refuted" for k in refuted)
    agree(found, truth)


@pytest.mark.parametrize("name", FALSE)
def test_too_few_seeds_decide_nothing(name: str) -> None:
    seeds = 9 if name == "P10" else 2
    assert verdict(name, results(replace(TRUE, seeds=seeds))).verdict == "inconclusive"
    assert verdict(name, replace(TRUE, seeds=seeds, **FALSE[name][0]).results()).verdict == "inconclusive"


@pytest.mark.parametrize("name", ["P2", "P3", "P4", "P8a", "P8b", "P10"])
def test_runs_that_still_move_decide_nothing(name: str) -> None:
    assert verdict(name, results(replace(lab(name), settled=False))).verdict == "inconclusive"


@pytest.mark.parametrize("name", ["P1a", "P1b", "P9", "P10"])
def test_nets_that_do_not_rest_decide_nothing(name: str) -> None:
    found = verdict(name, results(replace(TRUE, stationary=False)))
    assert found.verdict == "inconclusive"
    assert all(math.isnan(value) for value in numbers(found))


@pytest.mark.parametrize(("name", "time"), [("P5", "t_gen"), ("P6", "t_lost")])
def test_times_that_did_not_come_are_censored(name: str, time: str) -> None:
    kind = "base/scratch" if name == "P5" else "base/ungrokking"
    table = results().table(kind)
    waiting = table.weight_decay.eq(0.5) | (table.weight_decay.eq(2.0) & table.seed.lt(2))
    found = verdict(name, Synthetic({kind: table.assign(**{time: table[time].where(~waiting)})}))
    assert found.verdict == "inconclusive"
    assert found.censored / found.runs > 1 / 3
    assert numbers(found) == [pytest.approx(-1.0, abs=0.05)]


@pytest.mark.parametrize(
    ("third", "last", "expected", "each"),
    [
        (math.log(2.2), math.log(2.0), "confirmed", ["confirmed", "confirmed"]),
        (math.log(2.4), math.log(1.4), "refuted", ["confirmed", "refuted"]),
        (math.log(2.0), math.log(1.05), "refuted", ["refuted", "refuted"]),
    ],
)
def test_p7_finds_the_gap_and_what_is_left_of_it(third: float, last: float, expected: str, each: list[str]) -> None:
    found = verdict("P7", gaps(third, last))
    assert [found.verdict, *(f.verdict for f in found.findings)] == [expected, *each]
    assert numbers(found) == pytest.approx([last, last / third], abs=0.03)
    rows = {(row["time"], row["of"]): row["ln"] for row in found.measurement.tables["thresholds"]}
    assert rows[3.0, "gap"] == pytest.approx(third, abs=0.03)
    assert rows[10.0, "ungrokking"] == pytest.approx(math.log(250), abs=0.03)


def test_p7_decides_nothing_where_sizes_do_not_reach_the_threshold() -> None:
    found = verdict("P7", gaps(math.log(2.2), math.log(2.0), sizes=(300, 420), at=100))
    assert found.verdict == "inconclusive"
    assert found.censored == 3


NEEDS = {
    "P1a": ["base/memorising"],
    "P1b": ["base/memorising"],
    "P4": ["base/scratch"],
    "P5": ["base/scratch"],
    "P7": ["base/scratch", "base/ungrokking"],
    "P8a": ["base/memorising", "base/ungrokking"],
    "P8b": ["base/memorising", "base/scratch"],
    "P9": ["base/generalising_coupled", "base/memorising_coupled"],
    "P10": ["base/memorising", "base/ungrokking"],
    "P2": ["base/ungrokking"],
    "P3": ["base/ungrokking"],
    "P6": ["base/ungrokking"],
}


@pytest.mark.parametrize(("name", "missing"), [(name, m) for name, all_ in NEEDS.items() for m in all_])
def test_a_missing_experiment_is_named(name: str, missing: str) -> None:
    there = {n: t for n, t in results().tables.items() if n != missing}
    found = judge(PREDICTIONS[name], Recorded({}) if name == "P7" else Synthetic(there))  # type: ignore[arg-type]
    assert missing in found.missing or (name == "P7" and "base/" in found.missing)
    assert missing in PREDICTIONS[name].experiments
    assert (found.verdict, found.findings) == ("inconclusive", ())


@pytest.mark.parametrize("name", TRUTH)
def test_a_prediction_names_all_experiments_that_it_reads(name: str) -> None:
    all_ = results(replace(TRUE, seeds=2))
    coupled = all_.tables["base/ungrokking"].query("weight_decay == 1").assign(weight_decay=1e-4)
    all_ = Synthetic(all_.tables | {"base/ungrokking_coupled": coupled})
    alone = Synthetic({n: t for n, t in all_.tables.items() if n in PREDICTIONS[name].experiments})
    narrow, wide = verdict(name, alone).measurement, verdict(name, all_).measurement
    assert repr(narrow.estimates) == repr(wide.estimates)
    assert repr(narrow.controls) == repr(wide.controls)


def test_p4_counts_only_runs_near_the_threshold() -> None:
    """One seed in two is decided in the middle; the others are at chance or right."""
    table = replace(TRUE, seeds=4).results().table("base/scratch")
    near = np.abs(np.log(table.dataset_size / 366.4)) < 0.1
    even = near & (table.seed % 2 == 0)
    below = table.dataset_size < 366
    table.loc[even, "unseen"] = np.where(below[even], CHANCE + 0.03, 0.95)
    found = verdict("P4", Synthetic({"base/scratch": table}))
    assert numbers(found) == [pytest.approx(0.5)]
    assert found.findings[0].estimate.note == "4 of 8 decided runs near the threshold, 0 of 20 elsewhere"


def stub(*estimates: Estimate, controls: dict[str, Estimate] | None = None) -> Verdict:
    criteria = tuple(Criterion(f"number {k}", "1", 0.0, 1.0) for k in range(len(estimates)))
    measurement = Measurement({c.name: e for c, e in zip(criteria, estimates, strict=True)}, controls or {})
    return judge(Prediction("X", "c", "s", "o", "t", (), criteria, lambda _: measurement), None)  # type: ignore[arg-type]


INSIDE, OUTSIDE, ACROSS = Interval(0.5, 0.4, 0.6, 5), Interval(2.0, 1.5, 2.5, 5), Interval(1.0, 0.5, 1.5, 5)


def test_one_refuted_criterion_refutes_and_one_undecided_leaves_it_open() -> None:
    good, bad, open_ = (Estimate(i, 10) for i in (INSIDE, OUTSIDE, ACROSS))
    assert stub(good, good).verdict == "confirmed"
    assert stub(good, open_).verdict == "inconclusive"
    assert stub(good, open_, bad).verdict == "refuted"


@pytest.mark.parametrize("interval", [INSIDE, OUTSIDE])
def test_more_than_a_third_of_censored_runs_decides_nothing(interval: Interval) -> None:
    decided = "confirmed" if interval is INSIDE else "refuted"
    assert stub(Estimate(interval, 9, censored=3)).verdict == decided
    assert stub(Estimate(interval, 9, censored=4)).verdict == "inconclusive"


def test_a_control_gets_the_word_of_its_rule_and_decides_nothing() -> None:
    found = stub(
        Estimate(INSIDE, 9), controls={"number 0, coupled": Estimate(OUTSIDE, 9), "other": Estimate(OUTSIDE, 9)}
    )
    assert found.verdict == "confirmed"
    assert found.of_control("number 0, coupled") == "refuted"
    assert found.of_control("other") == ""


def test_a_missing_result_is_said_and_nothing_else_is_hidden() -> None:
    def absent(results: Results) -> Measurement:
        raise MissingResult("experiment 'a/b' must be among the saved results")

    def broken(results: Results) -> Measurement:
        raise KeyError("a bug")

    prediction = Prediction("X", "c", "s", "o", "t", (), (), absent)
    assert judge(prediction, None).missing.startswith("experiment 'a/b'")  # type: ignore[arg-type]
    with pytest.raises(KeyError):
        judge(replace(prediction, measure=broken), None)  # type: ignore[arg-type]
