"""Laws of sweeps: a sweep is its points (README 3)."""

from typing import Any

import numpy as np
import pytest

import toymodel as tm

KAPPA, SIZE, DECAY = [0.8, 1.2, 1.7], [300.0, 900.0, 1100.0, 4000.0], [0.002, 0.02]
NUMBERS = ("gen_logit", "mem_logit", "train_loss", "test_loss", "train_accuracy", "test_accuracy")
TIMES = ("t_fit", "t_gen", "t_cross")


def agree(ds: Any, run: tm.Trajectory, rtol: float) -> None:
    """One point of a sweep and its simulation."""
    assert ds.behaviour.item() == run.behaviour
    np.testing.assert_allclose(ds.logit.values, run.final_state.logit, rtol=rtol, atol=1e-9)
    for name in NUMBERS:
        np.testing.assert_allclose(ds[name].item(), getattr(run, name)[-1], rtol=20 * rtol, atol=1e-9, err_msg=name)
    for name in TIMES:
        value = getattr(run, name)
        np.testing.assert_allclose(ds[name].item(), np.nan if value is None else value, rtol=10 * rtol, err_msg=name)


def test_a_sweep_is_simulate_point_by_point() -> None:
    ds = tm.sweep(kappa=KAPPA, dataset_size=SIZE, weight_decay=DECAY, penalty=["half", "full"], progress=False)
    assert ds.behaviour.dims == ("kappa", "dataset_size", "weight_decay", "penalty")
    for k in KAPPA:
        for d in SIZE:
            for a in DECAY:
                for penalty in ("half", "full"):
                    run = tm.simulate(kappa=k, dataset_size=d, weight_decay=a, penalty=penalty)
                    agree(ds.sel(kappa=k, dataset_size=d, weight_decay=a, penalty=penalty), run, 1e-5)


def test_a_sweep_of_descents_is_simulate_point_by_point() -> None:
    rates = [0.005, 0.02]
    ds = tm.sweep(kappa=KAPPA, t_end=40.0, learning_rate=rates, method="descent", progress=False)
    for k in KAPPA:
        for rate in rates:
            run = tm.simulate(kappa=k, t_end=40.0, learning_rate=rate, method="descent")
            agree(ds.sel(kappa=k, learning_rate=rate), run, 1e-9)
            assert ds.num_steps.sel(kappa=k, learning_rate=rate).item() == run.num_steps


def test_a_sweep_of_many_circuits_is_simulate_point_by_point() -> None:
    model = tm.TwoCircuitModel(
        gen=(tm.Circuit(0.8, 0.05), tm.Circuit(1.0, 0.005), tm.Circuit(1.0, 0.0)),
        mem=(tm.Circuit(0.5, 1.0), tm.Circuit(0.4, 0.5)),
    )
    for method in ("flow", "descent"):
        ds = tm.sweep(model, 60.0, method, gen2_efficiency=[0.9, 1.5], mem1_learning_speed=[0.3, 1.0], progress=False)
        assert ds.circuit.values.tolist() == list(model.labels)
        for e in (0.9, 1.5):
            for s in (0.3, 1.0):
                run = tm.simulate(model, 60.0, method, gen2_efficiency=e, mem1_learning_speed=s)
                agree(ds.sel(gen2_efficiency=e, mem1_learning_speed=s), run, 1e-5)


def same(one: Any, other: Any) -> None:
    for name in (*NUMBERS, *TIMES, "logit", "num_steps", "behaviour"):
        a, b = one[name].values, other[name].values
        assert np.array_equal(a, b, equal_nan=a.dtype.kind == "f"), name


@pytest.mark.parametrize("method", ["flow", "descent"])
def test_a_point_does_not_depend_on_its_grid(method: str) -> None:
    whole = tm.sweep(t_end=50.0, method=method, kappa=KAPPA, dataset_size=SIZE, progress=False)
    for k in KAPPA:
        same(tm.sweep(t_end=50.0, method=method, kappa=[k], dataset_size=SIZE[::-1], progress=False).sel(kappa=k),
             whole.sel(kappa=k, dataset_size=SIZE[::-1]))  # fmt: skip
        for d in SIZE[:2]:
            alone = tm.sweep(t_end=50.0, method=method, dataset_size=[d], kappa=[k], progress=False)
            same(alone.isel(dataset_size=0, kappa=0), whole.sel(kappa=k, dataset_size=d))


