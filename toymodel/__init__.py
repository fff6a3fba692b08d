"""The two-circuit model of grokking, after Varma et al. 2023 (arXiv 2309.02390).  Theory and tutorial: toymodel/README.md.

>>> import toymodel as tm
>>> tm.simulate().behaviour
'grokking'
"""

from typing import Any

from .behaviours import BEHAVIOURS, MEANINGS, Criteria, classify_curves
from .efficiency import EfficiencyLaw, PowerLaw, TabulatedLaw
from .equilibrium import SteadyState, critical_dataset_size, sharpness, steady_ratio, steady_state
from .fit import CircuitFit, MarginFit, critical_size_from_margins, fit_circuits
from .hysteresis import StabilityLimits, size_thresholds, stability_limits
from .keywords import Axes, Parameters, complete
from .model import Circuit, TwoCircuitModel
from .plot import plot_map
from .rest import rest_logit
from .simulate import Trajectory, simulate
from .state import State
from .sweep import sweep
from .times import TimeEstimate, grokking_time, ungrokking_time

__all__ = [
    "BEHAVIOURS", "MEANINGS", "Circuit", "CircuitFit", "Criteria", "EfficiencyLaw", "MarginFit", "PowerLaw",
    "StabilityLimits", "State", "SteadyState", "TabulatedLaw", "TimeEstimate", "Trajectory", "TwoCircuitModel",
    "classify_curves", "critical_dataset_size", "critical_size_from_margins", "fit_circuits", "grokking_time",
    "plot_map", "rest_logit", "sharpness", "simulate", "size_thresholds", "stability_limits", "steady_ratio",
    "steady_state", "sweep", "ungrokking_time",
]  # fmt: skip

for _function in (
    simulate, Trajectory.continue_with, TwoCircuitModel.with_parameters, steady_state, critical_dataset_size, sharpness,
    steady_ratio, grokking_time, ungrokking_time, size_thresholds, stability_limits,
):  # fmt: skip
    complete(_function, Parameters)
complete(sweep, Axes)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":  # read when asked for: it takes as long as the rest of the import
        from importlib.metadata import version

        return version("two-circuits")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
