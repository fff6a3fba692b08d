"""Circuits and the models made of them: model.md 1, 2 and 5.  Per-circuit arrays have shape (n,), generalising first."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from . import flow
from .efficiency import EfficiencyLaw, PowerLaw
from .parameters import CIRCUIT_PARAMETERS, MODEL_PARAMETERS, FloatArray, check, unknown

PENALTIES = ("half", "full")


@dataclass(frozen=True)
class Circuit:
    """One circuit (paper section 3).

    efficiency       η in W = (η P)^κ, 1/norm; the paper's P' is 1/η
    learning_speed   s, the second subweight at t = 0, nats^(1/2); 0 with no initial logit: absent for ever
    initial_logit    W at t = 0, nats

    ValueError or TypeError for a value out of range.
    """

    efficiency: float = 1.0
    learning_speed: float = 1.0
    initial_logit: float = 0.0

    def __post_init__(self) -> None:
        for row in CIRCUIT_PARAMETERS:
            object.__setattr__(self, row.name, check(row.name, getattr(self, row.name)))


@dataclass(frozen=True, kw_only=True)
class Dynamics:
    """What all circuits of a model share; see CircuitModel and TwoCircuitModel."""

    kappa: float = 1.2
    weight_decay: float = 0.005
    num_classes: int = 113
    penalty: str = "half"
    logit_spread: float = 0.0
    norm_power: float = 2.0
    logit_floor: float = 0.0
    law: EfficiencyLaw = PowerLaw()

    def __post_init__(self) -> None:
        for row in MODEL_PARAMETERS:
            value = check(row.name, getattr(self, row.name))
            object.__setattr__(self, row.name, int(value) if row.whole else value)
        if self.penalty not in PENALTIES:
            raise unknown("penalty", str(self.penalty), PENALTIES)
        if isinstance(self.law, type) or not (hasattr(self.law, "ratio") and hasattr(self.law, "dataset_size")):
            raise TypeError(
                f"law must be an efficiency law, got {self.law!r}. Pass toymodel.PowerLaw(critical_size=..., "
                f"exponent=...) or toymodel.TabulatedLaw(sizes, ratios)."
            )

    # Subclasses say which circuits there are.
    @property
    def generalising(self) -> tuple[Circuit, ...]:
        raise NotImplementedError

    @property
    def memorising(self) -> tuple[Circuit, ...]:
        raise NotImplementedError

    def _with_circuits(self, generalising: tuple[Circuit, ...], memorising: tuple[Circuit, ...]) -> Self:
        raise NotImplementedError

    @property
    def circuits(self) -> tuple[Circuit, ...]:
        """All circuits, generalising first: the order of every per-circuit axis."""
        return (*self.generalising, *self.memorising)

    @property
    def num_gen(self) -> int:
        """How many of the circuits generalise."""
        return len(self.generalising)

    @property
    def labels(self) -> tuple[str, ...]:
        """A name for each circuit: gen and mem, or gen1, gen2, ... where there are several."""

        def names(stem: str, count: int) -> list[str]:
            return [stem] if count == 1 else [f"{stem}{k + 1}" for k in range(count)]

        return (*names("gen", self.num_gen), *names("mem", len(self.memorising)))

    @property
    def efficiencies(self) -> FloatArray:
        """η (n,), 1/norm."""
        return np.array([c.efficiency for c in self.circuits])

    @property
    def invariants(self) -> FloatArray:
        """(3.4) s² (n,), nats."""
        return np.array([c.learning_speed**2 for c in self.circuits])

    @property
    def initial_logits(self) -> FloatArray:
        """W at t = 0 (n,), nats, not below the floor."""
        return np.array([max(c.initial_logit, self.logit_floor) for c in self.circuits])

    @property
    def degree(self) -> float:
        """(3.1) r = m/κ, the power of the logit in the penalty: above 1 circuits share, at or below 1 one wins (4.4)."""
        return self.norm_power / self.kappa

    @property
    def slopes(self) -> FloatArray:
        """(3.1) a (n,) in dR/dW = a W^(r-1)."""
        return flow.penalty_slope(self.efficiencies, self.kappa, self.weight_decay, self.penalty, self.norm_power)

    @property
    def dataset_size(self) -> float:
        """The size at which the law gives this model's ratio of (best) efficiencies; nan where it gives none."""
        return float(self.law.dataset_size(self.efficiency_ratio))

    @property
    def efficiency_ratio(self) -> float:
        """η_mem / η_gen, of the most efficient circuit of each kind."""
        return max(c.efficiency for c in self.memorising) / max(c.efficiency for c in self.generalising)

    def at_dataset_size(self, dataset_size: float, law: EfficiencyLaw | None = None) -> Self:
        """The same model trained on `dataset_size` examples: memorising efficiencies by `law` (default: the model's).

        With several memorising circuits all are scaled by one factor, so that the best of them follows the law.
        """
        model = self if law is None else dataclasses.replace(self, law=law)
        size = check("dataset_size", dataset_size)
        factor = float(model.law.ratio(size)) / model.efficiency_ratio
        memorising = tuple(dataclasses.replace(c, efficiency=c.efficiency * factor) for c in model.memorising)
        return model._with_circuits(model.generalising, memorising)

    def parameters(self) -> dict[str, Any]:
        """Every parameter by its name in `simulate` and `sweep`, with this model's value."""
        values = {
            f"{label}_{row.name}": getattr(circuit, row.name)
            for label, circuit in zip(self.labels, self.circuits, strict=True)
            for row in CIRCUIT_PARAMETERS
        }
        values |= {row.name: getattr(self, row.name) for row in MODEL_PARAMETERS}
        values["penalty"] = self.penalty
        values["dataset_size"] = self.dataset_size
        if isinstance(self.law, PowerLaw):
            values |= {"critical_size": self.law.critical_size, "exponent": self.law.exponent}
        return values

    def with_parameters(self, **values: Any) -> Self:
        """A copy with some parameters changed, by the names of `parameters()`.

        `dataset_size` sets the memorising efficiencies by the law, last of all.  ValueError for an unknown name, or
        for a data set size together with the efficiency that it sets.
        """
        self.check_names(values)
        circuits = {}
        for label, circuit in zip(self.labels, self.circuits, strict=True):
            names = {row.name: f"{label}_{row.name}" for row in CIRCUIT_PARAMETERS}
            new = {field: check(field, values[name], name) for field, name in names.items() if name in values}
            circuits[label] = dataclasses.replace(circuit, **new)
        parts = tuple(circuits.values())
        model = self._with_circuits(parts[: self.num_gen], parts[self.num_gen :])
        shared = {f.name for f in dataclasses.fields(Dynamics)}
        model = dataclasses.replace(model, **{name: values[name] for name in shared & values.keys()})
        law = {name: values[name] for name in ("critical_size", "exponent") if name in values}
        if law:
            model = dataclasses.replace(model, law=dataclasses.replace(model.law, **law))  # type: ignore[type-var]
        if "dataset_size" in values or law:
            # A new law moves the memorising efficiency at the same data set size.
            model = model.at_dataset_size(values.get("dataset_size", self.dataset_size))
        return model

    def check_names(self, names: Any) -> None:
        """ValueError unless every one of `names` is a parameter and no two of them set the same thing."""
        known = (*self.parameters(), "law")
        for name in names:
            if name not in known:
                raise unknown("a parameter of this model", name, known)
        by_law = {"dataset_size", "critical_size", "exponent"} & set(names)
        direct = {f"{label}_efficiency" for label in self.labels[self.num_gen :]} & set(names)
        if by_law and direct:
            raise ValueError(
                f"{sorted(by_law)[0]} and {sorted(direct)[0]} both set the memorising efficiency, got both. "
                f"Pass one of them."
            )

    def __str__(self) -> str:
        from .display import model_text

        return model_text(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        # IPython's terminal shows the text; `repr` stays an expression that makes the model again.
        printer.text(str(self))

    def _repr_html_(self) -> str:
        from .display import model_html

        return model_html(self)


def _check_circuits(field: str, circuits: Any) -> None:
    if not isinstance(circuits, Iterable):
        circuits = (circuits,)
    for circuit in circuits:
        if not isinstance(circuit, Circuit):
            raise TypeError(
                f"{field} must be toymodel.Circuit, got {circuit!r}. Write toymodel.Circuit(efficiency=..., "
                f"learning_speed=...)."
            )


@dataclass(frozen=True)
class TwoCircuitModel(Dynamics):
    """The paper's model: one generalising and one memorising circuit (section 3; defaults of appendix C).

    gen, mem       the circuits
    kappa          κ, degree with which logits grow with norm
    weight_decay   α, coefficient of the penalty, 1/norm^m
    num_classes    q
    penalty        "half": (α/2) Σ P^m; "full": α Σ P^m (2.3)
    logit_spread   σ, coefficient of variation of a logit over inputs (5.4)
    norm_power     m, power of the norm in the penalty (theorem D.4); 2 is weight decay
    logit_floor    ε, least logit that a circuit keeps, nats: a standing seed (model.md 6.3)
    law            efficiency law that data set sizes refer to (5.1)

    ValueError or TypeError for a value out of range.
    """

    gen: Circuit = Circuit(efficiency=1.0, learning_speed=0.005)
    mem: Circuit = Circuit(efficiency=0.5, learning_speed=1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_circuits("gen and mem", (self.gen, self.mem))

    @property
    def generalising(self) -> tuple[Circuit, ...]:
        """(gen,)"""
        return (self.gen,)

    @property
    def memorising(self) -> tuple[Circuit, ...]:
        """(mem,)"""
        return (self.mem,)

    def _with_circuits(self, generalising: tuple[Circuit, ...], memorising: tuple[Circuit, ...]) -> Self:
        return dataclasses.replace(self, gen=generalising[0], mem=memorising[0])

    def swapped(self) -> Self:
        """The model with the parts of the two circuits exchanged."""
        return dataclasses.replace(self, gen=self.mem, mem=self.gen)


@dataclass(frozen=True)
class CircuitModel(Dynamics):
    """Any number of circuits: the generalising ones add up on the right label, the memorising ones on one wrong label.

    generalising, memorising   circuits, at least one of each
    All else as in TwoCircuitModel.
    """

    generalising: tuple[Circuit, ...] = (Circuit(efficiency=1.0, learning_speed=0.005),)
    memorising: tuple[Circuit, ...] = (Circuit(efficiency=0.5, learning_speed=1.0),)

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("generalising", "memorising"):
            circuits = getattr(self, field)
            if isinstance(circuits, Circuit) or (isinstance(circuits, Iterable) and not (circuits := tuple(circuits))):
                raise ValueError(
                    f"{field} must be a sequence of at least one toymodel.Circuit, got {circuits!r}. For an absent "
                    f"circuit use learning_speed=0."
                )
            _check_circuits(field, circuits)
            object.__setattr__(self, field, tuple(circuits))

    def _with_circuits(self, generalising: tuple[Circuit, ...], memorising: tuple[Circuit, ...]) -> Self:
        return dataclasses.replace(self, generalising=generalising, memorising=memorising)
