"""The trainings behind the saved reference data in figures/data/realnet: what they are, how they are saved.

    python -m realnet.reference_runs grokking    # (a) mod 113, 30 % of the pairs, weight decay 1
    python -m realnet.reference_runs scratch     # (b) dataset size × seed at mod 43, from scratch
    python -m realnet.reference_runs ungrokking  # (c) nets grokked on 90 % of the pairs, trained on fewer

Each goes on from where it was stopped (runs/reference/<name>) and saves what is finished. experiments.md 1.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from realnet.config import RunConfig, grid
from realnet.results import write_netcdf
from realnet.training import train

__all__ = ["REFERENCE", "main"]

SMALL = RunConfig(p=43, d_model=64, d_mlp=256, steps=8000)
GROKKED = replace(SMALL, dataset_size=round(0.9 * 43**2), steps=4000)


def _sizes(first: int, last: int, count: int) -> list[int]:
    return [round(float(x)) for x in np.geomspace(first, last, count)]


REFERENCE: dict[str, list[RunConfig]] = {
    "grokking": grid(RunConfig(dataset_size=round(0.3 * 113**2), steps=15_000, points_per_decade=24), seed=range(2)),
    "scratch": grid(SMALL, dataset_size=_sizes(450, 1250, 10), seed=range(3)),
    "ungrokking": grid(
        replace(SMALL, dataset_size=100, start_from=GROKKED, steps=6000),
        dataset_size=_sizes(90, 800, 8),
        weight_decay=[0.5, 1.0],
        seed=range(3),
        start_from=lambda run: replace(GROKKED, seed=run.seed),
    ),
}


def main(name: str, workers: int) -> None:
    """Train the runs called `name` and save them."""
    ds = train(REFERENCE[name], device="cpu", out=Path("runs/reference") / name, workers=workers)
    drop = [v for v in ds.data_vars if str(v).startswith("light_removed")] if name != "ungrokking" else []
    if name != "grokking":
        drop += ["frequency_share", "embedding_share"]
    floats = {n: v.astype("float32") for n, v in ds.data_vars.items() if v.dtype.kind == "f"}
    path = Path("figures/data/realnet") / f"{name}.nc"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_netcdf(ds.assign(floats).drop_vars(drop), path)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2)
