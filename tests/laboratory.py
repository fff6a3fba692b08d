"""Measured results in which the number behind every prediction is chosen: what a judge must find again.

A laboratory's defaults make every claim true. Each field breaks one claim, or hides it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import expit

import realnet as rn
from realnet.records import Record
from realnet.results import dataset, write_netcdf
from tests.synthetic_results import Synthetic
from validate.measured import Run

P, CHANCE, NAN = 43, 1 / 43, math.nan
DECAYS, COUPLED = (0.5, 1.0, 2.0), (1e-6, 1e-5, 1e-4, 1e-3)
SIZES = tuple(np.geomspace(60, 1500, 12).round().astype(int).tolist())
ATTEMPTS = (-0.8, -0.4, -0.05, 0.05, 0.4, 0.8, 1.2)
"""Sizes from scratch, in ln D from the threshold"""
LAST = {"gen_share": 1.0, "gen_logit": 9.0, "mem_logit": 1.0, "effective_weight_decay": 1e-4, "homogeneity": 3.0}


@dataclass(frozen=True)
class Laboratory:
    """The truth.

    ln D_crit of seed k is `crossing` + `spread` z_k, where z has mean 0; so a mean over seeds is the truth itself.
    """

    seeds: int = 5
    kappa: float = 3.0
    law: str = "power"  # P9: power, or logarithmic
    gen_slope: float = 0.0  # P1a: d ln η_gen / d ln D
    mem_slope: float = -0.4  # P1b: d ln η_mem / d ln D
    crossing: float = math.log(300)
    spread: float = 0.1
    own: float = 1.0  # P10: how much of a seed's threshold its Gen's efficiency explains; -1: the opposite
    width: float = 0.1  # P2: of the logistic transition, in ln D
    top: float = 1.0  # P2: accuracy far above it
    shift: float = 0.0  # P3: d ln D_crit / d ln weight decay
    ungrokking: float = 0.0  # P8a: its threshold above the crossing, in ln D
    scratch: float = 0.2  # P8b
    scattered: bool = True  # P4: runs near the threshold settle in the middle; False: those far from it do
    t_gen: float = -1.0  # P5: exponent of the time on weight decay
    t_lost: float = -1.0  # P6
    settled: bool = True
    stationary: bool = True

    @property
    def z(self) -> np.ndarray:
        """(seeds,), mean 0"""
        return np.linspace(-1, 1, self.seeds) if self.seeds > 1 else np.zeros(1)

    def norm(self, logit: float, ln_efficiency: float) -> float:
        """What a circuit's logit costs."""
        ln_norm = math.log(logit) / self.kappa if self.law == "power" else logit / 8.0
        return math.exp(ln_norm - ln_efficiency)

    def gen(self, logit: float, size: float, seed: int) -> dict[str, float]:
        """Logit and norm of a Gen-only net; a seed's logit has nothing to do with its efficiency."""
        logit *= math.exp(0.1 * math.cos(5 * seed))
        efficiency = self.own * self.mem_slope * self.spread * self.z[seed]
        efficiency += (self.gen_slope + 0.01 * self.z[seed]) * (math.log(size) - math.log(SIZES[-1]))
        return {"logit": logit, "norm": self.norm(logit, efficiency), "gen_share": 1.0}

    def row(self, size: int, decay: float, seed: int, **values: Any) -> dict[str, Any]:
        """A run's row; what is not given is of no interest."""
        about = {"task": "add", "p": P, "dataset_size": size, "weight_decay": decay, "seed": seed, "steps": 10_000}
        about |= {"d_model": 64, "n_layers": 1, "status": "finished", "behaviour": "", "train": 1.0, "removed": NAN}
        about |= LAST | {"loss": 1e-3, "logit_spread": 0.0, "drift": 0.0, "t_fit": 100.0, "t_gen": NAN, "t_lost": NAN}
        return about | {"start": 1.0, "settled": self.settled, "stationary": self.stationary} | values

    def memorising(self, decays: tuple[float, ...]) -> pd.DataFrame:
        """Mem-only nets."""
        rows = []
        for size in (100, 300, 900):
            for decay in decays:
                for seed in range(self.seeds):
                    logit = _logit(decay)
                    slope = self.mem_slope + 0.01 * self.z[seed]
                    norm = self.norm(logit, slope * (math.log(size) - self.crossing))
                    norm *= 1 + 1e-3 * math.sin(size * seed + 1e4 * decay)  # so that no law is exact
                    rows.append(self.row(size, decay, seed, logit=logit, norm=norm, unseen=CHANCE, gen_share=0.0))
        return pd.DataFrame(rows)

    def generalising(self) -> pd.DataFrame:
        """Gen-only nets, coupled."""
        cells = [(size, decay, seed) for size in (400, 1600) for decay in COUPLED for seed in range(self.seeds)]
        rows = [self.row(*cell, unseen=1.0, **self.gen(_logit(cell[1]), cell[0], cell[2])) for cell in cells]
        return pd.DataFrame(rows)

    def after_grokking(self, decays: tuple[float, ...]) -> pd.DataFrame:
        """Ungrokking."""
        rows = []
        for decay in decays:
            for seed in range(self.seeds):
                middle = self.crossing + self.ungrokking + self.spread * self.z[seed] + self.shift * math.log(decay)
                for size in SIZES:
                    share = float(expit((math.log(size) - middle) / self.width))
                    unseen = CHANCE + (self.top - CHANCE) * share
                    lost = 1500 * decay ** (self.t_lost + 0.02 * self.z[seed]) if unseen <= 0.5 else NAN
                    alone = self.gen(_logit(decay), size, seed) | {"gen_share": 1.0 if unseen >= 0.99 else 0.3}
                    rows.append(self.row(size, decay, seed, unseen=unseen, removed=unseen, t_lost=lost, **alone))
        return pd.DataFrame(rows)

    def from_scratch(self) -> pd.DataFrame:
        """From random weights; three weight decays at the largest size."""
        rows = []
        for offset in ATTEMPTS:
            size = round(math.exp(self.crossing + self.scratch + offset))
            unseen = float(expit(offset / 0.03)) * (1 - CHANCE) + CHANCE
            if not self.scattered:
                unseen = {-1: 0.03, 1: 0.95}[int(np.sign(offset))] if abs(offset) < 0.1 else 0.5 + 0.3 * np.sign(offset)
            for decay in DECAYS if offset == ATTEMPTS[-1] else (1.0,):
                for seed in range(self.seeds):
                    t_gen = 2000 * decay ** (self.t_gen + 0.02 * self.z[seed]) if unseen >= 0.9 else NAN
                    alone = self.gen(_logit(decay), size, seed) | {"gen_share": 1.0 if unseen >= 0.99 else 0.3}
                    rows.append(self.row(size, decay, seed, unseen=unseen, t_gen=t_gen, start=CHANCE, **alone))
        return pd.DataFrame(rows)

    def results(self) -> Synthetic:
        """All experiments of setting base."""
        tables = {"memorising": self.memorising(DECAYS), "memorising_coupled": self.memorising(COUPLED)}
        tables |= {"generalising_coupled": self.generalising(), "ungrokking": self.after_grokking(DECAYS)}
        tables |= {"scratch": self.from_scratch()}
        return Synthetic({f"base/{kind}": table for kind, table in tables.items()})


