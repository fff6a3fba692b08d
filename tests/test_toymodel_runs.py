"""Runs that once went wrong: continued histories, large steps, extreme times; noise; sweeps without numba; maps."""

import inspect
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import toymodel as tm
from tests.refusals import refused
from toymodel import plot
from toymodel.integration import compilation
from toymodel.kernel.descent import uniform
from toymodel.keywords import Axes, Parameters
from toymodel.parameters import CIRCUIT_PARAMETERS, LAW_PARAMETERS, MODEL_PARAMETERS

STARTED = tm.TwoCircuitModel(tm.Circuit(1.0, 0.1, 1.0), tm.Circuit(0.9, 0.1, 1.0), kappa=2.5)

ROOT = Path(__file__).parent.parent


def test_times_know_the_start() -> None:
    head_start = tm.grokking_time(tm.TwoCircuitModel(gen=tm.Circuit(1.0, 0.005, 0.1)))
    cold = tm.grokking_time()
    assert head_start.simulated == pytest.approx(13.03, abs=0.01)
    assert abs(head_start.error("adiabatic")) < 0.3
    assert head_start.closed_form < 0.3 * cold.closed_form
    seeded = tm.grokking_time(logit_floor=0.1)
    assert abs(seeded.error("adiabatic")) < 0.15
    # The closed form is θ travelled over rate, from where the circuit starts.
    level, rate, s = seeded.plateau_logit, seeded.plateau_rate, 0.005**2
    travelled = 0.5 * (np.arcsinh(level / s) - np.arcsinh(0.2 / s))
    assert seeded.closed_form == pytest.approx(travelled / rate, rel=1e-12)


def test_times_of_what_never_happens_are_never() -> None:
    for times in (tm.grokking_time(dataset_size=500), tm.ungrokking_time(dataset_size=1500.0)):
        assert np.isnan([times.closed_form, times.adiabatic, times.simulated]).all()
        assert repr(times).count("never") == 3
    ahead = tm.grokking_time(tm.TwoCircuitModel(gen=tm.Circuit(1.0, 1.0, 5.0)))
    assert (ahead.closed_form, ahead.adiabatic, ahead.simulated) == (0.0, 0.0, 0.0)
    assert "%" not in repr(ahead)


def test_where_one_takes_all_there_is_no_closed_form() -> None:
    race = tm.grokking_time(tm.TwoCircuitModel(tm.Circuit(1.0, 0.005, 0.1), tm.Circuit(0.5, 1.0, 0.1), kappa=2.5))
    assert np.isnan(race.closed_form)
    assert race.simulated == pytest.approx(139.0, abs=0.1)
    assert abs(race.error("adiabatic")) < 0.4


def test_ungrokking_is_lost_when_mem_leads() -> None:
    run = tm.simulate(t_end=1e4).continue_with(2e4, dataset_size=500)
    estimate = tm.ungrokking_time(dataset_size=500)
    assert run.t_lost is not None
    assert run.t_lost - 1e4 == pytest.approx(estimate.simulated, rel=1e-3)
    assert run.t_cross is None


@pytest.mark.parametrize("rate", [3.0, 6.5, 20.0])
def test_descent_at_too_large_a_rate_claims_nothing(rate: float) -> None:
    ds = tm.sweep(method="descent", learning_rate=[0.01, rate], progress=False)
    assert ds.behaviour.values.tolist() == ["grokking", "failed"]
    assert np.isnan(
        ds.isel(learning_rate=1)[["gen_logit", "mem_logit", "norm", "limit_norm", "t_gen"]].to_array()
    ).all()
    if rate > 4.0:  # refused at once; below that only what large steps did to the invariants tells
        with pytest.raises(ValueError, match="learning_rate <"):
            tm.simulate(method="descent", learning_rate=rate)
        return
    run = tm.simulate(method="descent", learning_rate=rate)
    assert run.behaviour == "failed"
    assert "learning rate" in run.status


