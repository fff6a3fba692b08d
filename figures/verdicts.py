"""What was judged, read from verdicts.json, so that a picture and a verdict cannot drift apart.

A prediction has a column for each protocol, and one of them decides.  `Verdicts` notes every number that a figure takes
from it; the note goes into the caption file, where tests/test_figures_verdicts.py compares it with the verdicts.
"""

import textwrap
from pathlib import Path

import pandas as pd

from validate.prediction import Column, Estimate
from validate.verdicts import load

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
    """The verdicts of one file.

    judged   everything, as it was saved
    quoted   every estimate that was asked for: {"P1b (coupled): slope of ...": [value, low, high]}

    Errors: ValueError for a file of another format; KeyError for a prediction or a number that is not there.
    """

    def __init__(self, file: Path) -> None:
        self.judged = load(file)
        self.quoted: dict[str, list[float]] = {}

    def column(self, id: str, protocol: str = "coupled") -> Column:
        """What was judged of a prediction under a protocol; an untested one where it was not tried there."""
        return self.judged[id].column(protocol)

    def number(self, id: str, name: str, protocol: str = "coupled") -> Estimate:
        """The number of that criterion, or the one beside of that name; not measured where nothing was."""
        column = self.column(id, protocol)
        found = column.number(name)
        if column.findings:
            self.quoted[f"{id} ({protocol}): {name}"] = [found.value, found.interval.low, found.interval.high]
        return found

    def rows(self, id: str, table: str, protocol: str = "coupled") -> pd.DataFrame:
        """A table behind a prediction; empty where it was not measured."""
        return pd.DataFrame(self.column(id, protocol).tables.get(table, []))
