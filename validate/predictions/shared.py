"""What predictions share: each seed's threshold with its motion, what a number was measured on, and tables as rows."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd

from validate.measured import Results
from validate.prediction import Basis, Estimate
from validate.statistics.intervals import Interval, over_bounds, over_seeds, welch
from validate.statistics.thresholds import bounds, crossing

__all__ = [
    "ANSWER", "LARGE", "MARGIN", "MEMORY", "NO_CIRCUITS", "NO_FORMULA", "NO_LANDSCAPE", "OWN_CLAIM", "STILL",
    "THEIR_FOUR", "accuracy_at", "after_steps", "apart", "at_answer", "at_rest", "bounded",
    "estimate", "kind_of", "less", "ln_sizes", "of_seed", "of_thresholds", "of_times", "records", "thresholds", "total",
    "weaker",
]  # fmt: skip

MARGIN = math.log(1.15)
"""±15 %: the margin within which two data set sizes are the same"""
STILL = 0.05
"""A threshold rests if it moved by no more than this, in ln D, from the sixth tenth of the runs to the last"""
LARGE = "p113"
"""The setting of the paper's size: what it says stands beside"""
ANSWER = {"coupled": 1e-4, "AdamW": 1.0}
"""Weight decay at which thresholds are compared with other things"""

NO_CIRCUITS = ("silent", "it has no two circuits")
NO_LANDSCAPE = ("silent", "it has no landscape, no optimizer and no rounding")
OWN_CLAIM = ("predicts", "its own claims")
THEIR_FOUR = {
    "circuit efficiency": ("predicts", "its authors' own four predictions"),
    "Omnigrok": ("silent", "it is about the start (reading of Varma et al.)"),
}
MEMORY = {
    "circuit efficiency": ("allows", "efficiencies say where networks rest, not how soon they leave where they are"),
    "Omnigrok": (
        "opposite",
        "a landscape over norm has no memory: the end depends on data and decay, not on the start",
    ),
}
NO_FORMULA = {
    "circuit efficiency": ("silent", "it has no formula for what is left of Mem"),
    "Omnigrok": NO_CIRCUITS,
}
"""What theories say of several predictions, with the reason (`Claim.says`)"""


def kind_of(kind: str, protocol: str) -> str:
    """The experiment's name under a protocol."""
    return f"{kind}_coupled" if protocol == "coupled" else kind


def records(table: pd.DataFrame) -> list[dict[str, object]]:
    """Rows as plain dicts, in the order of the table."""
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def thresholds(table: pd.DataFrame, level: float = 0.5, chance: float | None = None) -> pd.DataFrame:
    """A row for each weight decay and seed: ln_size at which its accuracy passes `level`, and how far that moved.

    A threshold outside the sizes that were trained is nan, and lies between the bounds `low` and `high`. Chance is 1/p if
    it is not given.
    """
    rows = []
    for (decay, seed), runs in table.groupby(["weight_decay", "seed"]):
        floor = 1.0 / runs.p.iloc[0] if chance is None else chance
        size, now = runs.dataset_size.to_numpy(float), np.clip(runs.test.to_numpy(float), 0, 1)
        before = np.clip(now - runs.motion.to_numpy(float), 0, 1)
        ln_size, (low, high) = crossing(size, now, level, floor), bounds(size, now, level, floor)
        outside = math.isnan(ln_size) and (low, high) == bounds(size, before, level, floor)
        motion = 0.0 if outside else ln_size - crossing(size, before, level, floor)
        rows.append({"weight_decay": decay, "seed": seed, "ln_size": ln_size, "low": low, "high": high,
                     "motion": motion})  # fmt: skip
    return pd.DataFrame(rows, columns=["weight_decay", "seed", "ln_size", "low", "high", "motion"])


def of_seed(found: pd.DataFrame) -> pd.DataFrame:
    """Thresholds of one weight decay by seed, as bounds `low` and `high` that are equal where it was measured."""
    return found.set_index("seed")[["low", "high"]]


