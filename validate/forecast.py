"""The matched model forecasts runs that were not used to match it (experiments.md 3).

What is used is fixed here, before any fit: the memorising and generalising experiments, which give the model of
`validate.match`, and one cell from scratch, which gives its clock's starting point. Everything else of ungrokking,
ungrokking_coupled and scratch is held out.

Two forecasters:

    isologit   a net generalises in the end if and only if D > D_crit, whatever it was at the start (5.2)
    toy        the matched model run from the net's own start for the net's own number of steps (3, 6), or to its end under
               a coupled penalty; it knows hysteresis and finite training, and needs the calibration cell

and the rules they must beat: majority, persistence (a net stays what it was at the start), logistic regression on ln D from
other seeds of the same kind, and from other kinds (validate.skill).
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from validate.degree import mixtures, rival_share
from validate.intervals import Interval, over_seeds
from validate.match import Matched, match
from validate.measured import Results
from validate.skill import CELL, cells, leave_kind_out, leave_seed_out, majority, skills
from validate.speeds import Speeds, grokking, learning_speeds, race, ungrokking
from validate.sweeps import crossings, finished, threshold

__all__ = ["BASELINES", "CALIBRATION", "CALIBRATION_CELL", "FORECASTERS", "HELD_OUT", "Forecasts", "forecast"]

CALIBRATION = ("memorising", "memorising_coupled", "generalising_coupled")
"""Kinds whose runs are all used to match"""
CALIBRATION_CELL = ("scratch", 1050, 1.0)
"""The one cell (kind, data set size, weight decay) that gives the fitted and the grokking time"""
HELD_OUT = ("scratch", "ungrokking", "ungrokking_coupled")
"""Kinds of which all other cells are forecast"""
FORECASTERS = ("isologit", "toy")
BASELINES = ("majority", "persistence", "logistic, other seeds", "logistic, other kinds")
GENERALISES = 0.5
"""Accuracy on never-seen pairs above which a net counts as generalising: the level at which thresholds are read"""
ENDLESS = 1e4
"""Times the slowest flow time of the model, 1/p*: long enough to be at rest"""


@dataclass(frozen=True)
class Forecasts:
    """Forecast and measured, side by side.

    matched      the model
    speeds       what the calibration cell added; None without it
    rows         one for each cell, the calibration cell included with held_out False: the D × weight decay map
    skills       one for each forecaster, baseline and kind of run
    thresholds   measured and forecast, one for each kind and weight decay
    intervals    numbers over seeds: errors of times, the race at the fitted time
    remarks      what a reader should know, in sentences
    """

    matched: Matched
    speeds: Speeds | None
    rows: list[dict[str, Any]]
    skills: list[dict[str, Any]]
    thresholds: list[dict[str, Any]]
    intervals: dict[str, Interval]
    remarks: tuple[str, ...]


def _runs(results: Results, setting: str) -> pd.DataFrame:
    """Finished runs of HELD_OUT kinds, the calibration cell included: a row a run, with kind and whether it generalises."""
    parts = []
    for kind in HELD_OUT:
        if f"{setting}/{kind}" in results:
            table = finished(results.table(f"{setting}/{kind}"))
            parts.append(table.assign(kind=kind, generalises=(table.unseen > GENERALISES).astype(float)))
    if not parts or all(part.empty for part in parts):
        raise ValueError(
            f"a forecast needs finished runs of {', '.join(HELD_OUT)} to be judged on, setting {setting!r} has none. "
            "Train them: python -m validate run"
        )
    return pd.concat([part for part in parts if len(part)], ignore_index=True)


def _calibrated(results: Results, matched: Matched, runs: pd.DataFrame) -> Speeds | None:
    """The learning speeds, or the seed, from the calibration cell's geometric mean times over seeds; None if it has none."""
    kind, size, decay = CALIBRATION_CELL
    own = runs[(runs.kind == kind) & (runs.dataset_size == size) & (runs.weight_decay == decay)]
    own = own[(own.t_fit > 0) & (own.t_gen > 0)] if len(own) else own
    if own.empty or matched.decay_law is None:
        return None
    model = _adamw(matched, decay).at_dataset_size(size)
    fitted, grokked = (float(np.exp(np.log(own[name]).mean())) for name in ("t_fit", "t_gen"))
    return learning_speeds(model, fitted, grokked, _flow_per_step(results, matched, decay))


