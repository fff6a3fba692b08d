"""Losses and accuracies as functions of logits: README 2 and (5.4).

Every function broadcasts over arrays of any shape.  Logits in nats, losses in nats.  All are finite and accurate from
logit 0 to 700 and beyond, for 2 to 1e9 classes.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from .parameters import FloatArray

Numbers = FloatArray | float


@np.errstate(invalid="ignore")  # nan in, nan out
def train_loss(total_logit: Numbers, num_classes: Numbers) -> FloatArray:
    """(2.1) L = ln(1 + (q-1) e^(-S)), with S the sum of all circuits' logits."""
    rivals = np.log(np.asarray(num_classes, float) - 1.0)
    return np.asarray(np.logaddexp(0.0, rivals - np.asarray(total_logit, float)))


@np.errstate(invalid="ignore")  # nan in, nan out
def test_loss(gen_logit: Numbers, mem_logit: Numbers, num_classes: Numbers) -> FloatArray:
    """(2.2) ln(1 + e^(W_mem - W_gen) + (q-2) e^(-W_gen)).

    `gen_logit` is the sum over generalising circuits, which share the right label; `mem_logit` the sum over
    memorising ones, which share one wrong label (2.3).
    """
    gen, mem = np.asarray(gen_logit, float), np.asarray(mem_logit, float)
    with np.errstate(divide="ignore"):  # two classes leave no third one: ln 0
        others = np.log(np.asarray(num_classes, float) - 2.0)
    return np.asarray(np.logaddexp(0.0, np.logaddexp(mem, others) - gen))


@np.errstate(invalid="ignore")  # nan in, nan out
def wrong_probability(total_logit: Numbers, num_classes: Numbers) -> FloatArray:
    """(2.4) p(S) = (q-1) / (e^S + q - 1) = -dL/dS, the probability not on the right label."""
    rivals = np.log(np.asarray(num_classes, float) - 1.0)
    return np.asarray(np.exp(-np.logaddexp(0.0, np.asarray(total_logit, float) - rivals)))


def penalty_factor(penalty: str | npt.NDArray[Any]) -> FloatArray:
    """(2.3) R = factor α Σ P^m: 1/2 for "half" (the paper's appendix D), 1 for "full" (its appendix C as displayed)."""
    return np.where(np.asarray(penalty) == "half", 0.5, 1.0)


def regularisation(
    norm: Numbers, weight_decay: Numbers, penalty: str | npt.NDArray[Any] = "half", norm_power: Numbers = 2.0
) -> FloatArray:
    """(2.3) R = (α/2) ‖w‖^m ("half") or α ‖w‖^m ("full"), of the network's norm, ‖w‖^m = Σ P^m."""
    return np.asarray(penalty_factor(penalty) * weight_decay * np.asarray(norm, float) ** norm_power)


def accuracy(lead: Numbers, noise: Numbers, silent: npt.ArrayLike, num_classes: Numbers) -> FloatArray:
    """(5.4) Φ(lead / noise), the share of inputs on which the right label wins.

    `lead` is the mean logit of the right label over its best rival and `noise` its standard deviation over inputs.
    Without noise every input is alike: 1, 0, or 1/2 for a tie.  Where all circuits are `silent` it is chance, 1/q.
    """
    lead, noise = np.asarray(lead, float), np.asarray(noise, float)
    share = 0.5 * (1.0 + np.sign(lead))
    if np.any(noise > 0.0):
        from scipy.special import ndtr  # a quarter of a second to import

        share = np.where(noise > 0.0, ndtr(lead / np.where(noise > 0.0, noise, 1.0)), share)
    return np.where(silent, 1.0 / np.asarray(num_classes, float), share)


def chance_accuracy(num_classes: Numbers, logit_spread: Numbers) -> FloatArray:
    """What a memoriser has on unseen examples: 1/q, or more where the spread lets its wrong label lose, Φ(-1/σ) by (5.4)."""
    chance, spread = 1.0 / np.asarray(num_classes, float), np.asarray(logit_spread, float)
    return np.maximum(chance, np.where(spread > 0.0, accuracy(-1.0, spread, False, num_classes), 0.0))


def test_accuracy(logits: FloatArray, num_gen: int, num_classes: Numbers, logit_spread: Numbers = 0.0) -> FloatArray:
    """(5.4) Φ((W_gen - W_mem) / (σ √Σ W_i²)); logits (..., n), the first `num_gen` generalising."""
    lead = logits[..., :num_gen].sum(axis=-1) - logits[..., num_gen:].sum(axis=-1)
    return _accuracy(logits, lead, num_classes, logit_spread)


def train_accuracy(logits: FloatArray, num_classes: Numbers, logit_spread: Numbers = 0.0) -> FloatArray:
    """(5.4) for the training set, where every circuit is on the right label; logits (..., n)."""
    return _accuracy(logits, logits.sum(axis=-1), num_classes, logit_spread)


def _accuracy(logits: FloatArray, lead: FloatArray, num_classes: Numbers, logit_spread: Numbers) -> FloatArray:
    with np.errstate(over="ignore", invalid="ignore"):  # a failed run may have left the finite numbers
        noise = np.asarray(logit_spread, float) * np.sqrt(np.sum(logits**2, axis=-1))
    return accuracy(lead, noise, np.all(logits == 0.0, axis=-1), num_classes)
