"""What was judged, read from verdicts.json, so that a picture and a verdict cannot drift apart.

A prediction has a column for each protocol, and one of them decides.  `Verdicts` notes every number that a figure takes
from it; the note goes into the caption file, where tests/test_figures_verdicts.py compares it with the verdicts.
"""

import math
import textwrap
from pathlib import Path
from typing import Any

import pandas as pd

from validate import verdicts
from validate.words import Number

__all__ = ["Verdicts", "typeset"]

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


class Verdicts:
    """The content of a verdicts.json.

    data     everything, as saved
    quoted   every estimate that was asked for: {"P1b (coupled): slope of ...": [value, low, high]}

    Errors: ValueError for a file of another format.
    """

    def __init__(self, file: Path) -> None:
        self.data = verdicts.load(file)
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
                estimate = Number.read(entry)
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
        return verdicts.score(self.data)


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows with null as nan and "inf" as a number; no columns where there are no rows."""
    ends = {"inf": math.inf, "-inf": -math.inf}
    table = pd.DataFrame([{k: ends.get(v, v) if isinstance(v, str) else v for k, v in row.items()} for row in rows])
    for name in table.columns:
        if table[name].dtype == object and all(x is None or isinstance(x, float | int) for x in table[name]):
            table[name] = table[name].astype(float)
    return table
