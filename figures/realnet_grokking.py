"""Grokking at the paper's size: circuits and key frequencies before the accuracy.

Data: figures/data/realnet/grokking.nc.

python -m figures.realnet_grokking
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

HERE = Path(__file__).parent
DATA = HERE / "data" / "realnet" / "grokking.nc"
KEYS = 5
# Okabe and Ito's colours, told apart by colour-blind readers.
BLUE, ORANGE, GREEN, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9"


def at_keys(spectrum: np.ndarray) -> np.ndarray:
    """[step] share of a spectrum [step, frequency] at the frequencies that are strongest at the run's end."""
    return spectrum[:, np.argsort(spectrum[-1])[-KEYS:]].sum(1)


def risen(step: np.ndarray, curve: np.ndarray, part: float) -> int:
    """Step, between measurements on the log scale, at which the curve has made this part of its way."""
    level = curve[0] + part * (curve[-1] - curve[0])
    after = int(np.argmax(curve >= level))
    near = slice(max(after - 1, 0), after + 1)
    return round(float(np.exp(np.interp(level, curve[near], np.log(step[near])))))


def draw(path: Path) -> Figure:
    """Draw the saved runs and write the image."""
    with xr.open_dataset(DATA, engine="netcdf4") as ds:
        runs = [ds.sel(seed=s).squeeze().load() for s in ds.seed.values]
        size, decay = int(ds.dataset_size.item()), float(ds.weight_decay.item())
    figure, axes = plt.subplots(3, 1, figsize=(6.4, 7.0), sharex=True, constrained_layout=True)
    early: list[int] = []
    late: list[int] = []
    lines = []
    for i, run in enumerate(runs):
        after = run.step.values >= 1
        step = run.step.values[after]
        logits = at_keys(run.frequency_share.values)[after]
        embedding = at_keys(run.embedding_share.values)[after]
        unseen = run.unseen_accuracy.values[after]
        style = {"lw": 1.6, "ls": ["-", "--", ":", "-."][i % 4]}
        first = i == 0
        axes[0].plot(
            step, run.train_accuracy.values[after], color=BLUE, label="train" if first else None, **style
        )
        axes[0].plot(step, unseen, color=ORANGE, label="never seen" if first else None, **style)
        label = "logits, all trigonometric" if first else None
        axes[1].plot(step, run.gen_share.values[after], color=PURPLE, label=label, **style)
        label = f"logits at the {KEYS} final key frequencies" if first else None
        axes[1].plot(step, logits, color=SKY, label=label, **style)
        label = f"embedding at its {KEYS} final key frequencies" if first else None
        axes[1].plot(step, embedding, color=GREEN, label=label, **style)
        label = "generalising (projection)" if first else None
        axes[2].plot(step, run.gen_logit.values[after], color=ORANGE, label=label, **style)
        label = "memorising (residual)" if first else None
        axes[2].plot(step, run.mem_logit.values[after], color=BLUE, label=label, **style)
        early.append(risen(step, run.gen_share.values[after], 0.5))
        late.append(risen(step, unseen, 0.5))
        curves = {
            "trigonometric": run.gen_share.values[after],
            "accuracy": unseen,
            "key logits": logits,
            "key embedding": embedding,
        }
        reached = "; ".join(f"{n} {risen(step, c, 0.1)}, {risen(step, c, 0.5)}" for n, c in curves.items())
        lines.append(f"seed {int(run.seed)}: {reached}")
    for axis in axes:
        for a, b in zip(early, late, strict=True):
            axis.axvline(a, color=PURPLE, lw=0.8, alpha=0.8)
            axis.axvline(b, color=ORANGE, lw=0.8, alpha=0.6)
    axes[0].set(ylabel="accuracy", ylim=(-0.03, 1.03))
    axes[1].set(ylabel="share of squared norm", ylim=(-0.03, 1.03))
    axes[2].set(ylabel="logit of the right class (nats)", xlabel="optimizer steps", xscale="log")
    for axis in axes:
        axis.legend(frameon=False, fontsize=8, loc="upper left")
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(
        f"Addition mod 113, D = {size} (30 %), weight decay {decay:g}, {len(runs)} seeds (line styles)",
        fontsize=10,
    )
    # Both ends of the rise are told: a tenth favours what starts first, a half what finishes first.
    axes[0].set_title(
        "steps to a tenth and to half of each curve's rise (vertical: half, trigonometric and accuracy)\n"
        + "\n".join(lines),
        fontsize=7,
    )
    figure.savefig(path, dpi=150)
    return figure


if __name__ == "__main__":
    draw(HERE / "gallery" / "realnet_grokking.png")
