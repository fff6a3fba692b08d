"""What figures of measured runs share: opening their data, and saying where they come from."""

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from .paths import Paths

PROVENANCE = "Trained on {device} ({processor}) in {dtype}, commit {commit}; {status}."


def runs(file: str) -> xr.Dataset:
    """Saved runs, in memory."""
    with xr.open_dataset(Paths().data / file, engine="netcdf4") as ds:
        loaded: xr.Dataset = ds.load()
    return loaded


def provenance(ds: xr.Dataset) -> dict[str, object]:
    """The numbers that PROVENANCE and every caption want: n, and where the runs come from."""
    finished = int((ds.status == "finished").sum())
    return {
        "n": ds.status.size,
        "status": f"{finished} of {ds.status.size} runs finished",
        "commit": str(ds.attrs["commit"])[:10],
        **{name: str(ds.attrs[name]) for name in ("device", "processor", "dtype")},
    }


def sizes_bar(fig: Figure, axes: Axes, sizes: xr.DataArray, label: str) -> ScalarMappable:
    """A colour for each data set size, and its key beside `axes`."""
    colour = ScalarMappable(LogNorm(float(sizes.min()), float(sizes.max())), "viridis")
    bar = fig.colorbar(colour, ax=axes, label=label)
    bar.set_ticks(sizes.values, labels=[str(s) for s in sizes.values])
    bar.ax.minorticks_off()
    return colour


def number_ticks(axes: Axes, values: list[int]) -> None:
    """Plain numbers on a log axis, at these values only."""
    axes.set_xscale("log")
    axes.set_xticks(values, labels=[str(v) for v in values])
    axes.minorticks_off()
