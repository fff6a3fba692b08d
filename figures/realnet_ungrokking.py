"""Grokked nets trained on fewer pairs forget what they knew. Data: figures/data/realnet/ungrokking.nc.

python -m figures.realnet_ungrokking
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

HERE = Path(__file__).parent
DATA = HERE / "data" / "realnet" / "ungrokking.nc"
SYMBOLS = 43
DECAYS = {0.5: "#0072B2", 1.0: "#D55E00"}


def draw(path: Path) -> Figure:
    """Draw the saved runs and write the image."""
    with xr.open_dataset(DATA, engine="netcdf4") as ds:
        runs = ds.load()
    sizes, steps = runs.dataset_size.values, int(runs.light_step.values[-1])
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.9), constrained_layout=True)
    colour = ScalarMappable(LogNorm(sizes.min(), sizes.max()), "viridis")
    for size in sizes:
        for seed in runs.seed.values:
            curve = runs.light_unseen_accuracy.sel(dataset_size=size, seed=seed, weight_decay=1.0)
            left.plot(curve.light_step, curve, color=colour.to_rgba(size), lw=0.9)
    bar = figure.colorbar(colour, ax=left, label="dataset size D′ (pairs)")
    bar.set_ticks(sizes, labels=[str(s) for s in sizes])
    bar.ax.minorticks_off()
    left.set(xlabel="optimizer steps on D′ pairs", ylabel="accuracy on never-seen pairs", ylim=(-0.03, 1.03))
    left.set_title("weight decay 1", fontsize=9)
    for shift, (decay, shade) in zip((0.985, 1.015), DECAYS.items(), strict=True):
        last = runs.sel(weight_decay=decay).isel(light_step=-1)
        right.plot(sizes * shift, last.light_unseen_accuracy.median("seed"), color=shade, lw=1)
        for seed in runs.seed.values:
            one = last.sel(seed=seed)
            right.scatter(sizes * shift, one.light_unseen_accuracy, s=20, color=shade)
            right.scatter(
                sizes * shift, one.light_removed_accuracy, s=30, facecolors="none", edgecolors=shade
            )
    right.axhline(1 / SYMBOLS, color="0.3", ls=":", lw=1)
    right.set(
        xlabel="dataset size D′ (pairs)", ylabel=f"accuracy at step {steps}", xscale="log", ylim=(-0.03, 1.03)
    )
    right.set_xticks(sizes, labels=[str(s) for s in sizes])
    right.minorticks_off()
    dot = {"marker": "o", "ls": ""}
    handles = [Line2D([], [], color=c, label=f"weight decay {d:g} (line: median)") for d, c in DECAYS.items()]
    handles += [
        Line2D([], [], color="0.3", label="never seen", **dot),
        Line2D([], [], color="0.3", mfc="none", label="removed", **dot),
        Line2D([], [], color="0.3", ls=":", label="chance"),
    ]
    right.legend(handles=handles, frameon=False, fontsize=8, loc="center right")
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(
        f"Nets grokked on 90 % of the pairs mod {SYMBOLS}, then trained on fewer; {runs.sizes['seed']} seeds",
        fontsize=10,
    )
    figure.savefig(path, dpi=150)
    return figure


if __name__ == "__main__":
    draw(HERE / "gallery" / "realnet_ungrokking.png")
