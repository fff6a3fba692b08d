"""P14: D_crit against width, depth and modulus."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from validate.measured import MissingResult, Results
from validate.prediction import Criterion, Measurement, Prediction
from validate.predictions.shared import NO_CIRCUITS, at_answer, bounded, kind_of, of_seed, of_thresholds, thresholds

__all__ = ["P14"]

SLOPE = "slope of ln D_crit on ln width"


def _measure(results: Results, protocol: str) -> Measurement:
    rows, used = [], []
    by_seed: dict[int, dict[int, tuple[float, float]]] = {}
    for setting in results.settings:
        name = f"{setting}/{kind_of('ungrokking', protocol)}"
        if name not in results or setting == "fresh":
            continue
        table = at_answer(results.table(name), protocol)
        if table.empty or table.start.min() < 0.9:
            continue  # parents that have not grokked have nothing to lose
        found = thresholds(table)
        one = bounded(of_seed(found), of_thresholds(found)).interval
        size = one.exp()
        first = table.iloc[0]
        rows.append({"setting": setting, "width": first.d_model, "layers": first.n_layers, "p": first.p,
                     "task": first.task, "weight_decay": first.weight_decay, "steps": table.steps.max(),
                     "pairs": size.value, "low": size.low, "high": size.high, "seeds": one.n, "runs": len(table),
                     "share_of_pairs": size.value / int(first.pairs)})  # fmt: skip
        if setting == "base" or setting.startswith("width-"):
            used.append(found)
            for one in found.itertuples():
                by_seed.setdefault(int(one.seed), {})[int(first.d_model)] = (one.low, one.high)
    slopes = [_slope(sizes) for sizes in by_seed.values() if len(sizes) >= 2]
    if not slopes:
        raise MissingResult("thresholds at two widths are needed; profile standard trains them.")
    ends = pd.DataFrame(slopes, columns=["low", "high"])
    return Measurement({SLOPE: bounded(ends, of_thresholds(*used))}, {}, {"settings": rows})


def _slope(sizes: Mapping[int, tuple[float, float]]) -> tuple[float, float]:
    """Bounds on the slope of ln threshold on ln width, from bounds on the thresholds."""
    x = np.log(np.array(list(sizes), float))
    share = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    ends = np.array(list(sizes.values())) * share[:, None]
    return float(ends.min(1).sum()), float(ends.max(1).sum())


P14 = Prediction(
    id="P14",
    claim="The ungrokking threshold does not depend on width.",
    source="expected by the authors of Varma et al. 2023; from scratch Huang et al. (arXiv 2402.15175) see it fall "
    "with width",
    statistic="per seed, slope of ln of the threshold on ln width, 32 to 128; t interval over seeds",
    claimed={"coupled": "efficiencies at rest"},
    unclaimed={"AdamW": "no ungrokking at other widths was trained under it"},
    experiments=("base/ungrokking_coupled", "width-32/ungrokking_coupled", "width-128/ungrokking_coupled"),
    criteria=(
        Criterion(
            name=SLOPE,
            low=-0.25,
            high=0.25,
            why="less than a fifth when width doubles",
            truth=-0.1,
            spread=0.12,
            seeds=3,
        ),
    ),
    measure=_measure,
    registered="f1978ee",
    seen=True,
    says={"circuit efficiency": ("allows", "efficiencies may change with width"), "Omnigrok": NO_CIRCUITS},
)
