"""Transformers that have grokked forget when they go on with fewer pairs: each run a curve and two points.

Claim: generalisation is lost below a size, on removed pairs as on those never seen.
Source: Varma et al. 2023, figures 4 and 7; experiments.md 1 and 5.
"""

import json

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .measured import PROVENANCE, number_ticks, provenance, runs, sizes_bar
from .palette import COLOURS

DATA = {"realnet/ungrokking.nc": "python -m realnet.reference_runs ungrokking"}
REMOVED = "#CC79A7"
MARKERS = ("o", "s", "^")

CAPTION = (
    """
Nets grokked on {full} of the {pairs} pairs of addition mod {p}, then trained on D′ of them for {steps} steps more: {sizes}
sizes × {decays} weight decays × {seeds} seeds, n = {n} runs. Left: accuracy on pairs that were never seen, weight decay
{shown}. Right: at the end, on pairs never seen (filled) and removed (open), a marker for each weight decay; lines are
medians. Removed and never-seen accuracy differ by {apart} in the median over runs and {most} at most. Train accuracy is at
least {train}. In the last tenth of the run {moving} of {n} still fell by more than 0.02: these thresholds are not final. """
    + PROVENANCE
)


def draw() -> tuple[Figure, dict[str, object]]:
    """Curves on the left, ends on the right."""
    ds = runs(next(iter(DATA)))
    config = next(iter(json.loads(ds.attrs["configs"]).values()))
    p, full = config["p"], config["start_from"]["dataset_size"]
    sizes, steps, shown = ds.dataset_size, int(ds.light_step.values[-1]), float(ds.weight_decay.max())
    fig, (left, right) = plt.subplots(1, 2, figsize=(8.2, 3.4), layout="constrained")
    colour = sizes_bar(fig, left, sizes, "data set size D′ (pairs)")
    for size in sizes.values:
        for seed in ds.seed.values:
            curve = ds.light_unseen_accuracy.sel(dataset_size=size, seed=seed, weight_decay=shown)
            left.plot(curve.light_step, curve, color=colour.to_rgba(size), lw=0.9)
    left.set(xlabel="optimizer steps on D′ pairs", ylabel="accuracy, never seen", ylim=(-0.03, 1.05))
    last = ds.isel(light_step=-1)
    handles = []
    shifts = np.geomspace(0.98, 1.02, ds.sizes["weight_decay"])
    for decay, marker, shift, style in zip(ds.weight_decay.values, MARKERS, shifts, ("--", "-", ":"), strict=False):
        one = last.sel(weight_decay=decay)
        right.plot(sizes * shift, one.light_unseen_accuracy.median("seed"), color=COLOURS["test"], lw=1, ls=style)
        for seed in ds.seed.values:
            end = one.sel(seed=seed)
            right.plot(sizes * shift, end.light_unseen_accuracy, marker, color=COLOURS["test"], ms=3.5)
            right.plot(sizes * shift, end.light_removed_accuracy, marker, mfc="none", mec=REMOVED, ms=5.5)
        handles.append(Line2D([], [], color="0.3", marker=marker, ls=style, ms=4, label=f"weight decay {decay:g}"))
    handles += [
        Line2D([], [], color=COLOURS["test"], marker="o", ls="", ms=4, label="never seen"),
        Line2D([], [], mec=REMOVED, mfc="none", marker="o", ls="", ms=5.5, label="removed"),
        Line2D([], [], color="0.45", ls=":", label="chance"),
    ]
    right.axhline(1.0 / p, color="0.45", ls=":", lw=1)
    right.set(xlabel="data set size D′ (pairs)", ylabel=f"accuracy at step {steps}", ylim=(-0.03, 1.05))
    number_ticks(right, [int(s) for s in sizes.values])
    right.legend(handles=handles, loc="center right", bbox_to_anchor=(1.0, 0.45))
    apart = np.abs(last.light_unseen_accuracy - last.light_removed_accuracy)
    late = ds.light_unseen_accuracy.sel(light_step=slice(0.9 * steps, None))
    numbers = {
        "p": p,
        "pairs": p * p,
        "full": full,
        "steps": steps,
        "sizes": sizes.size,
        "decays": ds.sizes["weight_decay"],
        "seeds": ds.sizes["seed"],
        "shown": shown,
        "apart": float(apart.median()),
        "most": float(apart.max()),
        "train": float(last.light_train_accuracy.min()),
        "moving": int((late.isel(light_step=0) - late.isel(light_step=-1) > 0.02).sum()),
    }
    return fig, numbers | provenance(ds)
