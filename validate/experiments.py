"""Which runs are trained: named sets of configs for each profile (experiments.md 1 and 5).

An experiment is a setting (a network and a task) and a kind of run:

    scratch              from random weights, data set size × weight decay × seed                       P4, P5, P7
    ungrokking           nets grokked on most pairs, trained on with fewer                              P2, P3, P6, P7, P10
    ungrokking_coupled   the same under Adam with a coupled L2 penalty, the toy's own weight decay      control of P3
    memorising           Mem-only: wholly random labels                                                 P1, P9
    memorising_coupled   the same, coupled
    generalising_coupled Gen-only: grokked nets trained to a stationary point on fewer pairs, coupled   P1, P9

The smaller profile's runs are among the larger one's, so that nothing is trained twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from realnet import Phase, RunConfig, grid

__all__ = ["BASE", "KINDS", "PROFILES", "Block", "Experiment", "Profile", "Setting", "experiments"]

BASE = "base"


class Block(NamedTuple):
    """A rectangle of runs: every size with every weight decay and seeds 0 .. seeds - 1."""

    sizes: Sequence[int]
    decays: Sequence[float]
    seeds: int


@dataclass(frozen=True)
class Design:
    """How many steps, and which blocks."""

    steps: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Setting:
    """A network and a task, and what is trained with it.

    name    names the folder
    title   names it to a reader
    net     what all its runs share
    parent  (data set size, steps) of the nets that have grokked, from which others start; AdamW, weight decay 1
    kinds   the design of each kind of run
    """

    name: str
    title: str
    net: RunConfig
    parent: tuple[int, int]
    kinds: Mapping[str, Design]


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
    """How much is trained. `settings` are in the order of training; the first is the base."""

    name: str
    purpose: str
    settings: tuple[Setting, ...]


def _coupled(run: RunConfig, steps: int) -> RunConfig:
    # Adam steps with a fixed rate do not come to rest; a fifth of the steps at a tenth of the rate does.
    tail = Phase(steps=steps // 5, learning_rate=run.learning_rate / 10)
    return replace(run, optimizer="adam", phases=(Phase(steps=steps - steps // 5), tail))


def _from_parent(setting: Setting, steps: int) -> Callable[..., list[RunConfig]]:
    size, parent_steps = setting.parent
    parent = replace(setting.net, dataset_size=size, steps=parent_steps, weight_decay=1.0)

    def make(base: RunConfig, **axes: Any) -> list[RunConfig]:
        return grid(replace(base, keep_optimizer=False), **axes, start_from=lambda run: replace(parent, seed=run.seed))

    return make


def _runs(setting: Setting, kind: str) -> tuple[RunConfig, ...]:
    design = setting.kinds[kind]
    # A base that is valid at any size; each block sets its own.
    base = replace(setting.net, dataset_size=1, steps=design.steps)
    if kind.startswith("memorising"):
        base = replace(base, task="random")
    if kind.endswith("_coupled"):
        base = _coupled(base, design.steps)
    make = _from_parent(setting, design.steps) if kind.startswith(("ungrokking", "generalising")) else grid
    runs = [
        run
        for block in design.blocks
        for run in make(base, dataset_size=block.sizes, weight_decay=block.decays, seed=range(block.seeds))
    ]
    return tuple(dict.fromkeys(runs))


KINDS = ("memorising", "memorising_coupled", "generalising_coupled", "ungrokking", "ungrokking_coupled", "scratch")


def experiments(profile: Profile) -> list[Experiment]:
    """All experiments of a profile, in the order of training."""
    return [Experiment(s, kind, _runs(s, kind)) for s in profile.settings for kind in s.kinds]


# --- The small network: p = 43, on two CPU cores -----------------------------------------------------------------------

SMALL = RunConfig(p=43, d_model=64, d_mlp=256)
PARENT = (1664, 3000)
STEPS = 10_000
UNGROKKING_SIZES = (60, 90, 120, 160, 210, 280, 370, 500)
SCRATCH_SIZES = (450, 550, 620, 660, 700, 740, 800, 900, 1050, 1250)

QUICK = Profile(
    "quick",
    "about twelve minutes of training on two CPU cores: p = 43, d_model 64, three seeds",
    (
        Setting(
            BASE,
            "addition mod 43, width 64",
            SMALL,
            PARENT,
            {
                "memorising": Design(6000, (Block((100, 300, 920), (0.8, 2.4), 3),)),
                "memorising_coupled": Design(4000, (Block((100, 300, 920), (1e-5, 1e-3), 3),)),
                "generalising_coupled": Design(4000, (Block((400, 1600), (1e-5, 1e-3), 3),)),
                "ungrokking": Design(STEPS, (Block((90, 160, 280, 500), (0.5, 1.0), 3),)),
                "ungrokking_coupled": Design(8000, (Block((90, 160, 280, 500), (1e-5, 1e-3), 3),)),
                "scratch": Design(STEPS, (Block((550, 660, 800, 1050), (1.0,), 3), Block((1050,), (0.5, 2.0), 3))),
            },
        ),
    ),
)


def _study(
    name: str,
    title: str,
    net: RunConfig,
    kinds: Sequence[str] = KINDS[1:3] + KINDS[4:],
    steps: int = 4000,
    seeds: int = 3,
) -> Setting:
    """A small setting at α = 1e-4 coupled, sizes in proportion to the number of pairs."""
    pairs = net.table_size

    def sizes(*shares: float) -> tuple[int, ...]:
        return tuple(round(pairs * share) for share in shares)

    designs = {
        "memorising_coupled": Design(steps, (Block(sizes(0.05, 0.15, 0.45), (1e-4,), seeds),)),
        "generalising_coupled": Design(steps, (Block(sizes(0.3, 0.8), (1e-4,), seeds),)),
        "ungrokking_coupled": Design(steps, (Block(sizes(0.05, 0.08, 0.12, 0.18, 0.27), (1e-4,), seeds),)),
        "scratch": Design(6000, (Block(sizes(0.38, 0.57, 0.76), (1.0,), seeds),)),
    }
    parent = (round(0.9 * pairs), 3000)
    return Setting(name, title, net, parent, {kind: designs[kind] for kind in kinds})


def _task(name: str, title: str, net: RunConfig) -> Setting:
    """Ungrokking on another task, as in the paper's figure 8, at two weight decays."""
    sizes = tuple(round(net.table_size * share) for share in (0.05, 0.09, 0.15, 0.27))
    design = Design(5000, (Block(sizes, (0.5, 2.0), 3),))
    return Setting(name, title, net, (round(0.9 * net.table_size), 3000), {"ungrokking": design})


