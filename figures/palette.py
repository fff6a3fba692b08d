"""One colour, one meaning, in every figure; all of it can be told apart by colour-blind readers.

Circuits and data sets have the saturated colours of `toymodel.plot` (Okabe and Ito), behaviours the pale ones of filled
areas (Paul Tol's "light" scheme), protocols and verdicts their own, and each parameter that takes several values a
sequential map of its own, darker for more: κ pink to purple, weight decay (α or λ) tan to brown, data set size (D or D′)
yellow to navy.
"""

from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

import toymodel as tm
from toymodel.plot import BEHAVIOUR_COLOURS, COLOURS

__all__ = [
    "BEHAVIOUR_COLOURS", "BOTH", "COLOURS", "CRITICAL", "GREY", "PROTOCOLS", "VERDICTS", "at_most", "behaviour_map",
    "border", "decay_colours", "kappa_colour", "shade", "size_colour", "size_colours",
]  # fmt: skip

GREY = "0.45"
BOTH = "#7B3294"
"""A mixture of the two circuits"""
CRITICAL = r"$D_\mathrm{crit}$"
"""How pictures write the critical data set size; captions write D_crit"""
PROTOCOLS = {"coupled": "#332288", "AdamW": "#C99700"}
VERDICTS = {"confirmed": "#225522", "refuted": "#882255", "inconclusive": "#808040", "not tested": "#777777"}


def behaviour_map(
    axes: Axes, ds: xr.Dataset, x: npt.ArrayLike | None = None, y: npt.ArrayLike | None = None
) -> tuple[list[Any], dict[str, float]]:
    """`toymodel.plot_map` of a sweep, with other values on its axes if given: legend entries, and each behaviour's share."""
    up, right = ds.behaviour.dims
    given = {name: np.asarray(values) for name, values in ((right, x), (up, y)) if values is not None}
    tm.plot_map(ds.assign_coords(given), ax=axes, legend=False)
    shares = {name: float(np.mean(ds.behaviour == name)) for name in tm.BEHAVIOURS}
    return axes.get_legend_handles_labels()[0], {name: share for name, share in shares.items() if share > 0.0}


def border(sizes: npt.ArrayLike, gen: npt.ArrayLike, mem: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Data set size above which Gen leads, for each row of logits (rows, len(sizes)); nan where it never or always does.

    Interpolated between grid points, because an exact tie at D_crit falls to either side by rounding.
    """
    x = np.log(np.asarray(sizes, dtype=float))
    lead = np.log(np.asarray(gen)) - np.log(np.asarray(mem))
    found = np.full(len(lead), np.nan)
    for row, values in enumerate(lead):
        # Two circuits that differ by rounding only are level.
        trails = np.flatnonzero(values < -1e-6)
        if trails.size and trails[-1] + 1 < x.size:
            i = trails[-1]
            share = np.clip(values[i] / (values[i] - values[i + 1]), 0.0, 1.0)
            found[row] = np.exp(x[i] + share * (x[i + 1] - x[i]))
    return found


def at_most(deviations: npt.ArrayLike) -> float:
    """Largest absolute deviation, but never less than 1e-9: below that it is rounding, which differs between machines."""
    return max(float(np.abs(np.asarray(deviations)).max()), 1e-9)


def _between(first: str, last: str) -> LinearSegmentedColormap:
    return LinearSegmentedColormap.from_list("", [first, last])


KAPPA = matplotlib.colormaps["RdPu"]
DECAY = _between("#DFB970", "#4A2500")
SIZE = matplotlib.colormaps["cividis_r"]


def kappa_colour(kappa: float) -> tuple[float, ...]:
    """Colour of a value of κ between 1 and 2.6; it jumps at 2, where the law changes."""
    place = 0.3 + 0.3 * (kappa - 1.0) if kappa < 2.0 else 0.78 + 0.35 * (kappa - 2.1)
    return tuple(KAPPA(np.clip(place, 0.0, 1.0)))


def decay_colours(decays: npt.ArrayLike) -> dict[float, str]:
    """A colour for each weight decay."""
    values = np.unique(np.asarray(decays, float))
    places = np.linspace(0.0, 1.0, values.size) if values.size > 1 else [0.6]
    return {float(v): matplotlib.colors.to_hex(DECAY(p)) for v, p in zip(values, places, strict=True)}


def size_colours(sizes: npt.ArrayLike) -> dict[float, str]:
    """A colour for each data set size, by rank."""
    values = np.unique(np.asarray(sizes, float))
    places = np.linspace(0.12, 1.0, values.size) if values.size > 1 else [0.6]
    return {float(v): matplotlib.colors.to_hex(SIZE(p)) for v, p in zip(values, places, strict=True)}


def size_colour(ratio: float) -> tuple[float, ...]:
    """Colour of a data set of size ratio × D_crit, from 0.03 to 30."""
    return tuple(SIZE(np.clip(0.55 + np.log10(ratio) / 3.0, 0.12, 1.0)))


def shade(colour: str, share: float) -> tuple[float, ...]:
    """`colour` mixed with white; share 1 is the colour itself."""
    rgb = np.array(matplotlib.colors.to_rgb(colour))
    return tuple(1.0 - share * (1.0 - rgb))
