"""Where circuits are, between two runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import flow
from .model import TwoCircuitModel
from .parameters import FloatArray, check


@dataclass(frozen=True, eq=False)
class State:
    """Logits (n,) in nats, and invariants (n,) v² - u² of (3.4)."""

    logit: FloatArray
    invariant: FloatArray

    @property
    def subweights(self) -> tuple[FloatArray, FloatArray]:
        """(u, v), each (n,)."""
        return flow.subweights(self.logit, self.invariant)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, State) and (
            np.array_equal(self.logit, other.logit) and np.array_equal(self.invariant, other.invariant)
        )

    def __hash__(self) -> int:
        return hash((*map(float, self.logit), *map(float, self.invariant)))


def as_state(model: TwoCircuitModel, start: "State | Sequence[float] | FloatArray | None") -> State | None:
    """`start` of `simulate` as a State; ValueError or TypeError for logits out of range or of the wrong number."""
    if start is None:
        return None
    if hasattr(start, "final_state"):
        raise TypeError(
            "start must be a State or a sequence of logits, got a Trajectory. Pass its end, run.final_state, or go on with "
            "run.continue_with(...)."
        )
    logits = start.logit if isinstance(start, State) else start
    if np.ndim(logits) != 1:
        raise TypeError(
            f"start must be a State or a sequence of logits, one for each circuit ({', '.join(model.labels)}), got "
            f"{start!r}. Pass {len(model.circuits)} numbers, generalising circuits first."
        )
    invariants = start.invariant if isinstance(start, State) else model.invariants
    if not len(logits) == np.size(invariants) == len(model.circuits):
        raise ValueError(
            f"start must hold one logit for each circuit ({', '.join(model.labels)}), got {len(logits)}, and as many "
            f"invariants, got {np.size(invariants)}. Pass {len(model.circuits)} numbers, generalising circuits first."
        )
    limit = "logit" if isinstance(start, State) else "initial_logit"
    return State(
        np.array([check(limit, x, f"start[{k}]") for k, x in enumerate(logits)]),
        np.array([check("invariant", x, f"start.invariant[{k}]") for k, x in enumerate(invariants)]),
    )
