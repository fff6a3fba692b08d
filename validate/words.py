"""Numbers in words, the same in the terminal, in Markdown, on the page, in pictures and in READMEs.

Three significant digits and a true minus; "not measured" for what is missing, ∞ for what has no bound. An estimate is told
with its interval, with n and what n counts, and with how many of its runs still move.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from validate.statistics.intervals import Interval

__all__ = ["NOT_MEASURED", "Number", "interval_words", "number", "number_words", "region", "units"]

NOT_MEASURED = "not measured"


def number(value: Any) -> float:
    """A number as verdicts.json has it: null is nan, "inf" infinite. Errors: ValueError for other text."""
    return math.nan if value is None else float(value)


def number_words(value: Any) -> str:
    """Three significant digits, all of those before the point up to a million; of numbers and of what JSON holds."""
    x = number(value)
    if math.isnan(x):
        return NOT_MEASURED
    if math.isinf(x):
        return "∞" if x > 0 else "−∞"
    text = f"{x:.0f}" if 1000 <= abs(x) < 1e6 else f"{x:.3g}"
    return "0" if float(text) == 0 else text.replace("-", "−")


def region(low: float, high: float) -> str:
    """A region in a few signs."""
    if math.isinf(low):
        return f"below {number_words(high)}"
    return f"above {number_words(low)}" if math.isinf(high) else f"{number_words(low)} to {number_words(high)}"


def units(n: int, of: str, runs: int, moving: int) -> str:
    """What an interval is over, and what still moves: n = 3; n = 3 settings, 2 of 9 still moving."""
    return f"n = {n}{'' if of == 'seeds' else f' {of}'}" + (f", {moving} of {runs} still moving" if moving else "")


class Number(NamedTuple):
    """An estimate with its 95 % interval; nan in (-inf, inf) where it was not measured.

    n, of           over how many units the interval is, and which
    runs, moving    on how many runs it was measured, and how many of those still moved
    """

    value: float = math.nan
    low: float = -math.inf
    high: float = math.inf
    n: int = 0
    note: str = ""
    runs: int = 0
    moving: int = 0
    of: str = "seeds"

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> Number:
        """From a finding of verdicts.json, or a number beside it."""
        value, low, high = (number(x) for x in (entry["value"], *entry["interval"]))
        about = {name: entry[name] for name in ("n", "note", "runs", "moving", "of") if name in entry}
        return cls(value, low, high, **about)

    @classmethod
    def measured(cls, interval: Interval, runs: int = 0, moving: int = 0, of: str = "seeds") -> Number:
        """From what was measured."""
        return cls(interval.value, interval.low, interval.high, interval.n, runs=runs, moving=moving, of=of)

    def __str__(self) -> str:
        """value (low to high, n = 3, 5 of 20 still moving); without bounds where there are none, as of one seed"""
        if not self.exists:
            return f"{NOT_MEASURED} ({self.note})" if self.note else NOT_MEASURED
        bounded = self.n != 1 and (math.isfinite(self.low) or math.isfinite(self.high))
        about = [f"{number_words(self.low)} to {number_words(self.high)}"] if bounded else []
        about += [units(self.n, self.of, self.runs, self.moving)] if self.n else []
        return number_words(self.value) + (f" ({', '.join(about)})" if about else "")

    @property
    def exists(self) -> bool:
        """Whether it was measured."""
        return not math.isnan(self.value)

    def exp(self) -> Number:
        """Of ln x, the number x."""
        value, low, high = (math.inf if x > 700 else math.exp(x) for x in self[:3])
        return self._replace(value=value, low=low, high=high)


def interval_words(entry: Mapping[str, Any]) -> str:
    """A finding of verdicts.json in words."""
    return str(Number.read(entry))
