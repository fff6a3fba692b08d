"""What a run is: RunConfig and Phase, frozen, validated and hashable (experiments.md 1).

A run's key is a hash of its config, so a run is known by what it is and never by when it was started.
Needs neither torch nor the data: `import realnet` and the command line's help stay quick.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from realnet.tasks import POLYNOMIALS, TASKS, is_prime, symbols, table_size

__all__ = ["ConfigError", "Phase", "RunConfig", "Stage", "from_json", "grid"]

ARCHITECTURES = ("transformer", "mlp")
ACTIVATIONS = ("relu", "gelu")
OPTIMIZERS = ("adamw", "adam", "sgd")
DTYPES = ("float32", "float64")


class ConfigError(ValueError):
    """A config that cannot be trained: the requirement, the value received, the next step."""


def require(condition: bool, requirement: str, received: object, remedy: str) -> None:
    """Raise ConfigError in the house form unless `condition` holds."""
    if not condition:
        raise ConfigError(f"{requirement}; received {received!r}. {remedy}")


def _number(name: str, value: object, *, minimum: float, above: bool = False, integer: bool = False) -> None:
    kind = int if integer else (int, float)
    word = "an integer" if integer else "a number"
    ok = isinstance(value, kind) and not isinstance(value, bool)
    require(ok, f"{name} must be {word}", value, f"Pass {word}.")
    assert isinstance(value, (int, float))
    inside = minimum < value < float("inf") if above else minimum <= value < float("inf")
    bound = "greater than" if above else "at least"
    require(inside, f"{name} must be finite and {bound} {minimum:g}", value, f"Choose {name} {bound} {minimum:g}.")


@dataclass(frozen=True)
class Phase:
    """A stretch of training under one data set, one labelling and one set of rates. None means: as before.

    Errors: ConfigError if a value cannot be used in any run; the rest is checked by the RunConfig it joins.
    """

    steps: int
    dataset_size: int | None = None
    weight_decay: float | None = None
    learning_rate: float | None = None
    task: str | None = None
    """new labels on the same pairs, such as "random" """
    corrupted: float | None = None
    """share of training labels replaced by a wrong one"""
    keep_optimizer: bool = True
    """False starts the phase with empty moments and step count"""
    nested: bool = True
    """the data set must be a subset of the one before; set to False to let it grow"""

    def __post_init__(self) -> None:
        _number("Phase.steps", self.steps, minimum=1, integer=True)
        if self.dataset_size is not None:
            _number("Phase.dataset_size", self.dataset_size, minimum=1, integer=True)
        if self.weight_decay is not None:
            _number("Phase.weight_decay", self.weight_decay, minimum=0.0)
        if self.learning_rate is not None:
            _number("Phase.learning_rate", self.learning_rate, minimum=0.0, above=True)


@dataclass(frozen=True)
class Stage:
    """A phase with nothing left to inherit, on global steps `start` < step <= `stop`."""

    start: int
    stop: int
    dataset_size: int
    weight_decay: float
    learning_rate: float
    task: str
    corrupted: float
    keep_optimizer: bool


@dataclass(frozen=True)
class RunConfig:
    """One training run. Defaults are the paper's (experiments.md 1); every field is part of the run's key.

    Errors: ConfigError, stating the requirement, the value and the remedy.
    """

    task: str = "add"
    p: int = None  # type: ignore[assignment]  # an int once made
    """number of symbols; default 113 for modular tasks, 120 (the elements of S5) for the compositions"""
    dataset_size: int = None  # type: ignore[assignment]  # an int once made
    """number of training pairs D; default 30 % of all pairs"""
    weight_decay: float = 1.0
    learning_rate: float = 1e-3
    seed: int = 0
    steps: int = 20_000
    """optimizer steps on the full batch; the sum of the phases' steps if there are phases"""
    d_model: int = 128
    n_heads: int = 4
    d_mlp: int = 512
    n_layers: int = 1
    """transformer blocks, or hidden layers of the MLP"""
    architecture: str = "transformer"
    activation: str = "relu"
    layer_norm: bool = False
    biases: bool = False
    """biases in the MLP layers; without them and without layer norm the net is nearly homogeneous"""
    embedding: bool = True
    """MLP only: learned embeddings of width d_model; False feeds one-hot pairs"""
    init_scale: float = 1.0
    """all weights start as this times N(0, 1/fan-in)"""
    optimizer: str = "adamw"
    betas: tuple[float, float] = (0.9, 0.98)
    """decay of the two moments; for "sgd" the first is the momentum"""
    epsilon: float = 1e-8
    warmup: int = 0
    """steps over which the learning rate rises linearly from 0, from the run's start"""
    fixed_norm: bool = False
    """project the weights back to their starting norm after every step"""
    corrupted: float = 0.0
    """share of training labels replaced by a wrong one"""
    data_seed: int | None = None
    """seed of split and labels; default: seed"""
    phases: tuple[Phase, ...] = ()
    start_from: RunConfig | None = None
    """start with the final weights of this run (trained first if it is not there yet)"""
    keep_optimizer: bool = False
    """with start_from: inherit its moments and step count too"""
    nested: bool = True
    """with start_from: the data set must be a subset of the parent's"""
    dtype: str = "float32"
    points_per_decade: int = 12
    """full measurements on a log-spaced grid of steps, anew from each phase's start"""
    light_every: int = 100
    """losses, accuracies and norm on this even grid of steps"""

    def __post_init__(self) -> None:
        one_of = {"task": TASKS, "architecture": ARCHITECTURES, "activation": ACTIVATIONS}
        for name, known in (one_of | {"optimizer": OPTIMIZERS, "dtype": DTYPES}).items():
            value = getattr(self, name)
            require(
                value in known,
                f"{name} must be one of {', '.join(known)}",
                value,
                f"Choose a {name} of these.",
            )
        phases = tuple(Phase(**x) if isinstance(x, Mapping) else x for x in self.phases)
        start = from_dict(self.start_from) if isinstance(self.start_from, Mapping) else self.start_from
        fixed: dict[str, Any] = {"phases": phases, "start_from": start, "betas": tuple(self.betas)}
        fixed["p"] = p = self.p if self.p is not None else symbols(self.task, 113)
        if self.dataset_size is None:
            _number("p", p, minimum=2, integer=True)
            fixed["dataset_size"] = max(1, round(0.3 * table_size(self.task, p)))
        if phases:
            fixed["steps"] = sum(phase.steps for phase in phases)
        for name, value in fixed.items():
            object.__setattr__(self, name, value)
        self._check_numbers()
        self._check_data()

    def _check_numbers(self) -> None:
        for name in ("p", "dataset_size", "steps", "d_model", "n_heads", "d_mlp", "n_layers"):
            _number(name, getattr(self, name), minimum=2 if name == "p" else 1, integer=True)
        for name in ("points_per_decade", "light_every"):
            _number(name, getattr(self, name), minimum=1, integer=True)
        for name in ("seed", "warmup"):
            _number(name, getattr(self, name), minimum=0, integer=True)
        if self.data_seed is not None:
            _number("data_seed", self.data_seed, minimum=0, integer=True)
        _number("weight_decay", self.weight_decay, minimum=0.0)
        for name in ("learning_rate", "init_scale", "epsilon"):
            _number(name, getattr(self, name), minimum=0.0, above=True)
        ok = len(self.betas) == 2 and all(0.0 <= beta < 1.0 for beta in self.betas)
        require(ok, "betas must be two numbers in [0, 1)", self.betas, "The paper's choice is (0.9, 0.98).")
        if self.architecture == "transformer":
            divides = self.d_model % self.n_heads == 0
            received = f"d_model={self.d_model}, n_heads={self.n_heads}"
            require(divides, "n_heads must divide d_model", received, "Change one of the two.")

    def _check_data(self) -> None:
        for task in {self.task} | {phase.task for phase in self.phases if phase.task is not None}:
            require(task in TASKS, f"task must be one of {', '.join(TASKS)}", task, "Choose one of these.")
            if task in ("div", "div_odd"):
                remedy = "Choose a prime such as 113, or a task without division."
                require(is_prime(self.p), f"task {task!r} needs a prime modulus p", self.p, remedy)
            if task.startswith("s5"):
                require(self.p == 120, f"task {task!r} has p = 120 symbols", self.p, "Leave p out.")
            same = table_size(task, self.p) == table_size(self.task, self.p)
            require(same, f"a phase's task must have the pairs of task {self.task!r}", task, "Start a new run.")
        total, size = self.table_size, None
        if self.start_from is not None:
            parent = self.start_from
            require(isinstance(parent, RunConfig), "start_from must be a RunConfig", parent, "Pass the parent's.")
            for name in (
                "p",
                "d_model",
                "n_heads",
                "d_mlp",
                "n_layers",
                "architecture",
                "layer_norm",
                "biases",
            ):
                a, b = getattr(self, name), getattr(parent, name)
                require(a == b, f"{name} must be that of start_from ({b!r})", a, "The weights must fit.")
            if self.nested:
                a, b = self.split_seed, parent.split_seed
                remedy = f"Set data_seed={b}, or nested=False for a fresh draw."
                require(a == b, f"a nested run must draw from its parent's split, seed {b}", a, remedy)
                size = parent.stages[-1].dataset_size
        for where, want, nested in self._sizes():
            remedy = f"Choose at most {total}."
            require(want <= total, f"{where} must not exceed the {total} pairs of the task's table", want, remedy)
            if nested and size is not None:
                remedy = "Choose a smaller one, or set nested=False to let it grow."
                require(want <= size, f"{where} is nested and must not exceed the {size} before it", want, remedy)
            size = want
        for share in [self.corrupted] + [x.corrupted for x in self.phases if x.corrupted is not None]:
            require(0 <= share <= 1, "corrupted is a share of the labels, in [0, 1]", share, "Choose a share.")

    def _sizes(self) -> Iterator[tuple[str, int, bool]]:
        yield "dataset_size", self.dataset_size, self.nested
        for i, phase in enumerate(self.phases):
            if phase.dataset_size is not None:
                yield f"phases[{i}].dataset_size", phase.dataset_size, phase.nested

    @property
    def table_size(self) -> int:
        """Number of all pairs of the task."""
        return table_size(self.task, self.p)

    @property
    def split_seed(self) -> int:
        """Seed of the split and of random labels."""
        return self.seed if self.data_seed is None else self.data_seed

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The phases with every inherited value filled in; one stage if there are none."""
        now: dict[str, Any] = {n: getattr(self, n) for n in _INHERITED}
        stages, start = [], 0
        for phase in self.phases or (Phase(self.steps),):
            now |= {n: v for n in _INHERITED if (v := getattr(phase, n)) is not None}
            stages.append(Stage(start, start + phase.steps, **now, keep_optimizer=phase.keep_optimizer))
            start += phase.steps
        return tuple(stages)

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits that name this config and no other."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """Canonical JSON, from which `from_json` makes an equal config."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True, separators=(",", ":"))


