"""What a prediction is, and what a verdict: stated before the runs, as data.

A prediction has one criterion or more. A criterion names a number and the region that the theory puts it in; the number is
measured with a 95 % interval over seeds. It is confirmed if the whole interval lies in the region, refuted if it lies
wholly outside, and inconclusive otherwise, or if too few seeds or too few runs at rest bear on it; where the runs are not
there it is not tested. Every number is measured under both protocols, coupled and AdamW: a prediction says for which of
them it is claimed, and why.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from validate.measured import PROTOCOLS, MissingResult, Results
from validate.statistics.intervals import Interval, decide
from validate.statistics.power import power
from validate.words import interval_words, region

__all__ = [
    "Basis", "Claim", "Column", "Criterion", "Estimate", "Finding", "Measurement", "Prediction", "Verdict", "judge",
    "nothing",
]  # fmt: skip

CONFIRMED, REFUTED, INCONCLUSIVE, ABSENT = "confirmed", "refuted", "inconclusive", "not tested"
STANCES = ("predicts", "opposite", "allows", "silent")
"""What a theory can say of a claim; it allows what agrees with it either way"""
MOST_MOVING = 1 / 3
"""Share of the runs that bear on a number that may still move; with more it decides nothing"""


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """A number, and the region [low, high] that the claim puts it in.

    unit          "1" for a pure number, or "ln pairs", say
    why           where the region comes from
    truth         what the number was expected to be when the rule was fixed, its spread over seeds, and how many seeds
    spread        were planned: from these the power is simulated
    seeds
    least_seeds   with fewer it decides nothing
    """

    name: str
    unit: str = "1"
    low: float = -math.inf
    high: float = math.inf
    why: str = ""
    truth: float = 0.0
    spread: float = 0.0
    seeds: int = 3
    least_seeds: int = 3

    @property
    def rule(self) -> str:
        """The region in words."""
        return region(self.low, self.high)

    def power(self, seeds: int | None = None) -> float:
        """How often the rule decides, either way, if `truth` and `spread` are right, with `seeds` or as many as planned."""
        n = self.seeds if seeds is None else seeds
        return power(self.low, self.high, self.truth, self.spread, n) if n >= self.least_seeds else 0.0


class Basis(NamedTuple):
    """What a number was measured on: runs (or thresholds of several runs), and how many of them still moved.

    Made from the rows that the number is made of: `at_rest`, `of_thresholds`, `of_times`, `after_steps` in
    `validate.predictions.shared`. There is no estimate without one.
    """

    runs: int
    moving: int


@dataclass(frozen=True)
class Estimate:
    """A measured number: its 95 % interval, what it was measured on, and the units that the interval is over."""

    interval: Interval
    basis: Basis
    note: str = ""
    of: str = "seeds"

    def __str__(self) -> str:
        """value (low to high, n = 3, 5 of 20 still moving), or that it was not measured and why"""
        return interval_words(self.interval, self.basis.runs, self.basis.moving, self.of, self.note)

    @property
    def value(self) -> float:
        """The number itself, nan where it was not measured."""
        return self.interval.value

    @property
    def exists(self) -> bool:
        """Whether it was measured."""
        return self.interval.exists

    def exp(self) -> Estimate:
        """Of a number that is a logarithm, the number."""
        return replace(self, interval=self.interval.exp())


def nothing(note: str, runs: int = 0) -> Estimate:
    """What could not be estimated, and why."""
    return Estimate(Interval.unknown(0), Basis(runs, 0), note)


@dataclass(frozen=True)
class Measurement:
    """What a prediction's `measure` returns for one protocol.

    estimates   one for each criterion, by its name
    beside      further numbers that decide nothing
    tables      rows behind the numbers, for figures and readers: {name: [{column: value}]}
    remarks     what a reader should know, in sentences
    """

    estimates: Mapping[str, Estimate]
    beside: Mapping[str, Estimate] = field(default_factory=dict)
    tables: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim on trial: words and numbers that can be read without running anything.

    claimed      protocol: why the theory claims it there. The first one's column is the prediction's verdict
    unclaimed    protocol: why not; its number is shown where it was measured
    experiments  the runs that it needs, as setting/kind
    registered   commit in which the rule took its present form
    seen         whether the runs that decide had been seen by then
    new          experiments that decide and were trained after it: without them among the results, seen runs decide
    changed      the rule's old forms and why they were changed; "" if there are none
    says         theory: what it says of the claim ("predicts", "opposite", "allows", "silent"), and why
    columns      what it is measured under: the two protocols, or the tasks that a rival theory is tried on
    """

    id: str
    claim: str
    source: str
    statistic: str
    claimed: Mapping[str, str]
    unclaimed: Mapping[str, str] = field(default_factory=dict)
    experiments: tuple[str, ...]
    criteria: tuple[Criterion, ...]
    registered: str = ""
    seen: bool = False
    new: tuple[str, ...] = ()
    changed: str = ""
    says: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    columns: tuple[str, ...] = PROTOCOLS

    def __post_init__(self) -> None:
        if set(self.claimed) | set(self.unclaimed) != set(self.columns) or set(self.claimed) & set(self.unclaimed):
            raise ValueError(
                f"a prediction must say of each of {', '.join(self.columns)} whether it is claimed there; {self.id} has "
                f"{sorted(self.claimed)} and {sorted(self.unclaimed)}. Put every one into one of the two."
            )
        wrong = {says for says, _ in self.says.values()} - set(STANCES)
        if wrong:
            raise ValueError(
                f"a theory must say one of {', '.join(STANCES)} of {self.id}; received {sorted(wrong)}. Correct `says`."
            )

    @property
    def standing(self) -> str:
        """When the rule was fixed, in words."""
        when = (
            "restated after the runs that decide were seen"
            if self.seen
            else "fixed before the runs that decide were seen"
        )
        return f"{when} ({self.registered})" if self.registered else "not registered"

    @property
    def decides(self) -> str:
        """The protocol whose column is the verdict."""
        return next(iter(self.claimed))


