"""O5: the LU picture forecasts when a network generalises, from the landscape alone."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from validate.measured import MissingResult, Results
from validate.prediction import Criterion, Estimate, Measurement, Prediction, nothing
from validate.predictions.omnigrok.curves import BASE, LEVELS, at, landscape, rows
from validate.predictions.omnigrok.o01_landscape import shape
from validate.predictions.shared import NO_LANDSCAPE, OWN_CLAIM, estimate, of_times, records

__all__ = ["O5", "forecasts", "norm_at_level"]

ERROR = "rms of ln(forecast / time to generalise)"
MARGIN = math.log(1.5)
LAWS = {
    "lu": "LU: ln(start norm / w_c) / (γ × rate)",
    "lu_at_level": "LU with the largest norm of the landscape that generalises in the place of w_c",
    "lu_from_fit": "LU from the norm at which the network has fitted, and from that moment",
    "norm_law": "norm law (Truong 2605.18845), its two constants fitted to the other weight decays",
}


def norm_at_level(norm: np.ndarray, test: np.ndarray, level: float) -> float:
    """ln of the largest norm (k,), rising, at which accuracy passes `level`, interpolated in ln norm; nan if none does."""
    good = np.flatnonzero(test >= level)
    if not good.size or good[-1] == len(norm) - 1:
        return math.nan
    i = int(good[-1])
    share = (test[i] - level) / (test[i] - test[i + 1])
    return float(np.log(norm[i]) + share * np.log(norm[i + 1] / norm[i]))


def _norm_law(free: pd.DataFrame) -> list[float]:
    """T = t_fit + ln(V_fit/V*)/(2 κ η γ), V squared norm; κ and V* from the runs at other weight decays."""
    found = []
    for run in free.itertuples():
        others = free[(free.weight_decay != run.weight_decay) & free.t_gen.notna() & free.t_fit.notna()]
        if len(others) < 2:
            found.append(math.nan)
            continue
        end = 2 * np.log(others.norm_at_gen).mean()
        drop = 2 * np.log(others.norm_at_fit) - end
        delay = (others.t_gen - others.t_fit) * 2 * others.learning_rate * others.weight_decay
        good = (drop > 0) & (delay > 0)
        kappa = math.exp(np.log(drop[good] / delay[good]).mean()) if good.any() else math.nan
        wait = (2 * math.log(run.norm_at_fit) - end) / (2 * kappa * run.learning_rate * run.weight_decay)
        found.append(run.t_fit + wait if wait > 0 else math.nan)
    return found


def forecasts(free: pd.DataFrame, held: pd.DataFrame, level: float) -> pd.DataFrame:
    """ln(forecast / t_gen) of each law for each free run, as columns named after LAWS; nan where a law says nothing.

    A run whose forecast is 0 or negative (it starts below w_c) is forecast at one step.
    """
    shapes = shape(held)
    w_c = float(shapes.ln_norm.mean())
    levels = [norm_at_level(r.start_norm.to_numpy(), r.test.to_numpy(), level) for _, r in held.groupby("seed")]
    at_level = float(pd.Series(levels, dtype=float).mean())
    pace = free.learning_rate * free.weight_decay
    found = free[["seed", "weight_decay", "t_fit", "t_gen", "start_norm", "norm_at_gen"]].copy()
    start = np.log(free.start_norm)
    for name, target in (("lu", w_c), ("lu_at_level", at_level)):
        found[f"{name}_time"] = ((start - target) / pace).clip(lower=1.0)
    found["lu_from_fit_time"] = free.t_fit + ((np.log(free.norm_at_fit) - w_c) / pace).clip(lower=0.0)
    found["norm_law_time"] = _norm_law(free)
    for name in LAWS:
        found[name] = np.log(found[f"{name}_time"].where(found[f"{name}_time"] > 0) / found.t_gen)
    return found


def _rms(found: pd.DataFrame, name: str, note: str = "") -> Estimate:
    known = found.dropna(subset=[name])
    if known.empty:
        return nothing(f"no forecast{': ' if note else ''}{note}", len(found))
    by_seed = (known[name] ** 2).groupby(known.seed).mean() ** 0.5
    return estimate(by_seed, of_times(found, name), note)


def _measure(results: Results, column: str) -> Measurement:
    base = BASE[column]
    held = at(landscape(results, column), "dataset_size", base["size"])
    free = at(rows(results, f"{column}/free"), "init_scale", base["large"])
    free = free[free.weight_decay > 0]
    if free.empty:
        raise MissingResult(f"free runs of {column} from α = {base['large']:g} must be among the saved results.")
    found = forecasts(free, held, LEVELS[column][2])
    w_c = float(np.exp(shape(held).ln_norm.mean()))
    beside = {LAWS[name]: _rms(found, name) for name in LAWS if name != "lu"}
    beside["ln(LU forecast / time to generalise)"] = estimate(
        found.lu.groupby(found.seed).mean(), of_times(found, "lu")
    )
    fallen = np.log(found.norm_at_gen / w_c)
    of_gen = of_times(found, "t_gen")
    beside["ln(norm when it generalises / w_c)"] = estimate(fallen.groupby(found.seed).mean(), of_gen)
    toy = nothing("the toy has no number here: it needs two circuits told apart and their speeds under this optimizer")
    beside["the two-circuit toy's time"] = toy
    return Measurement({ERROR: _rms(found, "lu", f"w_c = {w_c:.3g}")}, beside, {"forecasts": records(found)})


O5 = Prediction(
    id="O5",
    claim="The landscape forecasts when a network generalises: t = ln(w_0/w_c)/(γ × rate), no free number.",
    source="Liu et al. 2022, section 2; beside it Truong 2605.18845, which reports 17.7 % on 26 runs",
    statistic="per seed, rms over γ of ln(forecast / measured time) of free runs, w_c from runs with the norm held; "
    "t interval",
    claimed={"teacher": "the law's own example", "digits": "figure 3e", "addition": "figure 10a"},
    experiments=(
        "teacher/free",
        "teacher/landscape",
        "digits/free",
        "digits/landscape",
        "addition/free",
        "addition/landscape",
    ),
    criteria=(Criterion(name=ERROR, high=MARGIN, why="within a factor of 1.5", truth=0.8, spread=0.15, seeds=4),),
    measure=_measure,
    registered="88a6a2c",
    columns=("teacher", "digits", "addition"),
    says={"circuit efficiency": NO_LANDSCAPE, "Omnigrok": OWN_CLAIM},
)
