"""O7: is it the norm, or the scale of the logits? O8: is it that large weights make Adam's steps small?"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from validate.measured import Results
from validate.prediction import Criterion, Measurement, Prediction
from validate.predictions.omnigrok.curves import BASE, at, delays, rows
from validate.predictions.shared import mean, records

__all__ = ["O7", "O8", "parts"]

SHARE = "share of ln t_gen that the scale of the outputs explains, not the norm"
GONE = "share of ln(t_gen/t_fit) that a rate times α removes"
FIT = "ln slowing of fitting by the large start / ln slowing of generalising"
DEGREE = {"addition": 4, "teacher": 3, "digits": 3}
"""Outputs grow about as α to this power"""


def parts(table: pd.DataFrame, degree: int) -> pd.DataFrame:
    """A row a seed: effects on ln t_gen of norm, of output scale and of both together beyond their sum, and the scale's
    share of the squares of the first two.

    table    cells of a two by two: init_scale, temperature, seed, t_gen, steps; a seed without all four has no row. A run
             that never generalises counts to its end.
    """
    low = table.init_scale.min()
    scale = degree * np.log(table.init_scale / low) - np.log(table.temperature)
    high = table.init_scale > low * 1.01
    strong = scale > scale.min() + 0.01
    value = np.log(table.t_gen.fillna(table.steps).clip(lower=1))
    found = []
    for seed, rows_ in table.groupby("seed"):
        cells = value[rows_.index].groupby([high[rows_.index], strong[rows_.index]]).mean()
        if len(cells) == 4:
            norm = float((cells[True, True] + cells[True, False] - cells[False, True] - cells[False, False]) / 2)
            output = float((cells[True, True] + cells[False, True] - cells[True, False] - cells[False, False]) / 2)
            both = float((cells[True, True] - cells[True, False] - cells[False, True] + cells[False, False]) / 2)
            share = output**2 / (output**2 + norm**2) if output or norm else math.nan
            found.append({"seed": seed, "norm": norm, "scale": output, "both": both, "share": share})
    return pd.DataFrame(found, columns=["seed", "norm", "scale", "both", "share"])


def _scale(results: Results, column: str) -> Measurement:
    table = rows(results, f"{column}/scale")
    if column != "addition":
        free = at(at(rows(results, f"{column}/free"), "init_scale", BASE[column]["large"]), "weight_decay", 0.1)
        table = pd.concat([table, free], ignore_index=True)
    found = parts(table, DEGREE[column])
    bounds = int(table.t_gen.isna().sum())
    beside = {"ln t_gen, large against small norm": mean(found.norm, len(table), bounds),
              "ln t_gen, large against small outputs": mean(found.scale, len(table), bounds),
              "ln t_gen, both large beyond the sum": mean(found.both, len(table), bounds)}  # fmt: skip
    cells = table[["init_scale", "temperature", "seed", "t_fit", "t_gen", "start_norm", "test", "test_loss"]]
    return Measurement({SHARE: mean(found.share, len(table), bounds)}, beside, {"cells": records(cells)})


O7 = Prediction(
    id="O7",
    claim="What delays generalisation is the scale of the outputs, not the norm.",
    source="Kumar et al. 2023 (arXiv 2310.06110); Truong 2606.18465; circuit efficiency counts norm per logit",
    statistic="per seed, two by two of norm and output temperature: the share of the squared main effects on ln t_gen that is the "
    "scale's; t interval",
    claimed={
        "addition": "norm held at α = 1 and 1.3, cross-entropy",
        "teacher": "starts at α = 1 and 2, norm free, squared error",
        "digits": "starts at α = 1 and 9, norm free, squared error",
    },
    unclaimed={},
    experiments=("addition/scale", "teacher/scale", "teacher/free", "digits/scale", "digits/free"),
    criteria=(Criterion(name=SHARE, unit="1", low=0.5, why="more than the norm's", truth=0.9, spread=0.1, seeds=3),),
    measure=_scale,
    changed="The norms of addition were α = 0.8 and 1.28; at modulus 43 nets do not fit at the first. Changed before any of these "
    "runs was looked at; the region is as it was. Addition has eight seeds; three left an interval from 0.14 to 1.01.",
    columns=("addition", "teacher", "digits"),
    says={
        "circuit efficiency": (
            "predicts",
            "what counts is norm per logit: at equal logits the norm alone decides nothing",
        ),
        "Omnigrok": ("opposite", "the norm is its cause"),
    },
)


def _step(results: Results, column: str) -> Measurement:
    base = BASE[column]
    free = at(rows(results, f"{column}/free"), "weight_decay", base["decay"])
    large, small = at(free, "init_scale", base["large"]), at(free, "init_scale", 1.0)
    table = rows(results, f"{column}/step")
    faster, plain = table[table.optimizer == "adamw"], table[table.optimizer == "sgd"]
    (slow, a), (fast, b) = delays(large), delays(faster)
    gone = (1 - fast / slow).dropna()
    late = {name: np.log(t.fillna(large.steps.max()).clip(lower=1)).groupby(x.seed).mean()
            for name, x, t in (("gen", large, large.t_gen), ("fit", large, large.t_fit),
                               ("gen small", small, small.t_gen), ("fit small", small, small.t_fit))}  # fmt: skip
    fitting = ((late["fit"] - late["fit small"]) / (late["gen"] - late["gen small"])).dropna()
    estimates = {GONE: mean(gone, len(large) + len(faster), a + b), FIT: mean(fitting, len(large) + len(small), a)}
    beside = {"ln(t_gen/t_fit), Adam": mean(slow, len(large), a),
              "ln(t_gen/t_fit), Adam, rate times α": mean(fast, len(faster), b)}  # fmt: skip
    if len(plain):
        value, bounds = delays(plain)
        beside["ln(t_gen/t_fit), SGD"] = mean(value, len(plain), bounds, "norm decaying as fast as under Adam")
    columns = ["optimizer", "learning_rate", "init_scale", "weight_decay", "seed", "t_fit", "t_gen", "test"]
    return Measurement(estimates, beside, {"runs": records(pd.concat([free, table])[columns])})


O8 = Prediction(
    id="O8",
    claim="A large start delays because larger weights mean a smaller effective step under Adam.",
    source="asked of the authors in public, and left open",
    statistic="per seed, delay with the rate times α (norm decaying as fast) against without; and how much fitting is slowed for how "
    "much generalising is; t interval",
    claimed={"teacher": "α = 2 and 1", "digits": "α = 9 and 1"},
    unclaimed={},
    experiments=("teacher/step", "teacher/free", "digits/step", "digits/free"),
    criteria=(
        Criterion(name=GONE, unit="1", low=0.5, why="it takes away most of the delay", truth=0.1, spread=0.1, seeds=3),
        Criterion(name=FIT, unit="1", low=0.5, why="a smaller step slows both alike", truth=0.3, spread=0.1, seeds=3),
    ),
    measure=_step,
    columns=("teacher", "digits"),
    says={
        "circuit efficiency": ("silent", "it has no landscape, no optimizer and no rounding"),
        "Omnigrok": ("opposite", "the large start sits at a high norm; the optimizer's step is not in it"),
    },
)
