"""Checks of a config's fields: every value becomes its annotation's own type, or an error in the house form.

NumPy's scalars become Python's, whole numbers in fields of floats become floats: equal configs then have equal JSON.
"""

from __future__ import annotations

import dataclasses
import difflib
import numbers
import operator
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

__all__ = [
    "ConfigError",
    "check_values",
    "entry",
    "groups_of",
    "known",
    "meant",
    "number",
    "pairs_of",
    "require",
    "texts_of",
    "typed",
    "typed_fields",
    "whole",
]


class ConfigError(ValueError):
    """A config that cannot be trained: the requirement, the value received, the next step."""


def require(condition: bool, requirement: str, received: object, remedy: str) -> None:
    """Raise ConfigError in the house form unless `condition` holds."""
    if not condition:
        raise ConfigError(f"{requirement}; received {received!r}. {remedy}")


ALIASES = {
    "lr": "learning_rate", "wd": "weight_decay", "seeds": "seed", "epochs": "steps", "fraction": "train_fraction",
    "frac_train": "train_fraction", "n_layer": "n_layers", "n_head": "n_heads", "modulus": "p", "eps": "epsilon",
}  # fmt: skip
"""What others call a field"""


def meant(name: object, known: Collection[str]) -> str:
    """The one of `known` that is offered for `name`, as a sentence to begin a remedy with; "" where none is near.

    Every config asks, so a right name must cost nothing.
    """
    if name in known:
        return ""
    text, lower = str(name).lower(), {x.lower(): x for x in known}
    near = [ALIASES[text]] if ALIASES.get(text) in lower else difflib.get_close_matches(text, lower, n=1)
    return f"Did you mean {lower[near[0]]!r}? " if near else ""


def entry(
    default: Any = dataclasses.MISSING,
    *,
    minimum: float | None = None,
    above: bool = False,
    choices: Iterable[str] = (),
    engine: bool = True,
    stack: bool = True,
    key: bool = True,
) -> Any:
    """A field of a config, and what is known of it.

    Its value is finite and at least (or above) `minimum`, or one of `choices`. Unless it is said otherwise, an `engine`
    refuses other values than the default until it has learnt the field, runs of a `stack` agree in it, and it is part of
    the run's `key`. What may differ within a stack no engine needs to know.
    """
    about = {"minimum": minimum, "above": above, "choices": tuple(choices)}
    about |= {"engine": engine and stack, "stack": stack, "key": key}
    return dataclasses.field(default=default, metadata=about)


def check_values(config: Any, owner: str = "") -> None:
    """Raise ConfigError unless each field of a dataclass is within its bounds; None where it has no value."""
    for field in dataclasses.fields(config):
        name, value, about = f"{owner}{field.name}", getattr(config, field.name), field.metadata
        if value is None:
            continue
        if choices := about.get("choices"):
            remedy = f"{meant(value, choices)}Choose one of these for {name}."
            require(value in choices, f"{name} must be one of {', '.join(choices)}", value, remedy)
        if (minimum := about.get("minimum")) is not None:
            number(name, value, minimum=minimum, above=about["above"])


