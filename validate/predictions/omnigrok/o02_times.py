"""O2: time to generalise is inverse to weight decay, time to fit is not. O3: large starts delay. O4: held norms do not."""

from __future__ import annotations

import math

import numpy as np

from validate.measured import Results
from validate.prediction import Criterion, Estimate, Measurement, Prediction
from validate.predictions.omnigrok.curves import BASE, NORM_GIVEN, at, delays, landscape, rows
from validate.predictions.p05_times import exponent
from validate.predictions.shared import OWN_CLAIM, after_steps, estimate, of_times, records
from validate.statistics.intervals import proportion

__all__ = ["O2A", "O2B", "O3", "O4"]

GEN, FIT = "exponent of time to generalise on weight decay", "exponent of time to fit on weight decay"
NEVER = "share of runs without decay that generalise"
LARGE, SMALL = "ln(t_gen/t_fit) from a large start", "ln(t_gen/t_fit) from a small start"
HELD, FREE = "ln(t_gen/t_fit), norm held at the bottom of the U", "ln(t_gen/t_fit), norm free"
DELAY = math.log(3)
"""A run groks if it takes three times as long to generalise as to fit"""
DECAY_REWARDS = {
    "circuit efficiency": ("predicts", "only decay rewards efficiency, and in proportion to its strength"),
    "Omnigrok": OWN_CLAIM,
}
COLUMNS = ["init_scale", "weight_decay", "dataset_size", "seed", "steps", "t_fit", "t_gen", "start_norm", "norm_at_fit",
           "norm_at_gen", "norm", "train", "test", "train_loss", "test_loss"]  # fmt: skip


def _exponents(results: Results, column: str) -> Measurement:
    table = at(rows(results, f"{column}/free"), "init_scale", BASE[column]["large"])
    table = table[table.weight_decay > 0]
    strict = {}
    if column == "teacher" and "teacher/strict" in results:
        strict["the same at a squared error of 0.001"] = exponent(rows(results, "teacher/strict"), "t_gen")
    estimates = {GEN: exponent(table, "t_gen"), FIT: exponent(table, "t_fit")}
    return Measurement(estimates, strict, {"times": records(table[COLUMNS])})


O2A = Prediction(
    id="O2a",
    claim="The time to generalise is inverse to weight decay, the time to fit independent of it.",
    source="Liu et al. 2022, section 3 and figures 2b, 3e, 10",
    statistic="per seed, slope of ln t on ln γ from a large start; t interval over seeds",
    claimed={
        "teacher": "figure 2; γ from 0.03 to 1",
        "digits": "figure 10b; γ from 0.1 to 0.4, where the paper says that it holds",
        "addition": "figure 10a; γ from 0.5 to 2",
    },
    experiments=("teacher/free", "teacher/strict", "digits/free", "addition/free"),
    criteria=(
        Criterion(name=GEN, low=-1.1, high=-0.8, why="−1 up to logarithms", truth=-0.9, spread=0.05, seeds=4),
        Criterion(
            name=FIT,
            low=-0.1,
            high=0.1,
            why="a factor of ten in γ moves it by a quarter",
            truth=0.0,
            spread=0.03,
            seeds=4,
        ),
    ),
    measure=_exponents,
    registered="88a6a2c",
    columns=("teacher", "digits", "addition"),
    says=DECAY_REWARDS,
)


def _never(results: Results, column: str) -> Measurement:
    table = at(at(rows(results, f"{column}/free"), "init_scale", BASE[column]["large"]), "weight_decay", 0.0)
    generalised = proportion(int(table.t_gen.notna().sum()), len(table))
    share = Estimate(generalised, after_steps(table), f"{table.steps.max()} steps")
    return Measurement({NEVER: share}, {}, {"times": records(table[COLUMNS])})


O2B = Prediction(
    id="O2b",
    claim="Without weight decay a network from a large start never generalises.",
    source="Liu et al. 2022, figure 2b",
    statistic="share of runs without decay that reach the level within 30 000 steps, in which γ = 0.03 does; "
    "Clopper-Pearson",
    claimed={"teacher": "figure 2b"},
    experiments=("teacher/free",),
    criteria=(Criterion(name=NEVER, high=0.5, why="fewer than one in two", truth=0.0, spread=0.01, seeds=6),),
    measure=_never,
    registered="88a6a2c",
    columns=("teacher",),
    says=DECAY_REWARDS,
)