S5 = replace(SMALL, task="s5_xy", p=120)
STANDARD = Profile(
    "standard",
    "about two hours on two CPU cores: the same network, more sizes, seeds and weight decays, and the studies",
    (
        Setting(
            BASE,
            "addition mod 43, width 64",
            SMALL,
            PARENT,
            {
                "memorising": Design(6000, (Block((100, 300, 920, 1600), (0.8, 1.4, 2.4), 4),)),
                "memorising_coupled": Design(
                    4000, (Block((100, 175, 300, 520, 920, 1600), (1e-6, 1e-5, 1e-4, 1e-3), 4),)
                ),
                "generalising_coupled": Design(4000, (Block((400, 800, 1600), (1e-6, 1e-5, 1e-4, 1e-3), 4),)),
                "ungrokking": Design(
                    STEPS, (Block(UNGROKKING_SIZES, (1.0,), 10), Block(UNGROKKING_SIZES, (0.5, 2.0), 5))
                ),
                "ungrokking_coupled": Design(8000, (Block(UNGROKKING_SIZES, (1e-5, 1e-4, 1e-3), 5),)),
                "scratch": Design(
                    STEPS,
                    (
                        Block(SCRATCH_SIZES, (1.0,), 6),
                        Block((550, 660, 740, 800, 900, 1050), (0.5, 2.0), 3),
                        Block((800, 1050, 1250), (0.25, 4.0), 3),
                    ),
                ),
            },
        ),
        Setting(
            "long",
            "long runs near the threshold",
            replace(SMALL, light_every=200),
            PARENT,
            {"scratch": Design(40_000, (Block((620, 660, 700), (1.0,), 4),))},
        ),
        _study("width-32", "width 32", replace(SMALL, d_model=32, d_mlp=128)),
        _study("modulus-31", "addition mod 31", replace(SMALL, p=31, dataset_size=1)),
        Setting(
            "small-decay",
            "weight decay down to 0",
            SMALL,
            PARENT,
            {
                "ungrokking": Design(STEPS, (Block((90, 280), (0.0, 0.03, 0.1), 3),)),
                "scratch": Design(STEPS, (Block((1250,), (0.0, 0.03, 0.1), 3),)),
            },
        ),
        _study("init-0.5", "half the initialisation", replace(SMALL, init_scale=0.5), ("scratch",)),
        _study("init-2", "twice the initialisation", replace(SMALL, init_scale=2.0), ("scratch",)),
        _task("task-sub", "x − y mod 43", replace(SMALL, task="sub")),
        _task("task-div", "x / y mod 43", replace(SMALL, task="div", dataset_size=1)),
        _task("task-squares", "x² + y² mod 43", replace(SMALL, task="x^2+y^2")),
        _task("task-quadratic", "x² + xy + y² mod 43", replace(SMALL, task="x^2+xy+y^2")),
        _study("modulus-59", "addition mod 59", replace(SMALL, p=59, dataset_size=1)),
        _study("width-128", "width 128", replace(SMALL, d_model=128, d_mlp=512), KINDS[1:3] + KINDS[4:5]),
        Setting(
            "task-s5",
            "composition in S5",
            S5,
            (12_960, 1500),
            {"ungrokking": Design(2000, (Block((700, 1400, 2800, 5600), (1.0,), 2),))},
        ),
        _study("depth-2", "two layers", replace(SMALL, n_layers=2), KINDS[1:3] + KINDS[4:5], steps=3000, seeds=2),
    ),
)

