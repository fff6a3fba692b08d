"""The keywords that functions take for parameters of the model, for editors, notebooks and `help`.

Static checkers read the two dictionaries; `complete` tells what looks at signatures while Python runs, such as the
completion of IPython and Jupyter.
"""

import inspect
from collections.abc import Callable
from typing import Any, Literal, TypedDict

import numpy.typing as npt

from .efficiency import EfficiencyLaw

Penalty = Literal["half", "full"]


class Parameters(TypedDict, total=False):
    """Parameters of the model, each one number (`help(toymodel.simulate)`)."""

    kappa: float
    weight_decay: float
    num_classes: int
    dataset_size: float
    critical_size: float
    exponent: float
    law: EfficiencyLaw
    gen_efficiency: float
    mem_efficiency: float
    gen_learning_speed: float
    mem_learning_speed: float
    gen_initial_logit: float
    mem_initial_logit: float
    logit_spread: float
    logit_floor: float
    norm_power: float
    penalty: Penalty


class Axes(TypedDict, total=False):
    """The same of a sweep: a sequence is an axis, a number holds at all points."""

    kappa: npt.ArrayLike
    weight_decay: npt.ArrayLike
    num_classes: npt.ArrayLike
    dataset_size: npt.ArrayLike
    critical_size: npt.ArrayLike
    exponent: npt.ArrayLike
    law: EfficiencyLaw
    gen_efficiency: npt.ArrayLike
    mem_efficiency: npt.ArrayLike
    gen_learning_speed: npt.ArrayLike
    mem_learning_speed: npt.ArrayLike
    gen_initial_logit: npt.ArrayLike
    mem_initial_logit: npt.ArrayLike
    logit_spread: npt.ArrayLike
    logit_floor: npt.ArrayLike
    norm_power: npt.ArrayLike
    penalty: Penalty | list[Penalty]


class _Word(str):
    """Text that a signature shows as it stands."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def complete(function: Callable[..., Any], names: type[Parameters] | type[Axes]) -> None:
    """Puts the names into the function's signature, before its ** (which also takes gen1_..., gen2_...).

    Types are left out, as `help` would spell them out to the last alternative.
    """
    old = inspect.signature(function)
    *first, rest = (p.replace(annotation=inspect.Parameter.empty) for p in old.parameters.values())
    default = _Word("<the model's>")
    more = [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=default) for n in names.__annotations__]
    ends = old.return_annotation
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [*first, *(p for p in more if p.name not in old.parameters), rest],
        return_annotation=_Word(getattr(ends, "__name__", ends)),
    )
