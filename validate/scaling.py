"""How the critical data set size moves between networks and tasks (experiments.md 1, objections; 3).

For each setting with its own runs ln D_crit of ungrokking is forecast two ways: from the setting's own Mem-only and Gen-only
nets, by the isologit crossing (5.2), and from the base's measured threshold by a rule of scaling that needs no such nets.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from validate.measured import MissingResult, Results
from validate.p8_critical_size import crossing_of_efficiencies
from validate.sweeps import crossings, threshold
from validate.thresholds import Threshold

__all__ = ["RULES", "across_settings", "summary"]

KIND = "ungrokking_coupled"
RULES: Mapping[str, Mapping[str, float]] = {
    "unchanged": {},
    "∝ pairs": {"p": 2.0},
    "∝ pairs / ln p": {"p": 2.0, "log p": -1.0},
    "∝ p": {"p": 1.0},
    "∝ width": {"d_model": 1.0},
    "∝ weights": {"d_model": 2.0, "n_layers": 1.0},
}
"""D_crit as powers of the modulus p, the width and the number of layers, stated before any setting but the base was trained.

pairs        a fixed share of the task: what the experiments' sizes were chosen by
pairs / ln p the same share of the task, if a memorised pair costs the nats of its label
p            Gen needs each token as often
width        memorising gets cheaper with width, and Gen does not
weights      a net memorises in proportion to the weights of its layers, and Gen stays as it is
"""


def _measured(results: Results, setting: str) -> tuple[Threshold, pd.DataFrame]:
    """The ungrokking threshold, each seed's crossing averaged over weight decays, and the table."""
    table = results.table(f"{setting}/{KIND}")
    found = crossings(table, "falling")
    by_seed = found.groupby("seed", as_index=False).agg({"low": "mean", "high": "mean", "step": "all"})
    return threshold(by_seed), table


def _rule(powers: Mapping[str, float], own: pd.DataFrame, base: pd.DataFrame) -> float:
    """ln of the factor from the base to the setting."""

    def size(table: pd.DataFrame, name: str) -> float:
        return math.log(float(table.p.iloc[0])) if name == "log p" else float(table[name].iloc[0])

    return sum(power * math.log(size(own, name) / size(base, name)) for name, power in powers.items())


def across_settings(results: Results, base: str = "base") -> list[dict[str, Any]]:
    """A row for each setting and forecast, all in ln D: ln_forecast, ln_measured with its low and high, and the error.

    Settings without ungrokking under a coupled penalty are left out; those without their own Mem-only and Gen-only nets have
    rules only. Errors: MissingResult without the base.
    """
    reference, reference_table = _measured(results, base)
    rows = []
    for setting in results.settings:
        if f"{setting}/{KIND}" not in results:
            continue
        measured, table = _measured(results, setting)
        if not math.isfinite(measured.interval.value):
            continue
        forecasts = {}
        # Without its own nets there is no row: nothing is forecast.
        with contextlib.suppress(MissingResult):
            crossing, _ = crossing_of_efficiencies(results, setting, coupled=True, by="accuracy")
            if len(crossing):
                forecasts["own isologit crossing"] = float(crossing.ln_size.mean())
        if setting != base:
            forecasts |= {
                name: reference.interval.value + _rule(powers, table, reference_table) for name, powers in RULES.items()
            }
        rows += [
            {"setting": setting, "forecast": name, "ln_forecast": value, "ln_measured": measured.interval.value,
             "error": value - measured.interval.value, "low": measured.interval.low, "high": measured.interval.high,
             "seeds": measured.interval.n, "censored": measured.censored}
            for name, value in forecasts.items()
        ]  # fmt: skip
    return rows


def summary(rows: list[dict[str, Any]], base: str = "base") -> list[dict[str, Any]]:
    """For each forecast the mean |error| in ln D over settings other than the base, and how many there are."""
    table = pd.DataFrame(rows)
    if table.empty or not (table.setting != base).any():
        return []
    away = table[table.setting != base]
    found = away.assign(size=away.error.abs()).groupby("forecast")["size"].agg(["mean", "max", "count"])
    return [
        {"forecast": str(name), "mean_error": row["mean"], "worst": row["max"], "settings": int(row["count"])}
        for name, row in found.sort_values("mean").iterrows()
    ]