def test_a_point_does_not_depend_on_threads_or_blocks() -> None:
    kappa = np.linspace(0.5, 1.95, 5000)
    one = tm.sweep(kappa=kappa, threads=1, progress=False)
    two = tm.sweep(kappa=kappa, threads=2, progress=False)
    same(one, two)
    picked = [7, 2047, 2048, 4999]
    same(one.isel(kappa=picked), tm.sweep(kappa=kappa[picked], threads=2, progress=False))


def test_axes_keep_their_order_and_names() -> None:
    ds = tm.sweep(weight_decay=[0.1, 0.01], kappa=[1.2], progress=False)
    assert ds.behaviour.dims == ("weight_decay", "kappa")
    assert ds.weight_decay.values.tolist() == [0.1, 0.01]


def test_kept_logits_are_those_of_simulate() -> None:
    times = np.array([0.0, 0.5, 7.0, 100.0, 1000.0])
    ds = tm.sweep(kappa=KAPPA, times=times, progress=False)
    for k in KAPPA:
        run = tm.simulate(kappa=k, times=times)
        np.testing.assert_allclose(ds.logit_at.sel(kappa=k).values, run.logits, rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(ds.gen_logit_at.sel(kappa=k).values, run.gen_logit, rtol=1e-4, atol=1e-7)


def test_one_start_serves_every_point() -> None:
    first = tm.simulate()
    ds = tm.sweep(start=first.final_state, dataset_size=[400.0, 4000.0], progress=False)
    # A start is a new history: this network generalises from the first, though it had grokked before.
    assert ds.behaviour.values.tolist() == ["ungrokking", "comprehension"]
    assert first.continue_with(dataset_size=4000.0).behaviour == "grokking"


def test_final_logits_agree_with_a_tight_reference() -> None:
    ds = tm.sweep(kappa=np.linspace(1.0, 1.9, 7), dataset_size=np.geomspace(100.0, 1e4, 5), progress=False)
    for k in ds.kappa.values:
        for d in ds.dataset_size.values:
            tight = tm.simulate(kappa=k, dataset_size=d, rtol=1e-11, times=[1000.0])
            np.testing.assert_allclose(
                ds.logit.sel(kappa=k, dataset_size=d).values, tight.final_state.logit, atol=2e-6, rtol=2e-6
            )


def test_a_failed_point_claims_nothing() -> None:
    ds = tm.sweep(method="descent", learning_rate=[20.0, 0.01], kappa=1.2, progress=False)
    bad, good = ds.isel(learning_rate=0), ds.isel(learning_rate=1)
    assert (bad.behaviour.item(), good.behaviour.item()) == ("failed", "grokking")
    for name in (*NUMBERS, *TIMES, "logit", "norm", "limit_norm", "limit_gen_logit"):
        assert np.isnan(bad[name].values).all(), name
    assert np.isfinite(good[list(NUMBERS)].to_array()).all()


@pytest.mark.parametrize("t_end", [1e3, 1e4, 1e6])
@pytest.mark.parametrize("kappa", [1.8, 1.9, 1.95, 1.99])
def test_every_point_succeeds_where_a_circuit_vanishes_below_the_tolerance(kappa: float, t_end: float) -> None:
    model = tm.TwoCircuitModel(kappa=kappa)
    found = tm.sweep(model, t_end, dataset_size=np.geomspace(1.0, 1e5, 1000), progress=False)
    assert not np.any(found.behaviour == "failed")
    assert found.num_steps.max() < 1000


@pytest.mark.parametrize("floor", [0.0, 1e-6, 1e-3])
def test_a_point_has_the_same_bits_in_any_company(floor: float) -> None:
    rng = np.random.default_rng(0)
    kappa = rng.uniform(0.3, 3.0, 1500)
    for weight_decay, t_end in ((1e-4, 1e4), (1e-2, 300.0)):
        model = tm.TwoCircuitModel(
            gen=tm.Circuit(1.0, 1e-3, 0.01),
            mem=tm.Circuit(0.5, 1.0, 0.01),
            weight_decay=weight_decay,
            logit_floor=floor,
        )
        together = tm.sweep(model, t_end, kappa=kappa, progress=False)
        some = rng.permutation(kappa.size)[:300]
        same(together.isel(kappa=some), tm.sweep(model, t_end, kappa=kappa[some], threads=1, progress=False))
        same(together.isel(kappa=some[:3]), tm.sweep(model, t_end, kappa=kappa[some[:3]], progress=False))