# --- The paper's network: p = 113, on a GPU ------------------------------------------------------------------------------

FULL = RunConfig(p=113)


def _geometric(first: int, last: int, count: int) -> tuple[int, ...]:
    return tuple(round(first * (last / first) ** (i / (count - 1))) for i in range(count))


def _even(first: int, last: int, count: int) -> tuple[int, ...]:
    return tuple(round(first + (last - first) * i / (count - 1)) for i in range(count))


PAPER = Profile(
    "paper",
    "the paper's sizes, seeds and weight decays at p = 113, for a GPU",
    (
        Setting(
            BASE,
            "addition mod 113, width 128",
            FULL,
            (12_769, 10_000),
            {
                "memorising": Design(10_000, (Block(_geometric(400, 6400, 5), (0.8, 1.4, 2.4), 5),)),
                "memorising_coupled": Design(8000, (Block(_geometric(400, 6400, 5), (1e-6, 1e-5, 1e-4, 1e-3), 5),)),
                "generalising_coupled": Design(8000, (Block(_geometric(2400, 9600, 3), (1e-6, 1e-5, 1e-4, 1e-3), 5),)),
                "ungrokking": Design(100_000, (Block(_geometric(390, 1494, 7), (0.5, 1.0, 2.0), 10),)),
                "ungrokking_coupled": Design(20_000, (Block(_geometric(390, 1494, 7), (1e-5, 1e-4, 1e-3), 5),)),
                "scratch": Design(
                    100_000,
                    (
                        Block(_even(1500, 2050, 20), (1.0,), 10),
                        Block((2400, 3000, 3830), (0.5, 1.0, 2.0), 5),
                    ),
                ),
            },
        ),
        *(
            _task(f"task-{name}", title, replace(FULL, task=task, dataset_size=1))
            for name, title, task in (
                ("sub", "x − y mod 113", "sub"),
                ("div", "x / y mod 113", "div"),
                ("squares", "x² + y² mod 113", "x^2+y^2"),
                ("quadratic", "x² + xy + y² mod 113", "x^2+xy+y^2"),
            )
        ),
        *(_task(f"task-{task}", task, RunConfig(task=task)) for task in ("s5_xy", "s5_xyx^-1", "s5_xyx")),
        _study("width-64", "width 64", replace(FULL, d_model=64, d_mlp=256)),
        _study("width-256", "width 256", replace(FULL, d_model=256, d_mlp=1024)),
        _study("depth-2", "two layers", replace(FULL, n_layers=2)),
        _study("modulus-67", "addition mod 67", replace(FULL, p=67, dataset_size=1)),
        _study("init-0.5", "half the initialisation", replace(FULL, init_scale=0.5)),
        _study("init-2", "twice the initialisation", replace(FULL, init_scale=2.0)),
        Setting(
            "small-decay",
            "weight decay down to 0",
            FULL,
            (12_769, 10_000),
            {"scratch": Design(100_000, (Block((3830,), (0.0, 0.03, 0.1), 5),))},
        ),
    ),
)

PROFILES = {profile.name: profile for profile in (QUICK, STANDARD, PAPER)}
