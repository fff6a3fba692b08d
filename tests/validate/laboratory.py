"""Measured results in which the number behind every prediction is chosen: what a judge must find again.

A laboratory's defaults make every claim of the theory true: the more efficient circuit takes all. Its networks at rest obey
the laws of toymodel/README.md, section 8. Tables are those that `validate.measured.Results` would make of saved runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, ndtr

import toymodel as tm
from validate.measured import MissingResult, Results
from validate.prediction import Verdict, judge
from validate.predictions import PREDICTIONS

CLASSES = 43
NUMBERS = tm.CircuitFit(4.5, 0.09, 0.35, 260.0, {}, 0, 0.0)
SHARING = 6.5
ANSWER = 1e-4


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
        """Those of `curves`; else rows as runs that changed by their motion in the last fifth."""
        return self.curves.get(name) or [_run(one) for one in self.table(name).to_dict("records")]

    def deciding(self, kind: str, *settings: str) -> str:
        return Results.deciding(self, kind, *settings)  # type: ignore[arg-type]

    def together(self, *names: str) -> pd.DataFrame:
        there = [name for name in names if name in self] or names[:1]
        return pd.concat([self.table(name).assign(experiment=name) for name in there], ignore_index=True)


def _run(one: dict[str, Any]) -> Any:
    step = np.linspace(0.0, one["steps"], 101)
    test = np.clip(np.where(step <= 0.8 * step[-1], one["test"] - one["motion"], one["test"]), 0, 1)
    return SimpleNamespace(config=one, status="finished", step=step, test=test)


def row(size: int, decay: float, seed: int, **values: Any) -> dict[str, Any]:
    """A finished run that rests; every column of `validate.measured.Run.row`."""
    about = {
        "task": "add", "p": CLASSES, "pairs": CLASSES**2, "dataset_size": size, "weight_decay": decay, "seed": seed,
        "steps": 5000, "d_model": 64, "n_layers": 1, "corrupted": 0.0, "protocol": "coupled", "status": "finished",
        "train": 1.0, "test": 0.02, "unseen": math.nan, "removed": math.nan, "loss": 1e-3, "motion": 0.0, "rests": True,
        "start": 1.0, "gen": 1.0, "mem": 1.0, "gen_share": 0.99, "homogeneity": NUMBERS.kappa,
        "effective_weight_decay": decay, "gradient_rest": 0.1, "logit": 10.0, "norm": 20.0, "norm_drift": 0.0,
        "norm_rests": True, "train_margin": 1.0, "unseen_margin": 1.0, "shortfall": 0.1, "frequencies": 3.0,
        "t_fit": 50.0, "t_gen": math.nan, "t_half": math.nan, "t_lost": math.nan, "gen_at_fit": 0.0,
        "plateau_from": math.nan, "plateau_to": math.nan, "left_chance": True, "late": False,
    }  # fmt: skip
    assert set(values) <= set(about), set(values) - set(about)
    return about | values


# --- Networks at rest, by the theory -------------------------------------------------------------------------------------


def at_rest(
    numbers: tm.CircuitFit, size: float, decay: float, present: tuple[int, int] = (1, 1), sharing: float = 0.0
) -> dict[str, float]:
    """Logit, norm, W_gen and W_mem: the more efficient circuit takes all, unless norm is shared by `sharing` μ > κ."""
    falls = (size / numbers.critical_size) ** -numbers.beta
    eta = numbers.efficiency * np.array([present[0], present[1] * falls])
    chi = numbers.kappa * sharing / (sharing - numbers.kappa) if sharing else math.inf
    whole = float((eta**chi).sum() ** (1 / chi)) if sharing else float(eta.max())
    logit = float(tm.rest_logit(whole, numbers.kappa, decay, CLASSES))
    shares = (eta / whole) ** chi if sharing else eta == whole
    gen, mem = logit * shares
    return {"logit": logit, "norm": logit ** (1 / numbers.kappa) / whole, "gen": float(gen), "mem": float(mem)}


def singles(
    lab: Lab,
    numbers: tm.CircuitFit = NUMBERS,
    noise: float = 0.0,
    setting: str = "base",
    seeds: Sequence[int] = range(4),
) -> None:
    """Mem-only and Gen-only networks at rest."""
    rng = np.random.default_rng(1)
    for kind, present, sizes in (("memorising", (0, 1), (100, 240, 900)), ("generalising", (1, 0), (500, 1600))):
        rows = []
        for size in sizes:
            for decay in (1e-6, 1e-5, 1e-4, 1e-3):
                rest = at_rest(numbers, size, decay, present)
                for seed in seeds:
                    norm = rest["norm"] * math.exp(noise * rng.standard_normal())
                    test = 1.0 if kind == "generalising" else 0.02
                    rows.append(row(size, decay, seed, logit=rest["logit"], norm=norm, test=test))
        lab.tables[f"{setting}/{kind}_coupled"] = pd.DataFrame(rows)


def mixtures(
    lab: Lab,
    name: str = "fresh/ungrokking_coupled",
    *,
    seeds: int = 10,
    sizes: Sequence[int] = (60, 110, 180, 240, 330, 520),
    decays: Sequence[float] = (1e-5, 1e-4, 1e-3),
    shift: float = 0.0,
    width: float = 0.16,
    spread: float = 0.05,
    ratio: float = 1.0,
    sharing: float = 0.0,
    cost: float = 1.0,
    motion: float = 0.0,
    width_exponent: float = 0.0,
    d_model: int = 64,
) -> None:
    """Nets that have grokked, at rest on fewer pairs.

    shift     of ln D_crit from the least decay to the largest
    ratio     accuracy's threshold over where efficiencies meet
    cost      norm over that of the theory
    """
    rng, rows = np.random.default_rng(2), []
    own = spread * rng.standard_normal(seeds)
    first = 10 if name.startswith("fresh/") else 0  # seeds never used before
    for seed in range(seeds):
        for decay in decays:
            along = math.log(decay / decays[0]) / math.log(decays[-1] / decays[0]) if len(decays) > 1 else 0.0
            middle = math.log(NUMBERS.critical_size * ratio) + own[seed] - shift * (along - 0.5)
            middle += width_exponent * math.log(d_model / 64)
            for size in sizes:
                rest = at_rest(NUMBERS, size, decay, sharing=sharing)
                rest["norm"] *= cost * math.exp(own[seed])
                accuracy = 1 / CLASSES + (1 - 1 / CLASSES) * float(expit((math.log(size) - middle) / width))
                rows.append(
                    row(size, decay, first + seed, **rest, test=accuracy, motion=motion, rests=abs(motion) <= 0.02,
                        d_model=d_model, unseen=accuracy, removed=accuracy)
                )  # fmt: skip
    lab.tables[name] = pd.DataFrame(rows)


def scratch(lab: Lab, name: str, threshold: float, *, decay: float, seeds: int = 6, **values: Any) -> None:
    """Nets from random initialisation; seeds' thresholds are 3 % apart."""
    rows = []
    for seed in range(seeds):
        middle = threshold * math.exp(0.03 * (seed - seeds / 2))
        for size in (300, 400, 480, 560, 700):
            done = size > middle
            time = 1000 * (size / middle) ** -6 if done else math.nan
            about = {"start": 0.02, "test": 0.99 if done else 0.02, "t_half": time, "t_gen": time,
                     "gen_at_fit": size / middle, "left_chance": done}  # fmt: skip
            rows.append(row(size, decay, seed, **about | values))
    lab.tables[name] = pd.DataFrame(rows)