def _adamw(matched: Matched, decay: float) -> Any:
    return dataclasses.replace(matched.model, weight_decay=matched.effective_decay(decay))


def _flow_per_step(results: Results, matched: Matched, decay: float) -> float:
    """lr λ/α_eff, the clock of validate.speeds."""
    config = results.runs(f"{matched.setting}/memorising")[0].config
    return float(config["learning_rate"]) * decay / matched.effective_decay(decay)


def _toy(
    results: Results, matched: Matched, speeds: Speeds, cell: tuple[str, float, float], steps: float
) -> tuple[float, float]:
    """Whether the toy generalises at the end, 1 or 0, and the steps until its lead changed (nan if it did not)."""
    kind, size, decay = cell
    if decay <= 0:  # without a penalty nothing is at rest, and the effective decay has no law
        return math.nan, math.nan
    config = results.runs(f"{matched.setting}/{kind}")[0].config
    coupled = kind.endswith("_coupled")
    model = dataclasses.replace(speeds.model, weight_decay=decay if coupled else matched.effective_decay(decay))
    if coupled:
        # Nets under the coupled penalty come to rest: no clock is needed.
        per_step, t_end = math.nan, ENDLESS / decay
    else:
        per_step = _flow_per_step(results, matched, decay)
        t_end = (steps - speeds.delay * (kind == "scratch")) * per_step
    if kind == "scratch":
        time = grokking(model.at_dataset_size(size), t_end, speeds.seed)
        ends, delay = float(time < math.inf), speeds.delay
    else:
        # The parents grokked under AdamW; what of Mem survives there is κ's and D's alone (4.1).
        parent = config["start_from"]["dataset_size"] if config.get("start_from") else 100 * matched.critical_size
        time = ungrokking(model.at_dataset_size(float(parent)), size, t_end, speeds.seed)
        ends, delay = float(time == math.inf), 0.0
    return ends, time / per_step + delay if math.isfinite(time) else math.nan


def _map(results: Results, matched: Matched, speeds: Speeds | None, runs: pd.DataFrame) -> pd.DataFrame:
    """All cells with their outcomes and every forecast."""
    table = cells(runs)
    rows = table.index.to_frame(index=False)
    rows["held_out"] = [cell != CALIBRATION_CELL for cell in table.index]
    rows["seeds"] = np.isfinite(table.to_numpy(float)).sum(1)
    rows["measured"] = np.nanmean(table.to_numpy(float), axis=1)
    rows["measured_accuracy"] = runs.groupby(CELL).unseen.mean().to_numpy()
    rows["unfinished"] = runs.assign(moving=runs.behaviour == "unfinished").groupby(CELL).moving.sum().to_numpy()
    rows["isologit"] = (rows.dataset_size > matched.critical_size).astype(float)
    if speeds is not None and speeds.known:
        steps = runs.groupby(CELL).steps.first().to_numpy(float)
        found = [_toy(results, matched, speeds, cell, n) for cell, n in zip(table.index, steps, strict=True)]
        rows["toy"], rows["toy_time"] = np.array(found).T
    else:
        rows["toy"] = rows["toy_time"] = np.nan
    rows["measured_time"] = [_measured_time(runs, cell) for cell in table.index]
    # At the calibration cell's size the flow at rest knows only α t = λ lr steps: times go as 1/λ, whatever κ is.
    kind, size, decay = CALIBRATION_CELL
    alike = (rows.kind == kind) & (rows.dataset_size == size)
    if speeds is not None:
        delay = 0.0 if math.isnan(speeds.delay) else speeds.delay
        own = rows.measured_time[alike & (rows.weight_decay == decay)].iloc[0]
        rows["clock_time"] = (delay + (own - delay) * decay / rows.weight_decay).where(alike)

    held = runs[[cell != CALIBRATION_CELL for cell in runs[CELL].itertuples(index=False, name=None)]]
    starts = runs.groupby(CELL).start.mean().to_numpy()
    rows["persistence"] = (starts > GENERALISES).astype(float)
    # Calibration cells of the task itself all generalise; the majority of the held-out cells is more than a rule could know.
    rows["majority"] = float(np.nanmean(majority(table[rows.held_out.to_numpy()].to_numpy(float))) >= 0.5)
    for name, rule in zip(BASELINES[2:], (leave_seed_out, leave_kind_out), strict=True):
        rows[name] = rule(held).reindex(table.index).to_numpy() if held.seed.nunique() > 1 else np.nan
    return rows


