"""The predictions, one file each: p01 to p19 of circuit efficiency, `omnigrok` of its rival."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from validate.prediction import Prediction
from validate.predictions.omnigrok import OMNIGROK
from validate.predictions.p01_efficiency import P1A, P1B
from validate.predictions.p02_ungrokking import P2
from validate.predictions.p03_weight_decay import P3
from validate.predictions.p04_semi_grokking import P4
from validate.predictions.p05_times import P5, P6
from validate.predictions.p07_gap import P7
from validate.predictions.p08_critical_size import P8A, P8B
from validate.predictions.p09_power_law import P9
from validate.predictions.p10_seeds import P10
from validate.predictions.p11_quantitative import P11
from validate.predictions.p12_sharing import P12
from validate.predictions.p13_barrier import P13
from validate.predictions.p14_width import P14
from validate.predictions.p15_squares import P15
from validate.predictions.p16_pole import P16
from validate.predictions.p17_accuracy import P17
from validate.predictions.p18_margins import P18
from validate.predictions.p19_price import P19

__all__ = ["ALL", "OMNIGROK", "PREDICTIONS", "suite"]

PREDICTIONS = {p.id: p for p in (P1A, P1B, P2, P3, P4, P5, P6, P7, P8A, P8B, P9, P10, P11, P12, P13, P14,
                                 P15, P16, P17, P18, P19)}  # fmt: skip
"""In the order of the report"""

ALL: Mapping[str, Prediction] = PREDICTIONS | OMNIGROK


def suite(experiments: Iterable[str]) -> Mapping[str, Prediction]:
    """The predictions that results of these experiments, as setting/kind, are for: one theory's, whole."""
    rival = {name for p in OMNIGROK.values() for name in p.experiments}
    return OMNIGROK if rival & set(experiments) else PREDICTIONS
