"""Every number a model is made of: its symbol, unit, meaning and legal range, in one table (README 1).

Scalars and sweep axes are checked by the same rows, and error messages, help texts and tests are made from them.
"""

import difflib
import math
import numbers
import reprlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Parameter:
    """One row of the table.  Ranges are closed, except where `low` is excluded by `above`."""

    name: str
    symbol: str
    unit: str
    meaning: str
    low: float
    high: float
    above: bool = False
    whole: bool = False

    def range_text(self) -> str:
        """The requirement, in words."""
        kind = "a whole number" if self.whole else "a number"
        sign = "<" if self.above else "<="
        return f"{kind} with {self.low:g} {sign} {self.name} <= {self.high:g}"

    def legal(self, values: FloatArray) -> npt.NDArray[np.bool_]:
        """Where `values` (any shape) lie in the range; nan never does."""
        ok = (values > self.low if self.above else values >= self.low) & (values <= self.high)
        return ok & (values == np.floor(values)) if self.whole else ok


CIRCUIT_PARAMETERS = (
    Parameter("efficiency", "η", "1/norm", "W = (η P)^κ", 1e-6, 1e6),
    Parameter("learning_speed", "s", "nats^(1/2)", "initial second subweight; 0: absent for ever", 0, 1e3),
    Parameter("initial_logit", "W(0)", "nats", "logit at t = 0", 0, 600),
)
MODEL_PARAMETERS = (
    Parameter("kappa", "κ", "1", "degree with which logits grow with norm", 0.05, 50),
    Parameter("weight_decay", "α", "1/norm^m", "coefficient of the penalty", 0, 1e6),
    Parameter("num_classes", "q", "1", "number of output classes", 2, 1e9, whole=True),
    Parameter("logit_spread", "σ", "1", "coefficient of variation of a logit over inputs", 0, 10),
    Parameter("norm_power", "m", "1", "power of the norms in the penalty, Σ P^m", 0.05, 50),
    Parameter("logit_floor", "ε", "nats", "least logit that a circuit keeps", 0, 1),
)
LAW_PARAMETERS = (
    Parameter("dataset_size", "D", "examples", "number of training examples", 0, 1e15, above=True),
    Parameter("critical_size", "D_crit", "examples", "size at which the efficiencies meet", 0, 1e15, above=True),
    Parameter("exponent", "β", "1", "η_mem falls as D^(-β)", 0, 20, above=True),
)
RUN_PARAMETERS = (
    Parameter("t_end", "T", "flow time", "flow time at which the run ends", 0, 1e15),
    Parameter("learning_rate", "λ", "flow time/step", "gradient-descent step", 0, 1e6, above=True),
    Parameter("rtol", "", "1", "error allowed per step in ln(1 + W)", 1e-12, 1e-2),
    Parameter("logit", "W", "nats", "logit of a state", 0, 1e6),
    Parameter("invariant", "s²", "nats", "v² - u² of a state", -1e6, 1e6),
    Parameter("accuracy", "", "1", "share of examples, not percent", 0, 1),
    Parameter("steps", "", "1", "number of gradient-descent steps", 0, 1e15, whole=True),
    Parameter("noise", "", "nats^(1/2)", "noise of a subweight in unit flow time, by descent", 0, 10),
    Parameter("seed", "", "1", "seed of the noise", 0, 2**53, whole=True),
    Parameter("threads", "", "1", "threads that share a sweep", 1, 4096, whole=True),
)
PENALTIES = ("half", "full")
# What a run can have besides its model, each also an axis of a sweep.
RUN_AXES = ("t_end", "learning_rate", "noise", "seed")
AXES = {p.name for p in (*MODEL_PARAMETERS, *LAW_PARAMETERS)} | set(RUN_AXES)
TABLE = {p.name: p for p in (*CIRCUIT_PARAMETERS, *MODEL_PARAMETERS, *LAW_PARAMETERS, *RUN_PARAMETERS)}


def describe(row: str, name: str | None = None) -> Parameter:
    """The table's row for `row`, under another name such as gen_efficiency."""
    found = TABLE[row]
    return found if name is None else Parameter(name, *list(vars(found).values())[1:])