def _measured_time(runs: pd.DataFrame, cell: tuple[str, float, float]) -> float:
    """Geometric mean over seeds of the steps to grokking, or to the loss of generalisation; nan if most seeds did not."""
    kind, size, decay = cell
    own = runs[(runs.kind == kind) & (runs.dataset_size == size) & (runs.weight_decay == decay)]
    times = own.t_gen if kind == "scratch" else own.t_lost
    happened = times[times > 0]
    return float(np.exp(np.log(happened).mean())) if 2 * len(happened) > len(own) else math.nan


def _thresholds(rows: pd.DataFrame, runs: pd.DataFrame, matched: Matched) -> list[dict[str, Any]]:
    """ln D at which accuracy crosses 1/2, measured, by the isologit crossing, and where the toy's map changes.

    rival_share: what the losing circuit must still have there for the theory to agree, at κ > 2 (validate.degree).
    """
    kappa, beta = matched.model.kappa, matched.intervals["β"].value
    found = []
    for (kind, decay), own in runs.groupby(["kind", "weight_decay"]):
        if own.dataset_size.nunique() < 2:
            continue
        measured = threshold(crossings(own, "rising" if kind == "scratch" else "falling"))
        cell = rows[(rows.kind == kind) & (rows.weight_decay == decay)].sort_values("dataset_size")
        fails, works = (cell[cell.toy == end].dataset_size for end in (0.0, 1.0))
        found.append(
            {"kind": kind, "weight_decay": decay, "ln_measured": measured.interval.value, "low": measured.interval.low,
             "high": measured.interval.high, "n": measured.interval.n, "censored": measured.censored,
             "ln_isologit": math.log(matched.critical_size),
             "rival_share": rival_share(measured.interval.value, math.log(matched.critical_size), kappa, beta),
             "toy_above": fails.max() if len(fails) else 0.0, "toy_below": works.min() if len(works) else math.inf}
        )  # fmt: skip
    return found


def forecast(results: Results, setting: str = "base") -> Forecasts:
    """Match `setting`, forecast its held-out cells, and judge. Errors: MissingResult; ValueError without nets or runs."""
    matched, runs = match(results, setting), _runs(results, setting)
    speeds = _calibrated(results, matched, runs)
    rows = _map(results, matched, speeds, runs)
    rows["ln_time_error"] = np.log(rows.toy_time / rows.measured_time)
    outcomes = cells(runs)
    remarks = [
        "The majority rule is told the held-out cells' own majority, and the logistic rules other seeds' or other kinds' "
        "outcomes; the forecasts are told none. Both flatter the rules.",
        f"{int((rows.held_out & (rows.unfinished > 0.5 * rows.seeds)).sum())} of {int(rows.held_out.sum())} held-out cells "
        "were still moving at their end in most seeds; their outcome is where they stood.",
    ]
    if speeds is None:
        remarks.append(
            f"No toy forecast: the calibration cell {CALIBRATION_CELL} has no grokking time, or no AdamW nets."
        )
    else:
        remarks.append(speeds.remark)
    tried = sorted(set(rows.dataset_size[rows.held_out]))
    below, above = ([d for d in tried if (d > matched.critical_size) == up] for up in (False, True))
    remarks.append(
        f"The isologit forecast, D_crit = {matched.critical_size:.0f}, is tested no more finely than the sizes: any "
        f"threshold between {max(below, default=0)} and {min(above, default=math.inf)} pairs would score the same."
    )
    numbers = race(results, setting)
    if f"{setting}/ungrokking_coupled" in results:
        share = mixtures(results.table(f"{setting}/ungrokking_coupled"))
        numbers["share of coupled nets at rest between chance and 0.9, over runs"] = share
    if "clock_time" in rows:
        off = np.log(rows.clock_time / rows.measured_time)[rows.held_out].abs()
        numbers["|ln(time by 1/λ alone / measured)|, scratch, over cells"] = over_seeds(off.to_numpy(float))
    for kind, own in rows[rows.held_out & np.isfinite(rows.ln_time_error)].groupby("kind"):
        numbers[f"|ln(toy time / measured)|, {kind}, over cells"] = over_seeds(own.ln_time_error.abs().to_numpy())
    return Forecasts(
        matched,
        speeds,
        rows.to_dict("records"),
        skills(rows, outcomes, FORECASTERS, BASELINES),
        _thresholds(rows, runs, matched),
        numbers,
        tuple(remarks),
    )
