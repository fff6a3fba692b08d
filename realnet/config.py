"""What a run is: RunConfig and Phase, frozen, validated and hashable (experiments.md 1).

A run's key is a hash of its physics (`keys`), so a run is known by what it is and never by when it was started.
Needs neither torch nor the data: `import realnet` and the command line's help stay quick.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from realnet import keys
from realnet.fields import ConfigError, number, require, typed_fields
from realnet.tasks import POLYNOMIALS, TASKS, is_prime, symbols, table_size

__all__ = ["ConfigError", "Phase", "RunConfig", "Stage", "from_json", "grid"]

ARCHITECTURES = ("transformer", "mlp")
ACTIVATIONS = ("relu", "gelu")
OPTIMIZERS = ("adamw", "adam", "sgd")
DTYPES = ("float32", "float64")


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
        typed_fields(self, "Phase.")
        number("Phase.steps", self.steps, minimum=1)
        if self.dataset_size is not None:
            number("Phase.dataset_size", self.dataset_size, minimum=1)
        if self.weight_decay is not None:
            number("Phase.weight_decay", self.weight_decay, minimum=0.0)
        if self.learning_rate is not None:
            number("Phase.learning_rate", self.learning_rate, minimum=0.0, above=True)


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
    """One training run. Defaults are the paper's (experiments.md 1); what is part of the run's key: `keys`.

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
        typed_fields(self)
        one_of = {"task": TASKS, "architecture": ARCHITECTURES, "activation": ACTIVATIONS}
        for name, known in (one_of | {"optimizer": OPTIMIZERS, "dtype": DTYPES}).items():
            value = getattr(self, name)
            require(
                value in known,
                f"{name} must be one of {', '.join(known)}",
                value,
                f"Choose a {name} of these.",
            )
        start = from_dict(self.start_from) if isinstance(self.start_from, Mapping) else self.start_from
        fixed: dict[str, Any] = {"phases": (phases := _phases(self.phases)), "start_from": start}
        fixed["p"] = p = self.p if self.p is not None else symbols(self.task, 113)
        if self.dataset_size is None:
            number("p", p, minimum=2)
            fixed["dataset_size"] = max(1, round(0.3 * table_size(self.task, p)))
        if phases:
            fixed["steps"] = sum(phase.steps for phase in phases)
        for name, value in fixed.items():
            object.__setattr__(self, name, value)
        self._check_numbers()
        self._check_data()

    def _check_numbers(self) -> None:
        for name in ("p", "dataset_size", "steps", "d_model", "n_heads", "d_mlp", "n_layers"):
            number(name, getattr(self, name), minimum=2 if name == "p" else 1)
        for name in ("points_per_decade", "light_every"):
            number(name, getattr(self, name), minimum=1)
        for name in ("seed", "warmup", "data_seed"):
            if getattr(self, name) is not None:
                number(name, getattr(self, name), minimum=0)
        number("weight_decay", self.weight_decay, minimum=0.0)
        for name in ("learning_rate", "init_scale", "epsilon"):
            number(name, getattr(self, name), minimum=0.0, above=True)
        ok = all(0.0 <= beta < 1.0 for beta in self.betas)
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
            for name in (*_SHAPES, *(("embedding",) if self.architecture == "mlp" else ())):
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

    @functools.cached_property
    def key(self) -> str:
        """Sixteen hexadecimal digits that name this run's physics, whatever its length (`keys`)."""
        return keys.key(self)

    @property
    def name(self) -> str:
        """`key`-`steps`: the run as far as it is asked for here."""
        return f"{self.key}-{self.steps}"

    def to_json(self) -> str:
        """JSON of every field, from which `from_json` makes an equal config."""
        return keys.canonical(dataclasses.asdict(self))


_SHAPES = ("p", "d_model", "n_heads", "d_mlp", "n_layers", "architecture", "layer_norm", "biases")
_INHERITED = ("dataset_size", "weight_decay", "learning_rate", "task", "corrupted")


def _phases(phases: Any) -> tuple[Phase, ...]:
    listed = isinstance(phases, Iterable) and not isinstance(phases, (str, Mapping))
    made = tuple(Phase(**_known(Phase, x)) if isinstance(x, Mapping) else x for x in (phases if listed else ()))
    ok = listed and all(isinstance(x, Phase) for x in made)
    require(ok, "phases must be Phases in their order", phases, "Pass a list such as [Phase(3000)], or leave it out.")
    return made


def _known(kind: type, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    known = [f.name for f in dataclasses.fields(kind)]
    unknown = sorted(set(map(str, fields)) - set(known))
    require(not unknown, f"a {kind.__name__}'s keys are {', '.join(known)}", unknown, "Correct the spelling.")
    require(kind is RunConfig or "steps" in fields, "a Phase must say its steps", fields, "Add steps=3000, say.")
    return fields


def from_dict(fields: Mapping[str, Any]) -> RunConfig:
    """A RunConfig from a mapping. Errors: ConfigError for an unknown key."""
    return RunConfig(**_known(RunConfig, fields))


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
        several = callable(axes[name]) or (isinstance(axes[name], Iterable) and not isinstance(axes[name], str))
        require(several, f"axis {name} must be several values", axes[name], f"Pass a list, as in {name}=[...].")
    values = {n: list(v) for n, v in axes.items() if not callable(v)}
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
