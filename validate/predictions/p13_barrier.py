"""P13: from random initialisation the memorising state is metastable."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from validate.measured import Results
from validate.prediction import Criterion, Estimate, Measurement, Prediction, nothing
from validate.predictions.shared import LARGE, MEMORY, after_steps, estimate, kind_of, records
from validate.statistics.escape import fit_escape, median_time
from validate.statistics.intervals import area_under_curve

__all__ = ["P13"]

TWO = "accuracy of networks that have grokked less that of randomly initialised ones, same pairs and decay"
WARNING = "AUC for predicting from W_gen at first fit, at fixed D, whether a network generalises"
SIZES = {"coupled": (370, 420), "AdamW": (450, 520)}
"""Above the ungrokking threshold and below that from random initialisation"""


def _two_ends(results: Results, protocol: str) -> Estimate:
    low, high = SIZES[protocol]
    up = results.together(f"base/{kind_of('scratch', protocol)}", f"fresh/{kind_of('scratch', protocol)}")
    down = results.together(f"base/{kind_of('ungrokking', protocol)}", f"fresh/{kind_of('ungrokking', protocol)}",
                            *(("base/generalising_coupled",) if protocol == "coupled" else ()))  # fmt: skip
    up, down = (t[t.dataset_size.between(low, high)] for t in (up, down))
    both = sorted(set(up.weight_decay) & set(down.weight_decay))
    if not both:
        return nothing(
            f"no runs on {low} to {high} pairs at the same weight decay from both starts", len(up) + len(down)
        )
    up, down = (t[t.weight_decay.isin(both)] for t in (up, down))
    note = f"{low} to {high} pairs, after the steps trained; random start {up.groupby('seed').test.mean().mean():.2g}"
    apart = (down.groupby("seed").test.mean() - up.groupby("seed").test.mean()).dropna()
    return estimate(apart, after_steps(up, down), note)


CRITICAL = 256.0
"""Where efficiencies meet in the small network (P8a), pairs"""
LAWS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "power of D": lambda t: np.log(t.dataset_size),
    "exponential in D": lambda t: t.dataset_size / 500,
    "nucleation, barrier ~ 1/ln(D/D_crit)": lambda t: 1 / np.log(t.dataset_size / CRITICAL),
    "head start W_gen at the fit": lambda t: t.gen_at_fit,
}
"""What ln of the time to generalise could be linear in"""


def _laws(every: pd.DataFrame) -> list[dict[str, object]]:
    """Each law fitted on every other size and held against the sizes left out, by log-likelihood a run."""
    rows: list[dict[str, object]] = []
    for decay, runs in every[every.gen_at_fit.notna()].groupby("weight_decay"):
        sizes = sorted(set(runs.dataset_size))
        inside = runs.dataset_size.isin(sizes[::2])
        for name, x in LAWS.items():
            try:
                law = fit_escape(x(runs[inside]), runs[inside].t_half, runs[inside].steps)
            except ValueError:
                continue
            out = runs[~inside]
            score = law.score(x(out), out.t_half, out.steps) / max(len(out), 1)
            expected = float(law.share(x(out), out.steps).sum())
            rows.append({"weight_decay": decay, "law": name, "held_out_runs": len(out), "log_likelihood_a_run": score,
                         "escapes_forecast": expected, "escapes": int(out.t_half.notna().sum()),
                         "spread": law.spread})  # fmt: skip
    return rows


def _laws_in_all(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Each law over all weight decays at which every law could be fitted, best first."""
    table = pd.DataFrame(rows)
    if table.empty:
        return []
    table = table[table.groupby("weight_decay").law.transform("nunique") == len(LAWS)]
    table = table.assign(whole=table.log_likelihood_a_run * table.held_out_runs)
    found = table.groupby("law")[["whole", "held_out_runs", "escapes_forecast", "escapes"]].sum()
    found.insert(0, "log_likelihood_a_run", found.pop("whole") / found.held_out_runs)
    return records(found.sort_values("log_likelihood_a_run", ascending=False).reset_index())


