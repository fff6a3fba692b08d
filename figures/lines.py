"""What figures of networks share: axes of data set sizes, medians with bands, names of weight decays, thresholds."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

__all__ = ["beside", "critical", "decay_name", "medians", "number_axis", "power", "thresholds"]


def power(value: float) -> str:
    """A number as a label: what is below 0.01 as a power of ten."""
    mantissa, _, exponent = (f"{value:e}" if 0.0 < value < 0.01 else f"{value:g}").partition("e")
    if not exponent:
        return mantissa
    mantissa = "" if float(mantissa) == 1.0 else rf"{float(mantissa):g}\times "
    return f"${mantissa}10^{{{int(exponent)}}}$"


def decay_name(value: float, coupled: bool) -> str:
    """α of a coupled penalty, λ of AdamW."""
    return f"{'α' if coupled else 'λ'} = {power(value)}"


def number_axis(axis: Axis, values: Iterable[float], most: int = 7) -> None:
    """A log axis with plain numbers at no more than `most` of these values."""
    ticks = sorted({float(v) for v in values})
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_locator(FixedLocator(ticks[:: -(-len(ticks) // most)]))
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.set_minor_locator(NullLocator())


def beside(table: pd.DataFrame, width: float = 0.03) -> "pd.Series[float]":
    """Data set sizes, runs of one size side by side within a share `width` of it."""
    runs = table.groupby("dataset_size").seed
    return table.dataset_size * (1.0 + width * ((runs.cumcount() + 0.5) / runs.transform("size") - 0.5))


def medians(axes: Axes, table: pd.DataFrame, column: str, colour: str, label: str, style: str = "-") -> None:
    """Median over seeds against data set size, in a band from the least to the greatest."""
    by_size = table.groupby("dataset_size")[column]
    axes.fill_between(by_size.min().index, by_size.min(), by_size.max(), color=colour, alpha=0.18, lw=0)
    axes.plot(by_size.median(), style, color=colour, label=label, marker="o", ms=2.5)


def thresholds(table: pd.DataFrame, column: str = "test", level: float = 0.5) -> dict[int, float]:
    """Data set size at which each seed's `column` first passes `level`, interpolated in ln D; nan where it does not."""
    found = {}
    for seed, own in table.sort_values("dataset_size").groupby("seed"):
        x, y = np.log(own.dataset_size.to_numpy(float)), own[column].to_numpy(float)
        up = np.flatnonzero((y[:-1] < level) & (y[1:] >= level))
        near = slice(up[0], up[0] + 2) if up.size else slice(0)
        found[int(seed)] = float(np.exp(np.interp(level, y[near], x[near]))) if up.size else np.nan
    return found


def critical(axes: Axes, low: float, value: float, high: float) -> None:
    """D_crit as a line and its interval as a grey band."""
    axes.axvspan(low, high, color="0.9", lw=0, zorder=0)
    axes.axvline(value, color="k", lw=0.8, ls="--", zorder=1)


def middle(values: Iterable[float]) -> npt.NDArray[np.float64]:
    """Median, least and greatest of what is finite; nan if nothing is."""
    there = np.array([v for v in values if np.isfinite(v)])
    return np.array([np.median(there), there.min(), there.max()]) if there.size else np.full(3, np.nan)
