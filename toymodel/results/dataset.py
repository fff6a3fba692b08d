"""What `sweep` returns: xarray's own classes, but for behaviours, which draw themselves as a map."""

from typing import Any

import xarray as xr

from ..plot import plot_map


class _Map:
    """`plot` of behaviours.  xarray draws numbers but not words, so that this is `plot_map`."""

    def __init__(self, behaviour: xr.DataArray) -> None:
        self._behaviour = behaviour

    def __call__(self, ax: Any = None, legend: bool = True, **names: str) -> Any:
        return plot_map(self._behaviour, ax, legend, **names)

    pcolormesh = imshow = __call__

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"behaviours are words, which .plot() draws as a map; got .plot.{name}. Use it with numbers, such as those of "
            f"ds.t_gen or ds.behaviour == 'grokking'."
        )


class DataArray(xr.DataArray):  # type: ignore[no-untyped-call]
    """Behaviours."""

    __slots__ = ()

    @property
    def plot(self) -> Any:  # type: ignore[override]
        """`plot_map` of words; xarray's of numbers, and of words along one axis of numbers."""
        line = self.ndim == 1 and self[self.dims[0]].dtype.kind in "iuf"
        return super().plot if self.dtype.kind != "U" or line else _Map(self)


class Dataset(xr.Dataset):  # type: ignore[no-untyped-call]
    """A sweep.  It has xarray's name, and prints, compares and is saved as xarray's."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Any:
        """A variable, as in xarray."""
        found = super().__getitem__(key)
        if isinstance(found, xr.DataArray) and key == "behaviour":
            found.__class__ = DataArray  # the same variable, attributes included, which a copy would not be
        return found
