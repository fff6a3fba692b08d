"""The profiles: quick (minutes), standard (the study), paper (the paper's own protocol), those of the rival theory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from realnet import RunConfig, grid
from validate.experiments.design import Block, Profile, Setting, coupled
from validate.experiments.omnigrok import DIGITS, omnigrok

__all__ = ["PROFILES"]

SMALL = RunConfig(p=43, d_model=64, d_mlp=256)
FINE = replace(SMALL, light_every=25, points_per_decade=24)
"""Where times are measured"""
FULL = RunConfig(p=113, light_every=50)
"""The paper's network"""
ALPHAS = (1e-6, 1e-5, 1e-4, 1e-3)
UNGROKKING_SIZES = (60, 90, 120, 160, 210, 280, 370, 500)
SCRATCH_SIZES = (450, 550, 620, 660, 700, 740, 800, 900, 1050, 1250)
ANSWER = 1e-4
"""Coupled weight decay at which settings are compared"""

QUICK = Profile(
    "quick",
    "about five minutes of training on two CPU cores: a part of the study at p = 43, width 64, "
    "with randomly initialised runs of its own, and ungrokking at the paper's own size",
    (
        Setting(
            "base",
            "addition mod 43, width 64",
            replace(FINE, points_per_decade=6),
            (1664, 1000),
            {
                # First what is seen soonest: networks that grok, and ungrok within seconds.
                "ungrokking": (
                    Block((120,), (2.0,), range(10, 16), 800),
                    Block((120,), (0.5,), range(10, 16), 3200),
                ),
                "generalising_coupled": (Block((500, 1000), (1e-3,), range(10, 16), 800),),
                "ungrokking_coupled": (
                    # Few thresholds still move after these steps (P2, P8a, P10); the larger decay is sooner at rest.
                    Block((140, 200, 300, 450), (1e-4,), range(10, 20), 4000),
                    # The largest too: where it lies above 300, a seed's threshold must still lie between sizes (P3).
                    Block((200, 300, 450), (1e-3,), range(10, 20), 1500),
                ),
                "scratch_coupled": (Block((500, 600, 700, 810, 940, 1100), (1e-3,), range(10, 16), 1200),),
                # To be seen beside Gen, not to decide: Mem's norm rises with D. To rest takes ten times as long.
                "memorising_coupled": (Block((100, 300, 900), (1e-3,), range(4), 1500),),
            },
        ),
        Setting(
            "p113",
            "addition mod 113, width 128",
            FULL,
            (6000, 1200),
            {"ungrokking_coupled": (Block((400, 550, 750, 1000), (ANSWER,), range(1), 700),)},
        ),
    ),
)


def _study(
    name: str, title: str, net: RunConfig, *, steps: int = 4000, seeds: int = 3, more: int = 0, singles: bool = True,
    scratch: Sequence[int] = (),
) -> Setting:  # fmt: skip
    """A small setting at one coupled weight decay, sizes in proportion to the number of pairs.

    more      further seeds of ungrokking, in 3000 steps
    scratch   sizes from scratch, in 5000 steps as in the base
    singles   whether networks of one circuit are trained
    """

    def block(*shares: float, steps: int = steps, seeds: Sequence[int] = range(seeds)) -> Block:
        return Block(tuple(round(net.table_size * share) for share in shares), (ANSWER,), seeds, steps)

    shares = (0.05, 0.08, 0.12, 0.18, 0.27)
    kinds: dict[str, tuple[Block, ...]]
    kinds = {"ungrokking_coupled": (block(*shares), block(*shares, steps=3000, seeds=range(seeds, seeds + more)))}
    if singles:
        kinds |= {"memorising_coupled": (block(0.05, 0.15, 0.45),), "generalising_coupled": (block(0.3, 0.8),)}
    if scratch:
        kinds["scratch_coupled"] = (Block(scratch, (ANSWER,), range(seeds), 5000),)
    return Setting(name, title, net, (round(0.9 * net.table_size), 3000), kinds)


def _task(name: str, title: str, net: RunConfig, *shares: float) -> Setting:
    """Ungrokking on another task: coupled, sizes about its own threshold, and as the paper did it in its figure 8."""
    pairs = net.table_size
    paper = tuple(round(pairs * share) for share in (0.05, 0.09, 0.15, 0.27))
    sizes = tuple(round(pairs * share) for share in shares)
    kinds = {
        "ungrokking": (Block(paper, (0.5, 2.0), range(3), 5000),),
        "ungrokking_coupled": (Block(sizes, (ANSWER,), range(3), 2000),),
    }
    return Setting(name, title, net, (round(0.9 * pairs), 3000), kinds)