@dataclass(frozen=True, kw_only=True)
class Prediction(Claim):
    """A claim, and how its numbers are measured under a protocol."""

    measure: Callable[[Results, str], Measurement]


@dataclass(frozen=True)
class Finding:
    """A criterion, what was measured, and what follows."""

    criterion: Criterion
    estimate: Estimate
    verdict: str

    @property
    def power(self) -> float:
        """How often the rule decides with as many units as were measured."""
        return self.criterion.power(self.estimate.interval.n)


@dataclass(frozen=True)
class Column:
    """The judgement of a prediction under one protocol.

    findings    one for each criterion; none where the runs are not there, of which `missing` tells
    beside, tables, remarks    those of the measurement
    """

    verdict: str
    findings: tuple[Finding, ...] = ()
    beside: Mapping[str, Estimate] = field(default_factory=dict)
    tables: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    missing: str = ""

    def number(self, name: str) -> Estimate:
        """The number of a criterion, or one beside; not measured where nothing was.

        Errors: KeyError for a name that is not there.
        """
        known = {f.criterion.name: f.estimate for f in self.findings} | dict(self.beside)
        if self.findings and name not in known:
            raise KeyError(f"a number must be one of {', '.join(known)}; received {name!r}. Name one of them.")
        return known.get(name, nothing(self.missing))


@dataclass(frozen=True)
class Verdict:
    """The judgement of one claim on one set of results, a column for each protocol.

    `prediction.seen` says whether the runs that decide here had been seen when the rule took its form.
    """

    prediction: Claim
    columns: Mapping[str, Column]

    @property
    def id(self) -> str:
        """P2, say."""
        return self.prediction.id

    @property
    def claim(self) -> str:
        """What is on trial."""
        return self.prediction.claim

    @property
    def decides(self) -> str:
        """The protocol whose column is the verdict."""
        return self.prediction.decides

    @property
    def verdict(self) -> str:
        """That of the deciding column."""
        return self.columns[self.decides].verdict

    def column(self, name: str = "") -> Column:
        """That of a protocol, the deciding one if none is named; an untested one where it was not tried there."""
        return self.columns.get(name or self.decides) or Column(ABSENT)

    def number(self, which: int = 0, column: str = "") -> Estimate:
        """The number of the `which`-th criterion. Errors: IndexError for one that the claim does not have."""
        return self.column(column).number(self.prediction.criteria[which].name)

    @property
    def deciding(self) -> Finding | None:
        """What it stands or falls with: the first number with its verdict, or the first; None where nothing was tested."""
        findings = self.column().findings
        return next((f for f in findings if f.verdict == self.verdict), findings[0] if findings else None)


def find(criterion: Criterion, estimate: Estimate) -> Finding:
    """What follows from an estimate."""
    found = decide(estimate.interval, criterion.low, criterion.high, criterion.least_seeds)
    if estimate.basis.moving > MOST_MOVING * estimate.basis.runs:
        found = INCONCLUSIVE
    return Finding(criterion, estimate, found)


def _column(prediction: Prediction, results: Results, protocol: str) -> Column:
    try:
        measured = prediction.measure(results, protocol)
    except MissingResult as error:
        return Column(ABSENT, missing=str(error))
    findings = tuple(find(c, measured.estimates[c.name]) for c in prediction.criteria)
    verdicts = {f.verdict for f in findings}
    whole = REFUTED if REFUTED in verdicts else INCONCLUSIVE if INCONCLUSIVE in verdicts else CONFIRMED
    return Column(whole, findings, measured.beside, measured.tables, measured.remarks)


def judge(prediction: Prediction, results: Results) -> Verdict:
    """Measure and decide in every column; what is not there to be measured is said."""
    columns = {name: _column(prediction, results, name) for name in prediction.columns}
    old = bool(prediction.new) and not any(name in results for name in prediction.new)
    return Verdict(replace(prediction, seen=prediction.seen or old), columns)
