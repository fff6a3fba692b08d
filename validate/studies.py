"""Questions asked in public and never answered: small studies from the parts that judge the predictions (experiments.md 1).

Each returns rows, one a setting or a group of runs, with its interval over seeds; a study that was not trained has none.
"""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from realnet.config import from_dict
from validate.efficiency import gen_nets
from validate.intervals import Interval, over_seeds
from validate.measured import Results
from validate.p8_critical_size import crossing_of_efficiencies
from validate.sweeps import crossings, finished, threshold

__all__ = ["STUDIES", "by_setting", "kept_examples", "small_decays", "tasks", "times_by_setting"]

Rows = list[dict[str, Any]]
DECAY = 1e-4
"""Coupled weight decay at which settings are compared"""


def _net(results: Results, name: str) -> dict[str, Any]:
    return results.runs(name)[0].config


def _size(interval: Interval) -> dict[str, float]:
    return {"pairs": math.exp(interval.value), "low": math.exp(interval.low), "high": math.exp(interval.high)}


def by_setting(results: Results) -> Rows:
    """D_crit against width, depth, modulus and parameter count: the isologit crossing and what ungrokking shows."""
    from realnet.nets.layout import layout

    rows = []
    for setting in results.settings:
        name = f"{setting}/ungrokking_coupled"
        if name not in results:
            continue
        table = results.table(name)
        table = table[table.weight_decay == DECAY]
        if table.empty:
            continue
        config = _net(results, name)
        one = threshold(crossings(table, "falling"))
        pairs = config["p"] ** 2
        row = {"setting": setting, "width": config["d_model"], "layers": config["n_layers"], "p": config["p"],
               "parameters": layout(from_dict(config)).size, "seeds": one.interval.n, "censored": one.censored}  # fmt: skip
        row |= {f"ungrokking_{k}": v for k, v in _size(one.interval).items()}
        row["ungrokking_share_of_pairs"] = row["ungrokking_pairs"] / pairs
        if f"{setting}/memorising_coupled" in results and f"{setting}/generalising_coupled" in results:
            found, logit = crossing_of_efficiencies(results, setting, coupled=True, by="accuracy")
            row |= {f"isologit_{k}": v for k, v in _size(over_seeds(found.ln_size)).items()} if len(found) else {}
            row["common_logit"] = logit
            gen = gen_nets(results, setting, coupled=True, by="accuracy")
            row["gen_norm"] = float(gen[gen.weight_decay == DECAY].norm.mean()) if len(gen) else math.nan
        rows.append(row)
    return rows


def times_by_setting(results: Results) -> Rows:
    """From scratch at weight decay 1: how many of the runs generalise, and when, by setting and data set size."""
    rows = []
    for setting in results.settings:
        name = f"{setting}/scratch"
        if name not in results or setting == "long":
            continue
        table = finished(results.table(name))
        config = _net(results, name)
        for size, group in table[table.weight_decay == 1.0].groupby("dataset_size"):
            there = group.t_gen.dropna()
            rows.append(
                {
                    "setting": setting,
                    "init_scale": config["init_scale"],
                    "width": config["d_model"],
                    "p": config["p"],
                    "dataset_size": int(size),
                    "share_of_pairs": size / config["p"] ** 2,
                    "seeds": len(group),
                    "generalise": len(there),
                    "t_gen": float(there.median()) if len(there) else math.nan,
                    "t_fit": float(group.t_fit.median()),
                    "accuracy": float(group.unseen.mean()),
                }
            )
    return rows


def small_decays(results: Results) -> Rows:
    """Weight decay down to 0: what becomes of runs from scratch and of nets that have grokked."""
    rows = []
    for kind in ("scratch", "ungrokking"):
        if f"small-decay/{kind}" not in results:
            continue
        sizes = set(results.table(f"small-decay/{kind}").dataset_size)
        tables = [finished(results.table(f"{s}/{kind}")) for s in ("small-decay", "base") if f"{s}/{kind}" in results]
        table = pd.concat(tables, ignore_index=True)
        for (size, decay), group in table[table.dataset_size.isin(sizes)].groupby(["dataset_size", "weight_decay"]):
            accuracy = over_seeds(group.unseen)
            rows.append(
                {
                    "from": kind,
                    "dataset_size": int(size),
                    "weight_decay": decay,
                    "seeds": len(group),
                    "accuracy": accuracy.value,
                    "low": accuracy.low,
                    "high": accuracy.high,
                    "unfinished": int((group.behaviour == "unfinished").sum()),
                    "norm": float(group.norm.mean()),
                }
            )
    return rows


def kept_examples(results: Results) -> Rows:
    """Does ungrokking keep the removed examples? Accuracy on removed less never-seen pairs, by size and weight decay."""
    rows = []
    for name in ("base/ungrokking", "base/ungrokking_coupled"):
        if name not in results:
            continue
        table = finished(results.table(name)).dropna(subset=["removed"])
        for (decay, size), group in table.groupby(["weight_decay", "dataset_size"]):
            apart = over_seeds(group.removed - group.unseen)
            rows.append(
                {
                    "experiment": name,
                    "weight_decay": decay,
                    "dataset_size": int(size),
                    "seeds": apart.n,
                    "removed_less_unseen": apart.value,
                    "low": apart.low,
                    "high": apart.high,
                    "unseen": float(group.unseen.mean()),
                }
            )
    return rows


def tasks(results: Results) -> Rows:
    """Ungrokking on other tasks: D_crit for each weight decay, and whether the nets had grokked at all."""
    rows = []
    for setting in results.settings:
        name = f"{setting}/ungrokking"
        if name not in results or not setting.startswith(("task-", "base")):
            continue
        table = finished(results.table(name))
        if table.empty:
            continue
        config = _net(results, name)
        pairs = from_dict(config).table_size
        for decay, group in table.groupby("weight_decay"):
            grokked = group[group.start >= 0.9]
            one = threshold(crossings(grokked, "falling")) if len(grokked) else None
            row = {"setting": setting, "task": config["task"], "p": config["p"], "weight_decay": decay,
                   "seeds": group.seed.nunique(), "grokked_parents": grokked.seed.nunique(),
                   "parent_accuracy": float(group.start.mean())}  # fmt: skip
            if one is not None:
                row |= _size(one.interval) | {
                    "censored": one.censored,
                    "share_of_pairs": math.exp(one.interval.value) / pairs,
                }
            rows.append(row)
    return rows


STUDIES = {
    "D_crit by width, depth, modulus and parameter count (coupled L2, α = 1e-4)": by_setting,
    "Grokking from scratch by setting and initialisation scale (weight decay 1)": times_by_setting,
    "Weight decay down to 0": small_decays,
    "Does ungrokking keep the removed examples?": kept_examples,
    "Other tasks": tasks,
}
"""Title: function from Results to rows"""
