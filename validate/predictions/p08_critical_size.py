"""P8: the critical data set size is where the measured efficiencies of the two circuits meet."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize

from validate.matching.efficiency import common_logit, gen_nets, isologit, mem_nets, norms_at
from validate.measured import MissingResult, Results
from validate.prediction import Criterion, Measurement, Prediction, nothing
from validate.predictions.shared import apart, at_answer, kind_of, ln_sizes, mean, moving, records, thresholds
from validate.statistics.thresholds import crossing

__all__ = ["P8A", "P8B", "crossing_of_efficiencies"]

UNGROKKING = "ln(isologit D_crit / ungrokking D_crit)"
SCRATCH = "ln(isologit D_crit / from-scratch D_crit)"
BALANCES = ("where W_gen = W_mem", "where the mean margin is 0", "where f W_gen = m W_mem")

Array = npt.NDArray[np.float64]


def crossing_of_efficiencies(results: Results, setting: str = "base", *, protocol: str) -> pd.Series:
    """ln D at which a seed's Mem-only and Gen-only nets have the same norm at a common logit. Errors: MissingResult."""
    mem, gen = mem_nets(results, setting, protocol=protocol), gen_nets(results, setting, protocol=protocol)
    if mem.empty or gen.empty:
        raise MissingResult(
            f"setting {setting!r} has {len(gen)} Gen-only and {len(mem)} Mem-only nets at rest under {protocol}."
        )
    logit = common_logit(mem, gen)
    return isologit(norms_at(gen, logit), norms_at(mem, logit)).set_index("seed").ln_size


def _balances(runs: pd.DataFrame) -> dict[str, float]:
    """ln D at which, in one seed's nets, W_gen = W_mem; the mean margin is 0; single circuits' margins cancel, with f and m.

    W is a correct logit less the mean over all labels, a margin the same less the largest wrong one. Gen gives its runner-up
    1 − f of what it gives the right label, and Mem costs pairs that it has not seen m W_mem. f and m are those of the nets
    with the most and the fewest pairs, which have one circuit; the nets between do not enter.
    """
    runs = runs.sort_values("dataset_size")
    gen, mem, margin = (runs[n].to_numpy(float) for n in ("gen", "mem", "unseen_margin"))
    gen, mem = gen.clip(min=0), mem.clip(min=0)
    m = -margin[0] / mem[0]
    f = (margin[-1] + m * mem[-1]) / gen[-1]

    def zero(balance: Array) -> float:
        rising = optimize.isotonic_regression(balance).x
        return float(np.interp(0, rising, np.log(runs.dataset_size))) if rising[0] < 0 < rising[-1] else math.nan

    equal = crossing(runs.dataset_size, gen / (gen + mem))
    return dict(zip(BALANCES, (equal, zero(margin), zero(f * gen - m * mem)), strict=True)) | {"f": f, "m": m}


def _measure(results: Results, protocol: str, name: str) -> Measurement:
    kind = kind_of("ungrokking" if name == UNGROKKING else "scratch", protocol)
    table = results.deciding(kind) if name == UNGROKKING else results.table(f"base/{kind}")
    table = at_answer(table, protocol)
    sizes = crossing_of_efficiencies(results, protocol=protocol)
    found = thresholds(table)
    if found.ln_size.notna().sum() < 2:
        return Measurement({name: nothing("sizes do not span the threshold of two seeds", len(table))})
    rising = name == SCRATCH
    # From scratch a threshold is asked for after so many steps, whether it moves or not.
    note = f"isologit {ln_sizes(mean(sizes, 0).interval)}, measured {ln_sizes(mean(found.ln_size, 0).interval)}"
    note += f", after {int(table.steps.max())} steps" if rising else ""
    own = found.set_index("seed").ln_size
    estimates = {name: apart(sizes, own, len(found), 0 if rising else moving(found), note)}
    beside = {"ln isologit D_crit": mean(sizes, len(sizes))}
    if not rising:
        for level in (0.1, 0.25, 0.75, 0.9):
            other = thresholds(table, level)
            at = other.set_index("seed").ln_size
            beside[f"the same where accuracy is {level:g}"] = apart(sizes, at, len(other), moving(other))
        balances = pd.DataFrame({seed: _balances(runs) for seed, runs in table.groupby("seed")}).T
        for where in BALANCES:
            beside[f"ln(D where accuracy is 1/2 / D {where})"] = mean(own - balances[where], len(table))
        beside |= {name: mean(balances[name], len(table)) for name in ("f", "m")}
    return Measurement(estimates, beside, {"thresholds": records(found)})


def _prediction(
    id: str, claim: str, name: str, margin: float, why: str, truth: float, seeds: int, changed: str
) -> Prediction:
    return Prediction(
        id=id,
        claim=claim,
        source="(5.2); named but not computed in Varma et al. 2023, section 3.3",
        statistic="ln of the size at which Mem-only and Gen-only nets have the same norm at a common logit, less ln of the "
        "threshold; t "
        "interval over seeds, paired where a seed has both, else Welch's",
        claimed={
            "coupled": "both are of nets at rest under the theory's penalty",
            "AdamW": "the paper's protocol, after the steps trained",
        },
        unclaimed={},
        experiments=("base/memorising", "base/memorising_coupled", "base/generalising_coupled", "base/ungrokking", "base/scratch",
         "base/ungrokking_coupled", "fresh/ungrokking_coupled", "base/scratch_coupled"),
        criteria=(Criterion(name=name, unit="ln pairs", low=-margin, high=margin, why=why, truth=truth, spread=0.07, seeds=seeds),),
        measure=lambda results, protocol: _measure(results, protocol, name),
        changed=changed,
    )  # fmt: skip


P8A = _prediction(
    "P8a",
    "The ungrokking threshold is where the efficiencies of the two circuits meet.",
    UNGROKKING,
    math.log(1.25),
    "within a factor of 1.25, outside which accuracies of 0.1 and 0.9 lie",
    0.08,
    10,
    "The margin was a factor of 1.5, which any accuracy from 0.1 to 0.9 would have passed. Coupled runs decide, on "
    "new seeds. Seeds with nets on both sides are compared with themselves.",
)
P8B = _prediction(
    "P8b",
    "The threshold from scratch, after the steps trained, is where the efficiencies of the two circuits meet.",
    SCRATCH,
    math.log(1.5),
    "within a factor of 1.5",
    -0.6,
    3,
    "The claim did not say after how many steps. Coupled runs decide; they had never been made from scratch.",
)
