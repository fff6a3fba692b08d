"""From scratch, data set size decides whether transformers generalise: each run a curve and a point.

Claim: below a size runs stay at chance, above it they grok, and the time that takes grows towards it.
Source: Varma et al. 2023, figure 5; experiments.md 1 and 5.
"""

import json

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from .measured import PROVENANCE, number_ticks, provenance, runs, sizes_bar
from .palette import COLOURS

DATA = {"realnet/scratch.nc": "python -m realnet.reference_runs scratch"}

CAPTION = (
    """
Addition mod {p} from scratch, weight decay {decay}, {sizes} data set sizes × {seeds} seeds, n = {n} runs of {steps} steps.
Left: accuracy on pairs that were never seen. Right: the same at the end; every run memorises (train accuracy at least
{train}). Median final accuracy is {below} at D = {below_size} and {above} at D = {above_size}; {middle} runs end between
chance and 0.9, and may still be moving. """
    + PROVENANCE
)


def draw() -> tuple[Figure, dict[str, object]]:
    """Curves on the left, ends on the right."""
    ds = runs(next(iter(DATA))).squeeze("weight_decay")
    p = next(iter(json.loads(ds.attrs["configs"]).values()))["p"]
    sizes = ds.dataset_size
    fig, (left, right) = plt.subplots(1, 2, figsize=(8.2, 3.4), layout="constrained")
    colour = sizes_bar(fig, left, sizes, "data set size D (pairs)")
    for size in sizes.values:
        for seed in ds.seed.values:
            curve = ds.light_unseen_accuracy.sel(dataset_size=size, seed=seed)
            left.plot(curve.light_step, curve, color=colour.to_rgba(size), lw=0.9)
    left.set(xlabel="optimizer steps", ylabel="accuracy, never seen", ylim=(-0.03, 1.05))
    final, fitted = ds.light_unseen_accuracy.isel(light_step=-1), ds.light_train_accuracy.isel(light_step=-1)
    right.plot(sizes, final.median("seed"), color=COLOURS["test"], lw=1, label="never seen, median")
    for seed in ds.seed.values:
        shown = seed == ds.seed.values[0]
        points = {"ls": "", "ms": 4}
        right.plot(sizes, fitted.sel(seed=seed), marker="_", color=COLOURS["train"],
                   label="train, each run" if shown else None, **points)  # fmt: skip
        right.plot(sizes, final.sel(seed=seed), marker="o", color=COLOURS["test"],
                   label="never seen, each run" if shown else None, **points)  # fmt: skip
    right.axhline(1.0 / p, color="0.45", ls=":", lw=1, label="chance")
    steps = int(ds.light_step.values[-1])
    right.set(xlabel="data set size D (pairs)", ylabel=f"accuracy at step {steps}", ylim=(-0.03, 1.05))
    number_ticks(right, [int(s) for s in sizes.values[::2]])
    right.legend(loc="center right")
    median = final.median("seed")
    jump = int(np.argmax(np.diff(median.values)))
    numbers = {
        "p": p,
        "decay": float(ds.weight_decay),
        "sizes": sizes.size,
        "seeds": ds.sizes["seed"],
        "steps": steps,
        "train": float(fitted.min()),
        "below": float(median[jump]),
        "below_size": int(sizes[jump]),
        "above": float(median[jump + 1]),
        "above_size": int(sizes[jump + 1]),
        "middle": int(((final > 1.0 / p + 0.05) & (final < 0.9)).sum()),
    }
    return fig, numbers | provenance(ds)
