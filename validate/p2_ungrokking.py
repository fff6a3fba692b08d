"""P2: a net that has grokked forgets, sharply in D′, when it goes on with fewer pairs."""

from __future__ import annotations

import math

import numpy as np

from validate.measured import THRESHOLDS, Results
from validate.prediction import Criterion, Estimate, Measurement, Prediction
from validate.sweeps import crossings, finished, mean, nothing, records, threshold
from validate.thresholds import logistic

__all__ = ["P2"]

DECAY = 1.0
WIDTH = "10-90 % width of the transition in ln D′"
TOP, BOTTOM = "accuracy at the largest D′", "accuracy above chance at the smallest D′"
TRAIN = "least train accuracy"


def _describe(results: Results, experiment: str, decay: float) -> dict[str, Estimate]:
    """The criteria's numbers for one weight decay."""
    table = finished(results.table(experiment))
    table = table[table.weight_decay == decay]
    if table.empty:
        return {}
    chance = 1.0 / table.p.iloc[0]
    undecided = ~table.settled.astype(bool) & table.unseen.between(chance + THRESHOLDS.chance_margin, 0.9)
    widths = []
    for _, group in table.groupby("seed"):
        group = group.sort_values("dataset_size")
        widths.append(logistic(group.dataset_size.to_numpy(float), group.unseen.to_numpy(float), chance)[1])
    top = table[table.dataset_size == table.dataset_size.max()]
    bottom = table[table.dataset_size == table.dataset_size.min()]
    spacing = float(np.diff(np.log(sorted(set(table.dataset_size)))).max())
    return {
        WIDTH: mean(widths, len(table), int(undecided.sum()), f"sizes are at most {spacing:.2g} apart in ln D′"),
        TOP: mean(top.unseen, len(top), int((~top.settled.astype(bool)).sum()), f"D′ = {top.dataset_size.max()}"),
        BOTTOM: mean(
            bottom.unseen - chance,
            len(bottom),
            # A run still falling bounds from above; it is undecided only where it is not yet at chance.
            int((~bottom.settled.astype(bool) & (bottom.unseen > chance + THRESHOLDS.chance_margin)).sum()),
            f"D′ = {bottom.dataset_size.min()}",
        ),
        TRAIN: mean(table.groupby("seed").train.min(), len(table)),
    }


def _measure(results: Results) -> Measurement:
    estimates = _describe(results, "base/ungrokking", DECAY)
    if not estimates:
        return Measurement(dict.fromkeys((WIDTH, TOP, BOTTOM, TRAIN), nothing("no finished runs")))
    controls, tables = {}, {}
    table = results.table("base/ungrokking")
    apart = finished(table).dropna(subset=["removed"])
    controls["removed less never-seen accuracy"] = mean(
        (apart.removed - apart.unseen).groupby(apart.seed).mean(),
        len(apart),
        note="does the net keep what it was shown?",
    )
    between = apart[apart.unseen.between(0.1, 0.9)]
    controls["the same, runs between 0.1 and 0.9"] = mean(
        (between.removed - between.unseen).groupby(between.seed).mean(), len(between)
    )
    for experiment in ("base/ungrokking", "base/ungrokking_coupled"):
        if experiment not in results:
            continue
        rows = results.table(experiment)
        found = crossings(rows, "falling")
        tables[experiment] = records(
            finished(rows)[["dataset_size", "weight_decay", "seed", "unseen", "removed", "settled"]]
        )
        for decay in sorted(set(found.weight_decay)):
            where = f"weight decay {decay:g}{', coupled' if 'coupled' in experiment else ''}"
            one = threshold(found[found.weight_decay == decay])
            of = rows[(rows.weight_decay == decay)]
            controls[f"ln D_crit, {where}"] = Estimate(
                one.interval, len(of), one.censored, f"{one.size:.0f} pairs, spread over seeds {one.spread:.2g} in ln D"
            )
            if (experiment, decay) != ("base/ungrokking", DECAY):
                controls |= {f"{k}, {where}": v for k, v in _describe(results, experiment, decay).items() if k == WIDTH}
    return Measurement(estimates, controls, tables)


P2 = Prediction(
    "P2",
    "Ungrokking: trained on with D′ < D_crit pairs, a net that has grokked goes back to chance, in a sharp transition.",
    "Varma et al. 2023, section 4.2 and figure 4; model.md (5.2), (5.3)",
    "Accuracy on never-seen pairs at the end of training on D′ pairs, weight decay 1.",
    "per seed, logistic fit of final accuracy on ln D′; t interval over seeds",
    ("base/ungrokking", "base/ungrokking_coupled"),
    (
        Criterion(WIDTH, "ln pairs", high=math.log(3), why="sharp: from 90 % to 10 % within a factor of 3 in D′"),
        Criterion(TOP, "1", low=0.9, why="above D_crit it keeps what it has (threshold of the vocabulary)"),
        Criterion(BOTTOM, "1", high=0.05, why="below D_crit it returns to chance (margin of the vocabulary)"),
        Criterion(TRAIN, "1", low=0.99, why="what is lost is generalisation, not the fit"),
    ),
    _measure,
)
