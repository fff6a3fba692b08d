"""Two thresholds in data set size, from scratch and ungrokking, and the gap between them: README (4.3), (6.3).

From scratch a network ends with Gen in the lead above one size, and one that has grokked keeps it above another.  A floor ε
on the logits (`logit_floor`) is the standing seed from which a lost circuit can return.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .behaviours import Criteria
from .equilibrium import critical_dataset_size, steady_state
from .integration.problem import Problem, pack
from .losses import wrong_probability
from .model import TwoCircuitModel, as_model
from .parameters import TABLE, FloatArray, check, check_axis
from .results.export import describe
from .sweep import sweep

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True)
class StabilityLimits:
    """Data set sizes at which the pure states, the other circuit at its floor, lose stability.

    gen_below   below it Mem grows out of a network of Gen alone: ungrokking after any time
    mem_above   above it Gen grows out of a network of Mem alone: grokking after any time

    mem_above > gen_below is hysteresis: between them the end depends on the start.
    """

    gen_below: float
    mem_above: float

    @property
    def gap(self) -> float:
        """ln(mem_above / gen_below): the gap of thresholds that stays for ever, 0 if none does."""
        return max(0.0, float(np.log(self.mem_above / self.gen_below)))


def _two(model: TwoCircuitModel | None, parameters: dict[str, Any]) -> TwoCircuitModel:
    found = as_model(model, parameters)
    if len(found.circuits) != 2:
        raise TypeError(f"model must be a toymodel.TwoCircuitModel of two circuits, got {found!r}. Build one of two.")
    return found


def stability_limits(model: TwoCircuitModel | None = None, **parameters: Any) -> StabilityLimits:
    """Where each pure state loses stability: there the other's push at the floor, a ε^(r-1), is p(S), (3.9).

    ValueError without a floor, where a lost circuit can never return (κ > m) or is never lost (κ < m).
    """
    model = _two(model, parameters)
    floor, q = model.logit_floor, model.num_classes
    if floor == 0.0:
        raise ValueError(
            "stability limits need logit_floor > 0, got 0: without a seed to return from, pure states are stable for every "
            "size if kappa > norm_power, and do not exist if kappa < norm_power. Try logit_floor=0.01."
        )
    problem = pack(model, {}, 1, None, Criteria())
    r = float(problem.r[0])
    # Gen's state does not know of η_mem: Mem is on its floor.
    gen_alone = problem.at_rest(np.array([[True, False]])).sum()
    below = np.log(wrong_probability(gen_alone, q)) - (r - 1.0) * np.log(floor)
    # Mem's state has the total at which p is Gen's push; for κ > m it may fold before.
    log_p = float(problem.log_slope[0, 0] + (r - 1.0) * np.log(floor))
    mem = np.log(q - 1.0) + np.log(np.expm1(-log_p)) - floor if log_p < 0.0 else 0.0
    if r < 1.0:
        mem = max(mem, _fold(r, floor, q))
    above = np.log(wrong_probability(mem + floor, q)) - (r - 1.0) * np.log(mem) if mem > floor else np.nan
    return StabilityLimits(_size_at(model, problem, float(below)), _size_at(model, problem, float(above)))


def _fold(r: float, floor: float, num_classes: int) -> float:
    """(4.3) the logit at which the two roots of a circuit beside a floor meet: (1 - p) W = 1 - r."""
    from scipy.optimize import brentq

    def excess(logit: float) -> float:
        return float((1.0 - wrong_probability(logit + floor, num_classes)) * logit - (1.0 - r))

    return float(brentq(excess, 1.0 - r, np.log(num_classes) + 50.0))


def _size_at(model: TwoCircuitModel, problem: Problem, log_slope: float) -> float:
    """Data set size at which Mem's ln a of (3.1) is `log_slope`; inf where no legal efficiency has it."""
    gen, slope = model.efficiencies[0], problem.log_slope[0, 0]
    efficiency = gen * np.exp((slope - log_slope) / model.norm_power)
    if not TABLE["efficiency"].legal(np.asarray(efficiency)):
        return float("inf")
    return float(model.law.dataset_size(efficiency / gen))


def size_thresholds(
    model: TwoCircuitModel | None = None, times: npt.ArrayLike | None = None, *, sizes: npt.ArrayLike | None = None,
    full_size: float | None = None, **parameters: Any,
) -> "xarray.Dataset":  # fmt: skip
    """Both thresholds in data set size as functions of training time, over `time`, and the gap between them.

    times        (k,) flow times, default 30 from 100 to 1e6
    sizes        data set sizes to try, rising; default 600 within a factor of 100 of D_crit
    full_size    size on which the network has grokked before ungrokking; default 100 D_crit
    parameters   any of the model's, as in `simulate`

    Returns from_scratch (least size at which a run from scratch has Gen in the lead after `time`), ungrokking (least size
    at which a grokked network still has), and gap = ln of their ratio.  nan where no size of `sizes` brackets it.
    """
    import xarray as xr

    model = _two(model, parameters)
    when = np.geomspace(100.0, 1e6, 30) if times is None else check_axis("t_end", times, "times")
    middle = critical_dataset_size(model)
    tried = middle * np.geomspace(0.01, 100.0, 600) if sizes is None else check_axis("dataset_size", sizes, "sizes")
    if not np.all(np.diff(tried) > 0.0):
        raise ValueError(f"sizes must be strictly rising, got {sizes!r}. Sort them and drop repetitions.")
    t_end = float(when.max())
    full = model.at_dataset_size(100.0 * middle if full_size is None else check("dataset_size", full_size, "full_size"))
    # Grokked: Gen in place, Mem what is left of it.
    grokked = steady_state(full, [50.0, max(1e-6, model.logit_floor)])
    scratch = sweep(model, t_end, dataset_size=tried, progress=False)
    lost = sweep(model, t_end, dataset_size=tried, start=grokked.logits.tolist(), progress=False)
    up = _threshold(tried, scratch.t_cross.values, when, leads=True)
    down = _threshold(tried, lost.t_lost.values, when, leads=False)
    found = {"from_scratch": ("time", up), "ungrokking": ("time", down), "gap": ("time", np.log(up / down))}
    return describe(xr.Dataset(found, {"time": when}, scratch.attrs | {"full_size": full.dataset_size}))


def _threshold(sizes: FloatArray, since: FloatArray, when: FloatArray, leads: bool) -> FloatArray:
    """For each time the size between "Gen trails" (below) and "Gen leads" (above), interpolated in ln t where possible.

    since (s,) is when Gen took the lead for good (`leads`), or when Mem did (not `leads`).
    """
    out = np.full(when.size, np.nan)
    x, y = np.log(sizes), np.log(np.where(np.isnan(since), np.inf, np.maximum(since, 1e-300)))
    for k, t in enumerate(np.log(when)):
        ahead = (y <= t) if leads else (y > t)
        below = np.flatnonzero(~ahead)
        if below.size == 0 or below[-1] == sizes.size - 1:
            continue
        i, j = below[-1], below[-1] + 1
        share = (t - y[i]) / (y[j] - y[i]) if np.isfinite(y[i]) and np.isfinite(y[j]) else 0.5
        out[k] = np.exp(x[i] + share * (x[j] - x[i]))
    return out