def _warning(table: pd.DataFrame) -> Estimate:
    """Runs are compared with those of the same size and decay only: W_gen grows with D, and so does the outcome."""
    happened = table.test >= 0.5
    cell = table.groupby(["dataset_size", "weight_decay"])
    mixed = happened.groupby([table.dataset_size, table.weight_decay]).transform(lambda x: x.any() and not x.all())
    inside = table[mixed.astype(bool) & table.gen_at_fit.notna()]
    if inside.empty:
        return nothing("no size at which some seeds generalise and others do not", len(table))
    centred = inside.gen_at_fit - cell.gen_at_fit.transform("mean")[inside.index]
    sizes = sorted(set(inside.dataset_size))
    escaped = happened[inside.index]
    steps = ", ".join(f"{s:.0f}" for s in sorted(set(inside.steps)))
    note = f"sizes {', '.join(map(str, sizes))}; {int(escaped.sum())} of {len(inside)} escaped in {steps} steps; "
    note += f"other sizes ({len(table) - len(inside)} runs) have one outcome"
    return Estimate(area_under_curve(centred, escaped), after_steps(inside), note, "runs")


def _measure(results: Results, protocol: str) -> Measurement:
    kind = kind_of("scratch", protocol)
    every = results.together(f"base/{kind}", f"fresh/{kind}")
    new = results.table(results.deciding(kind, "fresh", "base"))
    rows, remarks = [], []
    for (decay, size), runs in every.groupby(["weight_decay", "dataset_size"]):
        rows.append({"weight_decay": decay, "dataset_size": size, "runs": len(runs),
                     "escaped": int((runs.test >= 0.5).sum()), "steps": int(runs.steps.max()),
                     "median_steps": median_time(runs.t_half, runs.steps),
                     "gen_at_fit": float(runs.gen_at_fit.mean())})  # fmt: skip
    beside = {}
    for decay, runs in every.groupby("weight_decay"):
        try:
            law = fit_escape(np.log(runs.dataset_size), runs.t_half, runs.steps)
        except ValueError:
            continue
        remarks.append(
            f"weight decay {decay:g}: the median time to generalise goes as D to the power {law.slope:.2g}, with a spread "
            f"of {law.spread:.2g} in ln t over seeds ({int(runs.t_half.notna().sum())} of {len(runs)} runs escaped)."
        )
    fitted = every[every.t_half.notna() & every.gen_at_fit.notna()]
    if len(fitted) > 4:
        beside["AUC over all sizes"] = Estimate(
            area_under_curve(every.gen_at_fit, every.test >= 0.5), after_steps(every)
        )
    if f"{LARGE}/{kind}" in results:
        beside[f"AUC at equal D, {LARGE}"] = _warning(results.table(f"{LARGE}/{kind}"))
    table = every[["dataset_size", "weight_decay", "seed", "steps", "t_fit", "t_half", "gen_at_fit", "test"]]
    laws = _laws(every)
    return Measurement(
        {TWO: _two_ends(results, protocol), WARNING: _warning(new)},
        beside,
        {"escapes": rows, "laws": laws, "laws in all": _laws_in_all(laws), "runs": records(table)},
        tuple(remarks),
    )


P13 = Prediction(
    id="P13",
    claim="Memorising is metastable: random starts stay where grokked networks stay grokked; Gen's head start decides which "
    "leave.",
    source="(4.3): for κ above the power of the norm both pure states are stable; beyond the paper",
    statistic="per seed, difference of final accuracies; area under the curve over seeds at the same size, Hanley "
    "and McNeil's interval",
    claimed={"coupled": "both ends rest under the same penalty", "AdamW": "the paper's protocol"},
    experiments=(
        "base/scratch",
        "base/ungrokking",
        "base/scratch_coupled",
        "fresh/scratch_coupled",
        "base/generalising_coupled",
        f"{LARGE}/scratch_coupled",
    ),
    criteria=(
        Criterion(
            name=TWO,
            low=0.5,
            why="two ends at the same pairs, decay and seed",
            truth=0.9,
            spread=0.1,
            seeds=3,
        ),
        Criterion(name=WARNING, low=0.5, why="better than a coin", truth=0.85, spread=0.4, seeds=20, least_seeds=6),
    ),
    measure=_measure,
    registered="f1978ee",
    says=MEMORY,
)