def _delay(results: Results, column: str) -> Measurement:
    base, table = BASE[column], rows(results, f"{column}/free")
    estimates = {}
    for name, alpha, decay in ((LARGE, "large", "decay"), (SMALL, "small", "small_decay")):
        runs = at(at(table, "init_scale", base[alpha]), "weight_decay", base[decay])
        estimates[name] = estimate(*delays(runs), f"α = {base[alpha]:g}, γ = {base[decay]:g}")
    return Measurement(estimates, {}, {"times": records(table[COLUMNS])})


O3 = Prediction(
    id="O3",
    claim="A large initialisation induces grokking, a small one removes it.",
    source="Liu et al. 2022, sections 3 and 4, figures 2 to 5",
    statistic="per seed, ln of time to generalise over time to fit, from a large and from a small start; t interval",
    claimed={
        "teacher": "figure 2: α = 2 and 0.5",
        "digits": "figure 3: α = 9 and 1",
        "addition": "section 5: the standard start is the large one; α = 1 and 0.4",
        "text": "figure 4: α = 6 and 1",
        "molecules": "figure 5: α = 3 and 1, no decay in either",
    },
    experiments=tuple(f"{name}/free" for name in BASE),
    criteria=(
        Criterion(
            name=LARGE,
            low=DELAY,
            why="three times as long to generalise as to fit",
            truth=3.0,
            spread=0.3,
            seeds=3,
        ),
        Criterion(name=SMALL, high=DELAY, why="the same line", truth=0.5, spread=0.2, seeds=3),
    ),
    measure=_delay,
    registered="88a6a2c",
    columns=tuple(BASE),
    says=NORM_GIVEN,
)


def _held(results: Results, column: str) -> Measurement:
    held = at(landscape(results, column), "dataset_size", BASE[column]["size"])
    free = at(at(rows(results, f"{column}/free"), "init_scale", 1.0), "weight_decay", 1.0)
    estimates, beside = {}, {}
    best = float(np.log(held.test_loss).groupby(held.init_scale).mean().idxmin())
    for name, runs, note in ((HELD, at(held, "init_scale", best), f"α = {best:g}"), (FREE, free, "")):
        estimates[name] = estimate(*delays(runs), note)
    for alpha, runs in held.groupby("init_scale"):
        beside[f"ln(t_gen/t_fit), norm held at α = {alpha:g}"] = estimate(*delays(runs))
        ln_time = np.log(runs.t_gen.where(runs.t_gen > 0))
        beside[f"ln t_gen, norm held at α = {alpha:g}"] = estimate(ln_time, of_times(runs, "t_gen"))
    tables = {"held": records(held[COLUMNS]), "free": records(free[COLUMNS])}
    if "addition-113/landscape" in results or "addition-113/free" in results:
        large = rows(results, "addition-113/landscape", "addition-113/free")
        tables["modulus 113, one seed"] = records(large[["fixed_norm", *COLUMNS]])
    return Measurement(estimates, beside, tables)


O4 = Prediction(
    id="O4",
    claim="Holding the norm near the bottom of the U removes grokking from modular addition.",
    source="Liu et al. 2022, section 5 and figure 7",
    statistic="per seed, ln(t_gen/t_fit) with the norm held where mean ln test loss is least, and with the norm free; "
    "t interval",
    claimed={"addition": "figure 7"},
    experiments=("addition/landscape", "addition/free", "addition-113/landscape", "addition-113/free"),
    criteria=(
        Criterion(name=HELD, high=DELAY, why="no delay: below a factor of three", truth=0.1, spread=0.2, seeds=3),
        Criterion(name=FREE, low=DELAY, why="there is a delay to be removed", truth=3.0, spread=0.3, seeds=3),
    ),
    measure=_held,
    registered="dcf4111",
    seen=True,
    changed="Was asked at α = 0.8, as in their figure. At modulus 43 networks do not fit there (omnigrok-quick), and what "
    "they call near the bottom is at another α; changed after those three norms and the free runs were seen, before the "
    "other six norms were trained.",
    columns=("addition",),
    says={
        "circuit efficiency": (
            "allows",
            "a held norm makes circuits compete at once; how soon one wins it does not say",
        ),
        "Omnigrok": OWN_CLAIM,
    },
)
