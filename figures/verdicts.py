"""What was judged, read from verdicts.json, so that a picture and a verdict cannot drift apart.

A prediction has a column for each protocol, and one of them decides.  `Verdicts` notes every number that a figure takes
from it; the note goes into the caption file, where tests/test_figures_verdicts.py compares it with the verdicts.
"""

import json
import math
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from validate.statistics.intervals import Interval

__all__ = ["FORMAT", "NOT_MEASURED", "Number", "Verdicts", "number", "region", "short", "typeset"]

FORMAT = 2
NOT_MEASURED = "not measured"


SET = {
    "D_crit": r"$D_\mathrm{crit}$",
    "D_1": "$D_1$",
    "norm^κ": r"norm$^\kappa$",
    "w_0/w_c": "$w_0/w_c$",
    " %": "\u00a0%",
}
"""How a claim's symbols are set"""


def typeset(claim: str, width: int = 54) -> str:
    """The claim on lines of about `width` characters, its symbols as mathematics."""
    text = "\n".join(textwrap.wrap(claim.replace(" %", SET[" %"]), width))
    for plain, symbol in SET.items():
        text = text.replace(plain, symbol)
    return text


def number(value: Any) -> float:
    """A number as verdicts.json has it: null is nan, "inf" infinite."""
    return math.nan if value is None else float(value)


def short(value: float) -> str:
    """Three significant digits, with a true minus; ∞ where it is infinite, in words where it is missing."""
    if math.isnan(value):
        return NOT_MEASURED
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return ("0" if float(text) == 0 else text).replace("-", "−")


def region(low: float, high: float) -> str:
    """A pass region in a few signs."""
    if math.isinf(low):
        return f"below {short(high)}"
    return f"above {short(low)}" if math.isinf(high) else f"{short(low)} to {short(high)}"


class Number(NamedTuple):
    """An estimate with its 95 % interval over seeds; nan in (-inf, inf) where it was not measured."""

    value: float = math.nan
    low: float = -math.inf
    high: float = math.inf
    n: int = 0
    note: str = ""
    runs: int = 0
    moving: int = 0
    over: str = "seeds"

    @classmethod
    def of(cls, entry: dict[str, Any]) -> "Number":
        """From a finding, or a number beside it."""
        low, high = entry["interval"]
        basis = (int(entry.get(name, 0)) for name in ("runs", "moving"))
        return cls(
            number(entry["value"]), number(low), number(high), int(entry["n"]), str(entry.get("note", "")), *basis,
            over=entry.get("of", "seeds"),
        )  # fmt: skip

    @classmethod
    def measured(cls, interval: Interval) -> "Number":
        """From what validate measured."""
        return cls(interval.value, interval.low, interval.high, interval.n)

    def __str__(self) -> str:
        """value (low to high, n = 3, 5 of 20 moving); only the value where nothing else is known"""
        if not self.exists:
            return NOT_MEASURED
        if not (math.isfinite(self.low) or math.isfinite(self.high)):
            return short(self.value)
        words = [f"{short(self.low)} to {short(self.high)}"] + [
            f"n = {self.n}{'' if self.over == 'seeds' else f' {self.over}'}"
        ] * bool(self.n)
        words += [f"{self.moving} of {self.runs} moving"] * bool(self.moving)
        return f"{short(self.value)} ({', '.join(words)})"

    @property
    def exists(self) -> bool:
        """Whether it was measured."""
        return not math.isnan(self.value)

    def exp(self) -> "Number":
        """Of ln x, the number x."""
        return Number(*(math.exp(min(x, 700.0)) for x in self[:3]), *self[3:])


class Verdicts:
    """The content of a verdicts.json.

    data     everything, as saved
    quoted   every estimate that was asked for: {"P1b (coupled): slope of ...": [value, low, high]}

    Errors: ValueError for a file of another format.
    """

    def __init__(self, file: Path) -> None:
        self.data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if self.data.get("format") != FORMAT:
            raise ValueError(
                f"{file} must have format {FORMAT}; received {self.data.get('format')}. Judge the runs anew: "
                f"python -m validate report {file.parent}"
            )
        self.quoted: dict[str, list[float]] = {}

    @property
    def predictions(self) -> list[dict[str, Any]]:
        """All of them, in order."""
        return list(self.data["predictions"])

    def prediction(self, id: str) -> dict[str, Any]:
        """Everything about one prediction; {} if it is not there."""
        return next((p for p in self.predictions if p["id"] == id), {})

    def column(self, id: str, protocol: str = "coupled") -> dict[str, Any]:
        """What was judged of a prediction under a protocol; {} if it is not there."""
        return dict(self.prediction(id).get("columns", {}).get(protocol, {}))

    def number(self, id: str, name: str, protocol: str = "coupled") -> Number:
        """The criterion, or else the number beside, of that name; not measured if there is none."""
        found = self.column(id, protocol)
        for entry in (*found.get("findings", ()), *found.get("beside", ())):
            if name == entry.get("criterion", entry.get("name")):
                estimate = Number.of(entry)
                self.quoted[f"{id} ({protocol}): {name}"] = list(estimate[:3])
                return estimate
        return Number()

    def rows(self, id: str, table: str, protocol: str = "coupled") -> pd.DataFrame:
        """A table behind a prediction; empty if it is not there."""
        return _table(self.column(id, protocol).get("tables", {}).get(table, []))

    def study(self, beginning: str) -> pd.DataFrame:
        """The first study whose title begins so; empty if there is none."""
        found = (rows for title, rows in self.data.get("tables", {}).items() if title.startswith(beginning))
        return _table(next(found, []))

    def score(self) -> dict[str, int]:
        """How many predictions have which verdict."""
        verdicts = [p["verdict"] for p in self.predictions]
        return {word: verdicts.count(word) for word in ("confirmed", "refuted", "inconclusive")}


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows with null as nan and "inf" as a number; no columns where there are no rows."""
    ends = {"inf": math.inf, "-inf": -math.inf}
    table = pd.DataFrame([{k: ends.get(v, v) if isinstance(v, str) else v for k, v in row.items()} for row in rows])
    for name in table.columns:
        if table[name].dtype == object and all(x is None or isinstance(x, float | int) for x in table[name]):
            table[name] = table[name].astype(float)
    return table
