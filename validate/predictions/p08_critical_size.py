"""P8: the critical data set size is where the measured efficiencies of the two circuits meet."""

from __future__ import annotations

import math

import pandas as pd

import toymodel as tm
from validate.matching.efficiency import alone_in, degree, gen_nets, mem_nets
from validate.matching.laws import MODULAR_LAWS
from validate.measured import MissingResult, Results
from validate.prediction import Criterion, Estimate, Measurement, Prediction, nothing
from validate.predictions.shared import (
    NO_CIRCUITS,
    after_steps,
    at_answer,
    at_rest,
    bounded,
    estimate,
    kind_of,
    less,
    ln_sizes,
    of_seed,
    of_thresholds,
    records,
    thresholds,
    weaker,
)
from validate.statistics.intervals import over_bounds, welch

__all__ = ["P8A", "P8B", "crossing_of_efficiencies"]

UNGROKKING = "ln(isologit D_crit / ungrokking D_crit)"
SCRATCH = "ln(isologit D_crit / D_crit from random initialisation)"


def crossing_of_efficiencies(
    results: Results, setting: str = "base", *, protocol: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """ln D at which a seed's lone circuits need the same norm for the same logit, as bounds by seed; and their networks.

    κ is the measured homogeneity. A seed of Gen-only networks without Mem-only ones is held against those of all seeds.
    Errors: MissingResult.
    """
    mem, gen = mem_nets(results, setting, protocol=protocol), gen_nets(results, setting, protocol=protocol)
    if gen.empty or mem.dataset_size.nunique() < 2:
        raise MissingResult(
            f"setting {setting!r} has {len(gen)} Gen-only networks and Mem-only ones of {mem.dataset_size.nunique()} sizes "
            f"under {protocol}."
        )
    kappa, found = degree(gen, mem), {}
    for seed, own in gen.groupby("seed"):
        memorised = mem[mem.seed == seed]
        memorised = memorised if memorised.dataset_size.nunique() >= 2 else mem
        found[seed] = math.log(tm.fit_circuits(own, memorised, kappa=kappa).critical_size)
    sizes = pd.Series(found)
    return pd.DataFrame({"low": sizes, "high": sizes}), pd.concat([gen, mem], ignore_index=True)


def _grokked(results: Results, setting: str, alone: pd.DataFrame, protocol: str) -> pd.DataFrame:
    """Networks that ungrok, at one weight decay, and Gen-only ones of larger sizes, below which a threshold may lie."""
    lost = at_answer(results.table(f"{setting}/{kind_of('ungrokking', protocol)}"), protocol)
    if protocol == "AdamW":
        return lost
    larger = (alone.dataset_size > lost.dataset_size.max()) & (alone.test >= 0.5)
    return pd.concat([lost, alone[larger & (alone.weight_decay == lost.weight_decay.iloc[0])]], ignore_index=True)


def _against_ungrokking(results: Results, protocol: str) -> Measurement:
    """In every setting that has both; those that were trained to rest decide where there are any."""
    kind, rows, parts, bases = kind_of("ungrokking", protocol), [], [], []
    mem = kind_of("memorising", protocol)
    there = [s for s in results.settings if f"{s}/{kind}" in results and f"{s}/{mem}" in results]
    if not there:
        raise MissingResult("Mem-only networks and ungrokking in one setting are needed; profile standard trains them.")
    rested = [s for s in there if s in MODULAR_LAWS]
    for setting in there:
        try:
            sizes, nets = crossing_of_efficiencies(results, setting, protocol=protocol)
        except MissingResult:
            continue
        found = thresholds(_grokked(results, setting, nets, protocol))
        own = less(sizes, of_seed(found))
        interval = over_bounds(own.low, own.high) if len(own) > 1 else welch(sizes.low, found.ln_size)
        basis = weaker(at_rest(nets, "norm"), of_thresholds(found))
        rows.append({"setting": setting, "seeds": interval.n, "ln_ratio": interval.value, "low": interval.low,
                     "high": interval.high, "runs": basis.runs, "moving": basis.moving})  # fmt: skip
        if setting in (rested or there):
            parts.append(own.assign(setting=setting))
            bases.append(basis)
    pairs = pd.concat(parts) if parts else pd.DataFrame()
    if len(pairs) < 2:
        return Measurement(
            {UNGROKKING: nothing("no two seeds have lone circuits and a threshold")}, {}, {"settings": rows}
        )
    # No setting's rest hides that another moves.
    basis = weaker(*bases)
    least = parts[bases.index(basis)].setting.iloc[0]
    note = f"n: seeds of {', '.join(dict.fromkeys(pairs.setting))}, each with itself"
    note += f"; moving: of {least} alone, which moves most" if basis.moving else ""
    return Measurement({UNGROKKING: bounded(pairs, basis, note)}, {}, {"settings": rows})


def _against_scratch(results: Results, protocol: str) -> Measurement:
    table = at_answer(results.table(f"base/{kind_of('scratch', protocol)}"), protocol)
    found = thresholds(table)
    sizes, nets = crossing_of_efficiencies(results, alone_in(results, protocol), protocol=protocol)
    if found.ln_size.notna().sum() < 2:
        return Measurement({SCRATCH: nothing("sizes do not span the threshold of two seeds", len(table))})
    # From scratch a threshold is asked for after so many steps, whether it moves or not; lone circuits must rest.
    rest = at_rest(nets, "norm")
    basis = weaker(rest, after_steps(table))
    own = less(sizes, of_seed(found))
    note = f"isologit {ln_sizes(over_bounds(sizes.low, sizes.high))}, measured "
    note += f"{ln_sizes(over_bounds(found.low, found.high))} after {int(table.steps.max())} steps"
    paired = len(own) > 1
    number = bounded(own, basis, note) if paired else Estimate(welch(sizes.low, found.ln_size), basis, note)
    return Measurement(
        {SCRATCH: number}, {"ln isologit D_crit": estimate(sizes.low, rest)}, {"thresholds": records(found)}
    )


def _prediction(
    id: str, claim: str, name: str, margin: float, why: str, truth: float, seeds: int, registered: str, changed: str
) -> Prediction:
    return Prediction(
        id=id,
        claim=claim,
        source="(5.2); named but not computed in Varma et al. 2023, section 3.3",
        statistic="ln of the size at which Mem-only and Gen-only networks have the same norm at a common logit, less "
        "ln of the threshold; t interval over seeds, paired where a seed has both, else Welch's",
        claimed={
            "coupled": "both are of networks at rest under the theory's penalty",
            "AdamW": "the paper's protocol, after the steps trained",
        },
        experiments=(
            "base/memorising",
            "base/memorising_coupled",
            "base/generalising_coupled",
            "base/ungrokking",
            "base/scratch",
            "base/ungrokking_coupled",
            "base/scratch_coupled",
            *(f"{s}/{k}_coupled" for s in MODULAR_LAWS for k in ("memorising", "generalising", "ungrokking")),
        ),
        criteria=(
            Criterion(
                name=name, unit="ln pairs", low=-margin, high=margin, why=why, truth=truth, spread=0.07, seeds=seeds
            ),
        ),
        measure=_against_ungrokking if name == UNGROKKING else _against_scratch,
        registered=registered,
        seen=True,
        changed=changed,
        says={"circuit efficiency": ("predicts", "D_crit is where efficiencies meet"), "Omnigrok": NO_CIRCUITS},
    )


P8A = _prediction(
    "P8a",
    "The ungrokking threshold is where the efficiencies of the two circuits meet.",
    UNGROKKING,
    math.log(1.25),
    "within a factor of 1.25, outside which accuracies of 0.1 and 0.9 lie",
    0.11,
    20,
    "57793e9",
    "The margin was a factor of 1.5, which any accuracy from 0.1 to 0.9 would have passed. The base's four seeds "
    "were then held against ten others, in one setting of six, the one with the least ratio; and Mem-only networks "
    "still moved. Now seeds of every setting that was trained to rest are held against themselves; "
    "of these the one that moves most counts. Laws-67, -div and -width-128 had been seen by then, with lone circuits of "
    "fewer steps; laws-43, -97 and -113 had not.",
)
P8B = _prediction(
    "P8b",
    "Randomly initialised networks generalise, after the steps trained, from the size at which both circuits cost the same.",
    SCRATCH,
    math.log(1.5),
    "within a factor of 1.5",
    -0.6,
    3,
    "7e0760b",
    "The claim did not say after how many steps. Coupled runs decide; none had been made from random initialisation.",
)
