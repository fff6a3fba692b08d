"""Two thresholds in data set size, from scratch and ungrokking, and the gap between them: model.md 4.3 and 6.3.

From scratch a network ends with Gen in the lead above one size, and one that has grokked keeps it above another.  For
κ < m the equilibrium is unique, so the two meet as training goes on; for κ > m both pure states are stable over a range of
sizes, and they do not.  A floor ε on the logits (`logit_floor`) is the standing seed from which a lost circuit can return.
"""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from . import losses
from .circuits import TwoCircuitModel
from .equilibrium import critical_dataset_size, steady_state
from .parameters import FloatArray, check, check_axis
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


def stability_limits(model: TwoCircuitModel) -> StabilityLimits:
    """Where each pure state loses stability: there the other's push at the floor is 0, p(S) = a ε^(r-1).

    ValueError without a floor, where a lost circuit can never return (κ > m) or is never lost (κ < m).
    """
    floor, r = as_two(model).logit_floor, model.degree
    if floor == 0.0:
        raise ValueError(
            "stability limits need logit_floor > 0, got 0: without a seed to return from, pure states are stable for every "
            "size if kappa > norm_power, and do not exist if kappa < norm_power. Try logit_floor=0.01."
        )
    a_gen = float(model.slopes[0])
    # Gen alone: its p does not depend on D, and Mem's slope must be p / ε^(r-1).
    alone = steady_state(dataclasses.replace(model, mem=dataclasses.replace(model.mem, efficiency=1e-6)), [50.0, 0.0])
    p_gen = float(losses.wrong_probability(alone.logits.sum(), model.num_classes))
    gen_below = _size_for_slope(model, p_gen * floor ** (1.0 - r))
    # Mem alone: p must be a_gen ε^(r-1), which fixes S, Mem's logit and its slope.
    p_mem = a_gen * floor ** (r - 1.0)
    total = np.log(model.num_classes - 1.0) + np.log1p(-p_mem) - np.log(p_mem) if p_mem < 1.0 else -np.inf
    if total <= floor:
        return StabilityLimits(gen_below, float("inf"))
    return StabilityLimits(gen_below, _size_for_slope(model, p_mem * (total - floor) ** (1.0 - r)))


def as_two(model: TwoCircuitModel) -> TwoCircuitModel:
    """TypeError for what is no model of two circuits: thresholds are between one Gen and one Mem."""
    if not isinstance(model, TwoCircuitModel):
        raise TypeError(f"model must be a toymodel.TwoCircuitModel, got {model!r}. Build one of the two that matter.")
    return model


def _size_for_slope(model: TwoCircuitModel, slope: float) -> float:
    """Data set size at which Mem's penalty slope is `slope`: a falls as η^-m."""
    ratio = (float(model.slopes[0]) / slope) ** (1.0 / model.norm_power)
    return float(model.law.dataset_size(ratio))


def threshold_gap(
    model: TwoCircuitModel | None = None,
    times: npt.ArrayLike | None = None,
    *,
    sizes: npt.ArrayLike | None = None,
    full_size: float | None = None,
) -> "xarray.Dataset":
    """Both thresholds as functions of training time, over `time`.

    times      (k,) flow times, default 30 from 100 to 1e6
    sizes      data set sizes to try, rising; default 600 within a factor of 100 of D_crit
    full_size  size on which the network has grokked before ungrokking; default 100 D_crit

    Returns from_scratch (least size at which a run from scratch has Gen in the lead after `time`), ungrokking (least size
    at which a grokked network still has), and gap = ln of their ratio.  nan where no size of `sizes` brackets it.
    """
    import xarray as xr

    model = as_two(TwoCircuitModel() if model is None else model)
    when = np.geomspace(100.0, 1e6, 30) if times is None else check_axis("t_end", times, "times")
    middle = critical_dataset_size(model)
    tried = middle * np.geomspace(0.01, 100.0, 600) if sizes is None else check_axis("dataset_size", sizes, "sizes")
    if not np.all(np.diff(tried) > 0.0):
        raise ValueError(f"sizes must be strictly rising, got {sizes!r}. Sort them and drop repetitions.")
    t_end = float(when.max())
    scratch = sweep(model, t_end, dataset_size=tried, progress=False)

    full = model.at_dataset_size(100.0 * middle if full_size is None else check("dataset_size", full_size, "full_size"))
    # Grokked: Gen in place, Mem what is left of it.
    grokked = steady_state(full, [50.0, max(1e-6, model.logit_floor)])
    # The crossing that `sweep` reports is Gen's; with the circuits swapped it is Mem's.
    swapped = model.swapped()
    ratio = model.law.ratio(tried)
    lost = sweep(
        swapped,
        t_end,
        gen_efficiency=model.gen.efficiency * ratio,
        start=grokked.logits[::-1].tolist(),
        progress=False,
    )
    up = _threshold(tried, scratch.t_cross.values, when, leads=True)
    down = _threshold(tried, lost.t_cross.values, when, leads=False)
    ds = xr.Dataset(
        {"from_scratch": ("time", up), "ungrokking": ("time", down), "gap": ("time", np.log(up / down))},
        coords={"time": when},
        attrs=scratch.attrs | {"full_size": full.dataset_size},
    )
    for name in ("from_scratch", "ungrokking"):
        ds[name].attrs.update(units="examples", long_name=f"threshold in data set size, {name}")
    ds["gap"].attrs.update(units="1", long_name="ln(from_scratch / ungrokking)")
    ds["time"].attrs.update(units="flow time", long_name="training time")
    return ds


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