# --- Networks at rest, by the laws ---------------------------------------------------------------------------------------

MEMORISED = 3.15
"""1 − u/t of Mem-only networks"""


def _by_price(sizes: Sequence[int], x: Sequence[float], t: Sequence[float], gamma: float, kappa: float) -> np.ndarray:
    """(8.1) ln‖w‖ at sizes (n,), 0 at the largest: γ x/κ of a size more at equal t, and t^(1/κ)."""
    ln_d, share = np.log(sizes), np.asarray(x, float)
    steps = np.diff(ln_d) * (share[1:] + share[:-1]) / 2 * gamma / kappa
    price = np.concatenate([[0.0], np.cumsum(steps)])
    return np.asarray(price - price[-1] + np.log(np.asarray(t) / t[-1]) / kappa)


def lawful(
    lab: Lab,
    setting: str,
    critical: float = 260.0,
    *,
    gamma: float = 0.5,
    scale: float = 0.15,
    exponent: float = 0.0,
    off: float = 1.0,
    curve: tuple[float, float] = (0.19, 0.67),
    seeds: Sequence[int] = range(20, 23),
    decays: Sequence[float] = (1e-4,),
) -> None:
    """Networks that obey the laws, in the kinds that a setting of theirs has.

    critical   D_crit of lone circuits
    gamma      of the price of an example (8.1)
    scale      D_1 over D_crit (8.3); seeds 3 % apart
    exponent   if any, m/u = (D_crit/D)^exponent in the place of the pole
    off        where the pole is, over D_crit of lone circuits
    curve      of accuracy (8.4)
    """
    numbers = replace(NUMBERS, beta=gamma * MEMORISED / NUMBERS.kappa, critical_size=critical)
    rng = np.random.default_rng(len(setting) + int(critical))
    near, far = (0.6, 0.85, 1.12, 1.25, 1.4, 1.7, 2.1), (3.5, 5.5, 9.0)
    sizes = [round(critical * share) for share in near + far]
    tables: dict[str, list[dict[str, Any]]] = {"ungrokking": [], "generalising": [], "memorising": []}
    for seed in seeds:
        one, other = 1 + 0.03 * rng.standard_normal(2)
        for decay in decays:
            gen = at_rest(numbers, sizes[-1], decay, (1, 0))
            excess = (np.array(sizes) - off * critical) / (scale * one * critical)
            share = excess / (1 + excess)
            if exponent:
                share = 1 / (1 + (np.array(sizes) / critical) ** -exponent)
            # Below 1.1 D_crit no law is stated: on from there.
            low = np.log(np.array(sizes) / critical) < math.log(1.1 * off)
            share = np.where(low, 0.4 + 2.5 * np.log(np.array(sizes) / (1.1 * off * critical)), share)
            norms = gen["norm"] * np.exp(_by_price(sizes, 1 - share, [10.0] * 10, gamma * other, numbers.kappa))
            for size, u, norm in zip(sizes, share, norms, strict=True):
                test = float(ndtr((u + curve[0]) / curve[1])) if size < 3 * critical else 1.0
                kind = "ungrokking" if size <= 2.2 * critical else "generalising"
                about = {
                    "logit": gen["logit"],
                    "norm": norm,
                    "train_margin": 10.0,
                    "unseen_margin": 10 * u,
                    "test": test,
                }
                tables[kind].append(row(size, decay, seed, **about))
            for size in (round(critical * share) for share in (0.7, 1.0, 1.4, 1.9)):
                mem = at_rest(numbers, size, decay, (0, 1))
                tables["memorising"].append(
                    row(size, decay, seed, logit=mem["logit"], norm=mem["norm"], train_margin=mem["logit"],
                        unseen_margin=(1 - MEMORISED) * mem["logit"]))  # fmt: skip
    lab.tables |= {f"{setting}/{kind}_coupled": pd.DataFrame(rows) for kind, rows in tables.items()}


