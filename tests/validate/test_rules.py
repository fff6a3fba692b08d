"""What every prediction says, and the rule by which a verdict follows from an interval."""

import pytest

from tests.validate.laboratory import (
    Lab,
    judged,
)
from validate.measured import PROTOCOLS
from validate.prediction import Criterion, Estimate, Prediction, find
from validate.predictions import PREDICTIONS
from validate.statistics.intervals import Interval

RULE = Criterion("number", "1", -0.1, 0.2)


@pytest.mark.parametrize(
    ("low", "high", "n", "verdict"),
    [
        (-0.1, 0.2, 3, "confirmed"),
        (-0.11, 0.2, 3, "inconclusive"),
        (-0.1, 0.21, 3, "inconclusive"),
        (0.21, 0.3, 3, "refuted"),
        (-0.3, -0.11, 3, "refuted"),
        (0.0, 0.1, 2, "inconclusive"),
    ],
)
def test_where_the_interval_lies_decides(low: float, high: float, n: int, verdict: str) -> None:
    assert find(RULE, Estimate(Interval((low + high) / 2, low, high, n), 9)).verdict == verdict


@pytest.mark.parametrize(("moving", "verdict"), [(3, "confirmed"), (4, "inconclusive")])
def test_too_many_moving_runs_decide_nothing(moving: int, verdict: str) -> None:
    assert find(RULE, Estimate(Interval(0.0, -0.05, 0.05, 9), 9, moving)).verdict == verdict


def test_every_prediction_says_where_it_is_claimed_and_what_its_rule_can_do() -> None:
    for p in PREDICTIONS.values():
        assert p.decides in PROTOCOLS
        assert all((p.claimed | p.unclaimed).values())
        assert all(c.why and c.spread > 0 for c in p.criteria), p.id
    assert list(PREDICTIONS) == [
        "P1a",
        "P1b",
        *(f"P{i}" for i in range(2, 8)),
        "P8a",
        "P8b",
        *(f"P{i}" for i in range(9, 20)),
    ]


def test_rules_have_power() -> None:
    weak = {p.id: round(c.power(), 2) for p in PREDICTIONS.values() for c in p.criteria if c.power() < 0.8}
    assert set(weak) <= {"P5", "P7", "P8b", "P14", "P19"}, weak


def test_a_prediction_must_speak_of_both_protocols() -> None:
    with pytest.raises(ValueError, match="coupled, AdamW"):
        Prediction("P0", "", "", "", {"coupled": "x"}, {}, (), (), lambda r, p: None)  # type: ignore[arg-type,return-value]


def test_what_is_not_trained_is_not_measured() -> None:
    for id in PREDICTIONS:
        found = judged(id, Lab())
        assert found.verdict == "inconclusive"
        assert {c.verdict for c in found.columns.values()} == {"not measured"}
