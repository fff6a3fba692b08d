"""P1: Gen's efficiency does not depend on data set size, Mem's falls with it."""

from __future__ import annotations

import math

import pandas as pd

from validate.efficiency import common_logit, gen_nets, mem_nets, norms_at, slopes
from validate.measured import MissingResult, Results
from validate.prediction import Criterion, Estimate, Measurement, Prediction
from validate.sweeps import mean, records

__all__ = ["P1A", "P1B"]

COUPLED = "coupled L2 penalty"
COLUMNS = ["dataset_size", "weight_decay", "seed", "norm", "logit", "logit_spread", "drift", "gen_share", "homogeneity"]


def _slope(nets: pd.DataFrame, logit: float) -> Estimate:
    norms = norms_at(nets, logit)
    note = f"at a common logit of {logit:.3g} nats"
    if len(norms):
        note += (
            f", at most {norms.reach.max():.2g} in ln s from a net's own; norms drift by {nets.drift.abs().max():.1%}"
        )
        note += f" at most and logits spread by {nets.logit_spread.max():.2g} nats within the averaged window"
    return mean(slopes(norms), len(nets), note=note)


def _measure(results: Results, circuit: str, name: str) -> Measurement:
    estimates, tables = {}, {}
    for coupled in (False, True):
        try:
            mem, gen = mem_nets(results, coupled=coupled), gen_nets(results, coupled=coupled)
        except MissingResult:
            if not coupled:
                raise
            continue
        optimizer = COUPLED if coupled else "AdamW"
        logit = common_logit(mem, gen) if len(mem) + len(gen) else math.nan
        estimates[optimizer] = _slope(mem if circuit == "mem" else gen, logit)
        if circuit == "gen":
            right = gen_nets(results, coupled=coupled, by="accuracy")
            estimates[f"{optimizer}, accepted by accuracy"] = _slope(right, logit)
        nets = mem if circuit == "mem" else gen
        tables[f"{circuit} nets, {optimizer}"] = records(nets[COLUMNS])
        tables[f"{circuit} norms, {optimizer}"] = records(norms_at(nets, logit).assign(logit=logit))
    first = estimates.pop("AdamW")
    return Measurement({name: first}, {f"{name}, {k}": v for k, v in estimates.items()}, tables)


GEN_SLOPE, MEM_SLOPE = "slope of ln η_gen on ln D", "slope of ln η_mem on ln D"
SOURCE = "Varma et al. 2023, section 4.1 and figure 3; model.md (5.1)"
STATISTIC = "per seed, minus the slope of ln norm on ln D at a common equivalent logit; t interval over seeds"
EXPERIMENTS = (
    "base/memorising",
    "base/memorising_coupled",
    "base/generalising_coupled",
    "base/ungrokking",
    "base/scratch",
)

P1A = Prediction(
    "P1a",
    "Gen's efficiency does not depend on data set size.",
    SOURCE,
    "Parameter norm at a common equivalent logit of nets with 95 % of their logits' norm in the trigonometric subspace.",
    STATISTIC,
    EXPERIMENTS,
    (Criterion(GEN_SLOPE, "1", -0.1, 0.1, "equivalence margin of experiments.md 4"),),
    lambda results: _measure(results, "gen", GEN_SLOPE),
)

P1B = Prediction(
    "P1b",
    "Mem's efficiency falls as the data set grows.",
    SOURCE,
    "Parameter norm at a common equivalent logit of nets trained on wholly random labels.",
    STATISTIC,
    EXPERIMENTS,
    (Criterion(MEM_SLOPE, "1", high=0.0, why="it falls"),),
    lambda results: _measure(results, "mem", MEM_SLOPE),
)