def test_an_invariant_that_a_large_step_turned_negative_goes_on() -> None:
    run = tm.simulate(method="descent", learning_rate=1.5, steps=1)
    u, v = run.final_state.subweights
    assert (run.final_state.invariant < 0.0).all()
    np.testing.assert_allclose(v**2 - u**2, run.final_state.invariant, rtol=1e-12)
    np.testing.assert_allclose(u * v, run.final_state.logit, rtol=1e-12)
    whole = tm.simulate(method="descent", learning_rate=1.5, steps=1001)
    on = run.continue_with(steps=1000)
    np.testing.assert_allclose(on.final_state.logit, whole.final_state.logit, rtol=1e-9)
    assert on.behaviour == whole.behaviour == "grokking"
    assert run.continue_with(3000.0, method="flow").behaviour == "grokking"


def test_states_compare() -> None:
    one, other = tm.simulate(t_end=5.0).final_state, tm.simulate(t_end=6.0).final_state
    assert one == tm.simulate(t_end=5.0).final_state
    assert hash(one) == hash(tm.simulate(t_end=5.0).final_state)
    assert one != other
    assert one != "a state"


@pytest.mark.parametrize("t_end", [1e13, 1e15])
def test_the_longest_times_are_times(t_end: float) -> None:
    assert tm.simulate(t_end=t_end, weight_decay=0.0).status == "reached t_end"
    assert tm.simulate(kappa=2.0, t_end=t_end).behaviour == "grokking"
    assert tm.simulate(STARTED, t_end).final_state.logit.tolist() == pytest.approx(tm.steady_state(STARTED).logits)


@pytest.mark.parametrize("kappa", [2.0, 2.5])
@pytest.mark.parametrize("decay", [1e-13, 1e-9, 1e-3])
def test_the_limit_waits_for_the_winner(kappa: float, decay: float) -> None:
    end = tm.steady_state(STARTED, kappa=kappa, weight_decay=decay)
    assert end.mem_logit == 0.0
    assert end.stable
    assert end.slowest_rate > 0.0


def test_one_rule_for_data_set_sizes() -> None:
    model = tm.TwoCircuitModel()
    for changes in (
        {"law": tm.PowerLaw(critical_size=8000.0)}, {"critical_size": 8000.0}, {"exponent": 0.7}, {"gen_efficiency": 2.0},
        {"kappa": 1.5}, {"gen_efficiency": 0.3, "law": tm.PowerLaw(100.0, 1.0)},
    ):  # fmt: skip
        changed = model.with_parameters(**changes)
        assert changed.dataset_size == pytest.approx(4000.0), changes
        assert tm.simulate(model, 10.0, **changes).model == changed
        single = {name: value for name, value in changes.items() if name != "law"}
        if single == changes:
            ds = tm.sweep(model, 10.0, **{name: [value] for name, value in changes.items()}, progress=False)
            run = tm.simulate(changed, 10.0)
            np.testing.assert_allclose(ds.logit.values.ravel(), run.final_state.logit, rtol=1e-6)
    assert model.with_parameters(mem_efficiency=0.7).dataset_size == pytest.approx(1000.0 / 0.49)
    both = model.with_parameters(gen_efficiency=2.0, mem_efficiency=0.5)
    assert both.efficiencies.tolist() == [2.0, 0.5]
    table = tm.TwoCircuitModel(law=tm.TabulatedLaw([1.0, 1e4], [3.0, 0.1]))
    with pytest.raises(ValueError, match="critical_size is a parameter of"):
        table.with_parameters(critical_size=30.0)
    assert table.with_parameters(dataset_size=100.0).dataset_size == pytest.approx(100.0)


