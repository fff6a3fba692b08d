"""Stretches of a run: Phase, as one asks for it, Stage, with nothing left to inherit, and Stop, which ends a run early."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from realnet.fields import check_values, entry, known, require, typed_fields

__all__ = ["INHERITED", "Phase", "Stage", "Stop", "phases_of", "stop_of"]

INHERITED = ("dataset_size", "weight_decay", "learning_rate", "task", "corrupted")
"""what a phase may say anew"""


@dataclass(frozen=True)
class Phase:
    """A stretch of training under one data set, one labelling and one set of rates. None means: as before.

    Errors: ConfigError if a value cannot be used in any run; the rest is checked by the RunConfig it joins.
    """

    steps: int = entry(minimum=1)
    dataset_size: int | None = entry(None, minimum=1)
    weight_decay: float | None = entry(None, minimum=0)
    learning_rate: float | None = entry(None, minimum=0, above=True)
    task: str | None = None
    """new labels on the same pairs, such as "random" """
    corrupted: float | None = None
    """share of training labels replaced by a wrong one"""
    keep_optimizer: bool = True
    """go on with the moments and step count of before; False starts with empty ones"""
    nested: bool = True
    """the data set must be a subset of the one before; set to False to let it grow"""

    def __post_init__(self) -> None:
        typed_fields(self, "Phase.")
        check_values(self, "Phase.")


@dataclass(frozen=True)
class Stop:
    """End a run `steps` after a measured number first reached a bound; the run's status is then "stopped".

    Stop("unseen_accuracy", at_least=0.99, steps=2000). Losses, accuracies and the norm are looked at on the even grid of
    steps too. How long one trains is no part of a run's key: without the condition the run goes on.
    Errors: ConfigError unless there is one bound.
    """

    measure: str
    at_least: float | None = None
    at_most: float | None = None
    steps: int = entry(0, minimum=0)
    """to train on, counted from the measured step at which the bound was reached; the run ends at a measured step"""

    def __post_init__(self) -> None:
        typed_fields(self, "Stop.")
        one = (self.at_least is None) != (self.at_most is None)
        bounds = (self.at_least, self.at_most)
        require(one, "Stop needs one bound, at_least or at_most", bounds, "Say Stop('unseen_accuracy', at_least=0.99).")
        check_values(self, "Stop.")

    def holds(self, values: Any) -> Any:
        """Whether values have reached the bound; NaN has not."""
        return values >= self.at_least if self.at_least is not None else values <= self.at_most


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


def phases_of(phases: Any) -> tuple[Phase, ...]:
    """Phases from a list of Phases or mappings. Errors: ConfigError."""
    listed = isinstance(phases, Iterable) and not isinstance(phases, (str, Mapping))
    made = tuple(Phase(**known(Phase, x)) if isinstance(x, Mapping) else x for x in (phases if listed else ()))
    ok = listed and all(isinstance(x, Phase) for x in made)
    require(ok, "phases must be Phases in their order", phases, "Pass a list such as [Phase(3000)], or leave it out.")
    return made


def stop_of(stop: Any) -> Stop | None:
    """A Stop from one, or from a mapping. Errors: ConfigError."""
    made = Stop(**known(Stop, stop)) if isinstance(stop, Mapping) else stop
    remedy = "Pass Stop('unseen_accuracy', at_least=0.99, steps=2000), say."
    require(made is None or isinstance(made, Stop), "stop must be a Stop", stop, remedy)
    return made
