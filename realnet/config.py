"""What a run is: RunConfig, frozen, validated and hashable.

A run's key is a hash of its physics (`keys`), so a run is known by what it is and never by when it was started.
Needs neither torch nor the data: `import realnet` and the command line's help stay quick.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from realnet import keys
from realnet.fields import check_values, entry, groups_of, known, meant, pairs_of, require, texts_of, typed_fields
from realnet.phases import INHERITED, Phase, Stage, Stop, phases_of, stop_of
from realnet.registry import BUILT_IN, check_name, is_own, source, task_of
from realnet.tasks.modular import MODULAR, is_prime, symbols, table_size

__all__ = ["RunConfig", "from_dict", "from_json"]

DEFAULT_FRACTION = 0.3


class Derived(int):
    """A data set size that nobody said: it follows the table's when task or p are replaced."""


@dataclass(frozen=True)
class RunConfig:
    """One training run. Defaults are the paper's; what is part of the run's key: `keys`.

    Errors: ConfigError, stating the requirement, the value and the remedy.
    """

    task: str = entry("add", stack=False)
    """a built-in task, or your own: "mine:parity" """
    p: int = entry(None, minimum=2, engine=False)  # an int once made, where the task has symbols
    """number of symbols; default 113 for modular tasks, 120 (the elements of S5) for the compositions"""
    dataset_size: int = entry(None, minimum=1, stack=False)  # an int once made
    """number of training examples D; default `train_fraction` of all, or 30 % of all pairs"""
    weight_decay: float = entry(1.0, minimum=0, stack=False)
    learning_rate: float = entry(1e-3, minimum=0, above=True, stack=False)
    seed: int = entry(0, minimum=0, stack=False)
    steps: int = entry(20_000, minimum=1, stack=False, key=False)
    """optimizer steps; the sum of the phases' steps if there are phases"""
    batch_size: int | None = entry(None, minimum=1)
    """examples a step, in a seeded order drawn anew each time round; default: all of them"""
    network: str = "transformer"
    """a built-in network, or your own: "mine:Net" """
    d_model: int = entry(128, minimum=1)
    n_heads: int = entry(4, minimum=1)
    d_mlp: int = entry(512, minimum=1)
    n_layers: int = entry(1, minimum=1)
    """transformer blocks, or hidden layers of the MLP"""
    activation: str = entry("relu", choices=("relu", "gelu", "tanh"))
    layer_norm: bool = False
    biases: bool = False
    """biases in the MLP layers; without them and without layer norm the network is nearly homogeneous"""
    embedding: bool = True
    """MLP on symbols only: learned embeddings of width d_model; False feeds one-hot pairs"""
    init: str = entry("normal", choices=("normal", "torch"), stack=False)
    """ "normal": N(0, 1/fan-in), biases 0; "torch": PyTorch's default, biases too; both times init_scale"""
    init_scale: float = entry(1.0, minimum=0, above=True, stack=False)
    loss: str = "cross_entropy"
    """a built-in loss, or your own: "mine:hinge" """
    temperature: float = entry(1.0, minimum=0, above=True)
    """the network's outputs are divided by this before anything is made of them"""
    gradient_filter: str = entry("none", choices=BUILT_IN["gradient_filter"], engine=False)
    """what is done to the gradient before the optimizer sees it"""
    optimizer: str = entry("adamw", choices=("adamw", "adam", "sgd", "rmsprop", "muon"), engine=False)
    betas: tuple[float, float] = entry((0.9, 0.98), stack=False)
    """decay of the two moments; for "sgd", "rmsprop" and "muon" the first is the momentum"""
    epsilon: float = entry(1e-8, minimum=0, above=True, stack=False)
    warmup: int = entry(0, minimum=0, stack=False)
    """steps over which the learning rate rises linearly from 0, from the run's start"""
    fixed_norm: bool = entry(False, stack=False)
    """project the weights back to their starting norm after every step"""
    corrupted: float = entry(0.0, stack=False)
    """share of training labels replaced by a wrong one"""
    options: tuple[tuple[str, Any], ...] = entry((), engine=False)
    """arguments of task, network, loss and gradient filter by name; pass a dict"""
    data_seed: int | None = entry(None, minimum=0, stack=False)
    """seed of split and labels; default: seed"""
    phases: tuple[Phase, ...] = entry((), stack=False, key=False)
    """stretches of training, each going on from the one before"""
    start_from: RunConfig | None = entry(None, stack=False, key=False)
    """go on from the end of this run (trained first if it is not there yet), as a phase does from the one before"""
    keep_optimizer: bool = entry(True, stack=False, key=False)
    """with start_from: go on with its moments and step count; False starts with empty ones"""
    nested: bool = entry(True, stack=False, key=False)
    """with start_from: the data set must be a subset of the parent's; set to False to let it grow"""
    dtype: str = entry("float32", choices=("float32", "float64"), engine=False)
    points_per_decade: int = entry(12, minimum=1, engine=False, key=False)
    """full measurements on a log-spaced grid of steps, anew from each phase's start"""
    light_every: int = entry(100, minimum=1, engine=False, key=False)
    """losses, accuracies and norm on this even grid of steps"""
    weight_history: bool = entry(False, engine=False)
    """keep the weights of every full measurement, for `realnet.model(..., step=...)`"""
    source: str | None = entry(None, engine=False)
    """digest of the files of your own task, network and loss; filled in"""
    train_fraction: float | None = entry(None, stack=False, key=False)
    """share of the task's examples that are trained on, instead of `dataset_size`; kept when p is replaced"""
    dropout: float | None = None
    """share dropped in training; transformer: of what attention and the MLP add; mlp: of its hidden units"""
    schedule: str = entry("constant", choices=("constant", "cosine"), engine=False)
    """ "cosine": the learning rate falls to 0 at the run's end as a cosine; its length is then part of the run"""
    frozen: tuple[str, ...] = ()
    """names or patterns of weights that stay as they start, such as "embed.*" """
    groups: tuple[tuple[str, float, float], ...] = entry((), engine=False)
    """what learning rate and weight decay of weights are multiplied by: {"*.b_*": {"weight_decay": 0.0}}"""
    stop: Stop | None = entry(None, stack=False, key=False)
    """condition on measured numbers that ends the run before its steps"""

    def __post_init__(self) -> None:
        size = self.dataset_size
        typed_fields(self)
        for kind in ("task", "network", "loss"):
            check_name(kind, getattr(self, kind))
        start = from_dict(self.start_from) if isinstance(self.start_from, Mapping) else self.start_from
        fixed: dict[str, Any] = {"phases": (phases := phases_of(self.phases)), "start_from": start}
        fixed["options"] = pairs_of(self.options)
        fixed["frozen"], fixed["groups"] = texts_of("frozen", self.frozen), groups_of(self.groups)
        fixed["stop"] = stop_of(self.stop)
        if self.task in MODULAR:
            fixed["p"] = self.p if self.p is not None else symbols(self.task, 113)
        if phases:
            fixed["steps"] = sum(phase.steps for phase in phases)
        for name, value in fixed.items():
            object.__setattr__(self, name, value)
        check_values(self)
        if self.source is None:
            object.__setattr__(self, "source", source(self.own_names))
        object.__setattr__(self, "dataset_size", self._size(size))
        self._check_numbers()
        self._check_data()

    def _size(self, said: Any) -> int:
        """The number of training examples: as it was said, or so many of the task's."""
        fraction = self.train_fraction
        derived = said is None or isinstance(said, Derived)
        if fraction is not None:
            require(0 < fraction <= 1, "train_fraction must be in (0, 1]", fraction, "Choose a share of the examples.")
        elif not derived:
            return int(said)
        elif self.task in MODULAR:
            fraction = DEFAULT_FRACTION
        remedy = "Pass how many examples to train on, or a train_fraction."
        require(fraction is not None, f"task {self.task!r} needs a dataset_size", self.dataset_size, remedy)
        assert fraction is not None
        if not derived and self.task not in MODULAR:  # as it was derived; the task's files may not be here
            return int(said)
        total = table_size(self.task, self.p) if self.task in MODULAR else task_of(self).size
        size = max(1, round(fraction * total))
        remedy = "Pass train_fraction=None with it, or leave it out."
        require(derived or said == size, f"train_fraction={fraction} is {size} examples", said, remedy)
        return Derived(size)

    def _check_numbers(self) -> None:
        ok = all(0.0 <= beta < 1.0 for beta in self.betas)
        require(ok, "betas must be two numbers in [0, 1)", self.betas, "Power et al. (2022) used (0.9, 0.98).")
        share = self.dropout or 0.0
        require(0 <= share < 1, "dropout must be in [0, 1)", self.dropout, "Choose a share of what to drop.")
        drops = not self.dropout or self.network in ("transformer", "mlp") or is_own(self.network)
        remedy = "Choose transformer, mlp or a network of your own."
        require(drops, f"network {self.network!r} has no dropout", self.dropout, remedy)
        ok = not (self.groups and self.optimizer == "muon")
        require(ok, "optimizer 'muon' has no groups of rates", self.groups, "Choose another, or leave groups out.")
        if self.network == "transformer":
            divides = self.d_model % self.n_heads == 0
            received = f"d_model={self.d_model}, n_heads={self.n_heads}"
            require(divides, "n_heads must divide d_model", received, "Change one of the two.")

    def _check_data(self) -> None:
        for task in {self.task} | {phase.task for phase in self.phases if phase.task is not None}:
            check_name("task", task)
            if task in ("div", "div_odd"):
                remedy = "Choose a prime such as 113, or a task without division."
                require(is_prime(self.p), f"task {task!r} needs a prime modulus p", self.p, remedy)
            if task.startswith("s5"):
                require(self.p == 120, f"task {task!r} has p = 120 symbols", self.p, "Leave p out.")
            if task != self.task:
                pairs = {self.task, task} <= set(MODULAR)
                same = pairs and table_size(task, self.p) == table_size(self.task, self.p)
                require(same, f"a phase's task must have the pairs of task {self.task!r}", task, "Start a new run.")
        size = None
        if self.start_from is not None:
            parent = self.start_from
            require(isinstance(parent, RunConfig), "start_from must be a RunConfig", parent, "Pass the parent's.")
            remedy = "Say the steps of the parent: a child is known by them."
            require(parent.stop is None, "start_from must be a run without stop", parent.stop, remedy)
            for name in (*_SHAPES, *(("embedding",) if self.network == "mlp" else ())):
                a, b = getattr(self, name), getattr(parent, name)
                require(a == b, f"{name} must be that of start_from ({b!r})", a, "The weights must fit.")
            if self.nested:
                a, b = self.split_seed, parent.split_seed
                remedy = f"Set data_seed={b}, or nested=False for a fresh draw."
                require(a == b, f"a nested run must draw from its parent's split, seed {b}", a, remedy)
                size = parent.stages[-1].dataset_size
        for where, want, nested in self._sizes():
            if self.task in MODULAR:  # how many examples other tasks have is known once they are made
                total = table_size(self.task, self.p)
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
    def own_names(self) -> tuple[str, ...]:
        """What of task, network and loss is the user's own."""
        return tuple(n for n in (self.task, self.network, self.loss) if is_own(n))

    @property
    def ancestors(self) -> tuple[RunConfig, ...]:
        """The run that this one goes on from, the one that that goes on from, and so on."""
        parent = self.start_from
        return () if parent is None else (parent, *parent.ancestors)

    @property
    def table_size(self) -> int:
        """Number of all pairs of a task on symbols. Errors: ConfigError for another task."""
        remedy = "Ask realnet.examples.task_of(config).size of others."
        require(self.task in MODULAR, "table_size is that of a table of pairs", self.task, remedy)
        return table_size(self.task, self.p)

    @property
    def split_seed(self) -> int:
        """Seed of the split and of random labels."""
        return self.seed if self.data_seed is None else self.data_seed

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The phases with every inherited value filled in; one stage if there are none."""
        now: dict[str, Any] = {n: getattr(self, n) for n in INHERITED}
        stages: list[Stage] = []
        start = 0
        for phase in self.phases or (Phase(self.steps),):
            now |= {n: v for n in INHERITED if (v := getattr(phase, n)) is not None}
            # The first stage goes on from the parent's end as the others do from the one before.
            keep = phase.keep_optimizer if stages else self.keep_optimizer
            stages.append(Stage(start, start + phase.steps, **now, keep_optimizer=keep))
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


_SHAPES = ("p", "d_model", "n_heads", "d_mlp", "n_layers", "network", "layer_norm", "biases", "options", "frozen")
_RENAMED = {"architecture": "network"}


def _checked(made: Callable[..., None]) -> Callable[..., None]:
    """The constructor `made`, which offers the field that was meant for one that does not exist."""
    names = [f.name for f in dataclasses.fields(RunConfig)]

    @functools.wraps(made)
    def init(self: RunConfig, *args: Any, **fields: Any) -> None:
        unknown = [name for name in fields if name not in names]
        offer = "".join(meant(name, names) for name in unknown)
        remedy = f"{offer}help(realnet.RunConfig) lists them."
        require(not unknown, "a RunConfig is made of its fields", ", ".join(unknown), remedy)
        made(self, *args, **fields)

    return init


RunConfig.__init__ = _checked(RunConfig.__init__)  # type: ignore[method-assign]


def from_dict(fields: Mapping[str, Any]) -> RunConfig:
    """A RunConfig from a mapping. Errors: ConfigError for an unknown key."""
    renamed = {_RENAMED.get(name, name): value for name, value in fields.items()}
    return RunConfig(**known(RunConfig, renamed))


def from_json(text: str) -> RunConfig:
    """The config that `RunConfig.to_json` wrote. Errors: ConfigError for an unknown key."""
    return from_dict(json.loads(text))
