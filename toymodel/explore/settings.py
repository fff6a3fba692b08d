"""What the explorer's sliders are called, where they can stand, and the model that they amount to, also as Python.

Symbols, units and meanings are those of the table of parameters.  One slider differs from the model's parameters: Mem's
efficiency is set at D = REFERENCE_SIZE, so that both efficiencies and D can be moved alone; D_crit, where the two meet,
follows from them (5.2).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

import toymodel as tm

from ..parameters import describe

REFERENCE_SIZE = 1000.0
Values = Mapping[str, float]


@dataclass(frozen=True)
class Slider:
    """One slider: `name` as in `simulate`, `row` of the table of parameters, positions `steps` (k,), `log` spaced or not."""

    name: str
    row: str
    short: str
    steps: tuple[float, ...]
    default: float
    log: bool

    @property
    def symbol(self) -> str:
        """The parameter's symbol with its circuit."""
        symbol = describe(self.row).symbol
        kind = self.name.partition("_")[0]
        return f"{symbol.removesuffix('(0)')}_{kind}{'(0)' * symbol.endswith('(0)')}" if kind in KINDS else symbol

    @property
    def unit(self) -> str:
        """The unit, empty for a pure number."""
        unit = describe(self.row).unit.replace("norm^m", "norm²").replace("nats^(1/2)", "√nats")
        return "" if unit == "1" else unit

    @property
    def title(self) -> str:
        """Symbol, what it is, unit."""
        return f"{self.symbol}, {self.short}" + (f" ({self.unit})" if self.unit else "")

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are legal."""
        return describe(self.row).whole

    def within(self, value: float) -> float:
        """`value`, which may have been typed, brought into the slider's range; its default for what is no number."""
        if not np.isfinite(value):
            return self.default
        inside = min(max(float(value), self.steps[0]), self.steps[-1])
        return float(round(inside)) if self.whole else inside

    def nearest(self, value: float) -> float:
        """The position nearest to `value`."""
        steps = np.asarray(self.steps)
        if self.log and value > 0.0:
            positive = steps[steps > 0.0]
            return float(positive[np.argmin(np.abs(np.log(positive / value)))])
        return float(steps[np.argmin(np.abs(steps - value))])


KINDS = ("gen", "mem")


def _slider(
    name: str, row: str, short: str, ends: tuple[float, float], default: float, step: float | None = None
) -> Slider:
    """Evenly spaced by `step`; without one, log spaced with fifty positions a decade.  A low end of 0 is an extra."""
    low, high = ends
    if step:
        steps = np.arange(low, high + 0.5 * step, step)
    else:
        decades = np.log10(high / (low or 1e-4))
        steps = np.geomspace(low or 1e-4, high, round(50 * decades) + 1)
        steps = np.append(steps, [0.0] if low == 0.0 else [])
    if describe(row).whole:
        steps = np.unique(np.concatenate([np.arange(low, 200.0), np.round(steps)]))
    rounded = {float(f"{x:.3g}") for x in steps} | {default}
    return Slider(name, row, short, tuple(sorted(rounded)), default, step is None)


