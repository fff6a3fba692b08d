"""What was judged, read from the profile's verdicts.json, so that a picture and a verdict cannot drift apart.

`Verdicts` notes every number that a figure takes from it; the note goes into the caption file, where
tests/test_figures_verdicts.py compares it with the verdicts.
"""

import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from .paths import PROFILE, Paths

__all__ = ["ABOUT", "VERDICT_COLOURS", "VERDICT_MARKS", "Number", "Verdicts", "number"]

ABOUT = "Profile {profile}: trained on {device} ({processor}) in {dtype}, {versions}{date}."
# Paul Tol's "high contrast": told apart by colour-blind readers and in grey; each has its own mark as well.
VERDICT_COLOURS = {"confirmed": "#004488", "refuted": "#BB5566", "inconclusive": "#997700"}
VERDICT_MARKS = {"confirmed": "o", "refuted": "X", "inconclusive": "o"}


def number(value: Any) -> float:
    """A number as verdicts.json has it: null is nan, "inf" infinite."""
    return math.nan if value is None else float(value)


class Number(NamedTuple):
    """An estimate with its 95 % interval over seeds; nan in (-inf, inf) where it was not measured."""

    value: float = math.nan
    low: float = -math.inf
    high: float = math.inf
    n: int = 0
    note: str = ""

    def __str__(self) -> str:
        """value (low to high, n = 3); without n where it is not known"""
        if math.isnan(self.value):
            return f"not measured (n = {self.n})"
        low, high = (short(end) if math.isfinite(end) else "∞" if end > 0 else "−∞" for end in self[1:3])
        seeds = f", n = {self.n}" if self.n else ""
        return f"{short(self.value)} ({low} to {high}{seeds})"

    @property
    def exists(self) -> bool:
        """Whether it was measured."""
        return not math.isnan(self.value)

    def exp(self) -> "Number":
        """Of ln x, the number x."""
        return Number(*(math.exp(min(x, 700.0)) for x in self[:3]), self.n, self.note)


def short(value: float) -> str:
    """Three significant digits, with a true minus."""
    text = f"{value:.0f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) >= 10 else f"{value:.3g}"
    return text.replace("-", "−")


def _estimate(entry: dict[str, Any]) -> Number:
    low, high = entry["interval"]
    return Number(number(entry["value"]), number(low), number(high), int(entry["n"]), entry.get("note", ""))


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows with null as nan and "inf" as a number; no columns where there are no rows."""
    ends = {"inf": math.inf, "-inf": -math.inf}
    table = pd.DataFrame([{k: ends.get(v, v) if isinstance(v, str) else v for k, v in row.items()} for row in rows])
    for name in table.columns:
        if table[name].dtype == object and all(x is None or isinstance(x, float | int) for x in table[name]):
            table[name] = table[name].astype(float)
    return table


class Verdicts:
    """The verdicts of the profile that is shown.

    quoted   every estimate that was asked for: {"P1b: slope of ...": [value, low, high]}
    absent   what was asked for and is not there, in words
    """

    def __init__(self) -> None:
        file = Paths().data / "validate" / PROFILE / "verdicts.json"
        self.data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        self.quoted: dict[str, list[float]] = {}
        self.absent: list[str] = []

    def prediction(self, id: str) -> dict[str, Any]:
        """Everything about one prediction; {} if it is not there."""
        return next((p for p in self.data["predictions"] if p["id"] == id), {})

    def verdict(self, id: str) -> str:
        """confirmed, refuted or inconclusive."""
        return str(self.prediction(id).get("verdict", "inconclusive"))

    def number(self, id: str, name: str) -> Number:
        """The criterion, or else the control, of that name of prediction `id`; not measured if there is none."""
        found = self.prediction(id)
        for entry in (*found.get("findings", ()), *found.get("controls", ())):
            if name == entry.get("criterion", entry.get("name")):
                estimate = _estimate(entry)
                self.quoted[f"{id}: {name}"] = list(estimate[:3])
                return estimate
        self.absent.append(f"{id}: {name}")
        return Number()

    def rows(self, id: str, table: str) -> pd.DataFrame:
        """A table behind prediction `id`; empty if it is not there."""
        found = self.prediction(id).get("tables", {}).get(table, [])
        if not found:
            self.absent.append(f"{id}: {table}")
        return _table(found)

    def study(self, beginning: str) -> pd.DataFrame:
        """The first table of its own whose title begins so; empty if there is none."""
        for title, rows in self.data["tables"].items():
            # A study that was not trained has a remark for its rows.
            if title.startswith(beginning) and rows and "remark" not in rows[0]:
                return _table(rows)
        self.absent.append(beginning)
        return pd.DataFrame()

    def table(self, *columns: str) -> pd.DataFrame:
        """The first table of its own that has these columns; empty if there is none."""
        for rows in self.data["tables"].values():
            if rows and set(columns) <= {name for row in rows for name in row}:
                return _table(rows)
        self.absent.append(f"a table with {', '.join(columns)}")
        return pd.DataFrame(columns=list(columns))

    def quote(self, name: str, row: Any, value: str = "value", prefix: str = "") -> Number:
        """The estimate in a row of a table, in columns `value`, low, high and n or seeds, noted as `name`."""
        ends = (number(getattr(row, f"{prefix}{end}", math.nan)) for end in ("low", "high"))
        count = getattr(row, "n", getattr(row, "seeds", 0))
        found = Number(number(getattr(row, f"{prefix}{value}", None)), *ends, int(count))
        self.quoted[name] = list(found[:3])
        return found

    def numbers(self) -> dict[str, object]:
        """What ABOUT and every caption file want: the profile, where it was trained, what was quoted, what is absent."""
        items = self.data["provenance"]
        versions = items.get("versions", [])
        dates = items.get("date", [])
        torch = sorted({json.loads(text)["torch"] for text in versions if "torch" in text})
        return {
            "profile": self.data["profile"],
            **{name: ", ".join(items.get(name, ["?"])) for name in ("device", "processor", "dtype")},
            "versions": f"torch {', '.join(torch)}" if torch else "torch ?",
            "date": f", {dates[0]}{f' to {dates[-1]}' if dates[1:] else ''}" if dates else "",
            "quoted": self.quoted,
            "absent": self.absent,
        }


def plain_ticks(axis: Axis, values: Sequence[float]) -> None:
    """Plain numbers on a log axis, at those of `values` that it covers."""
    axis.set_minor_locator(NullLocator())
    axis.set_major_locator(FixedLocator(list(values)))
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
