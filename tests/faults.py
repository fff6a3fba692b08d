"""Faults by the hundred: `python -m tests.faults 100` kills, fuzzes and prints what came of it as JSON.

It takes minutes and is no part of the suite.

Kills: a sweep with children, killed at random moments until it is finished; whatever was finished stays so, bit for bit,
and the end is that of an uninterrupted sweep. Fuzz: configs of random fields give a config or a ConfigError.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import xarray as xr

import realnet as rn
from realnet.records import Folder

PARENT = rn.RunConfig(network="mlp", p=11, dataset_size=60, d_model=8, d_mlp=16, steps=400, light_every=20)
RUNS = [
    *rn.grid(PARENT, seed=range(3)),
    *rn.grid(replace(PARENT, dataset_size=20, start_from=PARENT), steps=[200, 400]),
]


def train(out: Path) -> xr.Dataset:
    ds = rn.train(RUNS, "cpu", out, progress=False, checkpoint_seconds=0.02, workers=2)
    return ds.drop_vars("wall_time").drop_attrs()


def kills(count: int, seed: int) -> dict[str, object]:
    """Kill `count` trainers; returns what was seen. A sweep that finishes is begun anew."""
    random.seed(seed)
    # Not forked from here: autograd's threads do not survive that.
    fresh = multiprocessing.get_context("forkserver")
    fresh.set_forkserver_preload(["realnet.training.train"])
    with tempfile.TemporaryDirectory() as place:
        train(Path(place) / "first")  # loads what is loaded once
        start = time.monotonic()
        whole = train(Path(place) / "whole")
        long = time.monotonic() - start  # so that most kills come in the midst of a sweep
        killed = sweeps = finished = 0
        seen: dict[str, object] = {}
        while killed < count:
            out, held = Path(place) / f"sweep{sweeps}", dict[str, bytes]()
            sweeps += 1
            while True:
                child = fresh.Process(target=train, args=(out,))
                child.start()
                time.sleep(random.uniform(0, long))
                child.kill()
                child.join()
                folder = Folder(out)
                for run in RUNS:
                    record = folder.read(run, "curve", "state")
                    if run.name in held:
                        assert record is not None, "a finished run was lost"
                        assert record.done, "a finished run is no longer finished"
                        assert record.tensors["weights"].tobytes() == held[run.name], "a finished run was changed"
                    elif record is not None and record.done and record.tensors:
                        held[run.name] = record.tensors["weights"].tobytes()
                        finished += 1
                if child.exitcode == 0:
                    break
                killed += 1
            xr.testing.assert_identical(train(out), whole)
            seen = {"kills": killed, "sweeps": sweeps, "runs that were finished": finished, "lost": 0, "changed": 0}
            print(json.dumps(seen), flush=True)
    return seen


ODD: list[object] = [
    None,
    True,
    0,
    1,
    -1,
    2,
    7,
    10**30,
    0.5,
    -0.0,
    1e-320,
    float("nan"),
    float("inf"),
    "",
    "add",
    "mlp",
]
ODD += [b"x", [], [1], (0.9, 0.98), {}, {"steps": 3}, np.int64(5), np.float32(0.1), np.arange(3), object(), PARENT]
ODD += [rn.Phase(3), "sgd"]


def fuzz(count: int, seed: int) -> dict[str, int]:
    """Configs of up to four random fields: how many are valid, how many refused; anything else is raised."""
    rng, seen = random.Random(seed), Counter[str]()
    names = [f.name for f in fields(rn.RunConfig)]
    for _ in range(count):
        odd = {name: rng.choice(ODD) for name in rng.sample(names, rng.randint(1, 4))}
        try:
            run = replace(PARENT, **odd)
            assert len(run.key) == 16
            seen["valid"] += 1
        except rn.ConfigError:
            seen["refused"] += 1
        except Exception as error:
            seen[f"{type(error).__name__}: {error} for {odd}"[:200]] += 1
    return dict(seen)


if __name__ == "__main__":
    warnings.simplefilter("error", UserWarning)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    print(json.dumps({"fuzz": fuzz(10 * count, 0)}, indent=1), flush=True)
    print(json.dumps({"kills": kills(count, 0)}, indent=1))
