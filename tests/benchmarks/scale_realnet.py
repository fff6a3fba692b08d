"""How a folder of many runs behaves: `python -m tests.benchmarks.scale_realnet 100000` writes results/scale_realnet.json.

Runs are asked for and read, none is trained. Processor seconds of one process; what is claimed and read one
by one is timed on a sample and stated a run.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import realnet as rn
from realnet.records import Folder, Leases, Record
from realnet.training.shards import cut
from tests.benchmarks.measure import processor

RESULTS = Path(__file__).parent / "results" / "scale_realnet.json"
SAMPLE = 200


def main(count: int) -> None:
    """Measure with `count` runs and save."""
    found: dict[str, object] = {
        "runs": count,
        "processor": processor(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }
    start = time.process_time()

    def lap(name: str, each: int = 1) -> None:
        nonlocal start
        found[name] = (time.process_time() - start) / each
        RESULTS.write_text(json.dumps({k: v for k, v in found.items() if k}, indent=1) + "\n")
        start = time.process_time()

    base = rn.RunConfig(p=43, d_model=64, d_mlp=256)
    runs = rn.grid(
        base, dataset_size=range(500, 1500, 10), weight_decay=np.linspace(0.1, 2, 20), seed=range(count // 2000)
    )
    lap("seconds to make the configs")
    for run in runs:
        run.name  # noqa: B018
    lap("seconds to make their keys")
    with tempfile.TemporaryDirectory() as place:
        folder = Folder(place)
        lap("")
        folder.add(runs)
        lap("seconds to put them on the list")
        Folder(place).configs()
        lap("seconds to read the list")
        cut(runs, 64)
        lap("seconds to cut them into 64 shards")
        for run in runs:  # as many files as 10^5 finished runs have
            for path in (folder.file(run), folder.spare(run)):
                path.touch()
        lap("")
        folder.refresh()
        lap("seconds to see which files there are")
        at = np.arange(0, 10_001, 100)
        curves = {"light_step": at} | {f"light_{i}": at * 1.0 for i in range(7)} | {"step": at[:40]}
        curves |= {f"full_{i}": at[:40] * 1.0 for i in range(25)}
        state = {name: np.zeros(60_000, np.float32) for name in ("weights", "first", "second")}
        lap("")
        for run in runs[:SAMPLE]:
            folder.write(Record(run, "finished", run.steps, state, curves))
        lap("seconds a run to write it when finished, twice", SAMPLE)
        for run in runs[:SAMPLE]:
            folder.read(run)
        lap("seconds a run to see that it is finished", SAMPLE)
        for run in runs[:SAMPLE]:
            folder.read(run, "curve")
        lap("seconds a run to read its curves", SAMPLE)
        with Leases(folder.locks) as leases:
            lap("")
            for run in runs[:SAMPLE]:
                leases.acquire(run.name)
                leases.release(run.name)
            lap("seconds a claim, given back", SAMPLE)
    print(RESULTS.read_text())


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
