"""What `sweep` returns: xarray's own classes, but for behaviours, which draw themselves over two axes as a map."""

from functools import partial
from typing import Any

import xarray as xr

from ..plot import plot_map


class DataArray(xr.DataArray):  # type: ignore[no-untyped-call]
    """Behaviours.  xarray draws numbers over two axes but not words, so that `plot` is `plot_map` there."""

    __slots__ = ()

    @property
    def plot(self) -> Any:  # type: ignore[override]
        """`plot_map` of words over two axes, else xarray's."""
        return partial(plot_map, self) if self.dtype.kind == "U" and self.ndim == 2 else super().plot


class Dataset(xr.Dataset):  # type: ignore[no-untyped-call]
    """A sweep.  It has xarray's name, and prints, compares and is saved as xarray's."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Any:
        """A variable, as in xarray."""
        found = super().__getitem__(key)
        if isinstance(found, xr.DataArray) and key == "behaviour":
            found.__class__ = DataArray  # the same variable, attributes included, which a copy would not be
        return found
