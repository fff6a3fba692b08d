"""P3: the place of the transition does not depend on weight decay."""

from __future__ import annotations

from validate.measured import Results
from validate.prediction import Criterion, Measurement, Prediction, nothing
from validate.predictions.shared import MARGIN, accuracy_at, kind_of, ln_sizes, mean, moving, records, thresholds

__all__ = ["P3"]

SHIFT = "ln D_crit at the least weight decay less that at the largest"


def _measure(results: Results, protocol: str) -> Measurement:
    kind = kind_of("ungrokking", protocol)
    table = results.deciding(kind)
    note = ""
    if protocol == "AdamW":
        # Decay sets the pace: runs of different decay are compared when weight decay × steps is the same.
        name = f"fresh/{kind}" if f"fresh/{kind}" in results else f"base/{kind}"
        ends = {decay: float(runs.steps.max()) for decay, runs in table.groupby("weight_decay")}
        clock = min(decay * steps for decay, steps in ends.items())
        table = accuracy_at(results, name, clock)
        note = f", weight decay × steps = {clock:g}"
    # Sizes that every decay has: interpolation between other sizes would be a difference of its own.
    sizes = set.intersection(*(set(runs.dataset_size) for _, runs in table.groupby("weight_decay")))
    found = thresholds(table[table.dataset_size.isin(sizes)])
    decays = sorted(set(found.weight_decay))
    if len(decays) < 2:
        return Measurement({SHIFT: nothing(f"needs two weight decays; there is {decays}")})
    # Both thresholds of a seed come from the same parent, so that seeds are compared with themselves.
    first, last = (found[found.weight_decay == decay].set_index("seed").ln_size for decay in (decays[0], decays[-1]))
    shift = (first - last).dropna()
    note = f"weight decays {decays[0]:g} and {decays[-1]:g}, a factor {decays[-1] / decays[0]:g}{note}"
    beside = {}
    for decay, one in found.groupby("weight_decay"):
        size = mean(one.ln_size, len(one))
        beside[f"ln D_crit, weight decay {decay:g}"] = mean(one.ln_size, len(one), moving(one), ln_sizes(size.interval))
    pair = found[found.weight_decay.isin((decays[0], decays[-1]))]
    return Measurement({SHIFT: mean(shift, len(pair), moving(pair), note)}, beside, {"thresholds": records(found)})


P3 = Prediction(
    id="P3",
    claim="The critical data set size does not depend on weight decay.",
    source="Varma et al. 2023, section 3.3 and figure 4; (5.2)",
    statistic="difference of ln D_crit between weight decays, paired by seed; t interval over seeds; equivalence within ±15 %",
    claimed={
        "coupled": "D_crit is where efficiencies meet, and weight decay is not in it",
        "AdamW": "at equal weight decay × steps: decay sets the pace there",
    },
    unclaimed={},
    experiments=("base/ungrokking", "base/ungrokking_coupled", "fresh/ungrokking", "fresh/ungrokking_coupled"),
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
    changed="Asked of AdamW runs after equal numbers of steps, in which thresholds of different decay are at different stages; now "
    "coupled runs decide, and AdamW is asked at equal weight decay × steps. Decided on seeds never used before.",
    says={
        "circuit efficiency": ("predicts", "its authors' own four predictions"),
        "Omnigrok": ("silent", "it is about the start (reading of Varma et al.)"),
    },
)
