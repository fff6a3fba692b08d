"""Pictures: a trajectory in three panels, and a map of behaviours over two axes of a sweep."""

from functools import partial
from typing import Any

import numpy as np

from .behaviours import BEHAVIOURS
from .parameters import unknown

# One colour, one meaning, in every picture of the project (Okabe-Ito, safe for colour-blind readers).
COLOURS = {"gen": "#0072B2", "mem": "#D55E00", "train": "#000000", "test": "#009E73"}


def show_once(fig: Any) -> None:
    """How a notebook shows a figure that a function returns: not as the cell's result and as an open figure too."""
    import matplotlib.pyplot as plt
    from IPython.display import display

    del fig._ipython_display_
    display(fig)  # type: ignore[no-untyped-call]
    fig._ipython_display_ = partial(show_once, fig)
    if "inline" in plt.get_backend():
        plt.close(fig)


def plot_trajectory(tr: Any, against: str = "time", ax: Any = None) -> Any:
    """Three panels over log time: losses (nats), logits (nats), norms.  Event times are marked."""
    import matplotlib.pyplot as plt

    x, unit = (tr.time, "flow time") if against == "time" else (tr.step, "gradient steps")
    scale = 1.0 if against == "time" else 1.0 / tr.learning_rate
    if ax is None:
        fig, panels = plt.subplots(1, 3, figsize=(10.5, 3.0), layout="constrained")
        fig._ipython_display_ = partial(show_once, fig)  # type: ignore[attr-defined]
        events = {"dotted: fits": tr.t_fit, "dash-dotted: generalises": tr.t_gen, "dashed: Gen falls behind": tr.t_lost}
        lines = (line for line, time in events.items() if time)
        fig.suptitle("; ".join((f"{tr.behaviour} ({tr.method})", *lines)), fontsize="medium")
    else:
        panels = np.ravel(ax)
        if len(panels) not in (1, 3):
            raise ValueError(f"ax must be one axes, or three, got {len(panels)}. Pass plt.subplots(1, 3)[1].")
        fig = panels[0].figure
    if len(panels) == 3:
        panels[0].plot(x, tr.train_loss, color=COLOURS["train"], label="train")
        panels[0].plot(x, tr.test_loss, color=COLOURS["test"], ls="--", label="test")
        panels[0].set(ylabel="cross-entropy (nats)", yscale="log")
        panels[2].plot(x, tr.norm, color="0.5", ls="--", label="network")
    shown = ((tr.logits, "logit (nats)"), (tr.norms, "parameter norm"))
    for axes, (quantity, name) in zip(panels[-2:] if len(panels) == 3 else panels, shown, strict=False):
        for k, label in enumerate(tr.model.labels):
            kind = label.rstrip("0123456789")
            alike = [c for c in tr.model.labels if c.startswith(kind)]
            shade = (alike.index(label) + 1) / len(alike)
            axes.plot(x, quantity[:, k], color=COLOURS[kind], alpha=0.3 + 0.7 * shade, label=label.capitalize())
        axes.set(ylabel=name)
    for axes in panels:
        axes.set(xlabel=unit)
        if x.size > 1:
            axes.set(xscale="log", xlim=(max(x[1], 1e-4 * x[-1]), x[-1]))
        for event, style in ((tr.t_fit, ":"), (tr.t_gen, "-."), (tr.t_lost, "--")):
            if event:
                axes.axvline(event * scale, color="0.6", lw=0.8, ls=style)
        axes.legend(frameon=False)
    return fig


# Paul Tol's "light" scheme.
PALE = ["#44BB99", "#77AADD", "#EEDD88", "#BBCC33", "#EE8866", "#FFAABB", "#AAAA00", "#888888", "#E4E4E4", "#FFFFFF"]
BEHAVIOUR_COLOURS = dict(zip(BEHAVIOURS, PALE, strict=True))


