"""P6: ungrokking slows as weight decay falls."""

from __future__ import annotations

from validate.measured import Results
from validate.prediction import Measurement, Prediction
from validate.predictions.times import criterion, measurement

__all__ = ["P6"]

EXPONENT = "exponent of ungrokking time on weight decay"
HIGH = 130
"""Below half of D_crit every net loses it"""


def _measure(results: Results, protocol: str) -> Measurement:
    return measurement(results, protocol, "ungrokking", EXPONENT, "t_lost", 0, HIGH)


P6 = Prediction(
    "P6",
    "Under AdamW, ungrokking time is inversely proportional to weight decay, up to logarithms.",
    "(6.2), beyond the paper",
    "per seed, slope of ln t on ln weight decay, t until accuracy outside the training set is 1/2 for good; t interval",
    {"AdamW": "decoupled decay shrinks weights at the rate λ per step, which is the toy's clock"},
    {"coupled": "Adam divides the penalty by the same moments as the gradient: α sets where a net rests, not how fast"},
    ("base/ungrokking", "fresh/ungrokking", "base/ungrokking_coupled"),
    (criterion(EXPONENT, "(6.2)", -0.9, 0.06, 6),),
    _measure,
    "The claim did not name its optimizer. Sizes were those at which most runs lose it, which selects on the outcome; now "
    "all below half of D_crit, with times interpolated on a grid of 25 steps.",
)
