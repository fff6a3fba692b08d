"""What a prediction is, and what a verdict: stated before the runs, as data (experiments.md 4).

A prediction has one criterion or more. A criterion names a number and the region that the theory puts it in; the
number is measured with a 95 % interval over seeds. It is confirmed if the whole interval lies in the region, refuted
if it lies wholly outside, and inconclusive otherwise or if too few seeds, or too few settled runs, bear on it. The
prediction is confirmed if all its criteria are, and refuted if any of them is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from validate.intervals import Interval, decide
from validate.measured import MissingResult, Results

__all__ = ["Criterion", "Estimate", "Finding", "Measurement", "Prediction", "Verdict", "judge"]

CONFIRMED, REFUTED, INCONCLUSIVE = "confirmed", "refuted", "inconclusive"
MOST_CENSORED = 1 / 3
"""Share of the runs that bear on a number above which it decides nothing"""


@dataclass(frozen=True)
class Criterion:
    """A number, and the region [low, high] that the claim puts it in.

    unit          "1" for a pure number
    why           where the region comes from
    least_seeds   with fewer it decides nothing
    """

    name: str
    unit: str
    low: float = -math.inf
    high: float = math.inf
    why: str = ""
    least_seeds: int = 3

    @property
    def rule(self) -> str:
        """The region in words."""
        if math.isinf(self.low):
            return f"below {self.high:g}"
        if math.isinf(self.high):
            return f"above {self.low:g}"
        return f"within [{self.low:g}, {self.high:g}]"


@dataclass(frozen=True)
class Estimate:
    """A measured number: interval over seeds, how many runs bear on it, how many of them were censored."""

    interval: Interval
    runs: int
    censored: int = 0
    note: str = ""


@dataclass(frozen=True)
class Measurement:
    """What a prediction's `measure` returns.

    estimates   one for each criterion, by its name
    controls    further numbers that decide nothing: other optimizers, other definitions. One that is named
                "<criterion>, <where>" is held against that criterion's region, for the reader
    tables      rows behind the numbers, for figures and readers: {name: [{column: value}]}
    remarks     what a reader should know, in sentences
    """

    estimates: Mapping[str, Estimate]
    controls: Mapping[str, Estimate] = field(default_factory=dict)
    tables: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prediction:
    """A claim on trial. Everything but `measure` is words and numbers that can be read without running anything."""

    id: str
    claim: str
    source: str
    observable: str
    statistic: str
    experiments: tuple[str, ...]
    criteria: tuple[Criterion, ...]
    measure: Callable[[Results], Measurement]


@dataclass(frozen=True)
class Finding:
    """A criterion, what was measured, and what follows."""

    criterion: Criterion
    estimate: Estimate
    verdict: str


@dataclass(frozen=True)
class Verdict:
    """The judgement of one prediction on one set of results."""

    prediction: Prediction
    verdict: str
    findings: tuple[Finding, ...]
    measurement: Measurement
    missing: str = ""

    def of_control(self, name: str) -> str:
        """What the rule would say of control `name`; "" if it is not a criterion under other circumstances."""
        for criterion in self.prediction.criteria:
            if name.startswith(f"{criterion.name}, "):
                return _finding(criterion, self.measurement.controls[name]).verdict
        return ""

    @property
    def runs(self) -> int:
        """Runs that bear on it."""
        return max((f.estimate.runs for f in self.findings), default=0)

    @property
    def censored(self) -> int:
        """Of these, how many were still moving."""
        return max((f.estimate.censored for f in self.findings), default=0)


def _finding(criterion: Criterion, estimate: Estimate) -> Finding:
    found = decide(estimate.interval, criterion.low, criterion.high, criterion.least_seeds)
    if estimate.runs and estimate.censored / estimate.runs > MOST_CENSORED:
        found = INCONCLUSIVE
    return Finding(criterion, estimate, found)


def judge(prediction: Prediction, results: Results) -> Verdict:
    """Measure and decide; a prediction whose runs are missing is inconclusive, and says which."""
    try:
        measured = prediction.measure(results)
    except MissingResult as error:
        return Verdict(prediction, INCONCLUSIVE, (), Measurement({}), str(error))
    findings = tuple(_finding(c, measured.estimates[c.name]) for c in prediction.criteria)
    verdicts = {f.verdict for f in findings}
    whole = REFUTED if REFUTED in verdicts else INCONCLUSIVE if INCONCLUSIVE in verdicts else CONFIRMED
    return Verdict(prediction, whole, findings, measured)