def real(value: Any) -> float | None:
    """A real number, also from an array without axes, as a float; None for anything else, booleans and text included."""
    if hasattr(value, "__array__") and np.ndim(value) == 0:
        value = np.asarray(value)[()]
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def check(row: str, value: Any, name: str | None = None) -> float:
    """`value` as a float in its legal range.  TypeError or ValueError says what was wanted, got, and what to do."""
    parameter = describe(row, name)
    number = real(value)
    if number is None:
        remedy = "Pass a single real number."
        if isinstance(value, str) and _is_number(value):
            remedy = f"Pass {value.strip()} without quotes."
        elif np.ndim(value) > 0 and row in AXES and name is None:
            remedy = f"To try several values at once, use toymodel.sweep({parameter.name}=[...])."
        raise TypeError(f"{parameter.name} must be {parameter.range_text()}, got {reprlib.repr(value)}. {remedy}")
    if not bool(parameter.legal(np.asarray(number))):
        raise ValueError(
            f"{parameter.name} ({parameter.meaning}) must be {parameter.range_text()}, got {value!r}. "
            f"Choose a value in that range."
        )
    return number


def check_axis(
    row: str, values: Any, name: str | None = None, remedy: str = "Leave it out or change it."
) -> FloatArray:
    """`values` as a 1-D float array, each entry legal.  Errors name the first offender."""
    parameter = describe(row, name)
    try:
        array = np.asarray(values)
        if array.dtype.kind == "O" and array.ndim > 0:
            numeric = [real(x) for x in array.flat]
            array = array if None in numeric else np.array(numeric).reshape(array.shape)
    except (TypeError, ValueError):
        array = np.asarray(None)
    if array.dtype.kind not in "iuf":
        raise TypeError(
            f"axis {parameter.name} must be a 1-D sequence of numbers, got {reprlib.repr(values)}. Pass a list or a numpy "
            f"array."
        )
    if array.ndim != 1 or array.size == 0:
        raise ValueError(
            f"axis {parameter.name} must be a 1-D sequence with at least one value, got shape {array.shape}. "
            f"For a single value pass [value]."
        )
    array = array.astype(np.float64)
    legal = parameter.legal(array)
    if not legal.all():
        worst = int(np.flatnonzero(~legal)[0])
        raise ValueError(
            f"axis {parameter.name} ({parameter.meaning}): each value must be {parameter.range_text()}, "
            f"got {values[worst]!r} at position {worst}. {remedy}"
        )
    return array


# What others write for a name; symbols are in the table.
ALIASES = {
    "wd": "weight_decay", "lr": "learning_rate", "alpha": "weight_decay", "lambda": "learning_rate",
    "beta": "exponent", "sigma": "logit_spread", "epsilon": "logit_floor", "d_crit": "critical_size", "k": "kappa",
} | {p.symbol.lower(): p.name for p in (*MODEL_PARAMETERS, *LAW_PARAMETERS, RUN_PARAMETERS[1])}  # fmt: skip


def unknown(kind: str, name: str, known: Iterable[str]) -> ValueError:
    """The error for a name that is none of `known`, with the nearest one offered."""
    known = sorted(set(known))
    meant = ALIASES.get(name.lower())
    near = [meant] if meant in known else difflib.get_close_matches(name, known, n=1)
    offer = f"{kind} must be one of {', '.join(known)}"
    # The suggestion comes first: the names can be many.
    return ValueError(f"got {name!r}. Did you mean {near[0]!r}? {offer}." if near else f"{offer}; got {name!r}.")


def explain(rows: Iterable[Parameter], prefix: str = "") -> str:
    """The table's rows in words, for a docstring: name, symbol, range, meaning, unit."""
    lines = []
    for row in rows:
        sign = "<" if row.above else "<="
        span = f"{row.low:g} {sign} {row.symbol or row.name} <= {row.high:g}"
        lines.append(f"    {prefix + row.name:<20} {row.meaning} ({span}, unit {row.unit})")
    return "\n".join(lines)
