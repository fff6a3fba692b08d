"""From measured runs to a toymodel.TwoCircuitModel with its uncertainties (experiments.md 3).

Only Mem-only and Gen-only nets enter: memorising, memorising_coupled and generalising_coupled. Whatever a fit of one
number over seeds can give is an Interval, keyed by what it is; what the runs cannot say is missing, with a remark.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import toymodel as tm
from validate.degree import balance, fitted, from_sharpness, local, sharpness
from validate.efficiency import common_logit, gen_nets, isologit, mem_nets, norms_at, slopes
from validate.intervals import Interval, over_seeds
from validate.measured import MissingResult, Results

__all__ = ["Matched", "match"]

NAMES = {"fit": "κ from norm against logit", "local": "κ local", "sharp": "κ from sharpness"}


@dataclass(frozen=True)
class Matched:
    """A two-circuit model matched with measured nets.

    setting     whose nets
    model       coupled penalty, κ and efficiencies of the nets, power law in D; learning speeds are not matched here
    tabulated   the law through the measured sizes themselves; None where ratios do not fall from size to size
    intervals   every measured number, by name
    units       of these
    logit       common logit at which efficiencies are compared, nats
    decay_law   (c, e) in ln α_eff = c + e ln λ of AdamW nets; None if there are none
    tables      "balance": a row for each net
    remarks     what a reader should know, in sentences
    """

    setting: str
    model: tm.TwoCircuitModel
    tabulated: tm.TabulatedLaw | None
    intervals: dict[str, Interval]
    units: dict[str, str]
    logit: float
    decay_law: tuple[float, float] | None
    tables: dict[str, list[dict[str, Any]]]
    remarks: tuple[str, ...]

    @property
    def critical_size(self) -> float:
        """(5.2) D_crit, pairs."""
        return float(self.model.law.critical_size)

    def effective_decay(self, weight_decay: float) -> float:
        """α_eff of AdamW nets at decoupled decay λ, 1/norm². Errors: ValueError without AdamW nets."""
        if self.decay_law is None:
            raise ValueError(
                f"the effective decay needs AdamW Mem-only nets; setting {self.setting!r} has none. "
                "Train its memorising experiment."
            )
        return float(np.exp(self.decay_law[0] + self.decay_law[1] * math.log(weight_decay)))

    def to_rows(self) -> list[dict[str, Any]]:
        """A row for each measured number: quantity, unit, value, low, high, n."""
        return [
            {"setting": self.setting, "quantity": name, "unit": self.units[name], "value": i.value, "low": i.low,
             "high": i.high, "n": i.n}
            for name, i in self.intervals.items()
        ]  # fmt: skip


class _Numbers:
    """Collects intervals with their units, and remarks."""

    def __init__(self) -> None:
        self.intervals: dict[str, Interval] = {}
        self.units: dict[str, str] = {}
        self.remarks: list[str] = []

    def seeds(self, name: str, unit: str, values: Any) -> Interval:
        """One number a seed."""
        self.intervals[name], self.units[name] = over_seeds(np.asarray(values, float)), unit
        return self.intervals[name]

    def logs(self, name: str, unit: str, values: Any) -> Interval:
        """The same for logarithms, given as the numbers themselves."""
        i = over_seeds(np.asarray(values, float))
        value, low, high = (float(np.exp(x)) for x in (i.value, i.low, i.high))
        self.intervals[name] = Interval(value, low, high, i.n)
        self.units[name] = unit
        return self.intervals[name]


def _degrees(out: _Numbers, mem: pd.DataFrame, gen: pd.DataFrame, mixed: pd.DataFrame, beta: float) -> float:
    """κ three ways with pairwise differences; returns the model's κ, the mean of the two circuits' fits."""
    ways = {}
    for circuit, nets in (("Mem", mem), ("Gen", gen)):
        ways[circuit, "fit"], ways[circuit, "local"] = fitted(nets), local(nets)
        for way in ("fit", "local"):
            out.seeds(f"{NAMES[way]}, {circuit}", "1", ways[circuit, way])
        out.seeds(f"{NAMES['fit']} − local, {circuit}", "1", ways[circuit, "fit"] - ways[circuit, "local"])
    nu = sharpness(mixed)
    if len(nu):
        out.seeds("ν, sharpness of the transition", "1", nu)
        sharp = from_sharpness(nu, beta)
        out.seeds(NAMES["sharp"], "1", sharp)
        for way in ("fit", "local"):
            both = 0.5 * (ways["Mem", way] + ways["Gen", way])
            out.seeds(f"{NAMES[way]} − from sharpness", "1", both - sharp)
    # Seeds pair where both circuits have them; else each circuit's mean stands for it.
    kappa = float(pd.Series([ways[c, "fit"].mean() for c in ("Mem", "Gen")]).mean())  # of those known; nan if none
    if kappa >= 2:
        out.remarks.append(
            f"κ = {kappa:.2f} is above 2: the theory has no mixture of circuits at rest, so ν and the κ that follows from "
            "it are not defined in it. (5.3) returns a κ below 2 for any transition of finite width: that the measured "
            "one is finite contradicts winner-takes-all, or the runs are not at rest, or the two projected circuits are "
            "not the theory's."
        )
    return kappa


def _balances(out: _Numbers, mem: pd.DataFrame, gen: pd.DataFrame, kappa: float) -> list[dict[str, Any]]:
    """α_eff/α and the balance equation of coupled nets, by circuit; returns a row a net."""
    rows = []
    for circuit, nets in (("Mem", mem), ("Gen", gen)):
        decay = nets.weight_decay
        found = nets[["dataset_size", "weight_decay", "seed", "logit", "norm"]].assign(
            circuit=circuit,
            decay_ratio=nets.effective_weight_decay / decay,
            balance_local=balance(nets, decay, nets.homogeneity),
            balance_one_kappa=balance(nets, decay, kappa),
        )
        by_seed = found.groupby("seed")
        out.seeds(f"α_eff/α coupled, {circuit}", "1", by_seed.decay_ratio.mean())
        out.seeds(f"balance p κ_local S/(α P²), {circuit}", "1", by_seed.balance_local.mean())
        out.seeds(f"balance with one κ, {circuit}", "1", by_seed.balance_one_kappa.mean())
        out.seeds(f"spread of ln balance with one κ, {circuit}", "1", by_seed.balance_one_kappa.apply(_log_spread))
        rows += found.to_dict("records")
    return rows


def _log_spread(x: pd.Series) -> float:
    return float(np.log(x).std())


def _adamw(out: _Numbers, results: Results, setting: str, kappa: float, fit: _Fit) -> tuple[float, float] | None:
    """The second limit of experiments.md 2, and AdamW's norms forecast by the coupled nets' curve."""
    try:
        nets = mem_nets(results, setting, coupled=False)
    except MissingResult as missing:
        out.remarks.append(f"No α_eff under AdamW: {missing}")
        return None
    if nets.empty:
        return None
    epsilon = float(results.runs(f"{setting}/memorising")[0].config["epsilon"])
    # The last step's α_eff swings with the loss; the balance of the averaged logit and norm is the steadier reading.
    effective = balance(nets, pd.Series(1.0, nets.index), nets.homogeneity)
    nets = nets.assign(effective=effective, ratio=effective / (nets.weight_decay * epsilon))
    out.logs("α_eff/(λ ε) AdamW, Mem", "1", np.log(nets.ratio).groupby(nets.seed).mean())
    for size, group in nets.groupby("dataset_size"):
        out.logs(f"α_eff/(λ ε) AdamW, Mem, D = {size}", "1", np.log(group.ratio).groupby(group.seed).mean())
    forecast = fit.norm(nets.dataset_size.to_numpy(float), nets.logit.to_numpy(float))
    out.seeds(
        "ln(AdamW norm / norm of the coupled power law), Mem",
        "1",
        np.log(nets.norm / forecast).groupby(nets.seed).mean(),
    )
    if nets.weight_decay.nunique() < 2:
        return None
    exponents, levels = [], []
    for _, group in nets.groupby("seed"):
        x, y = np.log(group.weight_decay), np.log(group.effective)
        # Sizes share the exponent, and the level is their mean.
        x_in, y_in = (
            x - x.groupby(group.dataset_size).transform("mean"),
            y - y.groupby(group.dataset_size).transform("mean"),
        )
        exponents.append(float((x_in * y_in).sum() / max((x_in**2).sum(), 1e-30)))
        levels.append(float((y - exponents[-1] * x).mean()))
    out.seeds("exponent of α_eff on λ, AdamW", "1", exponents)
    return float(np.mean(levels)), float(np.mean(exponents))


@dataclass(frozen=True)
class _Fit:
    """P = s^(1/κ) / (η_gen (D/D_crit)^(−β)): Mem's norm as matched."""

    kappa: float
    gen: float
    critical: float
    beta: float

    def norm(self, sizes: Any, logits: Any) -> Any:
        return logits ** (1 / self.kappa) / (self.gen * (sizes / self.critical) ** -self.beta)