SLIDERS = {
    a[0]: _slider(*a)
    for a in (
        ("kappa", "kappa", "degree of logit in norm", (0.5, 10.0), 1.2, 0.05),
        ("gen_efficiency", "efficiency", "efficiency", (0.01, 10.0), 1.0),
        ("mem_efficiency", "efficiency", f"at D = {REFERENCE_SIZE:g}", (0.01, 10.0), 1.0),
        ("exponent", "exponent", "fall of η_mem with D", (0.1, 2.0), 0.5, 0.02),
        ("dataset_size", "dataset_size", "data set size", (10.0, 1e6), 4000.0),
        ("weight_decay", "weight_decay", "weight decay", (1e-9, 1.0), 0.005),
        ("num_classes", "num_classes", "classes", (2.0, 10000.0), 113.0),
        ("gen_learning_speed", "learning_speed", "learning speed", (1e-4, 10.0), 0.005),
        ("mem_learning_speed", "learning_speed", "learning speed", (1e-4, 10.0), 1.0),
        ("gen_initial_logit", "initial_logit", "logit at t = 0", (0.0, 100.0), 0.0),
        ("mem_initial_logit", "initial_logit", "logit at t = 0", (0.0, 100.0), 0.0),
        ("t_end", "t_end", "end of the run", (1.0, 1e9), 1000.0),
    )
}
DEFAULTS = {name: s.default for name, s in SLIDERS.items()}
GROUPS = {
    "Norm and logit": ("kappa",),
    "Efficiency and data": ("dataset_size", "gen_efficiency", "mem_efficiency", "exponent"),
    "Training": ("weight_decay", "gen_learning_speed", "mem_learning_speed", "t_end"),
    "Start and classes": ("gen_initial_logit", "mem_initial_logit", "num_classes"),
}
# Places to begin at: what differs from the paper's values (appendix C).
PLACES: dict[str, dict[str, float]] = {
    "The paper's run": {},
    "Gen learns fast": {"gen_learning_speed": 2.0},
    "Too little data": {"dataset_size": 400.0},
    "Ungrokking": {
        "gen_initial_logit": 7.83, "mem_initial_logit": 0.979, "dataset_size": 300.0,
    },
    "Measured networks": {
        "kappa": 4.95, "gen_efficiency": 0.0852, "mem_efficiency": 0.055, "exponent": 0.32,
        "dataset_size": 500.0, "weight_decay": 1e-4, "num_classes": 43.0, "gen_initial_logit": 0.01,
        "mem_initial_logit": 0.01, "t_end": 1e4,
    },
}  # fmt: skip


def settled(values: Values) -> dict[str, float]:
    """`values` in the sliders' ranges; what is left out stands at its default."""
    return {name: s.within(float(values.get(name, s.default))) for name, s in SLIDERS.items()}


def critical_size(values: Values) -> float:
    """(5.2) D_crit: where η_mem(D), set at REFERENCE_SIZE, meets η_gen."""
    ratio = values["mem_efficiency"] / values["gen_efficiency"]
    return float(REFERENCE_SIZE * ratio ** (1.0 / values["exponent"]))


def model(values: Values) -> tm.TwoCircuitModel:
    """The model that the sliders amount to."""
    direct = (
        "kappa",
        "weight_decay",
        "num_classes",
        "exponent",
        "dataset_size",
    )
    circuits = ("gen_efficiency", "gen_learning_speed", "mem_learning_speed", "gen_initial_logit", "mem_initial_logit")
    return tm.TwoCircuitModel().with_parameters(
        critical_size=critical_size(values), **{name: values[name] for name in (*direct, *circuits)}
    )


def refusal(error: ValueError, values: Values) -> str:
    """What the model refuses, in the words of the page, where its own speak of what the page has no slider for (4.3)."""
    absent = [name for name in ("gen_initial_logit", "mem_initial_logit") if values[name] == 0.0]
    if "positive start" not in str(error) or not absent:
        return str(error)
    return (
        f"Above κ = 2 a circuit that starts at 0 stays there, because the penalty's slope is infinite at W = 0. Move "
        f"{' and '.join(SLIDERS[name].symbol for name in absent)} above 0 (type 0.01, say), or κ to 2 or below."
    )


def python(values: Values) -> str:
    """The sliders as a program."""
    base = tm.TwoCircuitModel().parameters() | {"t_end": DEFAULTS["t_end"]}
    now = {**model(values).parameters(), **values}
    # Mem's efficiency follows from the law, and the slider's is that at another size.
    changed = {n: float(f"{now[n]:.12g}") for n in base if n not in ("mem_efficiency", "penalty")}
    words = (
        f"{name}={int(x) if x == int(x) and x < 1e15 else x!r}"
        for name, x in changed.items()
        if not np.isclose(x, base[name], 1e-9, 0.0)
    )
    return f"import toymodel as tm\n\nrun = tm.simulate({', '.join(words)})\nprint(run)\nrun.plot()\n"