def _laws(
    name: str,
    title: str,
    net: RunConfig,
    parent: tuple[int, int],
    *,
    near: Sequence[int],
    far: Sequence[int],
    alone: Sequence[int],
) -> Setting:
    """What the laws of networks at rest (P15 to P19) are tried on: seeds that none of them had seen.

    near    sizes from below D_crit to twice that: networks that have grokked, trained on
    far     larger ones, where Gen is all but alone
    alone   sizes of Mem-only networks, which take longest to come to rest
    """
    seeds = range(20, 23)
    kinds = {
        "ungrokking_coupled": (Block(near, (ANSWER,), seeds, 4000),),
        "generalising_coupled": (Block(far, (ANSWER,), seeds, 2500),),
        "memorising_coupled": (Block(alone, (ANSWER,), seeds, 24_000),),
    }
    return Setting(name, title, net, parent, kinds)


def _digits_at_rest() -> Setting:
    """An MLP on digits, true labels and shuffled ones: nine in ten wrong, which is chance."""
    net = replace(DIGITS, loss="cross_entropy")

    def rest(corrupted: float) -> list[RunConfig]:
        runs = grid(replace(net, dataset_size=1, corrupted=corrupted), dataset_size=(100, 200, 400, 800, 1600, 3000),
                    weight_decay=(3e-4, 3e-3), seed=range(20, 23))  # fmt: skip
        return [coupled(replace(run, batch_size=min(100, run.dataset_size)), 4000) for run in runs]

    kinds = {"generalising_coupled": tuple(rest(0.0)), "memorising_coupled": tuple(rest(0.9))}
    return Setting("laws-digits", "5000 digits of MNIST, MLP of width 200", net, kinds=kinds, stack=8)


LAWS = (
    _laws(
        "laws-67",
        "addition mod 67, width 64",
        replace(SMALL, p=67, dataset_size=1),
        (4000, 2500),
        near=(360, 430, 500, 540, 660),
        far=(920, 1400, 2300),
        alone=(300, 420, 560, 800),
    ),
    _laws(
        "laws-div",
        "x / y mod 43",
        replace(SMALL, task="div", dataset_size=1),
        (1625, 3000),
        near=(200, 240, 280, 320, 390),
        far=(530, 800, 1300),
        alone=(180, 250, 340, 480),
    ),
    _laws(
        "laws-width-128",
        "addition mod 43, width 128",
        replace(SMALL, d_model=128, d_mlp=512),
        (1664, 2500),
        near=(200, 250, 290, 330, 400),
        far=(560, 840, 1400),
        alone=(180, 250, 340, 480),
    ),
    _digits_at_rest(),
    # Law A: Gen for the right labels, Mem for the wrong ones, and Mem alone on as many.
    Setting(
        "laws-43-labels",
        "addition mod 43, width 64, some labels wrong",
        SMALL,
        (1664, 2500),
        {
            "corrupted_coupled": (Block((800,), (ANSWER,), range(110, 116), 36_000, (0.0, 0.1, 0.2, 0.4)),),
            "memorising_coupled": (Block((80, 160, 320), (ANSWER,), range(110, 116), 36_000),),
        },
    ),
    Setting(
        "laws-43",
        "addition mod 43, width 64, to rest, new seeds",
        SMALL,
        (1664, 2500),
        {
            "ungrokking_coupled": (Block((60, 150, 200, 300, 370, 450, 560), (1e-5, 1e-3), range(110, 120), 8000),),
            "generalising_coupled": (Block((400, 800, 1600), ALPHAS[1:], range(110, 114), 4000),),
            # Which starts rest in between, and on how many frequencies?
            "mixed_coupled": (Block((480,), (1e-3,), range(110, 115), 6000, before=(200, 300, 400, 600, 1000, 1600)),),
            "memorising_coupled": (
                Block((100, 175, 300, 520, 920, 1600), (1e-4, 1e-5, 1e-3), range(110, 114), 16_000),
                Block((100, 175, 300, 520, 920, 1600), (1e-6,), range(110, 114), 16_000),
            ),
        },
    ),
    _laws(
        "laws-97",
        "addition mod 97, width 64",
        replace(SMALL, p=97, dataset_size=1),
        (6500, 2500),
        near=(520, 630, 740, 860, 1000),
        far=(1400, 2100, 3500),
        alone=(450, 650, 850, 1200),
    ),
    _laws(
        "laws-113",
        "addition mod 113, width 128, to rest, new seeds",
        FULL,
        (9000, 1500),
        near=(560, 680, 800, 900, 1100, 1350, 1800),
        far=(2600, 4000, 7000),
        alone=(500, 680, 900, 1360),
    ),
    Setting(
        "laws-113-labels",
        "addition mod 113, width 128, some labels wrong",
        FULL,
        (9000, 1500),
        {
            "corrupted_coupled": (Block((3400,), (ANSWER,), range(20, 23), 12_000, (0.0, 0.05, 0.1, 0.2, 0.4)),),
            "memorising_coupled": (Block((170, 340, 680, 1360), (ANSWER,), range(20, 23), 24_000),),
        },
    ),
)
"""Registered before they were trained, with the rules that they decide; Mem-only networks and those with wrong labels
were lengthened when a third of the first ones still moved, those for wrong labels at p = 43 once more"""


