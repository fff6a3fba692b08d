"""Trajectory: what a simulation did, with its units, its behaviour and a picture of itself."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from . import flow, losses
from .behaviours import MEANINGS, Thresholds
from .circuits import Dynamics
from .kernel.equations import CROSS, FIT, GEN, N_EVENTS
from .parameters import FloatArray, unknown
from .problem import State

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The circuits' training, from `simulate`.

    model            what was trained
    time (k,)        flow time; `step` is the same in gradient steps
    logits (k, n)    W, nats; gen_logit and mem_logit (k,) add them up by kind
    norms (k, n)     P; gen_norm and mem_norm (k,) are root sums of squares
    train_loss, test_loss (k,), nats; train_accuracy, test_accuracy (k,); regularised_loss (k,) L + R
    t_fit, t_gen, t_cross   flow times since which the run fits, generalises, and Gen leads; None if not at the end
    behaviour        a word of the vocabulary (toymodel.BEHAVIOURS)
    final_state      logits and invariants at t_end, to go on from
    limit_logits (n,)   where the flow would end
    status           how the integration ended
    """

    model: Dynamics
    method: str
    learning_rate: float
    t_end: float
    rtol: float
    thresholds: Thresholds
    time: FloatArray
    logits: FloatArray
    invariants: FloatArray = field(repr=False)
    events: FloatArray = field(repr=False)
    final_state: State
    limit_logits: FloatArray
    behaviour: str
    status: str

    @property
    def step(self) -> FloatArray:
        """Gradient steps (k,): flow time / learning rate."""
        return self.time / self.learning_rate

    @property
    def gen_logit(self) -> FloatArray:
        """W of the generalising circuits together (k,), nats."""
        return np.asarray(self.logits[:, : self.model.num_gen].sum(axis=1))

    @property
    def mem_logit(self) -> FloatArray:
        """W of the memorising circuits together (k,), nats."""
        return np.asarray(self.logits[:, self.model.num_gen :].sum(axis=1))

    @property
    def norms(self) -> FloatArray:
        """P (k, n)."""
        return flow.norm_from_logit(self.logits, self.model.efficiencies, self.model.kappa)

    @property
    def gen_norm(self) -> FloatArray:
        """Norm of the generalising circuits together (k,)."""
        return np.asarray(np.linalg.norm(self.norms[:, : self.model.num_gen], axis=1))

    @property
    def mem_norm(self) -> FloatArray:
        """Norm of the memorising circuits together (k,)."""
        return np.asarray(np.linalg.norm(self.norms[:, self.model.num_gen :], axis=1))

    @property
    def train_loss(self) -> FloatArray:
        """(2.1) (k,), nats."""
        return losses.train_loss(self.logits.sum(axis=1), self.model.num_classes)

    @property
    def test_loss(self) -> FloatArray:
        """(2.2) (k,), nats."""
        return losses.test_loss(self.gen_logit, self.mem_logit, self.model.num_classes)

    @property
    def regularised_loss(self) -> FloatArray:
        """L + R of (2.1) and (2.3) (k,), nats: what training lowers."""
        m = self.model
        return self.train_loss + losses.regularisation(self.norms, m.weight_decay, m.penalty, m.norm_power)

    @property
    def train_accuracy(self) -> FloatArray:
        """(5.4) on the training set (k,)."""
        return losses.train_accuracy(self.logits, self.model.num_classes, self.model.logit_spread)

    @property
    def test_accuracy(self) -> FloatArray:
        """(5.4) on unseen examples (k,)."""
        return losses.test_accuracy(self.logits, self.model.num_gen, self.model.num_classes, self.model.logit_spread)

    def _event(self, which: int) -> float | None:
        return None if np.isnan(self.events[which]) else float(self.events[which])

    @property
    def t_fit(self) -> float | None:
        """Flow time since which the training set is fitted: train loss below 0.1 ln q for good."""
        return self._event(FIT)

    @property
    def t_gen(self) -> float | None:
        """Flow time since which it generalises: test loss below 0.1 ln q, or accuracy above 0.9 if there is a spread."""
        return self._event(GEN)

    @property
    def t_cross(self) -> float | None:
        """Flow time since which the generalising circuits have the larger logit."""
        return self._event(CROSS)

    @property
    def num_steps(self) -> int:
        """Steps that the integration took."""
        return int(self.events[N_EVENTS + 1])

    def continue_with(
        self,
        t_end: float | None = None,
        *,
        method: str | None = None,
        steps: int | None = None,
        **changes: Any,
    ) -> "Trajectory":
        """Trains the same circuits on under changed parameters; time starts at 0 again.

        `dataset_size=400` after grokking is ungrokking (paper section 4).  t_end, method: default as before.  Learning
        speeds and initial logits cannot change, because these circuits are already on their way: ValueError.
        """
        for name in changes:
            if name in ("start", "model") or name.endswith(("_learning_speed", "_initial_logit")):
                raise ValueError(
                    f"continue_with keeps the circuits' state, so {name} cannot change; got {changes[name]!r}. Use "
                    f"simulate(...) for a new start."
                )
        from .integrate import simulate

        settings = ("learning_rate", "rtol", "thresholds")
        passed: dict[str, Any] = {name: changes.pop(name, getattr(self, name)) for name in settings}
        passed["t_end"] = self.t_end if steps is None and t_end is None else t_end
        return simulate(
            self.model, method=method or self.method, steps=steps, start=self.final_state, **passed, **changes
        )

    def to_dataset(self) -> "xarray.Dataset":
        """All of it as an xarray.Dataset over `time`, with units, parameters, thresholds and behaviour in attributes."""
        from .dataset import trajectory_dataset

        return trajectory_dataset(self)

    def plot(self, *, against: str = "time") -> "matplotlib.figure.Figure":
        """Losses, logits and norms, in three panels as in the paper's figure 2.  against: "time" or "step"."""
        from .plot import plot_trajectory

        if against not in ("time", "step"):
            raise unknown("against", str(against), ("time", "step"))
        return plot_trajectory(self, against)

    @property
    def meaning(self) -> str:
        """What the behaviour's name means."""
        return MEANINGS[self.behaviour]

    def __repr__(self) -> str:
        from .display import trajectory_text

        return trajectory_text(self)

    def _repr_html_(self) -> str:
        from .display import trajectory_html

        return trajectory_html(self)