def less(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Bounds on `first` less `second`, seed by seed; seeds that both have."""
    both = first.index.intersection(second.index)
    a, b = first.loc[both], second.loc[both]
    return pd.DataFrame({"low": a.low - b.high, "high": a.high - b.low}, index=both)


def bounded(values: pd.DataFrame, basis: Basis, note: str = "") -> Estimate:
    """Estimate from bounds `low` and `high`, one pair a seed: a seed outside the sizes counts as a bound."""
    open_ended = int((values.low != values.high).sum())
    said = f"{open_ended} of {len(values)} seeds are bounds" if open_ended else ""
    return Estimate(over_bounds(values.low, values.high), basis, "; ".join(x for x in (note, said) if x))


def at_answer(table: pd.DataFrame, protocol: str) -> pd.DataFrame:
    """Runs at the weight decay of `ANSWER`, or at the geometric middle of those there are."""
    decays = np.array(sorted(decay for decay in set(table.weight_decay) if decay > 0))
    if not len(decays):
        return table.iloc[:0]
    middle = decays[np.argmin(np.abs(np.log(decays / ANSWER[protocol])))]
    return table[table.weight_decay == middle]


def at_rest(table: pd.DataFrame, what: str) -> Basis:
    """The rows of `table`, of which those move whose "accuracy" or "norm" does: that which the number is made of."""
    column = {"accuracy": "rests", "norm": "norm_rests"}[what]
    return Basis(len(table), int((~table[column].astype(bool)).sum()))


def of_thresholds(*found: pd.DataFrame) -> Basis:
    """Thresholds (rows of `thresholds`), of which those move that are not known to rest."""
    motion = pd.concat([table.motion for table in found])
    return Basis(len(motion), int((~(motion.abs() <= STILL)).sum()))


def of_times(table: pd.DataFrame, time: str) -> Basis:
    """Runs, of which those move in which it has not happened yet."""
    return Basis(len(table), int(table[time].isna().sum()))


def total(bases: Iterable[Basis]) -> Basis:
    """Of several groups of runs together."""
    return Basis(*map(sum, zip(*bases, strict=True)))


def weaker(*bases: Basis) -> Basis:
    """Of what a number made of several things was measured on, that of which the larger share moves."""
    return max(bases, key=lambda basis: basis.moving / max(basis.runs, 1))


def after_steps(*tables: pd.DataFrame) -> Basis:
    """Runs of which something is claimed after the steps that they were trained, whether they move or not."""
    return Basis(sum(len(table) for table in tables), 0)


def estimate(values: Iterable[float], basis: Basis, note: str = "", of: str = "seeds") -> Estimate:
    """Estimate from one value for each unit; `of` names the units in the plural."""
    return Estimate(over_seeds(np.asarray(list(values), float)), basis, note, of)


def apart(first: pd.Series, second: pd.Series, basis: Basis, note: str = "") -> Estimate:
    """Mean of `first` less mean of `second`, both indexed by seed.

    Seeds with a value on both sides are compared with themselves; where no two are, Welch's interval between seeds.
    """
    own = (first - second).dropna()
    interval = over_seeds(own) if len(own) > 1 else welch(first, second)
    return Estimate(interval, basis, note)


def ln_sizes(interval: Interval) -> str:
    """An interval in ln D, in pairs."""
    size = interval.exp()
    return f"{size.value:.0f} ({size.low:.0f} to {size.high:.0f}) pairs"


def accuracy_at(results: Results, name: str, clock: float) -> pd.DataFrame:
    """Rows of experiment `name` with the accuracy that each run had when weight decay × steps was `clock`, as `test`.

    `motion` is what it had changed by since 0.6 of that clock.
    """
    rows = []
    for run in results.runs(name):
        decay = run.config["weight_decay"]
        if run.status == "finished" and decay > 0 and run.step[-1] >= clock / decay - 1e-6:
            about = {k: run.config[k] for k in ("dataset_size", "weight_decay", "seed", "p")}
            now, before = (float(np.interp(share * clock / decay, run.step, run.test)) for share in (1.0, 0.6))
            rows.append(about | {"test": now, "motion": now - before})
    return pd.DataFrame(rows, columns=["dataset_size", "weight_decay", "seed", "p", "test", "motion"])
