"""What logits amount to, once for trajectories, rest states and sweeps: norms, losses, accuracies (README 1, 2, 5, 8)."""

from typing import Any

from . import flow, losses
from .parameters import FloatArray


class Readings:
    """Readings of `logits` (k, n) or (n,), by a `problem` of k points or one; each is (k,), or a number for (n,)."""

    logits: FloatArray
    problem: Any

    def _one(self, values: FloatArray) -> Any:
        return values if self.logits.ndim > 1 else values[0]

    def _kind(self, values: FloatArray, generalising: bool) -> FloatArray:
        g = self.problem.num_gen
        return values[..., :g] if generalising else values[..., g:]

    @property
    def _logits(self) -> FloatArray:
        return self.logits if self.logits.ndim > 1 else self.logits[None]

    @property
    def _norms(self) -> FloatArray:
        return flow.norm_from_logit(self._logits, self.problem.efficiency, self.problem.kappa)

    @property
    def norms(self) -> Any:
        """P of each circuit, the norm that it would need alone."""
        return self._one(self._norms)

    @property
    def norm(self) -> Any:
        """(8.1) ‖w‖, the network's norm: of all circuits, which share it."""
        return self._one(flow.network_norm(self._norms, self.problem.sharing))

    @property
    def gen_norm(self) -> Any:
        """(8.1) Norm that the generalising circuits would need without the others."""
        return self._one(flow.network_norm(self._kind(self._norms, True), self.problem.sharing))

    @property
    def mem_norm(self) -> Any:
        """(8.1) Norm that the memorising circuits would need without the others."""
        return self._one(flow.network_norm(self._kind(self._norms, False), self.problem.sharing))

    @property
    def gen_logit(self) -> Any:
        """W of the generalising circuits together, nats."""
        return self._one(self._kind(self._logits, True).sum(axis=-1))

    @property
    def mem_logit(self) -> Any:
        """W of the memorising circuits together, nats."""
        return self._one(self._kind(self._logits, False).sum(axis=-1))

    @property
    def train_loss(self) -> Any:
        """(2.1), nats."""
        return self._one(losses.train_loss(self._logits.sum(axis=-1), self.problem.num_classes))

    @property
    def test_loss(self) -> Any:
        """(2.2), nats."""
        gen, mem = (self._kind(self._logits, g).sum(axis=-1) for g in (True, False))
        return self._one(losses.test_loss(gen, mem, self.problem.num_classes))

    @property
    def regularised_loss(self) -> Any:
        """L + R of (2.1), (2.3) and (8.1), nats: what training lowers."""
        p = self.problem
        norm = flow.network_norm(self._norms, p.sharing)
        train = losses.train_loss(self._logits.sum(axis=-1), p.num_classes)
        return self._one(train + losses.regularisation(norm, p.weight_decay, p.penalty, p.norm_power))

    @property
    def train_accuracy(self) -> Any:
        """(5.4) on the training set."""
        p = self.problem
        return self._one(losses.train_accuracy(self._logits, p.num_classes, p.logit_spread))

    @property
    def test_accuracy(self) -> Any:
        """(5.4) on unseen examples."""
        p = self.problem
        return self._one(losses.test_accuracy(self._logits, p.num_gen, p.num_classes, p.logit_spread))
