"""The two-circuit model of grokking, after Varma et al. 2023 (arXiv 2309.02390).

>>> import toymodel as tm
>>> tm.simulate().behaviour
'grokking'
"""

from .behaviours import BEHAVIOURS, MEANINGS, Thresholds, classify_curves
from .circuits import Circuit, CircuitModel, TwoCircuitModel
from .efficiency import EfficiencyLaw, PowerLaw, TabulatedLaw
from .integrate import simulate
from .problem import State
from .sweep import sweep
from .trajectory import Trajectory

__all__ = [
    "BEHAVIOURS",
    "MEANINGS",
    "Circuit",
    "CircuitModel",
    "EfficiencyLaw",
    "PowerLaw",
    "State",
    "TabulatedLaw",
    "Thresholds",
    "Trajectory",
    "TwoCircuitModel",
    "classify_curves",
    "simulate",
    "sweep",
]
