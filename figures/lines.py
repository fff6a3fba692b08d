"""What figures of networks share: axes of data set sizes, medians with bands, names of weight decays."""

from collections.abc import Iterable

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from validate.statistics.intervals import Interval

__all__ = ["beside", "critical", "decay_name", "medians", "number_axis", "power"]


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


def critical(axes: Axes, size: Interval) -> None:
    """A critical size as a line and its interval as a grey band; nothing where it was not measured."""
    if size.exists:
        axes.axvspan(max(size.low, 1e-9), size.high, color="0.9", lw=0, zorder=0)
        axes.axvline(size.value, color="k", lw=0.8, ls="--", zorder=1)
