"""P5: the time to generalise from scratch falls with weight decay, as the toy model says."""

from __future__ import annotations

import math

from validate.measured import Results
from validate.prediction import Measurement, Prediction
from validate.predictions.times import criterion, measurement

__all__ = ["P5"]

EXPONENT = "exponent of grokking time on weight decay"
LOW = 840


def _measure(results: Results, protocol: str) -> Measurement:
    # Where there is a plateau: about 1.25 times the from-scratch threshold. Coupled runs have theirs at smaller sizes.
    low, high = (LOW, 900) if protocol == "AdamW" else (0, math.inf)
    return measurement(results, protocol, "scratch", EXPONENT, "t_gen", low, high)


P5 = Prediction(
    "P5",
    "Under AdamW, grokking time is inversely proportional to weight decay, up to logarithms.",
    "(6.1), beyond the paper",
    "per seed, slope of ln t on ln weight decay, t until accuracy outside the training set is 0.9 for good; t interval",
    {"AdamW": "decoupled decay shrinks weights at the rate λ per step, which is the toy's clock"},
    {"coupled": "Adam divides the penalty by the same moments as the gradient: α sets where a net rests, not how fast"},
    ("base/scratch", "fresh/scratch", "base/scratch_coupled"),
    (criterion(EXPONENT, "(6.1)", -1.0, 0.15, 5),),
    _measure,
    "Asked at the largest size that three decays had, where nets generalise almost as they fit; now at 850 pairs, "
    "1.25 times the threshold, where there is a plateau, with times interpolated on a grid of 25 steps, on new seeds.",
)
