"""P2: a net that has grokked forgets, sharply in D′, when it goes on with fewer pairs."""

from __future__ import annotations

import math

from validate.measured import Results
from validate.prediction import Criterion, Measurement, Prediction
from validate.predictions.shared import kind_of, ln_sizes, mean, moving, records, thresholds
from validate.statistics.thresholds import width

__all__ = ["P2"]

WIDTH = "10-90 % width of the transition in ln D′"
TOP, BOTTOM = "accuracy at the largest D′", "accuracy above chance at the smallest D′"
TRAIN = "least train accuracy"
COLUMNS = ["dataset_size", "weight_decay", "seed", "test", "unseen", "removed", "motion", "rests", "gen", "mem"]


def _measure(results: Results, protocol: str) -> Measurement:
    name = f"base/{kind_of('ungrokking', protocol)}"
    table = results.table(name)
    sizes = table.groupby("weight_decay").dataset_size.nunique()
    table = table[table.weight_decay.isin(sizes[sizes >= 4].index)] if (sizes >= 4).any() else table
    chance = 1.0 / table.p.iloc[0]
    found = thresholds(table)
    # A seed's width is the mean over its weight decays, of which none is singled out.
    widths = [
        {"seed": seed, "width": width(runs.dataset_size, runs.test, chance)}
        for (seed, _), runs in table.groupby(["seed", "weight_decay"])
    ]
    by_seed: dict[int, list[float]] = {}
    for row in widths:
        by_seed.setdefault(int(row["seed"]), []).append(row["width"])
    top = table[table.dataset_size == table.dataset_size.max()]
    bottom = table[table.dataset_size == table.dataset_size.min()]
    estimates = {
        WIDTH: mean([sum(w) / len(w) for w in by_seed.values()], len(found), moving(found), "runs: a transition each"),
        TOP: mean(top.groupby("seed").test.mean(), len(top), int((~top.rests.astype(bool)).sum()),
                  f"D′ = {top.dataset_size.max()}"),
        # A run that still falls bounds it from above.
        BOTTOM: mean(bottom.groupby("seed").test.mean() - chance, len(bottom), 0, f"D′ = {bottom.dataset_size.min()}"),
        TRAIN: mean(table.groupby("seed").train.min(), len(table)),
    }  # fmt: skip
    beside = {}
    for decay, one in found.groupby("weight_decay"):
        size = mean(one.ln_size, len(one), moving(one))
        beside[f"ln D_crit, weight decay {decay:g}"] = mean(one.ln_size, len(one), moving(one), ln_sizes(size.interval))
    both = table.dropna(subset=["removed"])
    between = both[both.test.between(0.1, 0.9)]
    beside["removed less never-seen accuracy, runs between 0.1 and 0.9"] = mean(
        (between.removed - between.unseen).groupby(between.seed).mean(), len(between), 0, "pooled everywhere else"
    )
    return Measurement(estimates, beside, {"runs": records(table[COLUMNS]), "thresholds": records(found)})


P2 = Prediction(
    id="P2",
    claim="Ungrokking: trained on with D′ < D_crit pairs, a net that has grokked goes back to chance, in a sharp transition.",
    source="Varma et al. 2023, section 4.2 and figure 4; (5.2), (8.5)",
    statistic="per seed, distance in ln D′ between accuracies of 0.1 and 0.9 outside the training set, and the two ends; t interval",
    claimed={
        "coupled": "a statement about nets at rest",
        "AdamW": "the paper's figure 4; at 10 000 steps thresholds still move",
    },
    unclaimed={},
    experiments=("base/ungrokking", "base/ungrokking_coupled"),
    criteria=(
        Criterion(name=WIDTH, unit="ln pairs", high=math.log(3), why="from 90 % to 10 % within a factor of 3", truth=0.8,
                  spread=0.1, seeds=5),
        Criterion(name=TOP, unit="1", low=0.9, why="above D_crit it keeps what it has", truth=0.995, spread=0.005, seeds=5),
        Criterion(name=BOTTOM, unit="1", high=0.05, why="below D_crit it returns to chance", spread=0.01, seeds=5),
        Criterion(name=TRAIN, unit="1", low=0.99, why="generalisation is lost, not the fit", truth=1.0, spread=0.001, seeds=5),
    ),
    measure=_measure,
    changed="Width was a logistic fit under AdamW, whose runs do not rest in 10 000 steps; it is the distance between two "
    "crossings, and coupled runs decide. Never-seen and removed pairs are pooled.",
    says={
        "circuit efficiency": ("predicts", "its authors' own four predictions"),
        "Omnigrok": ("silent", "it is about the start (reading of Varma et al.)"),
    },

)  # fmt: skip