STANDARD = Profile(
    "standard",
    "the study, hours on two CPU cores: the small network at length, seeds never used before, the paper's size, other "
    "widths, moduli and tasks, networks at rest",
    (
        Setting(
            "base",
            "addition mod 43, width 64",
            SMALL,
            (1664, 3000),
            {
                "memorising": (Block((100, 300, 920, 1600), (0.8, 1.4, 2.4), range(4), 6000),),
                "memorising_coupled": (Block((100, 175, 300, 520, 920, 1600), ALPHAS, range(4), 4000),),
                "generalising_coupled": (Block((400, 800, 1600), ALPHAS, range(4), 4000),),
                "ungrokking": (
                    Block(UNGROKKING_SIZES, (1.0,), range(10), 10_000),
                    Block(UNGROKKING_SIZES, (0.5, 2.0), range(5), 10_000),
                ),
                "ungrokking_coupled": (Block(UNGROKKING_SIZES, ALPHAS[1:], range(5), 8000),),
                "scratch": (
                    Block(SCRATCH_SIZES, (1.0,), range(6), 10_000),
                    Block((550, 660, 740, 800, 900, 1050), (0.5, 2.0), range(3), 10_000),
                    Block((800, 1050, 1250), (0.25, 4.0), range(3), 10_000),
                ),
                "scratch_coupled": (
                    Block((400, 450, 500, 560, 660), (1e-4,), range(3), 5000),
                    Block((450, 560), (1e-3,), range(3), 5000),
                ),
            },
        ),
        Setting(
            "fresh",
            "the same on seeds never used before",
            FINE,
            (1664, 1000),
            {
                "ungrokking_coupled": (
                    Block((140, 200, 300, 450), (1e-4,), range(10, 20), 2500),
                    Block((200, 300), (1e-5, 1e-3), range(10, 20), 2500),
                ),
                "ungrokking": (
                    Block((120, 180, 280), (0.5,), range(10, 16), 3200),
                    Block((120, 180, 280), (2.0,), range(10, 16), 800),
                ),
                "corrupted_coupled": (Block((800,), (1e-4,), range(10, 16), 2500, (0.0, 0.1, 0.2, 0.4)),),
                "mixed_coupled": (
                    Block(
                        (480,),
                        (1e-4, 1e-3),
                        range(10, 14),
                        3000,
                        before=(25, 50, 100, 150, 200, 300, 400, 600, 1000, 1600),
                    ),
                ),
                "scratch_coupled": (
                    Block((560,), (1e-3,), range(10, 42), 3000),
                    Block((620,), (1e-3,), range(10, 30), 3000),
                ),
                "scratch": (
                    Block((850,), (1.0,), range(10, 20), 12_000),
                    Block((850,), (2.0,), range(10, 26), 8000),
                    Block((850,), (4.0,), range(10, 26), 5000),
                    # P5's second set: the exponent needs the ends only, eighty seeds by its power.
                    Block((850,), (1.0,), range(26, 106), 12_000),
                    Block((850,), (4.0,), range(26, 106), 5000),
                ),
            },
        ),
        Setting(
            "long",
            "long runs near the threshold",
            replace(SMALL, light_every=200),
            (1664, 3000),
            {
                "scratch": (
                    Block((620, 660, 700), (1.0,), range(4), 40_000),
                    Block((330, 400, 480, 600), (4.0,), range(4), 20_000),
                ),
                "scratch_constant": (Block((480, 520, 560, 600), (1e-3,), range(10, 16), 20_000),),
            },
        ),
        Setting(
            "small-decay",
            "weight decay down to 0",
            SMALL,
            (1664, 3000),
            {
                "ungrokking": (Block((90, 280), (0.0, 0.03, 0.1), range(3), 10_000),),
                "scratch": (Block((1250,), (0.0, 0.03, 0.1), range(3), 10_000),),
            },
        ),
        Setting(
            "p113",
            "addition mod 113, width 128",
            FULL,
            (6000, 2500),
            {
                "ungrokking_coupled": (
                    Block((350, 430, 530, 650, 800, 1000, 1250, 1500), (ANSWER,), range(5), 3000),
                    Block((350, 430, 530, 650, 800, 1000, 1250, 1500), (1e-3,), range(5), 1500),
                ),
                "memorising_coupled": (
                    Block((300, 650, 1000, 1500), (ANSWER,), range(3), 3000),
                    Block((300, 650, 1000, 1500), (1e-3,), range(3), 1500),
                ),
                "generalising_coupled": (
                    Block((1700, 2400, 3400), (ANSWER,), range(3), 2000),
                    Block((4800,), (ANSWER,), range(3), 1500),
                    Block((1700, 2400, 3400, 4800), (1e-3,), range(3), 1000),
                ),
                "scratch_coupled": (
                    Block((1000, 1500), (1e-3,), range(2), 4000),
                    Block((2000, 2500, 2800, 3200, 3600, 4000), (1e-3,), range(5), 4000),
                    # Where some seeds leave and others do not: is it told beforehand (P13)?
                    Block((2500, 2800), (1e-3,), range(5, 17), 4000),
                ),
            },
        ),
        _study("width-32", "width 32", replace(SMALL, d_model=32, d_mlp=128), more=3),
        _study("width-128", "width 128", replace(SMALL, d_model=128, d_mlp=512), more=3),
        _study(
            "modulus-31",
            "addition mod 31",
            replace(SMALL, p=31, dataset_size=1),
            scratch=(200, 250, 300, 360, 430, 520),
        ),
        _study(
            "modulus-59",
            "addition mod 59",
            replace(SMALL, p=59, dataset_size=1),
            scratch=(600, 720, 860, 1030, 1240, 1500),
        ),
        _study("depth-2", "two layers", replace(SMALL, n_layers=2), steps=3000, seeds=2, singles=False),
        _task("task-sub", "x − y mod 43", replace(SMALL, task="sub"), 0.12, 0.18, 0.27, 0.4),
        _task("task-div", "x / y mod 43", replace(SMALL, task="div", dataset_size=1), 0.09, 0.15, 0.25, 0.4),
        _task("task-squares", "x² + y² mod 43", replace(SMALL, task="x^2+y^2"), 0.05, 0.08, 0.125, 0.2),
        _task("task-quadratic", "x² + xy + y² mod 43", replace(SMALL, task="x^2+xy+y^2"), 0.2, 0.32, 0.5, 0.7),
        Setting(
            "task-s5",
            "composition in S5",
            replace(SMALL, task="s5_xy", p=120),
            (12_960, 1500),
            {
                "ungrokking": (Block((700, 1400, 2800, 5600), (1.0,), range(2), 2000),),
                "ungrokking_coupled": (Block((700, 850, 1000, 1200, 1400, 2800), (ANSWER,), range(3), 1000),),
            },
        ),
        *LAWS,
    ),
)