def plot_map(
    ds: Any, ax: Any = None, legend: bool = True, *, x: str | None = None, y: str | None = None, col: str | None = None,
    row: str | None = None,
) -> Any:  # fmt: skip
    """Behaviours over the two axes of a sweep, in the project's colours; returns the axes, an array of them for facets.

    ds         an xarray.Dataset from `sweep`, or its `behaviour`, with one axis or two besides col and row
    ax         axes to draw into; default: a new figure's
    legend     whether to name the behaviours that occur; without it `ax.get_legend_handles_labels()` does
    x, y       names of the axes that go right and up; default: the first goes up, the second right
    col, row   names of axes whose values get a panel each

    An axis whose values span more than a factor of 20 is logarithmic.  ValueError for another number of axes.
    """
    import matplotlib.pyplot as plt

    behaviour = ds["behaviour"] if "behaviour" in getattr(ds, "data_vars", ()) else ds
    if getattr(behaviour, "dtype", None) is None or behaviour.dtype.kind != "U" or not hasattr(behaviour, "dims"):
        received = getattr(behaviour, "name", None) or type(behaviour).__name__
        raise TypeError(
            f"plot_map needs a Dataset from sweep, or its behaviour, got {received}. Numbers are drawn by xarray, as in "
            f"ds.t_gen.plot(); a run by run.plot()."
        )
    for option, name in {"x": x, "y": y, "col": col, "row": row}.items():
        if name is not None and name not in behaviour.dims:
            raise unknown(option, str(name), map(str, behaviour.dims))
    across = [dim for dim in behaviour.dims if dim not in (col, row)]
    named = [dim for dim in (col, row, x, y) if dim is not None]
    if len(across) not in (1, 2) or len(set(named)) < len(named):
        raise ValueError(
            f"plot_map needs a sweep over two axes or one, besides those of col and row, got {behaviour.dims}. Pick with "
            f"ds.sel(...) or ds.isel(...), or pass col=... for a panel for each value."
        )
    right = x or next(dim for dim in reversed(across) if dim != y or len(across) == 1)
    up = next((dim for dim in across if dim != right), None)
    axes: Any
    if col is None and row is None:
        axes = plt.subplots(layout="constrained")[1] if ax is None else ax
        _draw_map(behaviour.transpose(*filter(None, (up, right))), axes, up, right)
        last = axes
    else:
        if ax is not None:
            raise ValueError("col and row make a figure of their own, got ax too. Pass one or the other.")
        size = [1 if dim is None else behaviour.sizes[dim] for dim in (row, col)]
        axes = plt.subplots(*size, squeeze=False, sharex=True, sharey=True, layout="constrained")[1]
        for place in np.ndindex(*size):
            picked = {dim: k for dim, k in zip((row, col), place, strict=True) if dim is not None}
            panel = behaviour.isel(picked)
            _draw_map(panel.transpose(*filter(None, (up, right))), axes[place], up, right)
            values = (behaviour[dim].values[k] for dim, k in picked.items())
            words = (v if isinstance(v, str) else f"{v:g}" for v in values)
            axes[place].set_title(
                ", ".join(f"{dim} = {v}" for dim, v in zip(picked, words, strict=True)), fontsize="medium"
            )
            axes[place].label_outer()
        last = axes[0, -1]
    for name in BEHAVIOURS:
        if np.any(behaviour.values == name):
            last.plot([], [], "s", color=BEHAVIOUR_COLOURS[name], markeredgecolor="0.5", label=name)
    if legend:
        last.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return axes


def _draw_map(behaviour: Any, ax: Any, up: str | None, right: str) -> None:
    """One map: rows go up; a single row where there is no `up`."""
    from matplotlib.colors import ListedColormap

    codes = np.searchsorted(np.sort(BEHAVIOURS), np.atleast_2d(behaviour.values))
    places = []
    for name, set_scale, label, ticks in (
        (right, ax.set_xscale, ax.set_xlabel, ax.set_xticks), (up, ax.set_yscale, ax.set_ylabel, ax.set_yticks),
    ):  # fmt: skip
        values = np.zeros(1) if name is None else behaviour[name].values
        if values.dtype.kind not in "iuf":  # words are not numbers: they stand side by side
            ticks(range(values.size), [str(v) for v in values])
            values = np.arange(values.size)
        elif values.min() > 0.0 and values.max() > 20.0 * values.min():
            set_scale("log")
        places.append(values)
        if name is None:
            ticks([])
        else:
            label(f"{name} ({behaviour[name].attrs.get('units', '1')})")
    ax.pcolormesh(
        *places, np.argsort(BEHAVIOURS)[codes], cmap=ListedColormap(PALE), vmin=-0.5, vmax=len(BEHAVIOURS) - 0.5,
        shading="nearest", rasterized=True,
    )  # fmt: skip