def test_a_history_has_one_clock_and_one_behaviour() -> None:
    # Comprehension that is cut stays what it is.
    fast = {"gen_learning_speed": 2.0}
    whole, cut = tm.simulate(t_end=600.0, **fast), tm.simulate(t_end=40.0, **fast).continue_with(600.0)
    assert whole.behaviour == cut.behaviour == "comprehension"
    assert (cut.t_fit, cut.t_gen) == pytest.approx((whole.t_fit, whole.t_gen), rel=1e-5)
    assert cut.time[0] == 0.0
    assert cut.time[-1] == cut.t_end == 600.0
    assert np.all(np.diff(cut.time) > 0.0)
    assert cut.logits.shape == (cut.time.size, 2)
    assert cut.num_steps > tm.simulate(t_end=40.0, **fast).num_steps
    # Schedules: each stretch is read by its own parameters.
    run = tm.simulate().continue_with(3000.0, dataset_size=400.0)
    before, after = run.time <= 1000.0, run.time > 1000.0
    first, second = (tm.TwoCircuitModel().at_dataset_size(d) for d in (4000.0, 400.0))
    for model, part in ((first, before), (second, after)):
        expected = run.logits[part] ** (1.0 / model.kappa) / model.efficiencies
        np.testing.assert_allclose(run.norms[part], expected, rtol=1e-12)
    assert run.behaviour == "ungrokking"
    assert run.t_fit == pytest.approx(1.790, abs=1e-3)
    back = run.continue_with(20_000.0, dataset_size=4000.0, weight_decay=0.01)
    assert back.behaviour == "grokking"
    assert back.t_cross is not None
    assert back.t_cross > 3000.0
    assert back.problem.weight_decay[[0, -1]].tolist() == [0.005, 0.01]
    with pytest.raises(ValueError, match="on the clock that runs on, 3000 <= t_end"):
        run.continue_with(100.0)
    kept = run.continue_with(4000.0, times=[3000.0, 3500.0, 4000.0])
    assert kept.time[-2:].tolist() == [3500.0, 4000.0]


def test_a_memoriser_stays_one_however_wide_the_spread() -> None:
    for spread in (0.5, 0.64, 0.8, 2.0, 10.0):
        assert tm.simulate(logit_spread=spread, dataset_size=50.0).behaviour == "memorisation", spread


def test_at_the_critical_size_nobody_leads() -> None:
    for t_end in (1e4, 1e5, 1e6):
        run = tm.simulate(t_end=t_end, dataset_size=1000.0)
        assert run.t_cross is None


def test_noise_is_a_standing_seed_and_repeats_itself() -> None:
    one, same, other = (tm.simulate(method="descent", t_end=150.0, noise=0.02, seed=s) for s in (1, 1, 2))
    assert np.array_equal(one.logits, same.logits)
    assert not np.array_equal(one.logits, other.logits)
    ds = tm.sweep(method="descent", t_end=150.0, noise=0.02, seed=[1, 2], progress=False)
    for seed, run in ((1, one), (2, other)):
        np.testing.assert_allclose(ds.sel(seed=seed).logit, run.final_state.logit, rtol=1e-6)
    # A lost circuit returns: without noise it would need a floor.
    lost = {"start": [1e-12, 5.0], "t_end": 60.0, "method": "descent"}
    assert tm.simulate(**lost, noise=0.1, seed=3).gen_logit[-1] > 100.0 * tm.simulate(**lost).gen_logit[-1]
    for call in (tm.simulate, lambda **x: tm.sweep(kappa=[1.2], **x)):
        with pytest.raises(ValueError, match="noise needs method='descent'"):
            call(noise=0.1)


def test_random_numbers_are_those_of_l_ecuyer_1988() -> None:
    first, second, state = 12345, 67890, [12345.0, 67890.0]
    for _ in range(100):
        first, second = 40014 * first % 2147483563, 40692 * second % 2147483399
        z = (first - second) % 2147483562 or 2147483562
        assert uniform(state) == z / 2147483563
    assert state == [first, second]


def test_noise_has_the_variance_that_it_says() -> None:
    # Where gradients vanish a subweight is a random walk: q = 2 and a large logit.
    start = tm.State(np.array([400.0, 400.0]), np.zeros(2))
    ends = tm.sweep(
        method="descent", weight_decay=0.0, t_end=4.0, noise=0.1, seed=range(400), start=start, progress=False
    )
    shift = ends.logit.values - 400.0
    # d(uv) = √400 (du + dv): variance 400 × 2 × noise² × t.
    assert shift.std() == pytest.approx(np.sqrt(400 * 2 * 0.01 * 4), rel=0.08)
    assert abs(np.corrcoef(shift.T)[0, 1]) < 0.15
    assert abs(np.corrcoef(shift[1:, 0], shift[:-1, 0])[0, 1]) < 0.15


