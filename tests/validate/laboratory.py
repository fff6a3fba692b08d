"""Measured results in which the number behind every prediction is chosen: what a judge must find again.

A laboratory's defaults make every claim true. Tables are those that `validate.measured.Results` would make of saved runs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from validate.matching.rest import Numbers, at_rest
from validate.measured import MissingResult
from validate.prediction import Verdict, judge
from validate.predictions import PREDICTIONS

NUMBERS = Numbers(4.5, 0.09, 0.35, 260.0)
SHARING = 6.5
MARGIN_OF_GEN, MARGIN_OF_MEM = 0.25, 0.8
"""What a nat of W_gen and of W_mem does to the margin on pairs that were not trained on"""
CLASSES = 43


@dataclass(eq=False)
class Lab:
    """Stands for validate.measured.Results."""

    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    curves: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def settings(self) -> list[str]:
        return list(dict.fromkeys(name.partition("/")[0] for name in self.tables))

    @property
    def names(self) -> list[str]:
        return sorted(self.tables)

    def __contains__(self, name: str) -> bool:
        return name in self.tables

    def table(self, name: str) -> pd.DataFrame:
        if name not in self.tables:
            raise MissingResult(name)
        return self.tables[name]

    def runs(self, name: str) -> list[Any]:
        return self.curves.get(name) or [SimpleNamespace(config=row) for row in self.table(name).to_dict("records")]

    def deciding(self, kind: str) -> pd.DataFrame:
        return self.table(f"fresh/{kind}" if f"fresh/{kind}" in self else f"base/{kind}")

    def together(self, *names: str) -> pd.DataFrame:
        return pd.concat([self.table(n) for n in names if n in self] or [self.table(names[0])], ignore_index=True)


def row(size: int, decay: float, seed: int, **values: Any) -> dict[str, Any]:
    about = {
        "task": "add", "p": CLASSES, "pairs": CLASSES**2, "dataset_size": size, "weight_decay": decay, "seed": seed,
        "steps": 5000, "d_model": 64, "n_layers": 1, "corrupted": 0.0, "status": "finished", "train": 1.0, "test": 0.02,
        "unseen": math.nan, "removed": math.nan, "motion": 0.0, "rests": True, "start": 1.0, "gen": 1.0, "mem": 1.0,
        "gen_share": 0.99, "homogeneity": NUMBERS.kappa, "gradient_rest": 0.1, "logit": 10.0, "norm": 20.0,
        "t_fit": 50.0, "t_gen": math.nan, "t_half": math.nan, "t_lost": math.nan, "gen_at_fit": 0.0,
        "train_margin": 1.0, "unseen_margin": 1.0, "shortfall": 0.1, "frequencies": 3.0, "norm_drift": 0.0,
        "norm_rests": True,
    }  # fmt: skip
    return about | values


def singles(lab: Lab, numbers: Numbers = NUMBERS, noise: float = 0.0, setting: str = "base") -> None:
    """Mem-only and Gen-only nets at rest."""
    rng = np.random.default_rng(1)
    for kind, present, sizes in (("memorising", (0, 1), (100, 240, 900)), ("generalising", (1, 0), (500, 1600))):
        rows = []
        for size in sizes:
            for decay in (1e-6, 1e-5, 1e-4, 1e-3):
                rest = at_rest(numbers.efficiencies([size]) * present, numbers.kappa, [decay], CLASSES)
                for seed in range(4):
                    off = math.exp(noise * rng.standard_normal())
                    logit, norm = float(rest.logit[0]), float(rest.norm[0]) * off
                    test = 1.0 if kind == "generalising" else 0.02
                    rows.append(row(size, decay, seed, logit=logit, norm=norm, test=test))
        lab.tables[f"{setting}/{kind}_coupled"] = pd.DataFrame(rows)


def mixtures(
    lab: Lab,
    name: str = "fresh/ungrokking_coupled",
    *,
    seeds: int = 10,
    sizes: tuple[int, ...] = (60, 110, 180, 240, 330, 520),
    decays: tuple[float, ...] = (1e-5, 1e-4, 1e-3),
    shift: float = 0.0,
    width: float = 0.16,
    spread: float = 0.05,
    ratio: float = 1.0,
    sharing: float = SHARING,
    motion: float = 0.0,
    width_exponent: float = 0.0,
    d_model: int = 64,
) -> None:
    """Nets that have grokked, at rest on fewer pairs.

    shift     of ln D_crit from the least decay to the largest
    ratio     accuracy's threshold over where efficiencies meet
    """
    rng, rows = np.random.default_rng(2), []
    own = spread * rng.standard_normal(seeds)
    first = 10 if name.startswith("fresh/") else 0  # seeds never used before
    for seed in range(seeds):
        for decay in decays:
            along = math.log(decay / decays[0]) / math.log(decays[-1] / decays[0]) if len(decays) > 1 else 0.0
            middle = math.log(NUMBERS.critical * ratio) + own[seed] - shift * (along - 0.5)
            middle += width_exponent * math.log(d_model / 64)
            for size in sizes:
                eta = NUMBERS.efficiencies([size])
                rest = at_rest(eta, NUMBERS.kappa, [decay], CLASSES, sharing)
                accuracy = 1 / CLASSES + (1 - 1 / CLASSES) * float(expit((math.log(size) - middle) / width))
                gen, mem = (float(x) for x in rest.logits[0])
                rows.append(
                    row(size, decay, first + seed, logit=float(rest.logit[0]),
                        norm=float(rest.norm[0]) * math.exp(own[seed]), gen=gen, mem=mem,
                        unseen_margin=MARGIN_OF_GEN * gen - MARGIN_OF_MEM * mem, test=accuracy, motion=motion,
                        rests=abs(motion) <= 0.02, d_model=d_model, unseen=accuracy, removed=accuracy)
                )  # fmt: skip
    lab.tables[name] = pd.DataFrame(rows)


def judged(id: str, lab: Lab) -> Verdict:
    """The verdict on prediction `id`."""
    return judge(PREDICTIONS[id], lab)  # type: ignore[arg-type]


def value(verdict: Verdict, protocol: str = "coupled", which: int = 0) -> float:
    """The number of its `which`-th criterion."""
    return verdict.columns[protocol].findings[which].estimate.interval.value
