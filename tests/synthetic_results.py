"""Measured results that the toy model itself made: the truth that matching and forecasting must find again.

Times are in steps of `LEARNING_RATE`; AdamW nets have α_eff = EXCESS λ ε, as real ones nearly do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

import toymodel as tm
from toymodel.times import plateau
from validate.measured import MissingResult

EPSILON, LEARNING_RATE, EXCESS = 1e-4, 1e-5, 1.5
FLOW_PER_STEP = LEARNING_RATE / (EXCESS * EPSILON)
STEPS = 400_000
PARENT = 1600


@dataclass
class Synthetic:
    """Stands for validate.measured.Results: tables by name, and runs that know their config."""

    tables: dict[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def settings(self) -> list[str]:
        return list(dict.fromkeys(name.partition("/")[0] for name in self.tables))

    def __contains__(self, name: str) -> bool:
        return name in self.tables

    def table(self, name: str) -> pd.DataFrame:
        if name not in self.tables:
            raise MissingResult(name)
        return self.tables[name]

    def runs(self, name: str) -> tuple[Any, ...]:
        config = {"epsilon": EPSILON, "learning_rate": LEARNING_RATE, "start_from": {"dataset_size": PARENT}}
        return tuple(SimpleNamespace(config=config, status="absent") for _ in range(len(self.table(name))))


@cache
def alone(model: tm.TwoCircuitModel, circuit: int) -> tuple[float, float]:
    """Logit and norm at rest with only one circuit grown."""
    if model.kappa >= 2:
        model = model.with_parameters(gen_initial_logit=1.0, mem_initial_logit=1.0)
    logit = plateau(model, circuit)[0]
    return logit, float(logit ** (1 / model.kappa) / model.efficiencies[circuit])


def _row(model: tm.TwoCircuitModel, size: int, decay: float, seed: int, **values: Any) -> dict[str, Any]:
    about = {"p": model.num_classes, "dataset_size": size, "weight_decay": decay, "seed": seed, "status": "finished"}
    about |= {"d_model": 64, "n_layers": 1, "steps": STEPS, "stationary": True, "settled": True, "train": 1.0}
    return (
        about | {"homogeneity": model.kappa, "behaviour": "", "t_fit": 0.0, "t_gen": np.nan, "t_lost": np.nan} | values
    )


def nets(model: tm.TwoCircuitModel, noise: float = 0.01, excess_norm: float = 0.0, seeds: int = 4) -> Synthetic:
    """Mem-only and Gen-only nets of `model` in setting base.

    noise         standard deviation of each seed's ln norm, in both circuits
    excess_norm   ln norm by which Mem-only nets at the least decay miss the best one
    """
    rng, found = np.random.default_rng(3), Synthetic()
    level = noise * rng.standard_normal((2, seeds))
    tables: dict[str, list[dict[str, Any]]] = {"memorising": [], "memorising_coupled": [], "generalising_coupled": []}

    def add(kind: str, circuit: int, size: int, decay: float, alpha: float) -> None:
        at = model.with_parameters(weight_decay=alpha).at_dataset_size(size)
        logit, norm = alone(at, circuit)
        for seed in range(seeds):
            scatter = level[circuit, seed] + 0.1 * noise * rng.standard_normal()
            scatter += excess_norm * (circuit == 1 and decay < 2e-5)
            tables[kind].append(
                _row(model, size, decay, seed, logit=logit, norm=norm * np.exp(scatter), effective_weight_decay=alpha,
                     unseen=float(circuit == 0), gen_share=1.0)
            )  # fmt: skip

    for size in (100, 300, 900):
        for decay in (1e-5, 1e-4, 1e-3):
            add("memorising_coupled", 1, size, decay, decay)
        for decay in (0.8, 2.4):
            add("memorising", 1, size, decay, EXCESS * EPSILON * decay)
    for size in (800, 1600):
        for decay in (1e-5, 1e-4, 1e-3):
            add("generalising_coupled", 0, size, decay, decay)
    found.tables = {f"base/{kind}": pd.DataFrame(rows) for kind, rows in tables.items()}
    return found


def add_cells(results: Synthetic, model: tm.TwoCircuitModel, seeds: int = 4) -> None:
    """Runs from scratch and ungrokking, under AdamW and coupled, of a model with κ < 2; seeds are alike."""
    tables: dict[str, list[dict[str, Any]]] = {"scratch": [], "ungrokking": [], "ungrokking_coupled": []}
    for decay in (0.5, 1.0):
        at = model.with_parameters(weight_decay=EXCESS * EPSILON * decay)
        full = tm.steady_state(at.at_dataset_size(PARENT)).logits
        for size in (150, 250, 450, 700, 1050):
            run = tm.simulate(at.at_dataset_size(size), STEPS * FLOW_PER_STEP)
            t_gen = np.nan if run.t_cross is None else run.t_cross / FLOW_PER_STEP
            row = {"unseen": float(run.t_cross is not None), "start": 0.0, "t_gen": t_gen}
            row["t_fit"] = run.t_fit / FLOW_PER_STEP if run.t_fit else np.nan
            tables["scratch"] += [_row(model, size, decay, seed, **row) for seed in range(seeds)]
        for size in (60, 150, 250, 450, 700):
            run = tm.simulate(at.at_dataset_size(size), STEPS * FLOW_PER_STEP, start=full.tolist())
            lost = np.flatnonzero(run.mem_logit > run.gen_logit)
            row = {"unseen": float(len(lost) == 0), "start": 1.0}
            row["t_lost"] = float(run.time[lost[0]] / FLOW_PER_STEP) if len(lost) else np.nan
            tables["ungrokking"] += [_row(model, size, decay, seed, **row) for seed in range(seeds)]
    for decay in (1e-4, 1e-3):
        at = model.with_parameters(weight_decay=decay)
        for size in (60, 150, 250, 450, 700):
            end = tm.steady_state(at.at_dataset_size(size))
            row = {"unseen": float(end.gen_logit > end.mem_logit), "start": 1.0}
            row |= {"gen_logit": end.gen_logit, "mem_logit": end.mem_logit}
            tables["ungrokking_coupled"] += [_row(model, size, decay, seed, **row) for seed in range(seeds)]
    results.tables |= {f"base/{kind}": pd.DataFrame(rows) for kind, rows in tables.items()}


def truth(kappa: float = 1.2) -> tm.TwoCircuitModel:
    """The model behind the results."""
    model = tm.TwoCircuitModel(
        kappa=kappa, num_classes=43, gen=tm.Circuit(0.8, 0.01), mem=tm.Circuit(0.8, 1.0), law=tm.PowerLaw(300.0, 0.4)
    )
    return model.at_dataset_size(1050)
