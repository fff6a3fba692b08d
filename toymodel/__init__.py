"""The two-circuit model of grokking, after Varma et al. 2023 (arXiv 2309.02390).

>>> import toymodel as tm
>>> tm.simulate().behaviour
'grokking'
"""

from .behaviours import BEHAVIOURS, MEANINGS, Thresholds, classify_curves
from .circuits import Circuit, CircuitModel, TwoCircuitModel
from .efficiency import EfficiencyLaw, PowerLaw, TabulatedLaw
from .equilibrium import SteadyState, critical_dataset_size, sharpness, steady_ratio, steady_state
from .hysteresis import StabilityLimits, stability_limits, threshold_gap
from .integrate import simulate
from .problem import State
from .sweep import sweep
from .times import TimeEstimate, grokking_time, ungrokking_time
from .trajectory import Trajectory

__all__ = [
    "BEHAVIOURS",
    "MEANINGS",
    "Circuit",
    "CircuitModel",
    "EfficiencyLaw",
    "PowerLaw",
    "StabilityLimits",
    "State",
    "SteadyState",
    "TabulatedLaw",
    "Thresholds",
    "TimeEstimate",
    "Trajectory",
    "TwoCircuitModel",
    "classify_curves",
    "critical_dataset_size",
    "grokking_time",
    "sharpness",
    "simulate",
    "stability_limits",
    "steady_ratio",
    "steady_state",
    "sweep",
    "threshold_gap",
    "ungrokking_time",
]
