"""P5: the time to generalise from scratch falls with weight decay, as the toy model says."""

from __future__ import annotations

from validate.measured import Results
from validate.pace import criterion, exponents, pace
from validate.prediction import Estimate, Measurement, Prediction
from validate.sweeps import finished, nothing, records

__all__ = ["P5"]

EXPONENT = "exponent of grokking time on weight decay"


def _measure(results: Results) -> Measurement:
    table = finished(results.table("base/scratch"))
    if table.empty:
        return Measurement({EXPONENT: nothing("no finished runs")})
    # Sizes at which three weight decays were tried, so that the exponent has something to rest on.
    tried = table.groupby("dataset_size").weight_decay.nunique()
    sizes = sorted(int(size) for size in tried[tried >= 3].index)
    largest = sizes[-1:] or [int(table.dataset_size.max())]
    estimate = pace(table, "t_gen", largest)
    controls: dict[str, Estimate] = {f"{EXPONENT}, D = {size}": pace(table, "t_gen", [size]) for size in sizes[:-1]}
    delay = table.assign(t_delay=table.t_gen - table.t_fit)
    controls["exponent of the delay t_gen − t_fit"] = pace(delay, "t_delay", largest)
    controls["exponent of the time to fit"] = pace(table, "t_fit", largest)
    columns = ["dataset_size", "weight_decay", "seed", "t_fit", "t_gen", "behaviour"]
    tables = {"times": records(table[columns]), "exponents": records(exponents(table, "t_gen"))}
    remark = "Under AdamW the decay of the weights per step is learning rate × weight decay, which sets the clock here."
    return Measurement({EXPONENT: estimate}, controls, tables, (remark,))


P5 = Prediction(
    "P5",
    "Grokking time is inversely proportional to weight decay, up to logarithms.",
    "model.md (6.1), beyond the paper",
    "Steps until accuracy on never-seen pairs is at least 0.9 for good, from scratch, at the largest D with three decays.",
    "per seed, slope of ln t_gen on ln weight decay; t interval over seeds",
    ("base/scratch",),
    (criterion(EXPONENT, "(6.1)"),),
    _measure,
)
