"""Circuits and the model made of them: README 1, 2 and 5.  Per-circuit arrays have shape (n,), generalising first."""

import dataclasses
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np

from .efficiency import EfficiencyLaw, PowerLaw
from .parameters import (
    CIRCUIT_PARAMETERS,
    LAW_PARAMETERS,
    MODEL_PARAMETERS,
    PENALTIES,
    FloatArray,
    check,
    explain,
    unknown,
)
from .results.display import Rows, Shown

BY_LAW = ("dataset_size", "critical_size", "exponent")


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


@dataclass(frozen=True)
class TwoCircuitModel(Shown):
    """Circuits of two kinds, one or several of each (paper section 3; defaults of appendix C; README 1).

    gen, mem       the generalising and the memorising circuit, or a sequence of them: the former add up on the right
                   label, the latter on one shared wrong label
    penalty        "half": (α/2) Σ P^m; "full": α Σ P^m (2.3)
    law            efficiency law that data set sizes refer to (5.1)
    others         as `help(toymodel.simulate)` lists them

    One rule for data set sizes.  A model's D is the size at which its law gives its efficiencies.  `with_parameters`, and
    so every function that takes parameters, keeps D: whoever changes the law or a generalising efficiency moves the
    memorising ones.  Only a memorising efficiency that is passed, or `dataset_size`, changes D.

    ValueError or TypeError for a value out of range.
    """

    gen: Circuit | tuple[Circuit, ...] = Circuit(efficiency=1.0, learning_speed=0.005)
    mem: Circuit | tuple[Circuit, ...] = Circuit(efficiency=0.5, learning_speed=1.0)
    _: KW_ONLY
    kappa: float = 1.2
    weight_decay: float = 0.005
    num_classes: int = 113
    penalty: str = "half"
    logit_spread: float = 0.0
    norm_power: float = 2.0
    logit_floor: float = 0.0
    law: EfficiencyLaw = PowerLaw()

    def __post_init__(self) -> None:
        for field in ("gen", "mem"):
            given = getattr(self, field)
            circuits = (given,) if isinstance(given, Circuit) else given
            if not isinstance(circuits, list | tuple) or not all(isinstance(c, Circuit) for c in circuits):
                raise TypeError(
                    f"{field} must be toymodel.Circuit, or a sequence of them, got {given!r}. Write "
                    f"toymodel.Circuit(efficiency=..., learning_speed=...)."
                )
            if not circuits:
                raise ValueError(
                    f"{field} must be at least one toymodel.Circuit, got {given!r}. For an absent circuit use "
                    f"learning_speed=0."
                )
            object.__setattr__(self, field, given if isinstance(given, Circuit) else tuple(given))
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

    @property
    def generalising(self) -> tuple[Circuit, ...]:
        """The generalising circuits."""
        return (self.gen,) if isinstance(self.gen, Circuit) else self.gen

    @property
    def memorising(self) -> tuple[Circuit, ...]:
        """The memorising circuits."""
        return (self.mem,) if isinstance(self.mem, Circuit) else self.mem

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
        kinds = {"gen": len(self.generalising), "mem": len(self.memorising)}
        return tuple(f"{kind}{k + 1}" if count > 1 else kind for kind, count in kinds.items() for k in range(count))

    @property
    def efficiencies(self) -> FloatArray:
        """η (n,), 1/norm."""
        return np.array([c.efficiency for c in self.circuits])

    @property
    def invariants(self) -> FloatArray:
        """(3.4) s² (n,), nats."""
        return np.array([c.learning_speed**2 for c in self.circuits])

    @property
    def efficiency_ratio(self) -> float:
        """η_mem / η_gen, of the most efficient circuit of each kind."""
        return max(c.efficiency for c in self.memorising) / max(c.efficiency for c in self.generalising)

    @property
    def dataset_size(self) -> float:
        """D: where the law gives this model's ratio of (best) efficiencies; nan where it gives none."""
        return float(self.law.dataset_size(self.efficiency_ratio))

    def at_dataset_size(self, dataset_size: float, law: EfficiencyLaw | None = None) -> Self:
        """The same model trained on `dataset_size` examples: memorising efficiencies by `law` (default: the model's).

        With several memorising circuits all are scaled by one factor, so that the best of them follows the law.
        """
        model = self if law is None else dataclasses.replace(self, law=law)
        size = check("dataset_size", dataset_size)
        factor = float(model.law.ratio(size)) / model.efficiency_ratio
        scaled = [dataclasses.replace(c, efficiency=c.efficiency * factor) for c in model.memorising]
        return model._with_circuits([*model.generalising, *scaled])

    def swapped(self) -> Self:
        """The model with the parts of the two kinds of circuits exchanged."""
        return dataclasses.replace(self, gen=self.mem, mem=self.gen)

    def parameters(self) -> dict[str, Any]:
        """Every parameter by its name in `simulate` and `sweep`, with this model's value."""
        values = {
            f"{label}_{row.name}": getattr(circuit, row.name)
            for label, circuit in zip(self.labels, self.circuits, strict=True)
            for row in CIRCUIT_PARAMETERS
        }
        values |= {row.name: getattr(self, row.name) for row in MODEL_PARAMETERS}
        values |= {"penalty": self.penalty, "dataset_size": self.dataset_size}
        if isinstance(self.law, PowerLaw):
            values |= {"critical_size": self.law.critical_size, "exponent": self.law.exponent}
        return values

    def with_parameters(self, **values: Any) -> Self:
        """A copy with some parameters changed, by the names of `parameters()`, and by the one rule for data set sizes.

        ValueError for an unknown name, or for a data set size together with the efficiency that it sets.
        """
        self.check_names(values)
        circuits = []
        for label, circuit in zip(self.labels, self.circuits, strict=True):
            names = {row.name: f"{label}_{row.name}" for row in CIRCUIT_PARAMETERS}
            new = {field: check(field, values[name], name) for field, name in names.items() if name in values}
            circuits.append(dataclasses.replace(circuit, **new))
        shared = {f.name for f in dataclasses.fields(self) if f.kw_only}
        model = dataclasses.replace(
            self._with_circuits(circuits), **{name: values[name] for name in shared & values.keys()}
        )
        law = {name: values[name] for name in BY_LAW[1:] if name in values}
        if law:
            if not isinstance(model.law, PowerLaw):
                raise ValueError(
                    f"{next(iter(law))} is a parameter of toymodel.PowerLaw, got a model with {model.law!r}. Pass "
                    f"law=toymodel.PowerLaw(...)."
                )
            model = dataclasses.replace(model, law=dataclasses.replace(model.law, **law))
        size = values.get("dataset_size", self.dataset_size)
        if self.law_decides(values) and ("dataset_size" in values or np.isfinite(size)):
            model = model.at_dataset_size(size)
        return model

    def law_decides(self, names: Any) -> bool:
        """The one rule: whether the law sets the memorising efficiencies anew when parameters of these names are set."""
        setters = {*BY_LAW, "law", *(f"{label}_efficiency" for label in self.labels[: self.num_gen])}
        return bool(setters & set(names)) and not self._set_directly(names)

    def _set_directly(self, names: Any) -> set[str]:
        return {f"{label}_efficiency" for label in self.labels[self.num_gen :]} & set(names)

    def check_names(self, names: Any, others: tuple[str, ...] = ()) -> None:
        """ValueError unless every one of `names` is a parameter and no two of them set the same thing; hints at `others`."""
        known = (*self.parameters(), "law", *BY_LAW, *others)
        for name in names:
            if name not in known or name in others:
                raise unknown("a keyword" if others else "a parameter of this model", name, known)
        by_law, direct = sorted(set(BY_LAW) & set(names)), sorted(self._set_directly(names))
        if by_law and direct:
            raise ValueError(
                f"{by_law[0]} and {direct[0]} both set the memorising efficiency, got both. Pass one of them."
            )

    def _with_circuits(self, circuits: list[Circuit]) -> Self:
        """The same with other circuits, one where there was one."""
        gen, mem = tuple(circuits[: self.num_gen]), tuple(circuits[self.num_gen :])
        return dataclasses.replace(
            self,
            gen=gen[0] if isinstance(self.gen, Circuit) else gen,
            mem=mem[0] if isinstance(self.mem, Circuit) else mem,
        )

    def _rows(self) -> Rows:
        rows = []
        for label, circuit in zip(self.labels, self.circuits, strict=True):
            parts = [f"{row.symbol} = {getattr(circuit, row.name):.6g}" for row in CIRCUIT_PARAMETERS]
            rows.append((label, ", ".join(parts if circuit.initial_logit else parts[:-1])))
        quiet = {"logit_spread": 0.0, "norm_power": 2.0, "logit_floor": 0.0}
        for row in MODEL_PARAMETERS:
            value = getattr(self, row.name)
            if quiet.get(row.name) != value:
                rows.append((row.name, f"{row.symbol} = {value:.6g}"))
        rows.append(("penalty", {"half": "(α/2) Σ P^m", "full": "α Σ P^m"}[self.penalty]))
        size = self.dataset_size
        if np.isfinite(size):
            rows.append(("dataset_size", f"D = {size:.6g}, by {self.law!r}"))
        return rows


HELP = f"""{explain(CIRCUIT_PARAMETERS, "gen_")}
    mem_...              the same of the memorising circuit; gen1_..., gen2_... where there are several.  The data set size
                         stays as it is, so that gen_efficiency moves Mem's too, by the law; mem_efficiency moves Mem's alone
{explain(MODEL_PARAMETERS)}
    penalty              "half": (α/2) Σ P^m, "full": α Σ P^m
{explain(LAW_PARAMETERS)}
    law                  a PowerLaw or TabulatedLaw"""


def as_model(model: TwoCircuitModel | None, parameters: dict[str, Any] | None = None) -> TwoCircuitModel:
    """The model that is meant, the paper's for None, with some parameters changed; TypeError for what is no model."""
    if model is not None and not isinstance(model, TwoCircuitModel):
        raise TypeError(
            f"model must be a toymodel.TwoCircuitModel, got {model!r}. Leave it out for the paper's, and "
            f"name what you mean, as in t_end=1000 or kappa=1.5."
        )
    model = TwoCircuitModel() if model is None else model
    return model.with_parameters(**parameters) if parameters else model
