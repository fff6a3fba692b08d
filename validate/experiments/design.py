"""What an experiment is: a setting and a kind of run. A kind names its protocol.

    memorising, memorising_coupled        Mem-only: wholly random labels
    generalising, generalising_coupled    Gen-only: networks that have grokked, trained on with many pairs
    ungrokking, ungrokking_coupled        networks that have grokked, trained on with fewer pairs
    corrupted_coupled                     networks that have grokked, trained on with a share of the labels made wrong
    mixed_coupled                         the same after some steps on few pairs: both circuits at the start
    scratch, scratch_coupled              from random weights
    scratch_constant                      the same as coupled, without its tail

`_coupled` is Adam with the penalty in the gradient, its last fifth at a tenth of the rate; the others are AdamW. The kinds
of Omnigrok stand in `omnigrok`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from realnet import Phase, RunConfig, grid

__all__ = [
    "Block",
    "Experiment",
    "Profile",
    "Setting",
    "coupled",
    "experiments",
    "from_parent",
    "rounds",
    "runs_of",
]

FEW = 100
"""Pairs on which Gen decays and Mem grows before a mixed run"""


class Block(NamedTuple):
    """A rectangle of runs: every size with every weight decay, seed, share of corrupted labels, and steps `before` a mix."""

    sizes: Sequence[int]
    decays: Sequence[float]
    seeds: Sequence[int]
    steps: int
    corrupted: Sequence[float] = (0.0,)
    before: Sequence[int] = ()


@dataclass(frozen=True)
class Setting:
    """A network and a task, and what is trained with it.

    name    names the folder
    title   names it to a reader
    network     what all its runs share
    parent  (data set size, steps) of the networks that have grokked, from which others start; AdamW, weight decay 1
    kinds   the blocks of each kind of run, or the runs themselves
    stack   runs trained in one stack on a CPU, where small steps gain from that; their sums are then rounded alike only
            in the same company
    """

    name: str
    title: str
    net: RunConfig
    parent: tuple[int, int] = (0, 0)
    kinds: Mapping[str, Sequence[Block | RunConfig]] = field(default_factory=dict)
    stack: int | None = None


@dataclass(frozen=True)
class Experiment:
    """Runs of one kind in one setting."""

    setting: Setting
    kind: str
    runs: tuple[RunConfig, ...]

    @property
    def name(self) -> str:
        """setting/kind"""
        return f"{self.setting.name}/{self.kind}"


@dataclass(frozen=True)
class Profile:
    """How much is trained. `settings` are in the order of training; the first is the base.

    by_seed    train one seed of every experiment before the second of any, so that each part is useful alone
    """

    name: str
    purpose: str
    settings: tuple[Setting, ...]
    by_seed: bool = False


def coupled(run: RunConfig, steps: int) -> RunConfig:
    """`run` under the coupled protocol. Adam steps with a fixed rate do not come to rest; the tail does."""
    tail = Phase(steps=steps // 5, learning_rate=run.learning_rate / 10)
    return replace(run, optimizer="adam", phases=(Phase(steps=steps - steps // 5), tail))


def from_parent(net: RunConfig, parent: tuple[int, int], run: RunConfig) -> RunConfig:
    """`run` started from the network of its own seed that has grokked."""
    size, steps = parent
    grokked = replace(net, dataset_size=size, steps=steps, weight_decay=1.0, seed=run.seed)
    return replace(run, start_from=grokked, keep_optimizer=False)


def _mixed(run: RunConfig, steps: int) -> RunConfig:
    """`run` after `steps` on few pairs."""
    first = Phase(steps=steps, dataset_size=FEW)
    then = replace(run.phases[0], dataset_size=run.dataset_size, nested=False)
    return replace(run, dataset_size=FEW, phases=(first, then, *run.phases[1:]))


def _block(setting: Setting, kind: str, block: Block) -> list[RunConfig]:
    # A base that is valid at any size; the block sets its own.
    base = replace(setting.net, dataset_size=1, steps=block.steps)
    if kind.startswith("memorising"):
        base = replace(base, task="random")
    if kind.endswith("_coupled"):
        base = coupled(base, block.steps)
    elif kind.endswith("_constant"):
        base = replace(base, optimizer="adam")
    axes = {"dataset_size": block.sizes, "weight_decay": block.decays, "seed": block.seeds}
    runs = grid(base, **axes, corrupted=block.corrupted)
    if kind.startswith(("ungrokking", "generalising", "corrupted", "mixed")):
        runs = [from_parent(setting.net, setting.parent, run) for run in runs]
    return [_mixed(run, steps) for steps in block.before for run in runs] if block.before else runs


def runs_of(setting: Setting, kind: str) -> tuple[RunConfig, ...]:
    """The runs of one kind in one setting."""
    found = [[x] if isinstance(x, RunConfig) else _block(setting, kind, x) for x in setting.kinds[kind]]
    return tuple(dict.fromkeys(run for runs in found for run in runs))


def rounds(wanted: Sequence[Experiment], by_seed: bool) -> list[Experiment]:
    """`wanted` in the order of training: as they are, or the first seed of each, the second of each, and so on.

    By seed, each block (runs of one length) is a part of its own, so that the first is kept before the next begins.
    """
    if not by_seed:
        return list(wanted)
    parts: dict[int, list[Experiment]] = {}
    for one in wanted:
        for turn, seed in enumerate(dict.fromkeys(run.seed for run in one.runs)):
            mine = [run for run in one.runs if run.seed == seed]
            for steps in dict.fromkeys(run.steps for run in mine):
                parts.setdefault(turn, []).append(replace(one, runs=tuple(r for r in mine if r.steps == steps)))
    return [part for turn in sorted(parts) for part in parts[turn]]


def experiments(profile: Profile) -> list[Experiment]:
    """All experiments of a profile, in the order of training."""
    found = []
    for setting in profile.settings:
        for kind in setting.kinds:
            found.append(Experiment(setting, kind, runs_of(setting, kind)))
    return found
