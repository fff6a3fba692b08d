"""The training behind the saved reference data in validate/data/realnet: what it is, how it is saved.

    python -m validate.reference_runs grokking    # mod 113, 30 % of the pairs, weight decay 1

It goes on from where it was stopped (runs/reference/<name>) and saves what is finished.  All other runs
that figures show are those of `validate`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from realnet.config import RunConfig
from realnet.results import write_netcdf
from realnet.sweeps import grid
from realnet.training.train import train

__all__ = ["REFERENCE", "main"]

REFERENCE: dict[str, list[RunConfig]] = {
    "grokking": grid(RunConfig(dataset_size=round(0.3 * 113**2), steps=15_000, points_per_decade=24), seed=range(2)),
}


def main(name: str, workers: int) -> None:
    """Train the runs called `name` and save them."""
    ds = train(REFERENCE[name], device="cpu", out=Path("runs/reference") / name, workers=workers)
    drop = [v for v in ds.data_vars if str(v).startswith("light_removed")]
    floats = {n: v.astype("float32") for n, v in ds.data_vars.items() if v.dtype.kind == "f"}
    path = Path("validate/data/realnet") / f"{name}.nc"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_netcdf(ds.assign(floats).drop_vars(drop), path)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2)
