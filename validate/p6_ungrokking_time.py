"""P6: ungrokking slows as weight decay falls."""

from __future__ import annotations

from validate.measured import Results
from validate.pace import criterion, exponents, pace
from validate.prediction import Measurement, Prediction
from validate.sweeps import finished, records

__all__ = ["P6"]

EXPONENT = "exponent of ungrokking time on weight decay"


def _measure(results: Results) -> Measurement:
    table = finished(results.table("base/ungrokking"))
    # Where most runs lose it: above D_crit there is no time to measure.
    lost = table.assign(lost=table.unseen <= 0.5).groupby("dataset_size").lost.mean()
    sizes = sorted(int(size) for size in lost[lost > 2 / 3].index)
    controls = {f"{EXPONENT}, D′ = {size}": pace(table, "t_lost", [size]) for size in sizes}
    if "base/ungrokking_coupled" in results:
        coupled = finished(results.table("base/ungrokking_coupled"))
        controls[f"{EXPONENT}, coupled L2 penalty"] = pace(coupled, "t_lost", sizes)
    columns = ["dataset_size", "weight_decay", "seed", "t_lost", "unseen", "behaviour"]
    tables = {"times": records(table[columns]), "exponents": records(exponents(table, "t_lost"))}
    remark = (
        "Adam divides a coupled penalty by the same moments as the gradient, so that α sets where a net rests and not how "
        "fast it goes there: the control under the coupled penalty has no such exponent."
    )
    return Measurement({EXPONENT: pace(table, "t_lost", sizes)}, controls, tables, (remark,))


P6 = Prediction(
    "P6",
    "Ungrokking time is inversely proportional to weight decay, up to logarithms.",
    "model.md (6.2), beyond the paper",
    "Steps until accuracy on never-seen pairs is at most 1/2 for good, at sizes D′ where two thirds of the runs lose it.",
    "per seed, slope of ln t on ln weight decay, mean over D′; t interval over seeds",
    ("base/ungrokking", "base/ungrokking_coupled"),
    (criterion(EXPONENT, "(6.2)"),),
    _measure,
)
