"""Numbers in words, the same in the terminal, in Markdown, on the page, in pictures and in READMEs.

Three significant digits and a true minus; "not measured" for what is missing, ∞ for what has no bound. An estimate is told
with its interval, with n and what n counts, and with how many of its runs still move.
"""

from __future__ import annotations

import math

from validate.statistics.intervals import Interval

__all__ = ["NOT_MEASURED", "interval_words", "number_words", "region", "units"]

NOT_MEASURED = "not measured"


def number_words(x: float) -> str:
    """Three significant digits, all of those before the point up to a million."""
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


def interval_words(interval: Interval, runs: int = 0, moving: int = 0, of: str = "seeds", note: str = "") -> str:
    """value (low to high, n = 3, 5 of 20 still moving); without bounds where there are none, as of one seed"""
    if not interval.exists:
        return f"{NOT_MEASURED} ({note})" if note else NOT_MEASURED
    bounded = interval.n != 1 and (math.isfinite(interval.low) or math.isfinite(interval.high))
    about = [f"{number_words(interval.low)} to {number_words(interval.high)}"] if bounded else []
    about += [units(interval.n, of, runs, moving)] if interval.n else []
    return number_words(interval.value) + (f" ({', '.join(about)})" if about else "")
