"""All predictions, in order."""

from validate.p1_efficiency import P1A, P1B
from validate.p2_ungrokking import P2
from validate.p3_weight_decay import P3
from validate.p4_semi_grokking import P4
from validate.p5_grokking_time import P5
from validate.p6_ungrokking_time import P6
from validate.p7_gap import P7
from validate.p8_critical_size import P8A, P8B
from validate.p9_power_law import P9
from validate.p10_seeds import P10

__all__ = ["PREDICTIONS"]

PREDICTIONS = {p.id: p for p in (P1A, P1B, P2, P3, P4, P5, P6, P7, P8A, P8B, P9, P10)}
