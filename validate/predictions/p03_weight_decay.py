"""P3: the place of the transition does not depend on weight decay."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from validate.measured import Results
from validate.prediction import Criterion, Estimate, Measurement, Prediction, nothing
from validate.predictions.shared import (
    MARGIN,
    THEIR_FOUR,
    accuracy_at,
    bounded,
    kind_of,
    less,
    ln_sizes,
    of_seed,
    of_thresholds,
    records,
    thresholds,
)

__all__ = ["P3"]

SHIFT = "ln threshold at the least weight decay less that at the largest"


def _measure(results: Results, protocol: str) -> Measurement:
    kind = kind_of("ungrokking", protocol)
    # Seeds never used, on the sizes that hold every threshold; those before them; the base's.
    name = results.deciding(kind, "laws-43", "fresh", "base")
    table = results.table(name)
    note = ""
    if protocol == "AdamW":
        # Decay sets the pace: runs of different decay are compared when weight decay × steps is the same.
        ends = {decay: float(runs.steps.max()) for decay, runs in table.groupby("weight_decay")}
        clock = min(decay * steps for decay, steps in ends.items())
        table = accuracy_at(results, name, clock)
        note = f", weight decay × steps = {clock:g}"
    shift, found = _shift(table)
    if shift is None:
        return Measurement({SHIFT: nothing(f"needs two weight decays; there is {sorted(set(found.weight_decay))}")})
    beside = {}
    for decay, one in found.groupby("weight_decay"):
        size = bounded(of_seed(one), of_thresholds(one))
        beside[f"ln threshold, weight decay {decay:g}"] = replace(size, note=f"{ln_sizes(size.interval)}; {size.note}")
    for other in ("fresh", "base"):
        if protocol == "coupled" and f"{other}/{kind}" in results and f"{other}/{kind}" != name:
            before, _ = _shift(results.table(f"{other}/{kind}"))
            if before is not None:
                beside[f"the same, seeds of setting {other}"] = before
    return Measurement({SHIFT: replace(shift, note=shift.note + note)}, beside, {"thresholds": records(found)})


def _shift(table: pd.DataFrame) -> tuple[Estimate | None, pd.DataFrame]:
    """The shift, and the thresholds that it is made of; None with one weight decay."""
    # Sizes that every decay has: interpolation between other sizes would be a difference of its own.
    sizes = set.intersection(*(set(runs.dataset_size) for _, runs in table.groupby("weight_decay")))
    found = thresholds(table[table.dataset_size.isin(sizes)])
    decays = sorted(set(found.weight_decay))
    if len(decays) < 2:
        return None, found
    # Both thresholds of a seed come from the same parent, so that seeds are compared with themselves.
    first, last = (found[found.weight_decay == decay] for decay in (decays[0], decays[-1]))
    note = f"weight decays {decays[0]:g} and {decays[-1]:g}, a factor {decays[-1] / decays[0]:g}"
    return bounded(less(of_seed(first), of_seed(last)), of_thresholds(first, last), note), found


P3 = Prediction(
    id="P3",
    claim="The size below which grokked networks ungrok does not depend on weight decay.",
    source="Varma et al. 2023, section 3.3 and figure 4; (5.2)",
    statistic="difference of the ln threshold between weight decays, paired by seed; t interval over seeds; equivalence "
    "within ±15 %",
    claimed={
        "coupled": "D_crit is where efficiencies meet, and weight decay is not in it",
        "AdamW": "at equal weight decay × steps: decay sets the pace there",
    },
    experiments=(
        "base/ungrokking",
        "base/ungrokking_coupled",
        "fresh/ungrokking",
        "fresh/ungrokking_coupled",
        "laws-43/ungrokking_coupled",
    ),
    criteria=(
        Criterion(
            name=SHIFT,
            unit="ln pairs",
            low=-MARGIN,
            high=MARGIN,
            why="the same to 15 %",
            truth=0.0,
            spread=0.1,
            seeds=10,
        ),
    ),
    measure=_measure,
    registered="7e0760b",
    new=("laws-43/ungrokking_coupled",),
    changed="Asked of AdamW runs after equal numbers of steps, in which thresholds of different decay are at "
    "different stages; now coupled runs decide, and AdamW is asked at equal weight decay × steps. Decided on "
    "seeds never used before, begun at 128eeb7, before the rule was committed, and kept after it, at 2916161.",
    says=THEIR_FOUR,
)
