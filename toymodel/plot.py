"""Pictures: a trajectory in three panels, and a map of behaviours over two axes of a sweep."""

from typing import Any

import numpy as np

from .behaviours import BEHAVIOURS

# One colour, one meaning, in every picture of the project (Okabe-Ito, safe for colour-blind readers).
COLOURS = {"gen": "#0072B2", "mem": "#D55E00", "train": "#000000", "test": "#009E73"}


def plot_trajectory(tr: Any, against: str = "time", ax: Any = None) -> Any:
    """Three panels over log time: losses (nats), logits (nats), norms.  Event times are marked."""
    import matplotlib.pyplot as plt

    x, unit = (tr.time, "flow time") if against == "time" else (tr.step, "gradient steps")
    scale = 1.0 if against == "time" else 1.0 / tr.learning_rate
    if ax is None:
        fig, panels = plt.subplots(1, 3, figsize=(10.5, 3.0), layout="constrained")
        fig.suptitle(f"{tr.behaviour} ({tr.method}); dotted: fits, dash-dotted: generalises", fontsize="medium")
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
        for event, style in ((tr.t_fit, ":"), (tr.t_gen, "-.")):
            if event:
                axes.axvline(event * scale, color="0.6", lw=0.8, ls=style)
        axes.legend(frameon=False)
    return fig


# Paul Tol's "light" scheme.
PALE = ["#44BB99", "#77AADD", "#EEDD88", "#BBCC33", "#EE8866", "#FFAABB", "#AAAA00", "#888888", "#E4E4E4", "#FFFFFF"]
BEHAVIOUR_COLOURS = dict(zip(BEHAVIOURS, PALE, strict=True))


def plot_map(ds: Any, ax: Any = None, legend: bool = True) -> Any:
    """Behaviours over the two axes of a sweep, in the project's colours; returns the axes.

    ds       an xarray.Dataset from `sweep`, or its `behaviour`, with two axes: the first goes up, the second right
    ax       axes to draw into; default: a new figure's
    legend   whether to name the behaviours that occur; without it `ax.get_legend_handles_labels()` does

    An axis whose values span more than a factor of 20 is logarithmic.  ValueError for another number of axes.
    """
    import matplotlib.pyplot as plt
    from matplotlib.colors import ListedColormap

    behaviour = ds["behaviour"] if "behaviour" in getattr(ds, "data_vars", ()) else ds
    if len(behaviour.dims) != 2:
        raise ValueError(
            f"plot_map needs a sweep over two axes, got {behaviour.dims}. Pick with ds.sel(...) or ds.isel(...)."
        )
    if ax is None:
        ax = plt.subplots(layout="constrained")[1]
    up, right = behaviour.dims
    codes = np.searchsorted(np.sort(BEHAVIOURS), behaviour.values)
    codes = np.argsort(BEHAVIOURS)[codes]
    ax.pcolormesh(
        behaviour[right], behaviour[up], codes, cmap=ListedColormap(list(BEHAVIOUR_COLOURS.values())), vmin=-0.5,
        vmax=len(BEHAVIOURS) - 0.5, shading="nearest", rasterized=True,
    )  # fmt: skip
    for name, set_scale, label in ((right, ax.set_xscale, ax.set_xlabel), (up, ax.set_yscale, ax.set_ylabel)):
        values = behaviour[name].values
        if values.min() > 0.0 and values.max() > 20.0 * values.min():
            set_scale("log")
        label(f"{name} ({behaviour[name].attrs.get('units', '1')})")
    for code in np.unique(codes):
        ax.plot([], [], "s", color=BEHAVIOUR_COLOURS[BEHAVIOURS[code]], markeredgecolor="0.5", label=BEHAVIOURS[code])
    if legend:
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return ax