def _geometric(first: int, last: int, count: int) -> tuple[int, ...]:
    return tuple(round(first * (last / first) ** (i / (count - 1))) for i in range(count))


def _on_all_pairs(name: str, title: str, net: RunConfig) -> Setting:
    """Ungrokking as in the paper's figure 8: parents on the whole table, five sizes, λ = 1."""
    shares = (0.02, 0.04, 0.075, 0.14, 0.27)
    sizes = tuple(round(net.table_size * share) for share in shares)
    return Setting(name, title, net, (net.table_size, 2000), {"ungrokking": (Block(sizes, (1.0,), range(3), 10_000),)})


def _paper_task(task: str, title: str) -> Setting:
    """The same of the task called so at the paper's size."""
    net = RunConfig(task=task) if task.startswith("s5") else replace(FULL, task=task, dataset_size=1)
    return _on_all_pairs(f"task-{task.replace('^', '').replace('+', '-')}", title, replace(net, light_every=100))


FIGURE_4 = _geometric(390, 1494, 7)
START = replace(FULL, dataset_size=2000, light_every=200)
PAPER = Profile(
    "paper",
    "the paper's own protocol, AdamW at p = 113 and width 128, sized for two CPU cores: some nights, trained seed by "
    "seed, the most telling first",
    (
        Setting(
            "start",
            "which start and betas, on 2000 pairs",
            START,
            kinds={
                # The paper prints neither: ours, smaller ones, PyTorch's, and Adam's usual betas.
                "scratch": tuple(
                    replace(START, steps=12_000, seed=seed, **changed)
                    for seed in range(2)
                    for changed in (
                        {},
                        {"init_scale": 0.5},
                        {"init_scale": 0.25},
                        {"init_scale": 0.1},
                        {"init": "torch"},
                        {"init_scale": 0.25, "betas": (0.9, 0.999)},
                    )
                ),
            },
        ),
        Setting(
            "base",
            "addition mod 113, width 128",
            replace(FULL, light_every=100),
            (12_769, 2000),
            {
                # Figures 4 and 7; λ × steps is the same for all three decays.
                "ungrokking": (
                    Block(FIGURE_4, (1.0,), range(5), 30_000),
                    Block(FIGURE_4, (2.0,), range(3), 15_000),
                    Block(FIGURE_4, (0.5,), range(3), 60_000),
                ),
                # Figure 5 upwards: where is the threshold from random initialisation after so many steps?
                "scratch": (Block((2400, 2700, 3000, 3830), (1.0,), range(3), 40_000),),
                # Figure 3.
                "memorising": (
                    Block((400, 700, 1200, 2000), (2.0,), range(3), 10_000),
                    Block((400, 700, 1200, 2000), (1.0,), range(3), 20_000),
                    Block((400, 700, 1200, 2000), (0.5,), range(3), 40_000),
                ),
                "generalising": (
                    Block((1500, 3000, 6000), (2.0,), range(3), 2500),
                    Block((1500, 3000, 6000), (1.0,), range(3), 5000),
                    Block((1500, 3000, 6000), (0.5,), range(3), 10_000),
                ),
            },
        ),
        # Figures 5 and 6 where the clock is fast: a plateau may begin after 10^5 steps and last for as many.
        Setting(
            "clock-31",
            "addition mod 31, width 64, long",
            replace(SMALL, p=31, dataset_size=1, light_every=2000),
            kinds={"scratch": (Block((200, 240, 280, 330), (1.0,), range(3), 1_000_000),)},
        ),
        Setting(
            "clock-43",
            "addition mod 43, width 64, long",
            replace(SMALL, light_every=2000),
            kinds={"scratch": (Block((400, 480, 560, 660), (1.0,), range(3), 1_000_000),)},
        ),
        # Figure 8.
        _paper_task("sub", "x − y mod 113"),
        _paper_task("div", "x / y mod 113"),
        _paper_task("x^2+y^2", "x² + y² mod 113"),
        _paper_task("x^2+xy+y^2", "x² + xy + y² mod 113"),
        _paper_task("x^2+xy+y^2+x", "x² + xy + y² + x mod 113"),
        _paper_task("x^3+xy", "x³ + xy mod 113"),
        _paper_task("s5_xy", "x · y in S5"),
        _paper_task("s5_xyx^-1", "x · y · x⁻¹ in S5"),
        _paper_task("s5_xyx", "x · y · x in S5"),
    ),
    by_seed=True,
)

PAPER_GPU = Profile(
    "paper-gpu",
    "what a GPU would add to `paper`, and nobody has run: the paper's ten seeds and 10^5 steps and more, other widths "
    "and depth",
    (
        Setting(
            "base",
            "addition mod 113, width 128",
            replace(FULL, light_every=100),
            (12_769, 2000),
            {
                "ungrokking": (Block(FIGURE_4, (0.5, 1.0, 2.0), range(10), 100_000),),
                "scratch": (Block(tuple(range(1500, 2051, 29)), (1.0,), range(10), 1_000_000),),
            },
        ),
        _study("width-64", "width 64", replace(FULL, d_model=64, d_mlp=256)),
        _study("width-256", "width 256", replace(FULL, d_model=256, d_mlp=1024)),
        _study("depth-2", "two layers", replace(FULL, n_layers=2)),
    ),
)

PROFILES = {profile.name: profile for profile in (QUICK, STANDARD, PAPER, PAPER_GPU, *omnigrok())}
