"""Where is D_crit for a task and a network of your own? `python -m validate run --net mine.toml`

The file holds the fields of a run (`task`, `p`, `d_model`, ...; see `realnet`) and, if wanted, a table [search]:

    parent_steps = 3000     steps of the networks that must grok first, on 9 of 10 training examples
    steps = 3000            steps of each network after examples were taken away
    weight_decay = 1e-4     α of these, an L2 penalty under Adam; the theory says that it does not matter
    seeds = 4
    precision = 0.1         a seed's bisection ends when neighbouring sizes are this near in ln D
    efficiency = false      also train networks on random labels, for the D_crit at which efficiencies meet

`optimizer` and `weight_decay` outside [search] are those of the networks that must grok (AdamW, 1.0). A task and a network
of your own are named as in `realnet` ("mine:parity") and looked for beside the file.

Each seed is bisected for itself: its grokked network is trained on with fewer examples until it rests, and its D_crit is
where the accuracy on examples that it is not trained on is halfway between chance, the share of the commonest class, and 1.
Beside it stand two estimates that need no network to ungrok: by margins (8.3) and, if asked for, by the norms of single
circuits (5.2).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from realnet import ConfigError, RunConfig
from realnet.config import from_dict
from realnet.examples import task_of
from realnet.fields import number, require, typed_fields, whole
from realnet.records import write_atomically
from toymodel.fit import critical_size_from_margins, fit_circuits
from validate.experiments.design import Experiment, Setting, coupled
from validate.measured import Results
from validate.predictions.shared import of_thresholds, thresholds
from validate.statistics.intervals import Interval, over_bounds
from validate.training import collect, train

__all__ = ["CriticalSize", "Search", "critical_size", "read"]

UNGROKKING, PARENTS, MEMORISING = "ungrokking_coupled", "parents", "memorising_coupled"
SET_BY_SEARCH = ("dataset_size", "steps", "seed", "data_seed", "phases", "start_from", "keep_optimizer", "nested",
                 "corrupted", "source")  # fmt: skip
SHARES = (1 / 27, 1 / 9, 1 / 3, 1.0)
"""Sizes that every seed begins with, as shares of its parent's"""
ABOVE, ABOUT = (1.5, 2.2, 3.3), (0.6, 1.0, 1.7)
"""Sizes as multiples of D_crit: of networks that stay grokked, for their margins; of those on random labels"""
ROUNDS = 14
GROKKED, RIGHT = 0.9, 0.99
"""Accuracy at which a network has grokked, and at which it holds Gen alone"""

Other = dict[str, float] | str
"""Another estimate of D_crit: value, low, high, ...; in words why there is none"""


@dataclass(frozen=True)
class Search:
    """The table [search]. Errors: ConfigError."""

    parent_steps: int = 3000
    steps: int = 3000
    weight_decay: float = 1e-4
    seeds: int = 4
    precision: float = 0.1
    efficiency: bool = False

    def __post_init__(self) -> None:
        typed_fields(self, "[search] ")
        for name, least in (("parent_steps", 10), ("steps", 50), ("seeds", 2)):
            whole(f"[search] {name}", getattr(self, name), minimum=least)
        for name in ("weight_decay", "precision"):
            number(f"[search] {name}", getattr(self, name), minimum=0.0, above=True)
        require(self.precision < 1, "[search] precision must be below 1", self.precision, "Choose 0.1, say.")


