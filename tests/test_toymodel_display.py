"""How objects show themselves, and how they are stored."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.figure
import numpy as np
import pytest
import xarray as xr

import toymodel as tm

ROOT = Path(__file__).parent.parent


def round_trip(ds: xr.Dataset, path: Path) -> xr.Dataset:
    ds.to_netcdf(path, engine="netcdf4")
    with xr.open_dataset(path, engine="netcdf4") as back:
        return back.load()


@pytest.mark.parametrize("thing", [tm.simulate(), tm.steady_state(), tm.TwoCircuitModel()], ids=type)
def test_objects_show_themselves_in_a_terminal_and_a_notebook(thing: Any) -> None:
    text, page = str(thing), thing._repr_html_()
    assert text.splitlines()[0] == type(thing).__name__
    assert page.startswith("<table>")
    assert page.endswith("</table>")
    for line in text.splitlines()[1:]:
        name, _, _value = line.strip().partition("  ")
        assert name in page


def test_a_trajectory_shows_behaviour_times_and_ends() -> None:
    text = repr(tm.simulate())
    for part in ("grokking", "t_fit", "1.79014", "t_gen", "103.136", "gen 7.83152", "mem 0.97894", "reached t_end"):
        assert part in text
    assert "never" in repr(tm.simulate(t_end=10.0))


def test_a_models_repr_makes_it_again() -> None:
    model = tm.TwoCircuitModel(kappa=1.5, law=tm.PowerLaw(500, 0.7))
    assert eval(repr(model), vars(tm).copy()) == model


@pytest.mark.parametrize("method", ["flow", "descent"])
def test_a_trajectory_survives_netcdf(method: str, tmp_path: Path) -> None:
    run = tm.simulate(t_end=200.0, method=method, kappa=1.3)
    ds = run.to_dataset()
    back = round_trip(ds, tmp_path / "run.nc")
    xr.testing.assert_identical(back, round_trip(back, tmp_path / "again.nc"))
    for name in ds.variables:
        assert np.array_equal(back[name].values, ds[name].values, equal_nan=ds[name].dtype.kind == "f"), name
        assert back[name].attrs == ds[name].attrs, name
    assert dict(back.attrs) == dict(ds.attrs)
    assert back.gen_logit.attrs["units"] == "nats"
    model = json.loads(back.attrs["model"])
    assert model["kappa"] == 1.3
    assert json.loads(back.attrs["criteria"])["performance"] == 0.9
    assert back.behaviour.item() == run.behaviour
    assert back.attrs["method"] == method
    for name in ("gen_logit", "mem_logit", "gen_norm", "mem_norm", "train_loss", "test_loss", "test_accuracy"):
        assert np.array_equal(back[name].values, getattr(run, name))


def test_a_sweep_survives_netcdf(tmp_path: Path) -> None:
    ds = tm.sweep(kappa=[1.2, 1.5], penalty=["half", "full"], times=[1.0, 10.0], progress=False)
    back = round_trip(ds, tmp_path / "sweep.nc")
    for name in ds.variables:
        assert np.array_equal(back[name].values, ds[name].values, equal_nan=ds[name].dtype.kind == "f"), name
        assert back[name].attrs == ds[name].attrs, name
    assert dict(back.attrs) == dict(ds.attrs)
    assert set(json.loads(back.behaviour.attrs["meanings"])) == set(tm.BEHAVIOURS)


def test_thresholds_of_a_sweep_in_run_length_survive_netcdf(tmp_path: Path) -> None:
    ds = tm.sweep(t_end=[10.0, 100.0], progress=False)
    assert round_trip(ds, tmp_path / "sweep.nc").t_end.values.tolist() == [10.0, 100.0]
    gap = tm.size_thresholds(times=[1000.0], sizes=np.geomspace(300, 3000, 50))
    assert round_trip(gap, tmp_path / "gap.nc").gap.attrs["units"] == "1"


@pytest.mark.parametrize("against", ["time", "step"])
def test_plot_returns_a_figure_of_three_panels(against: str) -> None:
    import matplotlib.pyplot as plt

    model = tm.TwoCircuitModel(gen=(tm.Circuit(0.8, 0.1), tm.Circuit(1.0, 0.01)))
    for run in (tm.simulate(t_end=50.0), tm.simulate(model, 50.0), tm.simulate(t_end=0.0)):
        figure = run.plot(against=against)
        assert isinstance(figure, matplotlib.figure.Figure)
        assert len(figure.axes) == 3
        assert all(axes.get_xlabel() for axes in figure.axes)
        figure.canvas.draw()
        plt.close(figure)


def test_a_model_shows_its_text_in_ipython() -> None:
    class Printer:
        shown = ""

        def text(self, text: str) -> None:
            self.shown += text

    printer, model = Printer(), tm.TwoCircuitModel()
    model._repr_pretty_(printer, False)
    assert printer.shown == str(model)


def shell(*arguments: str, encoding: str = "utf-8") -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding}
    return subprocess.run([sys.executable, *arguments], capture_output=True, env=environment, timeout=120)


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ascii"])
@pytest.mark.parametrize(
    "arguments", [("-m", "toymodel", "--help"), ("-c", "import toymodel as t; print(t.TwoCircuitModel())")]
)
def test_a_terminal_without_greek_letters_shows_what_it_can(encoding: str, arguments: tuple[str, ...]) -> None:
    done = shell(*arguments, encoding=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode(encoding)
    assert "usage" in text or "gen           ? = 1, s = 0.005" in text


def test_the_command_line_names_its_commands() -> None:
    assert shell("-m", "toymodel", "--version").stdout.decode().split() == ["toymodel", tm.__version__]
    done = shell("-m", "toymodel", "clasify")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"Did you mean 'classify'?" in done.stderr
    done = shell("-m", "toymodel", "classify", "nowhere.csv")
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