def _logit(decay: float) -> float:
    """Less weight decay, more logit: 9 to 20 nats for a coupled penalty, about 20 under AdamW."""
    return 20.0 - math.log(decay) if decay > 0.1 else -2.0 - 1.6 * math.log(decay)


class Recorded(Synthetic):
    """Results of runs with curves: tables are what the runs say."""

    def __init__(self, runs: Mapping[str, tuple[Run, ...]]) -> None:
        super().__init__({name: pd.DataFrame([run.row() for run in found]) for name, found in runs.items()})
        self.recorded = runs

    def runs(self, name: str) -> tuple[Run, ...]:
        self.table(name)  # says what is missing
        return self.recorded[name]


def moving(middle: Callable[[np.ndarray], np.ndarray], sizes: tuple[int, ...], seeds: int = 3) -> tuple[Run, ...]:
    """Runs, one a size and seed, whose accuracy at a share (k,) of training is a transition at ln D = middle (k,)."""
    steps, runs = 1000, []
    step = np.arange(0.0, steps + 1, 10)
    one, z = np.ones(len(step)), np.linspace(-1, 1, seeds)
    full = xr.Dataset({name: ("step", [value]) for name, value in LAST.items()}, coords={"step": [steps]})
    for seed in range(seeds):
        for size in sizes:
            about = {"task": "add", "p": P, "dataset_size": size, "weight_decay": 1.0, "seed": seed, "steps": steps}
            about |= {"d_model": 64, "n_layers": 1}
            at = middle(step / steps) + 0.02 * z[seed]
            unseen = CHANCE + (1 - CHANCE) * expit((math.log(size) - at) / 0.1)
            runs.append(Run(about, "finished", step, one, unseen, unseen, 1e-3 * one, one, 20 * one, full))
    return tuple(runs)


def curves(config: rn.RunConfig, **values: Any) -> dict[str, np.ndarray]:
    """What a run of `config` records: numbers, or functions of the steps (k,), by the names of `Run` and of `LAST`."""
    light = np.array(sorted({*range(0, config.steps + 1, config.light_every), config.steps}))
    given = LAST | {"train": 1.0, "unseen": 1.0, "loss": 1e-3, "test_loss": 1e-3, "norm": 20.0} | values
    curve = {name: np.asarray(v(light) if callable(v) else np.full(len(light), v)) for name, v in given.items()}
    named = {"train": "train_accuracy", "unseen": "unseen_accuracy", "removed": "removed_accuracy"}
    named |= {"loss": "train_loss", "test_loss": "unseen_loss", "norm": "norm"}
    found = {f"light_{name}": curve[short].astype(float) for short, name in named.items() if short in curve}
    found |= {name: curve[name][[0, -1]].astype(float) for name in (*LAST, "norm")}
    return found | {"light_step": light, "step": light[[0, -1]]}


def save(folder: Path, name: str, runs: Mapping[rn.RunConfig, dict[str, Any] | str | None]) -> None:
    """Save experiment `name`: for each config the values of `curves` (with "status" if not finished), or None: pending."""
    records = {}
    for config, values in runs.items():
        if values is not None:
            status = values.pop("status", "finished")
            records[config] = Record(config, status, config.steps, {}, curves(config, **values))
    path = folder / f"{name}.nc"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_netcdf(dataset(list(runs), records), path)
