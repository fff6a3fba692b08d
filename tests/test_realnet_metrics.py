"""Measurements against closed forms, finite differences and networks made by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import realnet as rn
from realnet import metrics
from realnet.engine.ensemble import Stack
from realnet.losses import mse
from realnet.metrics import Snapshot, equivalent_logit, trigonometric
from realnet.tasks.modular import discrete_log, modular, table
from realnet.tasks.task import trained_labels

CPU = torch.device("cpu")
TINY = rn.RunConfig(p=11, dataset_size=70, d_model=16, d_mlp=32, n_heads=2, steps=60, dtype="float64", light_every=20)


def snapshot(stack: Stack) -> Snapshot:
    stack.gradient()
    views = (stack.layout.views(z[0]) for z in (stack.weights, stack.grads))
    run = stack.runs[0]
    return Snapshot(run.config, stack.step, stack.data[0], stack.table_logits(0), *views, run.task, run.loss)


def measured(shot: Snapshot) -> Any:
    return metrics.measure([shot])[0]


@given(s=st.floats(-5, 600), q=st.integers(2, 10**6))
def test_equivalent_logit_inverts_the_toy_loss(s: float, q: int) -> None:
    loss = math.log1p((q - 1) * math.exp(-s))
    if loss > 0:
        assert equivalent_logit(loss, q) == pytest.approx(s, abs=1e-9, rel=1e-9)


def test_equivalent_logit_is_zero_at_chance_and_infinite_without_loss() -> None:
    assert equivalent_logit(math.log(113), 113) == pytest.approx(0, abs=1e-12)
    assert equivalent_logit(0.0, 113) == math.inf


@pytest.mark.parametrize("network", ["transformer", "mlp"])
def test_homogeneity_equals_the_finite_difference_under_scaling(network: str) -> None:
    stack = Stack([replace(TINY, network=network)], CPU)
    stack.advance(60)
    found = measured(snapshot(stack))["homogeneity"]
    logits, step = [], 1e-5
    for sign in (-1, 1):
        scaled = Stack([replace(TINY, network=network)], CPU)
        scaled.weights.copy_(stack.weights * (1 + sign * step))
        logits.append(equivalent_logit(scaled.gradient().item(), 11))
    difference = (math.log(logits[1]) - math.log(logits[0])) / (math.log1p(step) - math.log1p(-step))
    assert found == pytest.approx(difference, rel=1e-5)


def test_homogeneity_of_a_large_margin_bias_free_mlp_is_its_depth() -> None:
    """The logits of embedding, hidden layer and unembedding scale with the cube of the weights."""
    stack = Stack([replace(TINY, network="mlp", dataset_size=1, learning_rate=1e-2, weight_decay=0.0)], CPU)
    stack.advance(400)
    assert measured(snapshot(stack))["homogeneity"] == pytest.approx(3.0, rel=0.15)
    # With one example s = margin less a constant of order ln q, so the local degree nears 3 as s grows.
    stack.weights *= 2
    assert measured(snapshot(stack))["homogeneity"] == pytest.approx(3.0, rel=0.02)


def test_effective_weight_decay_is_the_slope_along_the_norm() -> None:
    stack = Stack([TINY], CPU)
    stack.advance(30)
    found = measured(snapshot(stack))
    losses = []
    for factor in (1 - 1e-6, 1 + 1e-6):
        other = Stack([TINY], CPU)
        other.weights.copy_(stack.weights * factor)
        losses.append(other.gradient().item())
    slope = (losses[1] - losses[0]) / 2e-6  # d loss / d ln|w|
    assert found["effective_weight_decay"] == pytest.approx(-slope / found["norm"] ** 2, rel=1e-5)
    assert found["norm"] == pytest.approx(stack.weights.norm().item(), rel=1e-12)
    assert found["gradient_norm"] == pytest.approx(stack.grads.norm().item(), rel=1e-12)


def cosines(task: str, p: int, frequencies: Mapping[int, float], n: int, offset: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(sum(a * np.cos(2 * np.pi * k * offset / n) for k, a in frequencies.items()))


@given(
    p=st.integers(5, 14),
    task=st.sampled_from(["add", "sub"]),
    a=st.floats(0.5, 3),
    b=st.floats(0.5, 3),
    shift=st.floats(-5, 5),
)
def test_trigonometric_net_lies_in_the_subspace_at_its_own_frequencies(
    p: int, task: str, a: float, b: float, shift: float
) -> None:
    made = modular(task, p, 0)
    label, group = made.targets, made.group
    offset = label[:, None] - np.arange(p)
    # A shift of all classes of a pair changes no probability and must change nothing here.
    logits = cosines(task, p, {1: a, 2: b}, p, offset) + shift * torch.from_numpy(label[:, None] + 0.0)
    gen, _, share, parts = trigonometric(logits, group)
    # Frequency n / 2 has all its weight in one term of the transform, others in two.
    one, two = a**2 / 2, b**2 / 2 if p != 2 * 2 else b**2
    assert share == pytest.approx(1)
    assert parts[0].item() == pytest.approx(one / (one + two))
    assert parts[1].item() == pytest.approx(two / (one + two))
    assert gen[0].item() == pytest.approx(a + b)


def test_division_has_its_trigonometry_in_discrete_logs() -> None:
    p, logs = 11, discrete_log(11)
    made = modular("div", p, 0)
    label = made.targets
    logits = torch.zeros(len(label), p, dtype=torch.float64)
    for c in range(1, p):
        logits[:, c] = torch.from_numpy(np.cos(2 * np.pi * 3 * (logs[label] - logs[c]) / (p - 1)))
    _, _, share, parts = trigonometric(logits, made.group)
    assert share == pytest.approx(1)
    assert parts[2].item() == pytest.approx(1)


def test_memorising_net_has_almost_nothing_in_the_subspace_and_its_logit_is_all_residual() -> None:
    config = replace(TINY, p=31, dataset_size=300)
    data = Stack([config], CPU).data[0]
    logits = torch.zeros(31 * 31, 31, dtype=torch.float64)
    noise = np.random.default_rng(0).integers(31, size=300)
    logits[data.train, noise] = 10.0
    gen, _, share, _ = trigonometric(logits, modular("add", 31, 0).group)
    assert share < 0.02
    assert abs(gen[0].item()) < 0.2


def test_tasks_without_a_cyclic_group_have_no_trigonometry() -> None:
    assert modular("x^3+xy", 11, 0).group is None
    stack = Stack([replace(TINY, task="random")], CPU)
    found = measured(snapshot(stack))
    assert math.isnan(found["gen_share"])
    assert math.isnan(found["frequency_count"])
    assert "frequency_share" not in found


def test_circuit_logits_add_up_to_the_centred_right_logit() -> None:
    stack = Stack([TINY], CPU)
    stack.advance(60)
    shot = snapshot(stack)
    found = measured(shot)
    centred = shot.logits - shot.logits.mean(1, keepdim=True)
    rows = torch.from_numpy(shot.data.train)
    right = centred[rows, torch.from_numpy(shot.data.truth[shot.data.train])].mean().item()
    assert found["gen_logit"] + found["mem_logit"] == pytest.approx(right)


def test_losses_accuracies_and_margins_are_those_of_their_split() -> None:
    config = replace(TINY, corrupted=0.3, phases=(rn.Phase(5), rn.Phase(5, dataset_size=30)))
    stack = Stack([config], CPU)
    stack.advance(5)
    stack.enter_stage(1)
    shot = snapshot(stack)
    found, data = measured(shot), stack.data[0]
    made = modular("add", 11, 0)
    noisy, truth = trained_labels(made, 0, 0.3), made.targets
    for split, rows, label in (
        ("train", data.train, noisy),
        ("unseen", data.unseen, truth),
        ("removed", data.removed, truth),
    ):
        scores = shot.logits[rows].numpy()
        right = scores[np.arange(len(rows)), label[rows]]
        rest = np.array([np.delete(s, c) for s, c in zip(scores, label[rows], strict=True)])
        loss = np.log(np.exp(scores).sum(1)) - right
        assert found[f"{split}_loss"] == pytest.approx(loss.mean())
        assert found[f"{split}_accuracy"] == pytest.approx((right > rest.max(1)).mean())
        assert found[f"{split}_margin"] == pytest.approx((right - rest.max(1)).mean())
    assert len(data.train) + len(data.unseen) + len(data.removed) == len(table("add", 11).x)
    assert len(data.removed) == 40


@pytest.mark.parametrize("beyond", [False, True])
def test_the_shortfall_is_the_mean_of_what_unseen_margins_lack_of_the_training_margin(beyond: bool) -> None:
    """Examples beyond it count as none; labels are judged as they were given in training, by the truth outside."""
    stack = Stack([replace(TINY, corrupted=0.3)], CPU)
    stack.advance(60)
    shot = snapshot(stack)
    data, truth = shot.data, modular("add", 11, 0).targets
    assert (data.labels[data.train] != truth[data.train]).any()
    logits = shot.logits.double()
    # All training pairs have more than any unseen one, or some unseen pairs more than the training margin.
    rows, label = (data.unseen[:10], truth) if beyond else (data.train, data.labels)
    logits[rows, label[rows]] += 1000.0

    def margins(rows: np.ndarray, label: np.ndarray) -> np.ndarray:
        scores = logits[rows].numpy().copy()
        right = scores[np.arange(len(rows)), label]
        scores[np.arange(len(rows)), label] = -np.inf
        return right - scores.max(1)

    t, u = margins(data.train, data.labels[data.train]).mean(), margins(data.unseen, truth[data.unseen])
    found = measured(replace(shot, logits=logits))
    assert found["unseen_shortfall"] == pytest.approx(np.maximum(t - u, 0).mean())
    assert found["train_margin"] == pytest.approx(t)
    difference = found["train_margin"] - found["unseen_margin"]
    if beyond:
        assert found["unseen_shortfall"] > difference + 100
    else:
        assert (u > t).sum() == 0
        assert found["unseen_shortfall"] == pytest.approx(difference)


@pytest.mark.parametrize("frequencies", [(3,), (1, 4), (1, 2, 3, 4, 5)])
def test_equal_frequencies_count_one_each(frequencies: tuple[int, ...]) -> None:
    shot = snapshot(Stack([TINY], CPU))
    offset = modular("add", 11, 0).targets[:, None] - np.arange(11)
    one = replace(shot, logits=cosines("add", 11, dict.fromkeys(frequencies, 2.0), 11, offset))
    assert measured(one)["frequency_count"] == pytest.approx(len(frequencies))
    # One that is all but alone counts little more than one.
    most = replace(shot, logits=cosines("add", 11, {3: 1.0, 5: 0.1}, 11, offset))
    assert measured(most)["frequency_count"] == pytest.approx(1.01**2 / (1 + 0.01**2))


def test_callback_is_called_at_every_measured_step_and_its_numbers_join_the_data_set() -> None:
    steps = []

    def embedding_norm(shot: rn.Snapshot) -> dict[str, float]:
        steps.append(shot.step)
        return {"embedding_norm": shot.weights["embed.W_E"].norm().item()}

    ds = rn.train(TINY, "cpu", callbacks=[embedding_norm], progress=False)
    assert steps == ds.step.values.tolist()
    assert (ds.embedding_norm > 0).all()
    assert ds.embedding_norm.attrs["units"] == metrics.UNITS["norm"]


def test_every_measured_quantity_has_a_unit() -> None:
    ds = rn.train(TINY, "cpu", progress=False)
    assert [n for n, v in ds.data_vars.items() if "units" not in v.attrs] == ["status", "key"]
    assert [n for n, v in ds.coords.items() if "units" not in v.attrs] == []


def test_a_callback_that_joins_later_leaves_what_it_missed_as_missing(tmp_path: Path) -> None:
    class Enough(Exception):
        pass

    def stops(shot: rn.Snapshot) -> dict[str, float]:
        if shot.step >= 30:
            raise Enough
        return {}

    with pytest.raises(Enough):
        rn.train(TINY, "cpu", tmp_path, callbacks=[stops], progress=False, checkpoint_seconds=0)
    ds = rn.train(TINY, "cpu", tmp_path, callbacks=[lambda shot: {"late": 1.0}], progress=False).squeeze()
    assert ds.late.isel(step=0).isnull()
    assert ds.late.isel(step=-1) == 1
    assert ds.train_loss.notnull().all()


def waves(n: int, frequencies: Mapping[int, float]) -> torch.Tensor:
    """[n, 1] sum of cosines over the symbols."""
    a = np.arange(n)
    return torch.from_numpy(sum(size * np.cos(2 * np.pi * k * a / n) for k, size in frequencies.items()))[:, None]


@pytest.mark.parametrize("n", [12, 13])
def test_embedding_power_is_shared_as_the_waves_have_it(n: int) -> None:
    """Over n symbols a cosine has a mean square of 1/2, at frequency n / 2 of 1."""
    group, top = modular("add", n, 0).group, n // 2
    share = metrics.embedding_spectrum(waves(n, {2: 1.0, top: 1.0}), group)
    last = 1.0 if n == 2 * top else 0.5
    assert len(share) == top
    assert share[1].item() == pytest.approx(0.5 / (0.5 + last))
    assert share[top - 1].item() == pytest.approx(last / (0.5 + last))


def test_key_frequencies_are_the_five_strongest() -> None:
    config = replace(TINY, p=31, dataset_size=300)
    stack = Stack([config], CPU)
    stack.layout.views(stack.weights[0])["embed.W_E"].zero_()
    stack.layout.views(stack.weights[0])["embed.W_E"][:31] = waves(31, dict.fromkeys((1, 3, 4, 7, 9, 12, 15, 2), 1.0))
    assert measured(snapshot(stack))["key_frequency_share"] == pytest.approx(5 / 8)


@pytest.mark.parametrize("loss", ["mse", "stablemax"])
def test_only_a_cross_entropy_has_an_equivalent_logit(loss: str) -> None:
    stack = Stack([replace(TINY, loss=loss)], CPU)
    found = measured(snapshot(stack))
    assert math.isnan(found["train_logit"])
    assert math.isnan(found["homogeneity"])
    assert found["train_loss"] == pytest.approx(stack.gradient().item())
    assert 0 <= found["train_accuracy"] <= 1


def test_numbers_to_be_hit_count_as_correct_within_their_tolerance() -> None:
    outputs = torch.tensor([[1.0, 0.0], [0.2, 0.0], [0.0, 0.0]])
    target = torch.zeros(3, 2, dtype=torch.float64)
    values, correct, margin = metrics.examples(outputs, target, mse, tolerance=0.02)
    np.testing.assert_allclose(values, [0.5, 0.02, 0.0], atol=1e-8)
    assert correct[0] == 0
    assert correct[2] == 1
    assert margin.isnan().all()
    assert metrics.examples(outputs, target, mse, None)[1].isnan().all()
    assert metrics.examples(outputs, target, mse, 0.021)[1].tolist() == [0, 1, 1]
