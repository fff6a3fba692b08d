"""P8: the critical data set size is where the measured efficiencies of the two circuits meet."""

from __future__ import annotations

import math

import pandas as pd

from validate.efficiency import common_logit, gen_nets, isologit, mem_nets, norms_at
from validate.measured import MissingResult, Results
from validate.prediction import Criterion, Estimate, Measurement, Prediction
from validate.sweeps import as_it_stood, crossings, differences, estimate, mean, nothing, records, threshold

__all__ = ["P8A", "P8B", "crossing_of_efficiencies"]

DECAY = 1.0
UNGROKKING, SCRATCH = "ln(isologit D_crit / ungrokking D_crit)", "ln(isologit D_crit / from-scratch D_crit)"
MARGIN = math.log(1.5)


def crossing_of_efficiencies(
    results: Results, setting: str = "base", *, coupled: bool, by: str = "share"
) -> tuple[pd.DataFrame, float]:
    """The isologit crossing of each seed (see efficiency.isologit), and the common logit. Errors: MissingResult."""
    mem, gen = mem_nets(results, setting, coupled=coupled), gen_nets(results, setting, coupled=coupled, by=by)
    if mem.empty or gen.empty:
        return pd.DataFrame(columns=["seed", "ln_size", "outside"]), math.nan
    logit = common_logit(mem, gen)
    return isologit(norms_at(gen, logit), norms_at(mem, logit)), logit


def _ratio(
    results: Results,
    experiment: str,
    decay: float,
    *,
    coupled: bool,
    by: str = "share",
    own_only: bool = False,
    stood: bool = False,
) -> Estimate:
    """Isologit crossing over threshold. `own_only`: seeds with a crossing of their own; `stood`: runs as they stood."""
    table = results.table(experiment)
    table = table[table.weight_decay == decay]
    if stood:
        table = as_it_stood(table)
    measured = crossings(table, "rising" if "scratch" in experiment else "falling")
    found, logit = crossing_of_efficiencies(results, coupled=coupled, by=by)
    if measured.empty or found.empty:
        return nothing("no seed with both", len(table))
    isologits = found.set_index("seed").ln_size
    if own_only:
        measured = measured[measured.seed.isin(isologits.index)]
    # A seed whose own nets were not accepted has the mean crossing of the others.
    own = pd.DataFrame({"seed": measured.seed, "low": [isologits.get(s, isologits.mean()) for s in measured.seed]})
    note = (
        f"isologit crossing at {math.exp(isologits.mean()):.0f} pairs ({len(isologits)} seeds, common logit {logit:.3g} "
        f"nats), measured threshold {threshold(measured).size:.0f}"
    )
    return estimate(differences(own.assign(high=own.low, step=True), measured), note)


def _measure(results: Results, name: str) -> Measurement:
    experiment = "base/ungrokking" if name == UNGROKKING else "base/scratch"
    estimate = _ratio(results, experiment, DECAY, coupled=False)
    own, _ = crossing_of_efficiencies(results, coupled=False)
    controls = {
        f"{name}, Gen nets accepted by accuracy": _ratio(results, experiment, DECAY, coupled=False, by="accuracy"),
        "ln isologit D_crit": mean(own.ln_size, len(own)),
        f"{name}, seeds with a crossing of their own": _ratio(results, experiment, DECAY, coupled=False, own_only=True),
        f"{name}, runs as they stood at their end": _ratio(results, experiment, DECAY, coupled=False, stood=True),
    }
    if name == UNGROKKING and "base/ungrokking_coupled" in results:
        for decay in sorted(set(results.table("base/ungrokking_coupled").weight_decay)):
            try:
                where = f"{name}, coupled α = {decay:g}"
                controls[where] = _ratio(results, "base/ungrokking_coupled", decay, coupled=True)
            except MissingResult as missing:
                controls[where] = nothing(str(missing))
        if all(f"base/{kind}_coupled" in results for kind in ("memorising", "generalising")):
            resting, _ = crossing_of_efficiencies(results, coupled=True)
            controls["ln isologit D_crit, coupled L2 penalty"] = mean(resting.ln_size, len(resting))
    return Measurement({name: estimate}, controls, {"isologit": records(own)})


def _prediction(id: str, claim: str, name: str, *controls: str) -> Prediction:
    return Prediction(
        id,
        claim,
        "model.md (5.2); named but not computed in Varma et al. 2023, section 3.3",
        "Data set size at which Mem-only and Gen-only nets have the same norm at a common logit, against the threshold.",
        "per seed, ln of their ratio; t interval over seeds",
        ("base/memorising", "base/ungrokking", "base/scratch", *controls),
        (Criterion(name, "ln pairs", -MARGIN, MARGIN, "within a factor of 1.5"),),
        lambda results: _measure(results, name),
    )


P8A = _prediction(
    "P8a",
    "The ungrokking threshold is where the efficiencies of the two circuits meet.",
    UNGROKKING,
    "base/ungrokking_coupled",
    "base/memorising_coupled",
    "base/generalising_coupled",
)
P8B = _prediction("P8b", "The threshold from scratch is where the efficiencies of the two circuits meet.", SCRATCH)