def match(results: Results, setting: str = "base") -> Matched:
    """The model matched with the nets of `setting`. Errors: MissingResult; ValueError if nets of a circuit are missing.

    Sharpness is read from ungrokking_coupled where it is there; it is reported beside the other two and enters no number
    of the model, so that ungrokking stays unseen by what forecasts it.
    """
    mem = mem_nets(results, setting, coupled=True)
    gen = gen_nets(results, setting, coupled=True, by="accuracy")
    if mem.empty or gen.empty:
        raise ValueError(
            f"matching needs Mem-only and Gen-only nets at rest, setting {setting!r} has {len(mem)} and {len(gen)}. "
            "Train memorising_coupled and generalising_coupled to their end."
        )
    out = _Numbers()
    logit = common_logit(mem, gen)
    mem_norms, gen_norms = norms_at(mem, logit), norms_at(gen, logit)
    beta = out.seeds("β", "1", -slopes(mem_norms)).value
    out.seeds("d ln η_gen / d ln D", "1", slopes(gen_norms))
    mixed = f"{setting}/ungrokking_coupled"
    kappa = _degrees(out, mem, gen, results.table(mixed) if mixed in results else pd.DataFrame(), beta)

    crossing = isologit(gen_norms, mem_norms)
    critical = out.logs("D_crit, isologit", "pairs", crossing.ln_size)
    if crossing.outside.any():
        out.remarks.append("Some seeds' isologit crossings lie beyond the measured sizes.")
    scale = logit ** (1 / kappa)
    eta = out.logs("η_gen", "1/norm", np.log(scale / gen_norms.norm).groupby(gen_norms.seed).mean())
    ratios = {}
    for size, group in mem_norms.groupby("dataset_size"):
        found = out.logs(f"η_mem, D = {size:g}", "1/norm", np.log(scale / group.groupby("seed").norm.mean()))
        ratios[float(size)] = found.value / eta.value
    rows = _balances(out, mem, gen, kappa)
    decay_law = _adamw(out, results, setting, kappa, _Fit(kappa, eta.value, critical.value, beta))
    model = tm.TwoCircuitModel(
        gen=tm.Circuit(efficiency=eta.value),
        mem=tm.Circuit(efficiency=eta.value),
        kappa=kappa,
        weight_decay=float(np.exp(np.log(mem.weight_decay).mean())),
        num_classes=int(mem.p.iloc[0]),
        law=tm.PowerLaw(critical.value, beta),
    ).at_dataset_size(critical.value)
    falls = len(ratios) >= 2 and all(np.diff(list(ratios.values())) < 0)
    tabulated = tm.TabulatedLaw(list(ratios), list(ratios.values())) if falls else None
    out.remarks.append(
        "The balance with κ_local is α_eff/α by the definition of the equivalent logit: it checks the measurement and that "
        "nets rest along w. The theory's own test is the balance with one κ for all nets."
    )
    return Matched(
        setting, model, tabulated, out.intervals, out.units, logit, decay_law, {"balance": rows}, tuple(out.remarks)
    )