_INHERITED = ("dataset_size", "weight_decay", "learning_rate", "task", "corrupted")


def from_dict(fields: Mapping[str, Any]) -> RunConfig:
    """A RunConfig from a mapping. Errors: ConfigError for an unknown key."""
    known = [f.name for f in dataclasses.fields(RunConfig)]
    unknown = sorted(set(fields) - set(known))
    require(not unknown, f"a run's keys are {', '.join(known)}", unknown, "Correct the spelling.")
    return RunConfig(**fields)


def from_json(text: str) -> RunConfig:
    """The config that `RunConfig.to_json` wrote. Errors: ConfigError for an unknown key."""
    return from_dict(json.loads(text))


def grid(base: RunConfig, **axes: Iterable[Any] | Callable[[RunConfig], Any]) -> list[RunConfig]:
    """All combinations of the axes' values around `base`, the last axis fastest.

    An axis is a field of RunConfig, or `final_` and a field of Phase to vary the last phase. A function
    instead of values derives the field from the config made so far: `start_from=lambda run: replace(net,
    seed=run.seed)` gives every seed its own parent. Errors: ConfigError for an unknown axis or a bad value.
    """
    fields = {f.name for f in dataclasses.fields(RunConfig)}
    final = {"final_" + f.name for f in dataclasses.fields(Phase)}
    for name in axes:
        known = ", ".join(sorted(fields | final))
        require(name in fields | final, f"an axis must be one of {known}", name, "Correct the spelling.")
    values = {n: [x.item() if hasattr(x, "item") else x for x in v] for n, v in axes.items() if not callable(v)}
    derived = {n: v for n, v in axes.items() if callable(v)}
    runs = []
    for point in itertools.product(*values.values()):
        run = dict(zip(values, point, strict=True))
        late = {n.removeprefix("final_"): v for n, v in run.items() if n in final}
        plain = {n: v for n, v in run.items() if n in fields}
        if late:
            require(bool(base.phases), "a final_ axis needs a base with phases", base.phases, "Add phases.")
            plain["phases"] = (*base.phases[:-1], dataclasses.replace(base.phases[-1], **late))
        # Functions see the other axes before anything is validated against a parent they replace.
        draft = dataclasses.replace(base, start_from=None, **plain) if derived else base
        plain |= {n: make(draft) for n, make in derived.items()}
        runs.append(dataclasses.replace(base, **plain))
    return runs


assert set(POLYNOMIALS) <= set(TASKS)
