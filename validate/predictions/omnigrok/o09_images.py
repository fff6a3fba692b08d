"""O9: circuit efficiency on images, where generalisation is not exact: efficiencies, ungrokking, critical size."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from validate.matching.efficiency import common_logit, isologit, norms_at, slopes
from validate.measured import Results, equivalent_logit
from validate.prediction import Criterion, Measurement, Prediction, nothing
from validate.predictions.omnigrok.curves import at, rows
from validate.predictions.shared import apart, ln_sizes, mean, records
from validate.statistics.thresholds import crossing

__all__ = ["O9A", "O9B", "O9C"]

CLASSES = 10
GEN, MEM = "slope of ln η on ln D, true labels", "slope of ln η on ln D, shuffled labels"
BOTTOM, TOP = "accuracy above chance at the smallest D′", "accuracy at the largest D′"
CROSSING = "ln(isologit D_crit / size at which accuracy falls to 1/2)"
COLUMNS = ["dataset_size", "weight_decay", "seed", "norm", "logit", "train", "test"]
KINDS = ("digits/memorising_coupled", "digits/generalising_coupled", "digits/ungrokking_coupled")


def _nets(results: Results, kind: str) -> pd.DataFrame:
    """Nets that have fitted their labels, with the logit that their loss amounts to."""
    table = rows(results, f"digits/{kind}")
    table = table.assign(logit=equivalent_logit(table.train_loss, CLASSES))
    return table[(table.train >= 0.99) & np.isfinite(table.logit)]


def _efficiencies(results: Results, column: str) -> Measurement:
    mem, gen = (_nets(results, f"{kind}_coupled") for kind in ("memorising", "generalising"))
    if mem.empty or gen.empty:
        return Measurement({name: nothing("too few nets have fitted", len(mem) + len(gen)) for name in (GEN, MEM)})
    logit = common_logit(mem, gen)
    norms = {name: norms_at(nets, logit) for name, nets in ((GEN, gen), (MEM, mem))}
    estimates = {name: mean(slopes(norms[name]), len(nets), note=f"at {logit:.3g} nats")
                 for name, nets in ((GEN, gen), (MEM, mem))}  # fmt: skip
    tables = {"true labels": records(gen[COLUMNS]), "shuffled labels": records(mem[COLUMNS]),
              "norms": records(pd.concat([n.assign(labels=k) for k, n in zip(("true", "shuffled"), norms.values(),
                                                                            strict=True)]))}  # fmt: skip
    return Measurement(estimates, {}, tables)


def _ungrokking(results: Results, column: str) -> Measurement:
    table = rows(results, "digits/ungrokking_coupled")
    ends = [at(table, "dataset_size", size) for size in (table.dataset_size.min(), table.dataset_size.max())]
    estimates = {name: mean(runs.groupby("seed").test.mean() - less, len(runs), note=f"D′ = {runs.dataset_size.min()}")
                 for name, runs, less in zip((BOTTOM, TOP), ends, (1 / CLASSES, 0.0), strict=True)}  # fmt: skip
    return Measurement(estimates, {}, {"runs": records(table[["dataset_size", "seed", "train", "test", "norm"]])})


def _critical(results: Results, column: str) -> Measurement:
    mem, gen = (_nets(results, f"{kind}_coupled") for kind in ("memorising", "generalising"))
    table = rows(results, "digits/ungrokking_coupled")
    if mem.empty or gen.empty:
        return Measurement({CROSSING: nothing("too few nets have fitted", len(table))})
    logit = common_logit(mem, gen)
    sizes = isologit(norms_at(gen, logit), norms_at(mem, logit))
    falls = pd.Series({
        seed: crossing(runs.dataset_size, np.clip(runs.test, 0, 1), 0.5, 1 / CLASSES)
        for seed, runs in table.groupby("seed")
    })  # fmt: skip
    own = sizes.set_index("seed").ln_size
    beside = {"ln isologit D_crit": mean(own, len(mem) + len(gen), 0, f"at {logit:.3g} nats"),
              "ln D′ at which accuracy falls to 1/2": mean(falls, len(table))}  # fmt: skip
    note = f"isologit {ln_sizes(beside['ln isologit D_crit'].interval)}"
    return Measurement({CROSSING: apart(own, falls, len(table), 0, note)}, beside)


def _prediction(
    id: str, claim: str, statistic: str, criteria: tuple[Criterion, ...], measure: object, changed: str = ""
) -> Prediction:
    return Prediction(
        id=id,
        claim=claim,
        source="Varma et al. 2023, sections 3 and 4, asked of MNIST; nobody has published it",
        statistic=statistic,
        claimed={"digits": "the theory is of circuits, not of addition: Adam with an L2 penalty, cross-entropy"},
        unclaimed={},
        experiments=KINDS,
        criteria=criteria,
        measure=measure,  # type: ignore[arg-type]
        changed=changed,
        columns=("digits",),
    )


O9A = _prediction(
    "O9a",
    "On images too, a net of true labels has the same efficiency whatever the data set size, one of shuffled labels less.",
    "per seed, minus the slope of ln norm on ln D at a common equivalent logit; t interval (as P1)",
    (
        Criterion(name=GEN, unit="1", low=-0.1, high=0.1, why="as P1a", truth=-0.15, spread=0.03, seeds=3),
        Criterion(name=MEM, unit="1", high=0.0, why="as P1b", truth=-0.3, spread=0.03, seeds=3),
    ),
    _efficiencies,
)
O9B = _prediction(
    "O9b",
    "A net that has learned digits goes back to chance when it goes on with few of them.",
    "per seed, accuracy on digits never shown after 1500 steps with D′ digits; t interval (as P2)",
    (
        Criterion(name=BOTTOM, unit="1", high=0.05, why="as P2", truth=0.3, spread=0.05, seeds=3),
        Criterion(name=TOP, unit="1", low=0.9, why="as P2", truth=0.92, spread=0.01, seeds=3),
    ),
    _ungrokking,
)
O9C = _prediction(
    "O9c",
    "Digits are unlearned where the efficiencies of nets of true and of shuffled labels meet.",
    "ln of the size at which both have the same norm at a common logit, less ln of the size at which accuracy falls to 1/2; "
    "each seed with itself where it has both; t interval over seeds (as P8a)",
    (
        Criterion(
            name=CROSSING,
            unit="ln digits",
            low=-math.log(1.5),
            high=math.log(1.5),
            why="within a factor of 1.5",
            truth=1.0,
            spread=0.4,
            seeds=3,
        ),
    ),
    _critical,
    "Was between seeds, by Welch's interval; seed by seed since P8a is. The region is as it was.",
)
