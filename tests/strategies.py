"""Hypothesis strategies for models, drawn from the table in toymodel/parameters.py: the tests' ranges are the code's.

Numbers that span decades are drawn evenly in their logarithm; 0 is drawn too where it is legal.  `bounds` narrows a range
where a law needs it, and the test that does so says why.
"""

import math
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

import toymodel as tm
from toymodel.parameters import TABLE

# Where the range begins for quantities whose legal range begins at 0.
LEAST = {
    "learning_speed": 1e-8,
    "initial_logit": 1e-8,
    "weight_decay": 1e-12,
    "logit_spread": 1e-3,
    "logit_floor": 1e-8,
    "dataset_size": 1e-3,
    "critical_size": 1e-3,
    "exponent": 1e-2,
    "t_end": 1e-3,
    "learning_rate": 1e-6,
}
# At rest: what a parameter is when a test does not draw it.
OPTIONAL = {"logit_spread": 0.0, "norm_power": 2.0, "logit_floor": 0.0}


def numbers(row: str, bounds: tuple[float, float] | None = None, zero: bool = True) -> st.SearchStrategy[float]:
    """Legal values of a parameter, or those within `bounds`; with 0 among them if it is legal and `zero`."""
    parameter = TABLE[row]
    low, high = bounds or (max(parameter.low, LEAST.get(row, parameter.low)), parameter.high)
    # exp(log(x)) may leave the range by a rounding.
    drawn = st.floats(math.log(low), math.log(high)).map(lambda y: min(max(math.exp(y), low), high))
    if parameter.whole:
        drawn = drawn.map(lambda x: float(round(x)))
    return st.one_of(st.just(0.0), drawn) if zero and bounds is None and parameter.legal(0.0) else drawn


Bounds = dict[str, tuple[float, float]]


@st.composite
def circuits(draw: Any, bounds: Bounds | None = None, started: bool = False) -> tm.Circuit:
    """One circuit; `started`: with a positive logit, as κ > m asks for.  Absent ones (all 0) are among them."""
    bounds = bounds or {}
    logit = draw(numbers("initial_logit", bounds.get("initial_logit", (1e-8, 600.0)))) if started else 0.0
    return tm.Circuit(
        efficiency=draw(numbers("efficiency", bounds.get("efficiency"))),
        learning_speed=draw(numbers("learning_speed", bounds.get("learning_speed"))),
        initial_logit=logit,
    )


@st.composite
def shared(draw: Any, bounds: Bounds | None = None, options: bool = True) -> dict[str, Any]:
    """Keyword arguments that all circuits of a model share; `options`: spread, norm power and floor too."""
    bounds = bounds or {}
    names = ["kappa", "weight_decay", "num_classes"]
    values = {name: draw(numbers(name, bounds.get(name))) for name in names}
    values["penalty"] = draw(st.sampled_from(["half", "full"]))
    for name, rest in OPTIONAL.items():
        given = numbers(name, bounds.get(name))
        values[name] = draw(st.one_of(st.just(rest), given)) if options or name in bounds else rest
    return values


@st.composite
def models(
    draw: Any, bounds: Bounds | None = None, options: bool = True, most: int = 2, started: bool | None = None
) -> tm.TwoCircuitModel:
    """Models of 2 to `most` circuits that can be simulated from where they start."""
    common = draw(shared(bounds, options))
    # For κ > m a circuit cannot leave W = 0: asking for that is an error (4.3).
    need = common["kappa"] > common["norm_power"] if started is None else started
    number = draw(st.integers(2, most))
    # A legal efficiency can have a power that no float holds; such a model is refused (test_toymodel_bad_input).
    parts = [draw(circuits(bounds, need)) for _ in range(number)]
    for part in parts:
        power = common["norm_power"] * math.log10(part.efficiency)
        assume(-280.0 < power < 280.0)
    if number == 2 and most == 2:
        return tm.TwoCircuitModel(gen=parts[0], mem=parts[1], **common)
    split = draw(st.integers(1, number - 1))
    return tm.TwoCircuitModel(gen=tuple(parts[:split]), mem=tuple(parts[split:]), **common)


# Models of the size that the paper's have: where errors can be judged against solvers that know nothing of stiffness,
# walls or mirror coordinates.
MILD: Bounds = {
    "efficiency": (0.2, 3.0),
    "learning_speed": (1e-3, 3.0),
    "initial_logit": (0.5, 8.0),
    "kappa": (0.3, 1.9),
    "weight_decay": (1e-4, 0.1),
    "num_classes": (2.0, 1e5),
}