def test_a_sweep_without_numba_has_the_same_numbers() -> None:
    grid = {"kappa": [1.0, 1.5], "dataset_size": [300.0, 4000.0]}
    code = (
        "import sys; sys.modules['numba'] = None\n"
        "import toymodel as tm\n"
        f"ds = tm.sweep(**{grid!r}, progress=False)\n"
        "print(*[float(x).hex() for x in ds.logit.values.ravel()], *ds.behaviour.values.ravel())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    words = done.stdout.split()
    compiled = tm.sweep(**grid, progress=False)
    plain = np.array([float.fromhex(x) for x in words[:8]]).reshape(2, 2, 2)
    np.testing.assert_allclose(plain, compiled.logit.values, rtol=1e-8)
    assert words[8:] == compiled.behaviour.values.ravel().tolist()
    assert compilation.available()


def test_single_numbers_stand_beside_axes() -> None:
    model = STARTED.with_parameters(kappa=1.2)
    ds = tm.sweep(model, kappa=[1.2, 2.5], gen_initial_logit=0.01, penalty="full", progress=False)
    assert ds.behaviour.dims == ("kappa",)
    for kappa in (1.2, 2.5):
        run = tm.simulate(model, kappa=kappa, gen_initial_logit=0.01, penalty="full")
        np.testing.assert_allclose(ds.sel(kappa=kappa).logit, run.final_state.logit, rtol=1e-5, atol=1e-8)


def test_parameters_go_wherever_a_model_goes() -> None:
    model = tm.TwoCircuitModel(kappa=1.5)
    assert tm.steady_state(kappa=1.5).logits.tolist() == tm.steady_state(model).logits.tolist()
    assert tm.sharpness(kappa=1.5) == tm.sharpness(model)
    assert tm.grokking_time(kappa=1.5) == tm.grokking_time(model)
    assert tm.ungrokking_time(kappa=1.5, dataset_size=300.0) == tm.ungrokking_time(model, 300.0)
    assert tm.critical_dataset_size(critical_size=70.0) == 70.0
    sizes = np.geomspace(300.0, 3000.0, 40)
    ds = tm.size_thresholds(times=[1e3], sizes=sizes, kappa=1.5)
    assert ds.gap.item() == tm.size_thresholds(model, [1e3], sizes=sizes).gap.item()
    floor = tm.stability_limits(STARTED, logit_floor=0.01)
    assert floor.gap > 0.0


@pytest.mark.parametrize(
    ("name", "meant"),
    [("wd", "weight_decay"), ("alpha", "weight_decay"), ("D", "dataset_size"), ("q", "num_classes"), ("methd", "method"),
     ("lr", "learning_rate"), ("thredas", "threads")],
)  # fmt: skip
def test_other_peoples_names_get_a_hint(name: str, meant: str) -> None:
    call: Any = tm.sweep if meant == "threads" else tm.simulate
    with pytest.raises(ValueError, match=f"Did you mean '{meant}'"):
        call(**{name: 1.0})


@pytest.mark.parametrize("function", [tm.simulate, tm.sweep])
def test_help_names_every_parameter_with_its_range_and_meaning(function: Any) -> None:
    for row in (*MODEL_PARAMETERS, *LAW_PARAMETERS, *CIRCUIT_PARAMETERS):
        prefix = "gen_" if row in CIRCUIT_PARAMETERS else ""
        (line,) = [x for x in function.__doc__.splitlines() if x.split()[:1] == [prefix + row.name]]
        assert row.meaning in line
        assert f"<= {row.high:g}" in line


def test_a_map_of_behaviours_has_their_colours_and_names() -> None:
    ds = tm.sweep(weight_decay=np.geomspace(1e-3, 1e-1, 5), kappa=[1.0, 1.4, 1.8], progress=False)
    axes = tm.plot_map(ds)
    mesh = axes.collections[0]
    shown = mesh.cmap(mesh.norm(mesh.get_array().reshape(5, 3)))
    for i in range(5):
        for j in range(3):
            wanted = plt.matplotlib.colors.to_rgba(plot.BEHAVIOUR_COLOURS[ds.behaviour.values[i, j]])
            assert shown[i, j] == pytest.approx(wanted, abs=1e-6)
    assert (axes.get_yscale(), axes.get_xscale()) == ("log", "linear")
    assert {text.get_text() for text in axes.get_legend().get_texts()} == set(ds.behaviour.values.ravel())
    own = plt.subplots()[1]
    assert tm.plot_map(ds.behaviour, ax=own, legend=False) is own
    assert own.get_legend() is None
    plt.close("all")


SWEPT = tm.sweep(penalty=["half", "full"], weight_decay=[1e-3, 1e-2], kappa=[1.0, 1.4, 1.8], progress=False)


def cells(axes: Any) -> np.ndarray:
    """Names of behaviours of a map, from its colours."""
    mesh = axes.collections[0]
    return np.array(tm.BEHAVIOURS)[mesh.get_array().reshape(mesh._coordinates.shape[0] - 1, -1)]


def test_behaviours_over_words_are_drawn_side_by_side() -> None:
    behaviour = SWEPT.behaviour.isel(weight_decay=1)
    axes = behaviour.plot()
    assert [text.get_text() for text in axes.get_yticklabels()] == ["half", "full"]
    np.testing.assert_array_equal(cells(axes), behaviour.values)
    turned = behaviour.plot(x="penalty")
    assert [text.get_text() for text in turned.get_xticklabels()] == ["half", "full"]
    np.testing.assert_array_equal(cells(turned), behaviour.values.T)
    np.testing.assert_array_equal(cells(behaviour.plot(y="kappa")), behaviour.values.T)
    np.testing.assert_array_equal(cells(behaviour.plot.pcolormesh()), behaviour.values)
    one = behaviour.isel(kappa=2)
    np.testing.assert_array_equal(cells(one.plot()), one.values[None])
    plt.close("all")


def test_facets_are_a_panel_for_each_value() -> None:
    for panels in (SWEPT.behaviour.plot(col="penalty"), tm.plot_map(SWEPT, row="penalty").T):
        assert panels.shape == (1, 2)
        for k, axes in enumerate(panels.flat):
            np.testing.assert_array_equal(cells(axes), SWEPT.behaviour.values[k])
            assert axes.get_title() == f"penalty = {('half', 'full')[k]}"
    both = tm.plot_map(SWEPT, row="penalty", col="weight_decay")
    np.testing.assert_array_equal(cells(both[1, 0]), SWEPT.behaviour.values[1, 0][None])
    assert both[1, 0].get_title() == "penalty = full, weight_decay = 0.001"
    plt.close("all")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: tm.plot_map(SWEPT), "a sweep over two axes or one.*col="),
        (lambda: SWEPT.behaviour.plot(), "a sweep over two axes or one"),
        (lambda: SWEPT.behaviour.isel(penalty=0, kappa=0, weight_decay=0).plot(), "a sweep over two axes or one"),
        (lambda: SWEPT.behaviour.plot(col="penalti"), "Did you mean 'penalty'"),
        (lambda: SWEPT.behaviour.plot(col="penalty", x="penalty"), "a sweep over two axes"),
        (lambda: SWEPT.behaviour.plot(col="penalty", ax=plt.subplots()[1]), "figure of their own"),
        (lambda: SWEPT.behaviour.isel(penalty=0).plot.contourf(), "behaviours are words"),
    ],
)
def test_what_cannot_be_drawn_is_said(call: Any, said: str) -> None:
    with pytest.raises((ValueError, AttributeError), match=said):
        call()
    plt.close("all")


