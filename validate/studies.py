"""Questions asked in public and never answered: small tables beside the verdicts, from the same runs.

Each study returns rows, one a setting or a group of runs, and raises MissingResult where its runs were not trained.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from realnet.tasks.files import FULL_DATA
from validate.experiments.omnigrok import STAND_INS
from validate.matching.efficiency import common_logit, gen_nets, mem_nets, norms_at, slopes
from validate.measured import MissingResult, Results
from validate.predictions.p08_critical_size import crossing_of_efficiencies
from validate.predictions.p09_power_law import misfit_to_law
from validate.predictions.shared import LARGE, at_answer, thresholds
from validate.rivals import rival_rows
from validate.statistics.escape import median_time
from validate.statistics.intervals import Interval, over_seeds

__all__ = ["PAPER", "SIZE", "studies"]

Rows = list[dict[str, Any]]
PAPER_P = 113
"""The paper's modulus"""


def _there(results: Results, *names: str) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Setting, kind and table of those experiments that were trained."""
    for name in names:
        with contextlib.suppress(MissingResult):
            setting, _, kind = name.partition("/")
            yield setting, kind, results.table(name)


def ungrokking_curve(results: Results) -> Rows:
    """Accuracy outside D′ at the end, for each D′ of the coupled ungrokking runs at the paper's size."""
    return _curve(at_answer(results.table(f"{LARGE}/ungrokking_coupled"), "coupled"))


def paper_curve(results: Results) -> Rows:
    """The same in the paper's own setting, AdamW at p = 113, by weight decay: its figure 4."""
    table = results.table("base/ungrokking")
    return _curve(table[table.p == PAPER_P])


def _curve(table: pd.DataFrame) -> Rows:
    rows = []
    for (decay, size), runs in table.groupby(["weight_decay", "dataset_size"]):
        rows.append({"weight_decay": float(decay), "steps": int(runs.steps.max()), "dataset_size": int(size),
                     "seeds": len(runs), "accuracy": float(runs.test.mean()), "least": float(runs.test.min()),
                     "greatest": float(runs.test.max()), "moving": int((~runs.rests.astype(bool)).sum()),
                     "start": float(runs.start.mean()), "gen": float(runs.gen.mean()),
                     "mem": float(runs.mem.mean())})  # fmt: skip
    return rows


def scratch_curve(results: Results, setting: str = LARGE) -> Rows:
    """From scratch, for each D of a setting's coupled runs: how many generalise, when, and with which W_gen they start."""
    rows = []
    for (decay, size), runs in results.table(f"{setting}/scratch_coupled").groupby(["weight_decay", "dataset_size"]):
        rows.append({"weight_decay": float(decay), "dataset_size": int(size), "seeds": len(runs),
                     "generalised": int((runs.test >= 0.5).sum()), "accuracy": float(runs.test.mean()),
                     "median_steps": median_time(runs.t_half, runs.steps), "steps": int(runs.steps.max()),
                     "gen_at_fit": float(runs.gen_at_fit.mean())})  # fmt: skip
    return rows


def small_and_large(results: Results) -> Rows:
    """What the small network says of efficiencies and thresholds, coupled, and what the paper's size says of the same."""
    rows: Rows = []

    def row(setting: str, number: str, found: Interval) -> None:
        if found.n > 1:
            rows.append({"number": number, "setting": setting, "value": found.value, "low": found.low,
                         "high": found.high, "seeds": found.n})  # fmt: skip

    for kind in ("memorising", "generalising", "ungrokking"):
        results.table(f"{LARGE}/{kind}_coupled")  # missing before anything is computed
    for setting in ("base", LARGE):
        gen, mem = gen_nets(results, setting), mem_nets(results, setting)
        logit = common_logit(mem, gen)
        row(setting, "slope of ln η_gen on ln D", over_seeds(slopes(norms_at(gen, logit))))
        row(setting, "slope of ln η_mem on ln D", over_seeds(slopes(norms_at(mem, logit))))
        for name, nets in (("Mem", mem), ("Gen", gen)):
            misfit, kappa = (estimate.interval for estimate in misfit_to_law(nets))
            row(setting, f"κ of {name}-only networks", kappa)
            row(setting, f"rms misfit of {name} to its law", misfit)
        found = thresholds(results.table(f"{setting}/ungrokking_coupled"))
        for decay, own in found.groupby("weight_decay"):
            row(setting, f"ln D_crit of ungrokking, α = {decay:g}", over_seeds(own.ln_size))
        sizes = found.pivot(index="seed", columns="weight_decay", values="ln_size")
        row(setting, "ln(D_crit at α = 0.0001 / that at 0.001)", over_seeds((sizes[1e-4] - sizes[1e-3]).dropna()))
        meet = crossing_of_efficiencies(results, setting, protocol="coupled")[0].low
        row(setting, "ln of the size at which efficiencies meet", over_seeds(meet))
        row(setting, "ln(that size / D_crit at α = 0.0001)", over_seeds((meet - sizes[1e-4]).dropna()))
    return sorted(rows, key=lambda r: [q["number"] for q in rows].index(r["number"]))


