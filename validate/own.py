"""Where is D_crit for a task and a network of your own? `python -m validate run --net mine.toml`

The file holds the fields of a run (`task`, `p`, `d_model`, ...; see `realnet`) and, if wanted, a table [search]:

    parent_steps = 3000     steps of the nets that must grok, AdamW, on 9 of 10 pairs
    steps = 3000            steps of each net after pairs were removed, coupled
    weight_decay = 1e-4     α of these; the theory says that it does not matter
    seeds = 4
    precision = 0.1         bisection ends when neighbouring sizes are this near in ln D

Nets that have grokked are trained on with fewer pairs, at sizes found by bisection, until they rest; D_crit is where the
accuracy outside the training set is halfway between chance and 1, for each seed. A task and a network of your own are named
as in `realnet` ("mine:parity", "mine:Net").
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from realnet import ConfigError, RunConfig
from realnet.config import from_dict
from realnet.examples import task_of
from validate.experiments.design import Block, Experiment, Setting, runs_of
from validate.measured import Results
from validate.predictions.shared import of_thresholds, thresholds
from validate.statistics.intervals import Interval, over_seeds
from validate.training import collect, train

__all__ = ["CriticalSize", "critical_size", "read"]

DEFAULTS = {"parent_steps": 3000, "steps": 3000, "weight_decay": 1e-4, "seeds": 4, "precision": 0.1}
KIND = "ungrokking_coupled"
ROUNDS = 8


@dataclass(frozen=True)
class CriticalSize:
    """D_crit of a task and network: its interval in ln D over seeds, and the runs behind it."""

    interval: Interval
    moving: int
    pairs: int
    table: pd.DataFrame

    @property
    def words(self) -> str:
        """What was found, in a few lines."""
        i = self.interval.exp()
        lines = [f"{'D′':>8}  accuracy outside D′, mean (least to greatest)"]
        for size, runs in self.table.groupby("dataset_size"):
            lines.append(f"{size:>8}  {runs.test.mean():.2f} ({runs.test.min():.2f} to {runs.test.max():.2f})")
        if math.isnan(i.value):
            lines.append("No D_crit: fewer than two seeds go from chance to 1 between these sizes.")
            return "\n".join(lines)
        lines.append(
            f"D_crit = {i.value:.0f} pairs (95 % interval {i.low:.0f} to {i.high:.0f} over {i.n} seeds), "
            f"{i.value / self.pairs:.1%} of all {self.pairs}"
            + (f"; {self.moving} of {i.n} thresholds still moved" if self.moving else "")
        )
        return "\n".join(lines)


def read(path: Path) -> tuple[RunConfig, Mapping[str, Any]]:
    """The network and task of a TOML file, and its search. Errors: ConfigError for a file or a value that cannot be used."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            f"--net must be a TOML file; {str(path)!r} cannot be read: {error}. See validate/README.md."
        ) from error
    search = content.pop("search", {})
    unknown = set(search) - set(DEFAULTS)
    if unknown:
        raise ConfigError(f"[search] takes {', '.join(DEFAULTS)}; received {sorted(unknown)}. Correct the spelling.")
    search = DEFAULTS | search
    if not (
        search["seeds"] >= 2 and search["steps"] >= 50 and search["parent_steps"] >= 1 and 0 < search["precision"] < 1
    ):
        raise ConfigError(
            f"[search] needs seeds >= 2, steps >= 50, parent_steps >= 1 and 0 < precision < 1; received {search}. "
            "Choose others."
        )
    # A hundred measurements a run: its tenths, by which ends and rest are judged, must each hold some.
    return from_dict({"dataset_size": 1, "light_every": max(1, int(search["steps"]) // 100)} | content), search


def _next(table: pd.DataFrame, precision: float) -> int | None:
    """The size to try next: the geometric middle between the sizes at which mean accuracy passes it; None when near."""
    mean, level = table.groupby("dataset_size").test.mean(), (1 + 1 / table.p.iloc[0]) / 2
    above = mean[mean >= level].index.min()
    below = mean[mean.index < above][mean < level].index.max()
    if not (above > 0 and below > 0) or math.log(above / below) <= precision:
        return None
    middle = round(math.sqrt(above * below))
    return middle if below < middle < above else None


def critical_size(path: Path, out: Path, device: str = "auto", workers: int | None = None) -> CriticalSize:
    """D_crit of the net of `path`; what is trained is kept under `out`. Errors: ConfigError if its nets do not grok."""
    net, search = read(path)
    pairs = len(task_of(net).targets)
    parent = (round(0.9 * pairs), int(search["parent_steps"]))
    results = out / f"own-{path.stem}"
    sizes = sorted({max(2, round(parent[0] * share)) for share in (1 / 27, 1 / 9, 1 / 3, 1.0)})
    for turn in range(ROUNDS):
        block = Block(tuple(sizes), (float(search["weight_decay"]),), range(int(search["seeds"])), int(search["steps"]))
        setting = Setting(f"own-{path.stem}", path.stem, net, parent, {KIND: (block,)})
        experiment = Experiment(setting, KIND, runs_of(setting, KIND))
        print(f"[round {turn + 1}] sizes {', '.join(map(str, sizes))}", flush=True)
        train(experiment, out, device, workers)
        collect(experiment, out, results)
        table = Results(results).table(experiment.name)
        if table.start.min() < 0.9:
            raise ConfigError(
                f"nets must have grokked before they can lose it; after {parent[1]} steps on {parent[0]} pairs the least "
                f"accuracy outside them is {table.start.min():.2f}. Raise parent_steps in [search]."
            )
        new = _next(table, float(search["precision"]))
        if new is None:
            break
        sizes = sorted({*sizes, new})
    found = thresholds(table, (1 + 1 / table.p.iloc[0]) / 2)
    return CriticalSize(over_seeds(found.ln_size), of_thresholds(found[found.ln_size.notna()]).moving, pairs, table)
