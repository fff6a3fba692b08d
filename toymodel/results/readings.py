"""What logits amount to, once for trajectories, rest states and sweeps: norms, losses, accuracies (README 1, 2, 5)."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import flow, losses
from ..parameters import FloatArray


def _reading(meaning: str, formula: Callable[[FloatArray, Any], FloatArray]) -> Any:
    """A property: `formula` of logits (k, n) and their problem; (k,), or a number where the logits are (n,)."""

    def read(self: Any) -> Any:
        values = formula(np.atleast_2d(self.logits), self.problem)
        return values if self.logits.ndim > 1 else values[0]

    read.__doc__ = meaning
    return property(read)


def _norms(w: FloatArray, p: Any) -> FloatArray:
    return flow.norm_from_logit(w, p.efficiency, p.kappa)


def _norm(w: FloatArray, p: Any) -> FloatArray:
    return flow.network_norm(_norms(w, p), p.norm_power)


def _gen(values: FloatArray, p: Any) -> FloatArray:
    return values[..., : p.num_gen]


def _mem(values: FloatArray, p: Any) -> FloatArray:
    return values[..., p.num_gen :]


def _regularised(w: FloatArray, p: Any) -> FloatArray:
    penalty = losses.regularisation(_norm(w, p), p.weight_decay, p.penalty, p.norm_power)
    return losses.train_loss(w.sum(-1), p.num_classes) + penalty


class Readings:
    """Readings of `logits` (k, n) or (n,) by a `problem` of k points or one."""

    logits: FloatArray
    problem: Any

    norms = _reading("P, the norm of each circuit.", _norms)
    norm = _reading("(2.3) ‖w‖, the network's norm.", _norm)
    gen_norm = _reading(
        "Norm of the generalising circuits together.",
        lambda w, p: flow.network_norm(_gen(_norms(w, p), p), p.norm_power),
    )
    mem_norm = _reading(
        "Norm of the memorising circuits together.",
        lambda w, p: flow.network_norm(_mem(_norms(w, p), p), p.norm_power),
    )
    gen_logit = _reading("W of the generalising circuits together, nats.", lambda w, p: _gen(w, p).sum(-1))
    mem_logit = _reading("W of the memorising circuits together, nats.", lambda w, p: _mem(w, p).sum(-1))
    train_loss = _reading("(2.1), nats.", lambda w, p: losses.train_loss(w.sum(-1), p.num_classes))
    test_loss = _reading(
        "(2.2), nats.", lambda w, p: losses.test_loss(_gen(w, p).sum(-1), _mem(w, p).sum(-1), p.num_classes)
    )
    regularised_loss = _reading("L + R of (2.1) and (2.3), nats: what training lowers.", _regularised)
    train_accuracy = _reading(
        "(5.4) on the training set.", lambda w, p: losses.train_accuracy(w, p.num_classes, p.logit_spread)
    )
    test_accuracy = _reading(
        "(5.4) on unseen examples.", lambda w, p: losses.test_accuracy(w, p.num_gen, p.num_classes, p.logit_spread)
    )