def small_decays(results: Results) -> Rows:
    """Under AdamW with weight decay down to 0: does a network still grok, does it still ungrok?"""
    rows = []
    for _, kind, table in _there(results, "small-decay/ungrokking", "small-decay/scratch"):
        for (decay, size), runs in table.groupby(["weight_decay", "dataset_size"]):
            rows.append({"kind": kind, "weight_decay": float(decay), "dataset_size": int(size), "seeds": len(runs),
                         "accuracy": float(runs.test.mean()), "steps": int(runs.steps.max()),
                         "norm": float(runs.norm.mean())})  # fmt: skip
    return rows


def tasks(results: Results) -> Rows:
    """Ungrokking thresholds of other tasks under both protocols, where their parents had grokked."""
    rows = []
    settings = [name for name in results.settings if name.startswith("task-")]
    for setting, kind, table in _there(
        results, *(f"{s}/{k}" for s in settings for k in ("ungrokking", "ungrokking_coupled"))
    ):
        for decay, runs in table.groupby("weight_decay"):
            found = over_seeds(thresholds(runs).ln_size)
            rows.append({"setting": setting, "kind": kind, "weight_decay": float(decay), "seeds": found.n,
                         "parent_accuracy": float(runs.start.mean()), "ln_threshold": found.value, "low": found.low,
                         "high": found.high, "pairs": int(runs.pairs.iloc[0])})  # fmt: skip
    return rows


def kept_examples(results: Results) -> Rows:
    """Does ungrokking keep the removed examples? Their accuracy less that of pairs never seen."""
    rows = []
    for _, kind, table in _there(results, "base/ungrokking", "base/ungrokking_coupled"):
        between = table[table.test.between(0.1, 0.9)]
        found = over_seeds((between.removed - between.unseen).groupby(between.seed).mean())
        rows.append(
            {"kind": kind, "runs": len(between), "difference": found.value, "low": found.low, "high": found.high}
        )
    return rows


def _mixed(results: Results) -> pd.DataFrame:
    """Mixed runs: accuracy outside the training set and W_gen when they are given their pairs, and at the end."""
    rows = []
    for run in results.runs("fresh/mixed_coupled"):
        if run.status != "finished":
            continue
        switch = run.config["phases"][0]["steps"]
        step, gen, _ = run.circuits()
        rows.append({name: run.config[name] for name in ("weight_decay", "seed")} | {
            "dataset_size": int(run.sizes(run.step[-1:])[0]), "steps_before": switch, "end": run.tenth(run.test),
            "accuracy": float(np.interp(switch, run.step, run.test)),
            "gen": float(np.interp(switch, step, gen))})  # fmt: skip
    return pd.DataFrame(rows)


def mixed_starts(results: Results) -> Rows:
    """Networks that start with a part of Gen, on pairs at which those from scratch stay at chance: how much is enough?"""
    rows = []
    for (decay, size, before), runs in _mixed(results).groupby(["weight_decay", "dataset_size", "steps_before"]):
        rows.append({"weight_decay": decay, "dataset_size": size, "steps_before": before, "runs": len(runs),
                     "accuracy_at_start": runs.accuracy.mean(), "gen_at_start": runs.gen.mean(), "least_gen": runs.gen.min(),
                     "kept": int((runs.end >= 0.5).sum()), "accuracy_at_end": runs.end.mean()})  # fmt: skip
    return rows