def digits(lab: Lab, gamma: float = 0.5) -> None:
    """An MLP of degree 2.6 on images: true labels and shuffled ones, by (8.1)."""
    sizes, kappa = (100, 200, 400, 800, 1600, 3000), 2.6
    for kind, x in (("memorising", (1.9, 2.0, 2.1, 2.0, 1.9, 1.8)), ("generalising", (0.8, 0.6, 0.45, 0.3, 0.2, 0.15))):
        rows = []
        for seed in range(20, 23):
            for decay, t in ((3e-4, 9.0), (3e-3, 6.0)):
                margins = t * np.linspace(1.0, 0.8, 6)
                norms = 30 * np.exp(_by_price(sizes, x, margins, gamma * (1 + 0.02 * (seed - 21)), kappa))
                for size, share, margin, norm in zip(sizes, x, margins, norms, strict=True):
                    # Margins of unseen examples are spread: some exceed t, so that their mean falls short by less.
                    about = {"train_margin": margin, "shortfall": share * margin, "unseen_margin": margin}
                    rows.append(row(size, decay, seed, norm=norm, homogeneity=kappa, **about))
        lab.tables[f"laws-digits/{kind}_coupled"] = pd.DataFrame(rows)


def wrong_labels(
    lab: Lab, setting: str, power: float = 2.0, size: int = 800, seeds: Sequence[int] = range(110, 116)
) -> None:
    """(8.2) Gen for the right labels and Mem for the wrong ones, whose norms add as this power; and Mem alone."""
    rng, rows, alone = np.random.default_rng(3), [], []
    for seed in seeds:
        clean = at_rest(NUMBERS, size, ANSWER, (1, 0))
        rows.append(row(size, ANSWER, seed, logit=clean["logit"], norm=clean["norm"], test=1.0))
        for share in (0.1, 0.2, 0.4):
            wrong = round(share * size)
            mem = at_rest(NUMBERS, wrong, ANSWER, (0, 1))
            alone.append(row(wrong, ANSWER, seed, logit=mem["logit"], norm=mem["norm"]))
            logit = 11.0
            parts = [one["norm"] * (logit / one["logit"]) ** (1 / NUMBERS.kappa) for one in (clean, mem)]
            norm = sum(p**power for p in parts) ** (1 / power) * math.exp(0.004 * rng.standard_normal())
            rows.append(row(size, ANSWER, seed, corrupted=share, logit=logit, norm=norm))
    lab.tables[f"{setting}/corrupted_coupled"] = pd.DataFrame(rows)
    lab.tables[f"{setting}/memorising_coupled"] = pd.DataFrame(alone)


def judged(id: str, lab: Lab) -> Verdict:
    """The verdict on prediction `id`."""
    return judge(PREDICTIONS[id], lab)  # type: ignore[arg-type]


def value(verdict: Verdict, protocol: str = "coupled", which: int = 0) -> float:
    """The number of its `which`-th criterion."""
    return verdict.columns[protocol].findings[which].estimate.interval.value
