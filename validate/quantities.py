"""Numbers and curves of saved runs that pictures show and that decide no prediction.

A picture measures nothing: what it shows of a run is made here, by the functions that predictions are measured with.
Sizes are in pairs, logits and margins in nats.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

import toymodel as tm
from validate.matching.efficiency import gen_nets, mem_nets, norms_at
from validate.matching.laws import alone, mixtures, paired
from validate.measured import CURVES, THRESHOLDS, MissingResult, Results, Run
from validate.predictions import p16_pole
from validate.predictions.p08_critical_size import crossing_of_efficiencies
from validate.predictions.p19_price import pairs_of_sizes
from validate.predictions.shared import ANSWER, accuracy_at, at_answer, kind_of, thresholds
from validate.statistics.intervals import Interval, over_seeds

__all__ = [
    "AtThreshold",
    "at_threshold",
    "behaviour",
    "between",
    "by_frequencies",
    "gen_at",
    "joined",
    "on_clock",
    "place",
    "places",
    "pole_points",
    "price_points",
]

NEAR = 1.25
"""Networks at the threshold are those of sizes within this factor of it"""


def joined(run: Run) -> Run:
    """The run with its curves on both grids of steps together, log-spaced and even, each step once and without step 0.

    Where a curve was not measured at a step it is nan.
    """
    log = run.full.step.values
    step, first = np.unique(np.concatenate([run.step, log]), return_index=True)

    def curve(name: str) -> npt.NDArray[np.float64]:
        full = CURVES[name].removeprefix("light_")
        late = run.full[full].values if full in run.full else np.full(len(log), np.nan)
        return np.concatenate([getattr(run, name), late])[first][step > 0].astype(float)

    curves: dict[str, Any] = {name: curve(name) for name in CURVES}
    return dataclasses.replace(run, step=step[step > 0].astype(float), **curves)


def behaviour(run: Run) -> str:
    """The run's name in the shared vocabulary, from accuracy on its training set and on all pairs outside it."""
    both = joined(run)
    known = np.isfinite(both.train) & np.isfinite(both.test)
    return str(tm.classify_curves(both.step[known], both.train[known], both.test[known], run.classes))


def between(table: pd.DataFrame) -> pd.Series:
    """Whether each run's accuracy is off chance and not yet generalising, by the bounds of the shared vocabulary."""
    return table.test.between(1 / table.p + THRESHOLDS.chance_margin, THRESHOLDS.performance)


def by_frequencies(table: pd.DataFrame) -> pd.DataFrame:
    """Networks at rest that are right on more than half of the pairs never seen, by the frequencies that Gen holds.

    One row for one frequency (an effective number below 1.5) and one for more: networks `n`, median accuracy `test`.
    """
    rest = table[table.rests & (table.test > 0.5)]
    found = rest.groupby(rest.frequencies >= 1.5).test.agg(["size", "median"])
    return found.set_axis(["n", "test"], axis=1).reindex([False, True])


def gen_at(run: Run, step: float) -> float:
    """W_gen (nats) at `step`, interpolated between full measurements."""
    steps, gen, _ = run.circuits()
    return float(np.interp(step, steps, gen))


def place(table: pd.DataFrame, level: float = 0.5) -> Interval:
    """Size in pairs at which accuracy passes `level`: geometric mean over the seeds whose sizes span it, t interval.

    table    rows of one weight decay
    """
    return over_seeds(thresholds(table, level).ln_size).exp()


def places(table: pd.DataFrame) -> npt.NDArray[np.float64]:
    """The same size (n,) of each seed whose sizes span it."""
    return np.asarray(np.exp(thresholds(table).ln_size.dropna()), np.float64)


