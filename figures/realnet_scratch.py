"""Data set size decides whether nets generalise, from scratch at mod 43.

Data: figures/data/realnet/scratch.nc.

python -m figures.realnet_scratch
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

HERE = Path(__file__).parent
DATA = HERE / "data" / "realnet" / "scratch.nc"
SYMBOLS = 43


def draw(path: Path) -> Figure:
    """Draw the saved runs and write the image."""
    with xr.open_dataset(DATA, engine="netcdf4") as ds:
        runs = ds.squeeze("weight_decay").load()
    sizes = runs.dataset_size.values
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.9), constrained_layout=True)
    colour = ScalarMappable(LogNorm(sizes.min(), sizes.max()), "viridis")
    for size in sizes:
        for seed in runs.seed.values:
            curve = runs.light_unseen_accuracy.sel(dataset_size=size, seed=seed)
            left.plot(curve.light_step, curve, color=colour.to_rgba(size), lw=0.9)
    bar = figure.colorbar(colour, ax=left, label="dataset size D (pairs)")
    bar.set_ticks(sizes, labels=[str(s) for s in sizes])
    bar.ax.minorticks_off()
    left.set(xlabel="optimizer steps", ylabel="accuracy on never-seen pairs", ylim=(-0.03, 1.03))
    final = runs.light_unseen_accuracy.isel(light_step=-1)
    fitted = runs.light_train_accuracy.isel(light_step=-1)
    right.plot(sizes, final.median("seed"), color="0.5", lw=1, zorder=0, label="median")
    for seed in runs.seed.values:
        right.scatter(
            sizes,
            fitted.sel(seed=seed),
            s=14,
            marker="_",
            color="#D55E00",
            label="train" if seed == 0 else None,
        )
        right.scatter(
            sizes, final.sel(seed=seed), s=18, color="#0072B2", label="never seen" if seed == 0 else None
        )
    right.axhline(1 / SYMBOLS, color="0.3", ls=":", lw=1, label="chance")
    steps = int(runs.light_step.values[-1])
    right.set(
        xlabel="dataset size D (pairs)", ylabel=f"accuracy at step {steps}", xscale="log", ylim=(-0.03, 1.03)
    )
    ticks = sizes[::2]
    right.set_xticks(ticks, labels=[str(s) for s in ticks])
    right.minorticks_off()
    right.legend(frameon=False, fontsize=8, loc="center left")
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(
        f"Addition mod {SYMBOLS} from scratch, weight decay 1, {runs.sizes['seed']} seeds a size", fontsize=10
    )
    figure.savefig(path, dpi=150)
    return figure


if __name__ == "__main__":
    draw(HERE / "gallery" / "realnet_scratch.png")