def deciding_start(results: Results) -> Rows:
    """By weight decay: the least start from which Gen came back, the greatest from which it did not, and from scratch.

    A network from scratch starts when it first fits its training set; those on no more pairs than mixed runs are counted.
    """
    rows = []
    scratch = results.together("base/scratch_coupled", "fresh/scratch_coupled")
    for (decay, size), runs in _mixed(results).groupby(["weight_decay", "dataset_size"]):
        kept, lost = runs[runs.end >= 0.5], runs[runs.end < 0.5]
        near = scratch[(scratch.weight_decay == decay) & scratch.dataset_size.between(size / 1.2, size)]
        rows.append({"weight_decay": decay, "dataset_size": size, "kept": len(kept), "lost": len(lost),
                     "least_gen_kept": kept.gen.min(), "least_accuracy_kept": kept.accuracy.min(),
                     "greatest_gen_lost": lost.gen.max(), "least_accuracy_lost": lost.end.min(),
                     "greatest_accuracy_lost": lost.end.max(), "scratch_runs": len(near),
                     "scratch_escaped": int((near.test >= 0.5).sum()),
                     "scratch_gen_at_fit": near.gen_at_fit.max()})  # fmt: skip
    return rows


def constant_rate(results: Results) -> Rows:
    """Escape with and without the tail at a tenth of the rate, from scratch: does noise lift networks out?

    Of the networks that had not escaped when the tail begins, which share did by its end; constant runs are compared over
    the same steps, and were trained for more: those that escape later are counted in all.
    """
    constant, tail = results.table("long/scratch_constant"), results.table("fresh/scratch_coupled")
    end = float(tail.steps.max())
    rows = []
    for name, table in (("constant", constant), ("tail", tail)):
        for (decay, size), runs in table.groupby(["weight_decay", "dataset_size"]):
            late = runs[~(runs.t_half <= 0.8 * end)]
            rows.append({"rate": name, "weight_decay": decay, "dataset_size": size, "runs": len(runs),
                         "escaped_before": len(runs) - len(late), "left": len(late),
                         "escaped_in_the_last_fifth": int((late.t_half <= end).sum()), "compared_at_steps": int(end),
                         "trained_steps": int(runs.steps.max()), "escaped_in_all": int(runs.t_half.notna().sum()),
                         "median_steps": median_time(runs.t_half, runs.steps)})  # fmt: skip
    return rows


def _on_full_data(results: Results, setting: str) -> str:
    """What is to be added to the setting's stand-ins, if its runs had full data."""
    configs = [run.config for name in results.names if name.startswith(f"{setting}/") for run in results.runs(name)]
    told = {option for config in configs for option, _ in config["options"]}
    full = sorted(told & {option for option, *_ in FULL_DATA.values()})
    return f" (here on full data, {full[0]})" if full else ""


SIZE, PAPER = "Ungrokking at the paper's size", "Ungrokking in the paper's own setting"
STUDIES = {
    SIZE: ungrokking_curve,
    PAPER: paper_curve,
    "From random initialisation at the paper's size": scratch_curve,
    "The small network and the paper's size": small_and_large,
    "Weight decay down to 0": small_decays,
    "Other tasks": tasks,
    "Does ungrokking keep the removed examples?": kept_examples,
    "Starts from mixtures": mixed_starts,
    "How much of Gen is enough": deciding_start,
    "Escape at a constant rate": constant_rate,
}


def studies(results: Results) -> dict[str, Rows]:
    """All of them that have rows, and what rival explanations say."""
    found: dict[str, Rows] = {}
    for title, study in STUDIES.items():
        with contextlib.suppress(MissingResult):
            found[title] = study(results)
    standing = [
        {"setting": name, "what": STAND_INS[name] + _on_full_data(results, name)}
        for name in results.settings
        if name in STAND_INS
    ]
    return {t: rows for t, rows in (found | {"Stand-ins": standing}).items() if rows} | {
        "Rival explanations": rival_rows()
    }