@dataclass(frozen=True)
class CriticalSize:
    """D_crit of a task and network, and the runs behind it.

    interval     of ln D_crit over seeds
    seeds        a row a seed: `low` and `high`, ln D_crit, equal where it was found, bounds where not; its `motion`
    table        a row a run: seed, dataset_size, test (accuracy outside the training set), train, motion, margins, ...
    margins, efficiency   the other two estimates; "" where none was asked for
    pairs        examples that may be trained on
    chance       share of the commonest class
    """

    interval: Interval
    seeds: pd.DataFrame
    table: pd.DataFrame
    margins: Other
    efficiency: Other
    pairs: int
    chance: float

    @property
    def moving(self) -> int:
        """How many seeds' thresholds are not known to rest."""
        return of_thresholds(self.seeds).moving

    @property
    def words(self) -> str:
        """What was found, in a few lines."""
        lines = [f"{'D′':>8}  accuracy outside D′, mean (least to greatest)"]
        for size, runs in self.table.groupby("dataset_size"):
            lines.append(f"{size:>8}  {runs.test.mean():.2f} ({runs.test.min():.2f} to {runs.test.max():.2f})")
        lines.append("D_crit by seed: " + ", ".join(self._of(row) for row in self.seeds.itertuples()))
        i = self.interval.exp()
        if math.isnan(i.value):
            lines.append("No D_crit: fewer than two seeds pass halfway from chance to 1 between these sizes.")
        else:
            lines.append(
                f"D_crit = {i.value:.0f} examples (95 % interval {i.low:.0f} to {i.high:.0f} over {i.n} seeds), "
                f"{i.value / self.pairs:.1%} of all {self.pairs}; chance {self.chance:.3g}"
                + (f"; {self.moving} of {i.n} thresholds still moved" if self.moving else "")
            )
        names = {"margins of grokked networks": self.margins, "equal norms of single circuits": self.efficiency}
        for name, found in names.items():
            if found:
                told = found if isinstance(found, str) else "{value:.0f} ({low:.0f} to {high:.0f})".format(**found)
                lines.append(f"by {name}: {told}")
        return "\n".join(lines)

    @staticmethod
    def _of(row: Any) -> str:
        if row.low == row.high:
            return f"{math.exp(row.low):.0f}"
        return f"above {math.exp(row.low):.0f}" if math.isinf(row.high) else f"below {math.exp(row.high):.0f}"

    def data(self) -> dict[str, Any]:
        """The same as JSON holds it: sizes in examples, None for what is not bounded or not measured."""
        sizes = {name: [_finite(math.exp(x)) for x in self.seeds[name]] for name in ("low", "high")}
        i = self.interval.exp()
        wanted = ["seed", "dataset_size", "test", "train", "motion", "train_margin", "unseen_margin", "logit", "norm"]
        columns = [name for name in wanted if name in self.table]
        return {
            "critical_size": {"value": _finite(i.value), "low": _finite(i.low), "high": _finite(i.high), "seeds": i.n},
            "seeds": [
                {"seed": int(s), "low": low, "high": high, "motion": _finite(m)}
                for s, low, high, m in zip(self.seeds.seed, sizes["low"], sizes["high"], self.seeds.motion, strict=True)
            ],
            "moving": self.moving,
            "margins": _plain(self.margins),
            "efficiency": _plain(self.efficiency),
            "examples": self.pairs,
            "chance": self.chance,
            "runs": [{c: _finite(v) for c, v in zip(columns, row, strict=True)} for row in self.table[columns].values],
        }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _plain(found: Other) -> dict[str, float | None] | str:
    return found if isinstance(found, str) else {name: _finite(value) for name, value in found.items()}