NOTEBOOK = """
from IPython.core.interactiveshell import InteractiveShell
InteractiveShell.enable_gui = lambda self, gui: None
shell = InteractiveShell.instance()
shell.run_line_magic("matplotlib", "inline")
from IPython.utils.capture import capture_output
for cell in ("import toymodel as tm; run = tm.simulate(t_end=10.0)\\nf = run.plot(); f", "f", "g = run.plot(); 1", "2"):
    with capture_output() as said:
        shell.run_cell(cell)
    print(sum("image/png" in output.data for output in said.outputs))
shell.Completer.use_jedi = False
print(*shell.Completer.complete(line_buffer="tm.simulate(kap", cursor_pos=15)[1])
"""


def test_a_notebook_shows_a_figure_once_and_completes_parameters() -> None:
    pytest.importorskip("IPython")
    done = subprocess.run([sys.executable, "-c", NOTEBOOK], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.stdout.split() == ["1", "1", "1", "0", "kappa="], done.stdout + done.stderr


@pytest.mark.parametrize("function", [tm.simulate, tm.sweep, tm.steady_state, tm.Trajectory.continue_with])
def test_every_parameter_is_in_the_signature(function: Any) -> None:
    """What notebooks complete, and `help` shows."""
    known = {*tm.TwoCircuitModel().parameters(), "law"}
    signature = inspect.signature(function)
    assert known <= set(signature.parameters)
    assert "kappa=<the model's>" in str(signature)
    assert len(str(signature)) < 900
    for named in (Parameters, Axes):
        assert known == set(named.__annotations__)


def test_a_seed_without_noise_is_refused() -> None:
    for call in (lambda: tm.simulate(seed=3), lambda: tm.sweep(seed=[0, 1]), lambda: tm.sweep(kappa=[1.0], seed=2)):
        refused(ValueError, "seed is that of the noise", "seed=", call)
    run = tm.simulate(method="descent", steps=50, noise=0.01, seed=3)
    quiet = run.continue_with(method="flow")
    assert quiet.seed == 3
    assert quiet.continue_with(method="descent", noise=0.01).seed == 4


def test_behaviours_over_two_axes_draw_themselves_and_the_rest_is_as_in_xarray(tmp_path: Path) -> None:
    ds = tm.sweep(weight_decay=[1e-3, 1e-2], kappa=[1.0, 1.8], progress=False)
    own = plt.subplots()[1]
    for behaviour in (ds.behaviour, ds["behaviour"], ds[["behaviour"]].isel(kappa=slice(2)).behaviour):
        assert behaviour.plot(ax=own) is own
        assert len(own.collections) == 1
        own.clear()
    words = ds.behaviour.isel(kappa=0).plot(ax=plt.subplots()[1])[0].get_ydata(orig=True)
    assert list(words) == ds.behaviour.values[:, 0].tolist()
    assert ds.gen_logit.plot(ax=own).get_array().size == 4
    assert (ds.behaviour == "grokking").plot(ax=own).get_array().size == 4
    ds.behaviour.attrs["seen"] = 1
    assert ds["behaviour"].attrs["seen"] == 1
    ds.to_netcdf(tmp_path / "sweep.nc")
    with xr.open_dataset(tmp_path / "sweep.nc") as again:
        assert ds.identical(again)
        assert repr(ds).split()[0] == repr(again).split()[0]
    assert pickle.loads(pickle.dumps(ds)).behaviour.plot(ax=own) is own
    plt.close("all")


def test_a_trajectory_draws_into_given_axes() -> None:
    run = tm.simulate(t_end=100.0)
    fig, panels = plt.subplots(1, 3)
    assert run.plot(ax=panels) is fig
    assert len(panels[1].lines) >= 2
    one = plt.subplots()[1]
    assert run.plot(ax=one) is one.figure
    np.testing.assert_array_equal(one.lines[0].get_ydata(), run.gen_logit)
    with pytest.raises(ValueError, match="ax must be one axes, or three, got 2"):
        run.plot(ax=panels[:2])
    plt.close("all")
