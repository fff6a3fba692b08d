"""Laws of a large start, README 9: closed forms against simulated runs and steady states."""

import numpy as np
import pytest

import toymodel as tm
from toymodel import losses


def push(alpha: float, kappa: float, efficiency: float) -> float:
    """a in push = a W^(r - 1), penalty "half", μ = m = 2."""
    return alpha / (kappa * efficiency**2)


def shrinking(first: float, last: float, a: float, r: float) -> float:
    """(9.1)"""
    if r == 1.0:
        return float(np.log(first / last) / (2 * a))
    return float((last ** (1 - r) - first ** (1 - r)) / (2 * a * (r - 1)))


@pytest.mark.parametrize("alpha", [0.002, 0.01])
@pytest.mark.parametrize("kappa", [1.2, 1.7, 2.0])
def test_a_larger_start_delays_by_the_time_that_the_penalty_needs(alpha: float, kappa: float) -> None:
    near, far = (
        tm.simulate(mem_initial_logit=w, kappa=kappa, weight_decay=alpha, t_end=1e5).t_gen for w in (30.0, 200.0)
    )
    assert near is not None
    assert far is not None
    assert far - near == pytest.approx(shrinking(200.0, 30.0, push(alpha, kappa, 0.5), 2 / kappa), rel=1e-3)


@pytest.mark.parametrize("gen", [20.0, 50.0])
def test_where_both_start_large_the_cheaper_circuit_takes_the_lead(gen: float) -> None:
    run, r = tm.simulate(gen_initial_logit=gen, mem_initial_logit=60.0), 2 / 1.2
    wait = (gen ** (1 - r) - 60.0 ** (1 - r)) / (2 * (r - 1) * (push(0.005, 1.2, 0.5) - push(0.005, 1.2, 1.0)))
    assert run.t_cross == pytest.approx(wait, rel=2e-3)


def test_a_large_gen_and_a_small_start_do_not_delay() -> None:
    assert tm.simulate(gen_initial_logit=60.0, mem_initial_logit=40.0).t_gen == 0.0
    assert tm.simulate(mem_initial_logit=0.1).t_gen == pytest.approx(tm.simulate().t_gen, rel=0.05)


@pytest.mark.parametrize(("size", "falls"), [(2000.0, True), (700.0, False)])
def test_at_rest_test_loss_over_the_norm_is_a_u_only_below_the_critical_size(size: float, falls: bool) -> None:
    ends = [tm.steady_state(weight_decay=a, dataset_size=size) for a in np.geomspace(0.3, 1e-5, 60)]
    gen, mem, norm = (np.array([getattr(end, name) for end in ends]) for name in ("gen_logit", "mem_logit", "norm"))
    train, test = losses.train_loss(gen + mem, 113), losses.test_loss(gen, mem, 113)
    assert (np.diff(norm) > 0).all()
    assert (np.diff(train) < 0).all()
    assert bool((np.diff(test) < 0).all()) == falls
    np.testing.assert_allclose(mem / gen, mem[0] / gen[0], rtol=1e-6)
    if not falls:
        ratio = mem[0] / gen[0]
        assert gen[np.argmin(test)] == pytest.approx(np.log(111 / (ratio - 1)) / ratio, rel=0.05)


def test_the_held_norm_minimum_is_the_equilibrium_of_some_weight_decay() -> None:
    end = tm.steady_state(weight_decay=0.01)
    angle = np.linspace(0.01, np.pi / 2 - 0.01, 4001)
    gen, mem = (end.norm * np.cos(angle)) ** 1.2, (0.5 * end.norm * np.sin(angle)) ** 1.2
    best = np.argmin(losses.train_loss(gen + mem, 113))
    assert gen[best] == pytest.approx(end.gen_logit, rel=1e-2)
    assert mem[best] == pytest.approx(end.mem_logit, rel=1e-2)


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_a_temperature_is_another_logit_at_the_same_norm(temperature: float) -> None:
    scale = temperature ** (-1 / 1.2)
    run = tm.simulate(gen_efficiency=scale, mem_efficiency=scale / 2, mem_initial_logit=20 / temperature)
    assert run.mem_norm[0] == pytest.approx(tm.simulate(mem_initial_logit=20.0).mem_norm[0])
    assert run.t_gen is None or run.t_gen != pytest.approx(134.2, rel=0.1)