def _is_integer(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _is_pair(value: Any) -> bool:
    return isinstance(value, Sequence) and len(value) == 2 and all(map(_is_number, value))


def _float(value: Any) -> float:
    number = float(value) + 0.0  # -0.0 becomes 0.0
    # Workers take subnormal numbers for 0: what a config says must not depend on the thread that reads it.
    return 0.0 if abs(number) < sys.float_info.min else number


KINDS: dict[str, tuple[str, Callable[[Any], bool], Callable[[Any], Any]]] = {
    "int": ("an integer", _is_integer, operator.index),
    "float": ("a number", _is_number, _float),
    # Only booleans, NumPy's included: "no" and 0.0 are more likely mistakes.
    "bool": ("True or False", lambda value: type(value).__name__ in ("bool", "bool_"), bool),
    "str": ("a text", lambda value: isinstance(value, str), str),
    "tuple[float, float]": ("two numbers", _is_pair, lambda pair: tuple(map(_float, pair))),
}


def typed(name: str, value: Any, annotation: str) -> Any:
    """`value` in the annotation's own type; as it is under another annotation than those above. Errors: ConfigError."""
    kind = annotation.removesuffix(" | None")
    if kind not in KINDS:
        return value
    word, fits, make = KINDS[kind]
    try:
        if fits(value):
            return make(value)
    except OverflowError:
        pass
    raise ConfigError(f"{name} must be {word}; received {value!r}. Pass {word}.")


def typed_fields(config: Any, owner: str = "") -> None:
    """Make every plain field of a frozen dataclass its annotation's type. Errors: ConfigError.

    Fields of other types (phases, parents) are left to their owner; None passes where the default is None.
    """
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value is not None or field.default is not None:
            object.__setattr__(config, field.name, typed(f"{owner}{field.name}", value, str(field.type)))


def number(name: str, value: Any, *, minimum: float, above: bool = False) -> None:
    """Raise ConfigError unless `value` is a finite number, at least (or above) `minimum`."""
    require(_is_number(value), f"{name} must be a number", value, "Pass a number.")
    inside = minimum < value < float("inf") if above else minimum <= value < float("inf")
    bound = "greater than" if above else "at least"
    require(inside, f"{name} must be finite and {bound} {minimum:g}", value, f"Choose {name} {bound} {minimum:g}.")


def whole(name: str, value: Any, *, minimum: int) -> None:
    """Raise ConfigError unless `value` is an integer, at least `minimum`."""
    require(_is_integer(value), f"{name} must be an integer", value, "Pass an integer.")
    number(name, value, minimum=minimum)


def known(kind: type, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """`fields`, if a dataclass can be made of them. Errors: ConfigError for an unknown or a missing one."""
    names = [f.name for f in dataclasses.fields(kind)]
    unknown = sorted(set(map(str, fields)) - set(names))
    offer = "".join(meant(name, names) for name in unknown)
    require(not unknown, f"a {kind.__name__}'s keys are {', '.join(names)}", unknown, f"{offer}Correct the spelling.")
    missing = [f.name for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING and f.name not in fields]
    require(not missing, f"a {kind.__name__} must say its {', '.join(missing)}", fields, "Add steps=3000, say.")
    return fields


def pairs_of(options: Any) -> tuple[tuple[str, Any], ...]:
    """Sorted names and values from a mapping or pairs. Errors: ConfigError for what JSON cannot say."""
    listed = isinstance(options, Iterable) and not isinstance(options, str)
    pairs = list(options.items() if isinstance(options, Mapping) else options) if listed else [options]
    ok = all(isinstance(x, (tuple, list)) and len(x) == 2 and isinstance(x[0], str) for x in pairs)
    require(ok, "options must be a dict of names and values", options, "Pass options={'width': 32}, say.")
    return tuple(sorted((name, _plain(name, value)) for name, value in pairs))


def texts_of(name: str, texts: Any) -> tuple[str, ...]:
    """Texts from a list of them. Errors: ConfigError."""
    listed = isinstance(texts, (list, tuple)) and all(isinstance(x, str) for x in texts)
    require(listed, f"{name} must be a list of texts", texts, f"Pass {name}=['embed.*'], say.")
    return tuple(texts)


def groups_of(groups: Any) -> tuple[tuple[str, float, float], ...]:
    """(pattern, multiple of the learning rate, multiple of the weight decay) in their order. Errors: ConfigError."""
    remedy = "Pass groups={'embed.*': {'learning_rate': 0.1, 'weight_decay': 0.0}}, say."
    if isinstance(groups, Mapping):
        plain = all(isinstance(x, Mapping) and not set(x) - {"learning_rate", "weight_decay"} for x in groups.values())
        require(plain, "groups must say multiples of learning_rate and weight_decay", groups, remedy)
        groups = [(k, x.get("learning_rate", 1.0), x.get("weight_decay", 1.0)) for k, x in groups.items()]
    listed = isinstance(groups, (list, tuple)) and all(isinstance(x, (list, tuple)) and len(x) == 3 for x in groups)
    ok = listed and all(isinstance(x[0], str) for x in groups)
    require(ok, "groups must be a dict of patterns and multiples", groups, remedy)
    for pattern, *multiples in groups:
        for value in multiples:
            number(f"a multiple in groups[{pattern!r}]", value, minimum=0.0)
    return tuple((pattern, _float(rate), _float(decay)) for pattern, rate, decay in groups)


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(_plain(name, x) for x in value)
    value = value.item() if hasattr(value, "item") else value
    simple = value is None or isinstance(value, (bool, int, float, str))
    require(simple, f"option {name} must be a number, a text or a list of these", value, "JSON must be able to say it.")
    return _float(value) if isinstance(value, float) else value