def on_clock(results: Results, name: str, clocks: Iterable[float], fewest: int = 3) -> pd.DataFrame:
    """Where accuracy is one half when weight decay × steps was `clock`: columns clock, weight_decay, pairs, seeds.

    pairs is the geometric mean over those seeds that have such a size at every weight decay that was trained so far; a
    clock with fewer than `fewest` of them has no rows.
    """
    rows = []
    for clock in clocks:
        found = thresholds(accuracy_at(results, name, clock))
        found = found.pivot_table(index="seed", columns="weight_decay", values="ln_size", dropna=False)
        whole = found.dropna(axis=1, thresh=fewest).dropna()
        if len(whole) >= fewest:
            rows += [{"clock": clock, "weight_decay": decay, "pairs": math.exp(own.mean()), "seeds": len(whole)}
                     for decay, own in whole.items()]  # fmt: skip
    return pd.DataFrame(rows, columns=["clock", "weight_decay", "pairs", "seeds"])


class AtThreshold(NamedTuple):
    """Efficiencies compared at the logit that networks at the threshold have: logit (nats), norms of lone circuits there
    (norms_at's tables), D_crit of the seeds' lone circuits as P8 has it, and the size of half accuracy (pairs)."""

    logit: float
    gen: pd.DataFrame
    mem: pd.DataFrame
    meet: Interval
    half: Interval


def at_threshold(results: Results, setting: str = "base", *, protocol: str = "coupled") -> AtThreshold:
    """Where the norms of lone circuits meet, at the logit of networks of half accuracy.  Errors: MissingResult."""
    grokked = at_answer(results.table(f"{setting}/{kind_of('ungrokking', protocol)}"), protocol)
    half = place(grokked)
    near = grokked[np.abs(np.log(grokked.dataset_size / half.value)) <= math.log(NEAR)]
    gen, mem = (nets(results, setting, protocol=protocol) for nets in (gen_nets, mem_nets))
    if near.empty or gen.empty or mem.empty:
        raise MissingResult(
            f"setting {setting!r} must have networks at the threshold and both circuits alone; it has {len(near)} networks "
            f"at it, {len(gen)} Gen-only and {len(mem)} Mem-only ones under {protocol}."
        )
    logit = float(near.logit.mean())
    sizes, _ = crossing_of_efficiencies(results, setting, protocol=protocol)
    return AtThreshold(logit, norms_at(gen, logit), norms_at(mem, logit), over_seeds(sizes.low).exp(), half)


def price_points(results: Results, settings: Sequence[str]) -> pd.DataFrame:
    """P19's pairs of neighbouring sizes (see p19_price.pairs_of_sizes) of those `settings` that are there, with the
    columns setting and group: memorising, ungrokked or grokked."""
    found = []
    for setting in settings:
        for kind, nets in (("memorising", alone), ("mixture", mixtures)):
            try:
                pairs = pairs_of_sizes(nets(results, setting))
            except MissingResult:
                continue
            if len(pairs):
                name = np.where(pairs.grokked, "grokked", "ungrokked") if kind == "mixture" else kind
                found.append(pairs.assign(setting=setting, group=name))
    columns = ["weight_decay", "seed", "dataset_size", "slope", "x", "grokked", "norm_rests", "setting", "group"]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)


def pole_points(results: Results, settings: Sequence[str]) -> pd.DataFrame:
    """Networks that had grokked on (8.3), a row each: setting, seed, dataset_size, critical, scale, ratio = u/(t − u),
    norm_rests.  Critical is D_crit of the seed's lone circuits, scale its D_1 as P16 fits it: to every other size.

    At the weight decay that P16 asks about. Seeds without lone circuits or four sizes above 1.1 D_crit are left out.
    """
    found = []
    columns = ["setting", "seed", "dataset_size", "critical", "scale", "ratio", "norm_rests"]
    for pair in paired(results, settings, lambda setting: ANSWER["coupled"]):
        critical, nets = pair.lone.critical_size, pair.grokked
        near = nets[nets.dataset_size >= p16_pole.FROM * critical]
        if near.dataset_size.nunique() >= 4:
            ratio = nets.unseen_margin / (nets.train_margin - nets.unseen_margin)
            scale = p16_pole.one(near, critical)["pole, fitted"]
            found.append(nets.assign(setting=pair.setting, critical=critical, scale=scale, ratio=ratio)[columns])
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)
