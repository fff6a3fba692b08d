"""P2: a network that has grokked forgets, sharply in D′, when it goes on with fewer pairs."""

from __future__ import annotations

import math
from dataclasses import replace

from validate.measured import Results
from validate.prediction import Criterion, Measurement, Prediction
from validate.predictions.shared import (
    THEIR_FOUR,
    at_rest,
    bounded,
    estimate,
    kind_of,
    ln_sizes,
    of_seed,
    of_thresholds,
    records,
    thresholds,
)
from validate.statistics.thresholds import width

__all__ = ["P2"]

WIDTH = "10-90 % width of the transition in ln D′"
TOP, BOTTOM = "accuracy at the largest D′", "accuracy above chance at the smallest D′"
TRAIN = "least train accuracy"
COLUMNS = ["dataset_size", "weight_decay", "seed", "test", "unseen", "removed", "motion", "rests", "gen", "mem"]


def _measure(results: Results, protocol: str) -> Measurement:
    kind = kind_of("ungrokking", protocol)
    table = results.table(results.deciding(kind, "laws-43", "base"))
    sizes = table.groupby("weight_decay").dataset_size.nunique()
    table = table[table.weight_decay.isin(sizes[sizes >= 4].index)] if (sizes >= 4).any() else table
    chance = 1.0 / table.p.iloc[0]
    found = thresholds(table)
    # A seed's width is the mean over its weight decays, of which none is singled out.
    widths: dict[int, list[float]] = {}
    for (seed, _), runs in table.groupby(["seed", "weight_decay"]):
        widths.setdefault(int(seed), []).append(width(runs.dataset_size, runs.test, chance))
    top = table[table.dataset_size == table.dataset_size.max()]
    bottom = table[table.dataset_size == table.dataset_size.min()]
    estimates = {
        WIDTH: estimate([sum(w) / len(w) for w in widths.values()], of_thresholds(found), "runs: a transition each"),
        TOP: estimate(top.groupby("seed").test.mean(), at_rest(top, "accuracy"), f"D′ = {top.dataset_size.max()}"),
        BOTTOM: estimate(bottom.groupby("seed").test.mean() - chance, at_rest(bottom, "accuracy"),
                         f"D′ = {bottom.dataset_size.min()}"),
        TRAIN: estimate(table.groupby("seed").train.min(), at_rest(table, "accuracy")),
    }  # fmt: skip
    beside = {}
    for decay, one in found.groupby("weight_decay"):
        size = bounded(of_seed(one), of_thresholds(one))
        beside[f"ln threshold, weight decay {decay:g}"] = replace(size, note=f"{ln_sizes(size.interval)}; {size.note}")
    between = table.dropna(subset=["removed"])
    between = between[between.test.between(0.1, 0.9)]
    beside["removed less never-seen accuracy, runs between 0.1 and 0.9"] = estimate(
        (between.removed - between.unseen).groupby(between.seed).mean(),
        at_rest(between, "accuracy"),
        "pooled elsewhere",
    )
    return Measurement(estimates, beside, {"runs": records(table[COLUMNS]), "thresholds": records(found)})


P2 = Prediction(
    id="P2",
    claim="Ungrokking: trained on with too few examples, a grokked network goes back to chance, from 90 % to 10 % accuracy "
    "within a factor of 3.",
    source="Varma et al. 2023, section 4.2 and figure 4; (5.2)",
    statistic="per seed, distance in ln D′ between accuracies of 0.1 and 0.9 outside the training set, and the two "
    "ends; t interval",
    claimed={
        "coupled": "a statement about networks at rest",
        "AdamW": "the paper's figure 4; at 10 000 steps thresholds still move",
    },
    experiments=("base/ungrokking", "base/ungrokking_coupled", "laws-43/ungrokking_coupled"),
    criteria=(
        Criterion(
            name=WIDTH,
            unit="ln pairs",
            high=math.log(3),
            why="from 90 % to 10 % within a factor of 3",
            truth=0.8,
            spread=0.1,
            seeds=5,
        ),
        Criterion(name=TOP, low=0.9, why="above D_crit it keeps what it has", truth=0.995, spread=0.005, seeds=5),
        Criterion(name=BOTTOM, high=0.05, why="below D_crit it returns to chance", spread=0.01, seeds=5),
        Criterion(name=TRAIN, low=0.99, why="generalisation is lost, not the fit", truth=1.0, spread=0.001, seeds=5),
    ),
    measure=_measure,
    registered="7e0760b",
    new=("laws-43/ungrokking_coupled",),
    changed="Width was a logistic fit under AdamW, whose runs do not rest in 10 000 steps; it is the distance "
    "between two crossings, and coupled runs decide. Never-seen and removed pairs are pooled. That form was set "
    "after the base's runs had been seen: ten new seeds decide now, begun at 128eeb7, before the rule was committed, "
    "and kept after it, at 2916161.",
    says=THEIR_FOUR,
)