def read(path: Path) -> tuple[RunConfig, Search]:
    """The network and task of a TOML file, and its search. Errors: ConfigError for a file or a value that cannot be used."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            f"--net must be a TOML file; {str(path)!r} cannot be read: {error}. See validate/README.md."
        ) from None
    table = content.pop("search", {})
    names = [field.name for field in dataclasses.fields(Search)]
    require(isinstance(table, dict), "[search] must be a table", table, "Write [search] on a line of its own.")
    unknown = sorted(set(table) - set(names))
    require(not unknown, f"[search] takes {', '.join(names)}", unknown, "Correct the spelling.")
    search = Search(**table)
    taken = sorted(set(content) & set(SET_BY_SEARCH))
    remedy = (
        "Leave it out; sizes are searched for, and [search] says steps, seeds and the weight decay after examples go."
    )
    require(not taken, f"the search itself sets {', '.join(SET_BY_SEARCH)}", taken, remedy)
    optimizer = content.get("optimizer", "adamw")
    remedy = "Say weight_decay, such as 1e-3: the default 1.0 is AdamW's."
    said = optimizer == "adamw" or "weight_decay" in content
    require(
        said, "networks that are to grok under another optimizer than adamw need its weight_decay", optimizer, remedy
    )
    # A hundred measurements a run: its tenths, by which ends and rest are judged, must each hold some.
    net = from_dict({"dataset_size": 1, "light_every": max(1, search.steps // 100)} | content)
    most = max(1, search.steps // 20)
    remedy = f"Choose at most {most}, a twentieth of [search] steps."
    require(net.light_every <= most, "light_every must give a run twenty measurements", net.light_every, remedy)
    return net, search


class _Laboratory:
    """What a search trains, and what it finds there."""

    def __init__(self, net: RunConfig, search: Search, name: str, out: Path, device: str, workers: int | None) -> None:
        self.net, self.search, self.name, self.out = net, search, f"own-{name}", out
        self.device, self.workers = device, workers
        task = task_of(net)
        remedy = "Give the task integer labels, or ask of a regression another question."
        require(task.labelled, "D_crit is where accuracy passes halfway from chance to 1, so that a task needs classes",
                "numbers to be hit", remedy)  # fmt: skip
        self.own_test = task.test > 0
        self.pairs, self.classes = task.size, task.outputs
        judged = task.targets[task.size :] if self.own_test else task.targets
        self.chance = float(np.bincount(judged).max() / len(judged))
        remedy = "Balance the classes that it is judged by."
        require(self.chance <= 0.9, "guessing the commonest class must leave something to learn", self.chance, remedy)
        self.level = 0.5 * (1.0 + self.chance)
        self.parent = max(2, round(0.9 * self.pairs))
        remedy = "Give the task more examples."
        require(self.parent >= 10, "a task must have examples to take away", self.pairs, remedy)

    def parents(self) -> list[int]:
        """Seeds whose network groks. Errors: ConfigError where fewer than two do."""
        runs = [self._grokking(seed) for seed in range(self.search.seeds)]
        print(
            f"{len(runs)} networks on {self.parent} of {self.pairs} examples, {self.search.parent_steps} steps",
            flush=True,
        )
        table = self.table(PARENTS, runs)
        least = max(GROKKED, 0.5 * (1.0 + self.level))
        grokked = table[table.test >= least]
        for row in table.itertuples():
            print(f"  seed {row.seed}: accuracy {row.train:.2f} on them, {row.test:.2f} outside", flush=True)
        if len(grokked) < 2:
            decay, rate = (
                f"weight_decay (now {self.net.weight_decay:g})",
                f"learning_rate (now {self.net.learning_rate:g})",
            )
            advice = f"They fit but do not generalise: raise parent_steps in [search], or {decay}."
            if table.train.max() < RIGHT:
                advice = f"They do not even fit: raise parent_steps in [search] or {rate}, or lower {decay}."
            raise ConfigError(
                f"two networks or more must have grokked, accuracy {least:.2g} outside their training set, before they can "
                f"lose it; received {', '.join(f'{x:.2f}' for x in table.test)}. {advice}"
            )
        return [int(seed) for seed in grokked.seed]

    def _grokking(self, seed: int) -> RunConfig:
        steps = self.search.parent_steps
        return dataclasses.replace(self._sized(self.parent), steps=steps, seed=seed)

    def _sized(self, size: int) -> RunConfig:
        batch = self.net.batch_size and min(self.net.batch_size, size)
        return dataclasses.replace(self.net, dataset_size=size, batch_size=batch)

    def after(self, size: int, seed: int) -> RunConfig:
        """The seed's grokked network, trained on with `size` examples."""
        run = dataclasses.replace(self._sized(size), weight_decay=self.search.weight_decay, seed=seed)
        child = coupled(run, self.search.steps)
        return dataclasses.replace(child, start_from=self._grokking(seed), keep_optimizer=False)

    def memorising(self, size: int, seed: int) -> RunConfig:
        """A network on as many examples with random labels: each is wrong with probability (q - 1)/q."""
        run = dataclasses.replace(self._sized(size), weight_decay=self.search.weight_decay, seed=seed)
        return dataclasses.replace(coupled(run, self.search.steps), corrupted=1.0 - 1.0 / self.classes)

    def table(self, kind: str, runs: Iterable[RunConfig]) -> pd.DataFrame:
        """Trains what is missing; a row for each of the runs."""
        setting = Setting(self.name, self.name, self.net, (self.parent, self.search.parent_steps))
        experiment = Experiment(setting, kind, tuple(dict.fromkeys(runs)))
        train(experiment, self.out, self.device, self.workers)
        collect(experiment, self.out, self.out / self.name)
        return rows(self.out / self.name, experiment.name, self.own_test)

    def next(self, sizes: pd.Series, test: pd.Series) -> int | None:
        """The size to try next for one seed: between those where accuracy passes the level; None when near, or at an end."""
        size, share = sizes.to_numpy(), test.to_numpy()
        order = np.argsort(size)
        size, past = size[order], share[order] >= self.level
        if not past[-1]:
            return None
        if past.all():
            smaller = max(2, int(size[0]) // 3)
            return smaller if smaller < size[0] else None
        below = int(np.flatnonzero(~past)[-1])
        low, high = int(size[below]), int(size[below + 1])
        middle = round(math.sqrt(low * high))
        return middle if math.log(high / low) > self.search.precision and low < middle < high else None


def rows(folder: Path, name: str, own_test: bool) -> pd.DataFrame:
    """The finished runs of experiment `name`, one row each; judged by the task's own test examples where it has some."""
    found = []
    for run in Results(folder).runs(name):
        if run.status == "finished":
            row = run.row()
            if own_test:
                row |= {"test": row["unseen"], "motion": row["unseen"] - run.tenth(run.unseen, 6)}
            found.append(row)
    return pd.DataFrame(found)


def critical_size(path: Path, out: Path, device: str = "auto", workers: int | None = None) -> CriticalSize:
    """D_crit of the network of `path`; runs and answer are kept under `out`, the latter as own-NAME/own.json.

    Errors: ConfigError for what cannot be searched, and if the networks do not grok.
    """
    path, out = path.resolve(), out.resolve()
    require(path.parent.is_dir(), "--net must be a TOML file", str(path), "See validate/README.md.")
    with contextlib.chdir(path.parent):  # where names such as "mine:parity" are looked for
        net, search = read(path)
        lab = _Laboratory(net, search, path.stem, out, device, workers)
        seeds = lab.parents()
        sizes = {(max(2, round(lab.parent * share)), seed) for share in SHARES for seed in seeds}
        for turn in range(ROUNDS):
            print(f"[round {turn + 1}] sizes {', '.join(map(str, sorted({size for size, _ in sizes})))}", flush=True)
            table = lab.table(UNGROKKING, (lab.after(*x) for x in sorted(sizes)))
            ahead = {(lab.next(own.dataset_size, own.test), int(seed)) for seed, own in table.groupby("seed")}
            new = {(size, seed) for size, seed in ahead if size is not None} - sizes
            if not new:
                break
            sizes |= new
        found = thresholds(table, lab.level, lab.chance)
        interval = over_bounds(found.low, found.high)
        middle = math.exp(interval.value)
        margins: Other = "none; there is no D_crit to choose sizes by"
        efficiency: Other = ""
        if math.isfinite(middle):
            sizes |= {(size, s) for x in ABOVE if (size := round(middle * x)) <= lab.parent for s in seeds}
            print("[margins] sizes above D_crit", flush=True)
            table = lab.table(UNGROKKING, (lab.after(*x) for x in sorted(sizes)))
            margins = _by_margins(table)
        if search.efficiency:
            efficiency = _by_norms(lab, table, middle, seeds)
        answer = CriticalSize(interval, found, table, margins, efficiency, lab.pairs, lab.chance)
        said = {"file": path.name, "net": json.loads(net.to_json()), "search": dataclasses.asdict(search)}
        _save(out / lab.name / "own.json", said | answer.data())
    return answer


def _by_margins(table: pd.DataFrame) -> Other:
    """(8.3) from networks that stayed grokked; in words why there is none."""
    kept = table[np.isfinite(table.train_margin) & np.isfinite(table.unseen_margin) & (table.train_margin > 0)]
    try:
        fit = critical_size_from_margins(kept.dataset_size, kept.train_margin, kept.unseen_margin, kept.seed)
    except ValueError as error:
        return f"none; {error}"
    low, high = fit.interval
    return {"value": fit.critical_size, "low": low, "high": high, "scale": fit.scale}


def _by_norms(lab: _Laboratory, table: pd.DataFrame, middle: float, seeds: list[int]) -> Other:
    """(5.2) the size at which Mem alone and Gen alone need the same norm; in words why there is none."""
    gen = table[(table.test >= RIGHT) & (table.dataset_size > ABOVE[0] * middle) & np.isfinite(table.logit)]
    if not math.isfinite(middle) or gen.empty:
        return f"none; no network stayed right on {RIGHT:.0%} outside its training set"
    sizes = sorted({min(max(2, round(middle * x)), lab.pairs) for x in ABOUT})
    print(f"[efficiency] random labels, sizes {', '.join(map(str, sizes))}", flush=True)
    mem = lab.table(MEMORISING, (lab.memorising(size, seed) for size in sizes for seed in seeds))
    mem = mem[(mem.train >= RIGHT) & np.isfinite(mem.logit) & (mem.logit > 0)]
    kappa = float(pd.concat([gen, mem]).homogeneity.mean())
    columns = ["dataset_size", "logit", "norm", "seed"]
    try:
        fit = fit_circuits(gen[columns], mem[columns], kappa=kappa)
    except ValueError as error:
        return f"none; {error}"
    low, high = fit.intervals["critical_size"]
    return {"value": fit.critical_size, "low": low, "high": high}


def _save(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda name: Path(name).write_text(text, encoding="utf-8") and None)
    print(f"saved: {path}; python -m figures own {path.parent} draws it", flush=True)
