"""Questions asked in public and never answered: small tables beside the verdicts, from the same runs.

Each study returns rows, one a setting or a group of runs; one whose runs were not trained returns none.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from validate.experiments.omnigrok import STAND_INS
from validate.measured import MissingResult, Results
from validate.predictions.shared import thresholds
from validate.rivals import rival_rows
from validate.statistics.intervals import over_seeds

__all__ = ["studies", "ungrokking_curve"]

Rows = list[dict[str, Any]]


def _table(results: Results, name: str) -> pd.DataFrame | None:
    try:
        return results.table(name)
    except MissingResult:
        return None


def ungrokking_curve(results: Results, setting: str = "p113") -> Rows:
    """Accuracy outside D′ at the end, for each D′ of a setting's coupled ungrokking runs: the paper's figure 4."""
    table = _table(results, f"{setting}/ungrokking_coupled")
    if table is None:
        return []
    rows = []
    for size, runs in table.groupby("dataset_size"):
        rows.append({"dataset_size": int(size), "seeds": len(runs), "accuracy": float(runs.test.mean()),
                     "least": float(runs.test.min()), "greatest": float(runs.test.max()), "start": float(runs.start.mean()),
                     "gen": float(runs.gen.mean()), "mem": float(runs.mem.mean()),
                     "motion": float(runs.motion.abs().max())})  # fmt: skip
    return rows


def small_decays(results: Results) -> Rows:
    """Under AdamW with weight decay down to 0: does a net still grok, does it still ungrok?"""
    rows = []
    for kind in ("ungrokking", "scratch"):
        table = _table(results, f"small-decay/{kind}")
        if table is None:
            continue
        for (decay, size), runs in table.groupby(["weight_decay", "dataset_size"]):
            rows.append({"kind": kind, "weight_decay": float(decay), "dataset_size": int(size), "seeds": len(runs),
                         "accuracy": float(runs.test.mean()), "steps": int(runs.steps.max()),
                         "norm": float(runs.norm.mean())})  # fmt: skip
    return rows


def tasks(results: Results) -> Rows:
    """Ungrokking thresholds of other tasks under both protocols, where their parents had grokked."""
    rows = []
    for setting in results.settings:
        for kind in ("ungrokking", "ungrokking_coupled"):
            table = _table(results, f"{setting}/{kind}") if setting.startswith("task-") else None
            if table is None:
                continue
            for decay, runs in table.groupby("weight_decay"):
                found = over_seeds(thresholds(runs).ln_size)
                rows.append({"setting": setting, "kind": kind, "weight_decay": float(decay), "seeds": found.n,
                             "parent_accuracy": float(runs.start.mean()), "ln_threshold": found.value, "low": found.low,
                             "high": found.high, "pairs": int(runs.pairs.iloc[0])})  # fmt: skip
    return rows


def kept_examples(results: Results) -> Rows:
    """Does ungrokking keep the removed examples? Their accuracy less that of pairs never seen."""
    rows = []
    for kind in ("ungrokking", "ungrokking_coupled"):
        table = _table(results, f"base/{kind}")
        if table is None:
            continue
        between = table[table.test.between(0.1, 0.9)]
        found = over_seeds((between.removed - between.unseen).groupby(between.seed).mean())
        rows.append(
            {"kind": kind, "runs": len(between), "difference": found.value, "low": found.low, "high": found.high}
        )
    return rows


STUDIES = {
    "Ungrokking at the paper's size": ungrokking_curve,
    "Weight decay down to 0": small_decays,
    "Other tasks": tasks,
    "Does ungrokking keep the removed examples?": kept_examples,
}


def studies(results: Results) -> dict[str, Rows]:
    """All of them that have rows, and what rival explanations say."""
    found = {title: study(results) for title, study in STUDIES.items()}
    standing = [{"setting": name, "what": STAND_INS[name]} for name in results.settings if name in STAND_INS]
    return {t: rows for t, rows in (found | {"Stand-ins": standing}).items() if rows} | {
        "Rival explanations": rival_rows()
    }
